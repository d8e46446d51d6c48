/* SPDX-License-Identifier: MIT */
/*
 * stack_overflow_canary.c - where only a canary guards the stacks, an overflow is found at the next
 * switch: one fatal line that names the coroutine.
 *
 * The coroutine writes where a frame would that is a little too deep; a deeper one would destroy
 * its neighbour's stack, which is what the canary is there to tell.
 *
 * env: WEFT_GUARD=canary
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*stack overflow: the canary
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "a little too deep"
 */
#include <base/self.h>
#include <sched/sched.h>
#include <string.h>
#include <weft.h>

static int write_too_deep(void *arg)
{
    (void)arg;
    memset(weft__m_self()->cur->stack->low, 0, 16);
    weft_yield();
    return 0;
}

static int app(void *arg)
{
    (void)arg;
    return weft_join(weft_go_with(write_too_deep, NULL, .name = "a little too deep"), NULL);
}

int main(void)
{
    return weft_run(app, NULL);
}
