/* SPDX-License-Identifier: MIT */
/*
 * yield_outside.c - a plain thread cannot yield.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine
 */
#include <weft.h>

int main(void)
{
    weft_yield();
    return 0;
}
