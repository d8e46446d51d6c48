/* SPDX-License-Identifier: MIT */
/*
 * stack_overflow_big.c - who runs over a stack that it was called on dies in its guard, and the
 * report names the coroutine, the size of that stack, and the calls on both.
 *
 * env: WEFT_GUARD=mprotect
 * expect-exit: SIGSEGV
 * expect-stderr: ^weft: fatal: stack overflow \(SIGSEGV at 0x[0-9a-f]+\) in coroutine [0-9]+
 * expect-stderr: in coroutine [0-9]+ "too deep", spawned at .*tests/child/stack_overflow_big
 * expect-stderr: , stack of 1 MiB; call it on a larger one
 * expect-stderr: ^    #[01] call_itself\+0x
 * expect-stderr: ^    called on another stack by$
 * expect-stderr: ^    #[0-9]+ call_on_a_small_one\+0x
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

__attribute__((noinline)) static int call_on_a_small_one(void *arg)
{
    return weft_call_on_big_stack(begin_to_call_itself, arg, 1 << 20) + 1;
}

static int app(void *arg)
{
    (void)arg;
    return weft_join(
        weft_go_with(call_on_a_small_one, NULL, .name = "too deep", .stack_bytes = 65536), NULL);
}

int main(void)
{
    return weft_run(app, NULL);
}
