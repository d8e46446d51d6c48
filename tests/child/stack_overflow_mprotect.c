/* SPDX-License-Identifier: MIT */
/*
 * stack_overflow_mprotect.c - a coroutine that runs over its stack dies in the guard by SIGSEGV,
 * after a report that names it, the place where it was spawned, the size, and the calls; guards are
 * made by mprotect.
 *
 * env: WEFT_GUARD=mprotect
 * expect-exit: SIGSEGV
 * expect-stderr: ^weft: fatal: stack overflow \(SIGSEGV at 0x[0-9a-f]+\) in coroutine [0-9]+
 * expect-stderr: in coroutine [0-9]+ "too deep", spawned at .*tests/child/stack_overflow_mprotect
 * expect-stderr: , stack of 64 KiB; give it a larger one
 * expect-stderr: ^    #[01] call_itself\+0x
 * expect-stderr: ^    \.\.\. [0-9]+ more frames$
 * expect-stderr: ^    #[0-9]+ begin_to_call_itself\+0x
 */
#include <weft.h>

__attribute__((noinline)) static int call_itself(int depth)
{
    volatile char frame[256];

    frame[0] = (char)depth;
    return depth < 0 ? 0 : call_itself(depth + 1) + frame[0];
}

__attribute__((noinline)) static int begin_to_call_itself(void *arg)
{
    (void)arg;
    return call_itself(0) + 1;
}

static int wait_beside(void *arg)
{
    return chan_recv(arg, NULL);
}

static int app(void *arg)
{
    (void)arg;
    /* Neighbours on both sides, whose stacks must not be what it runs into. */
    for (int i = 0; i < 8; i++)
        weft_detach(weft_go_with(wait_beside, NULL, .stack_bytes = 65536));
    if (weft_sleep(WEFT_MS) != 0)
        return 1;
    return weft_join(
        weft_go_with(begin_to_call_itself, NULL, .name = "too deep", .stack_bytes = 65536), NULL);
}

int main(void)
{
    return weft_run(app, NULL);
}
