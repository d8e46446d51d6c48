/* SPDX-License-Identifier: MIT */
/*
 * stack_overflow_big_canary.c - where only a canary guards the stacks, one that a coroutine was
 * called on is looked at when the call is over, though there was no switch.
 *
 * env: WEFT_GUARD=canary
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: stack overflow: the canary .*coroutine [0-9]+ "a little too deep"
 */
#include <base/self.h>
#include <sched/sched.h>
#include <string.h>
#include <weft.h>

static int write_too_deep(void *arg)
{
    (void)arg;
    memset(weft__m_self()->cur->stack->low, 0, 16);
    return 0;
}

static int app(void *arg)
{
    (void)weft_set_name("a little too deep");
    return weft_call_on_big_stack(write_too_deep, arg, 1 << 20);
}

int main(void)
{
    return weft_run(app, NULL);
}
