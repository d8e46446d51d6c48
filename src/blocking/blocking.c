/* SPDX-License-Identifier: MIT */
/* blocking.c - a call of the program that blocks, carried out by a thread of the pool. */
#include <weft/blocking.h>

#include "../park/job.h"

int weft_blocking(int (*fn)(void *), void *arg, int *result)
{
    int value = 0;
    int rc = weft__park_job(fn, arg, &value, WAIT_BLOCKING, (const void *)(uintptr_t)fn,
                            __builtin_return_address(0));
    if (rc == 0 && result != NULL) {
        *result = value;
    }
    return rc;
}
