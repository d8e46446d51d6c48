/* SPDX-License-Identifier: MIT */
/*
 * buffer_pool_of_too_many.c - a pool has as many buffers as io_uring has numbers for.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*weft_buffer_pool_make.*1 to 32768
 */
#include <weft.h>

int main(void)
{
    weft_buffer_pool_free(weft_buffer_pool_make(1, WEFT_BUFFERS_MAX + 1));
    return 0;
}
