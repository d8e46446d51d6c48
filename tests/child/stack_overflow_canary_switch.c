/* SPDX-License-Identifier: MIT */
/*
 * stack_overflow_canary_switch.c - a switch that leads straight to the next coroutine looks at the
 * canary as well: the one that overflowed names itself before it is left for the first time.
 *
 * env: WEFT_GUARD=canary WEFT_PROCS=1
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*stack overflow: the canary
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "a little too deep"
 */
#include <base/self.h>
#include <sched/sched.h>
#include <string.h>
#include <unistd.h>
#include <weft.h>

static void yield_for_ever(void *unused)
{
    (void)unused;
    for (;;)
        weft_yield();
}

static int write_too_deep(void *unused)
{
    (void)unused;
    weft_yield(); /* from now on both have begun */
    memset(weft__m_self()->cur->stack->low, 0, 16);
    weft_yield();
    _exit(3); /* back from the other, and nobody has looked */
}

static int app(void *unused)
{
    struct weft_co *co = weft_go_with(write_too_deep, NULL, .name = "a little too deep");

    (void)unused;
    if (weft_go(yield_for_ever, NULL) != 0)
        return 4;
    return weft_join(co, NULL);
}

int main(void)
{
    return weft_run(app, NULL);
}
