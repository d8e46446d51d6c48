/* SPDX-License-Identifier: MIT */
/*
 * fault_in_a_coroutine.c - a bad pointer is no stack overflow: the report says so, names the
 * coroutine, and the process dies by the signal as it would without Weft.
 *
 * expect-exit: SIGSEGV
 * expect-stderr: ^weft: fatal: fault \(SIGSEGV at 0x10\) in coroutine [0-9]+ "careless", spawned at
 * expect-stderr: ^    #0 write_to_nowhere\+0x
 */
#include <weft.h>

static volatile int *volatile nowhere = (volatile int *)16;

__attribute__((noinline)) static int write_to_nowhere(void *arg)
{
    (void)arg;
    *nowhere = 1;
    return 0;
}

static int app(void *arg)
{
    (void)arg;
    return weft_join(weft_go_with(write_to_nowhere, NULL, .name = "careless"), NULL);
}

int main(void)
{
    return weft_run(app, NULL);
}
