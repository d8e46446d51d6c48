/* SPDX-License-Identifier: MIT */
/*
 * exit_outside.c - a plain thread cannot end as a coroutine.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: weft_exit\(\) was called outside a coroutine
 */
#include <weft.h>

int main(void)
{
    weft_exit(0);
}
