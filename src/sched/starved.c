/* SPDX-License-Identifier: MIT */
/* starved.c - a stack has become free while a coroutine waits for one. */
#include "queue.h"

WEFT__COLD void weft__starved_pass_on(struct weft__p *p, struct weft__stack *stack)
{
    struct weft__g *starved = weft__starved_take(p);
    if (starved != NULL && starved->stack_shift == stack->shift) {
        starved->stack = stack;
        weft__g_bind_stack(p, starved);
        weft__queue_woken(starved, false);
        return;
    }
    weft__stack_put(&p->rt->stacks, &p->stack_cache, stack);
    if (starved == NULL) {
        return;
    }
    /* Let it find a place and try again. */
    if ((starved->flags & G_FLAG_PINNED) != 0) {
        weft__queue_bound(p, starved);
    } else {
        weft__inject_add(p->inject, starved);
    }
}
