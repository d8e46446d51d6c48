/* SPDX-License-Identifier: MIT */
/*
 * blocking_overflow.c - outside, an overflow of the coroutine's stack is reported as inside.
 *
 * expect-exit: SIGSEGV
 * expect-stderr: ^weft: fatal: stack overflow \(SIGSEGV at 0x[0-9a-f]+\) in coroutine [0-9]+ "deep"
 * env: WEFT_GUARD=mprotect
 */
#include <weft.h>

__attribute__((noinline)) static int call_itself(int depth)
{
    volatile char frame[512];

    frame[0] = (char)depth;
    return depth < 0 ? 0 : call_itself(depth + 1) + frame[0];
}

static int deep(void *arg)
{
    int n = 0;

    (void)arg;
    WEFT_BLOCKING
    n = call_itself(0);
    return n;
}

static int app(void *arg)
{
    (void)arg;
    return weft_join(weft_go_with(deep, NULL, .name = "deep"), NULL);
}

int main(void)
{
    return weft_run(app, NULL);
}
