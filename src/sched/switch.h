/* SPDX-License-Identifier: MIT */
/* switch.h - what switch.c and entry.c share: who runs next on this P, and how a turn begins. */
#ifndef WEFT_SCHED_SWITCH_H
#define WEFT_SCHED_SWITCH_H

#include "fault.h"
#include "glance.h"
#include "own.h"
#include "queue.h"

/* entry.c: the first frame of every coroutine; and what is left of one that has ended, first thing
 * after its last switch, in the context that was switched to. */
void *weft__g_main(void *g);
void weft__bury_dead(void);

/* switch.c: leave `from` for good or not, for `to` or the M's own context. */
void weft__switch_leave(struct weft__m *m, struct weft__g *from, struct weft__g *to, bool is_dying);

/* Flags of one that cannot be left, or gone to, by a change of stacks alone. */
#define G_FLAGS_APART (G_FLAGS_OWN | G_FLAG_CANARY | G_FLAG_EXCEPTIONS)

/* By the coroutine itself, while a report can still name it. */
static inline void weft__switch_check(const struct weft__g *g)
{
    if (WEFT__UNLIKELY((g->flags & G_FLAG_CANARY) != 0)) {
        weft__g_check_canary(g);
    }
}

/* First thing after a switch, in the context `self` that was switched to. */
static inline void weft__arrive(struct weft__ctx *self)
{
#ifdef WEFT__KEEPS_BOOKS
    weft__san_enter(self);
    weft__bury_dead();
#else
    (void)self;
#endif
}

/* g, which has not run, begins on the stack that it was given: it has nothing saved. */
static inline void weft__begin_on_stack(struct weft__m *m, struct weft__g *g)
{
    atomic_store_explicit(&g->state, G_RUNNING, memory_order_relaxed);
    m->cur = g;
}

/* From here on g, which was at sp, runs: nobody else may switch to it [G-SAVED]. */
static inline void *weft__begin_run_at(struct weft__m *m, struct weft__g *g, void *sp)
{
    atomic_store_explicit(&g->ctx.sp, NULL, memory_order_relaxed);
    atomic_store_explicit(&g->state, G_RUNNING, memory_order_relaxed);
    m->cur = g;
    return sp;
}

/* The same of one that was seen to be saved, or laid out here.  Returns where it was. */
static inline void *weft__begin_run(struct weft__m *m, struct weft__g *g)
{
    return weft__begin_run_at(m, g, atomic_load_explicit(&g->ctx.sp, memory_order_relaxed));
}

/* Give a coroutine that has not started its stack and first frame. */
static inline void weft__lay_out_on(struct weft__g *g, struct weft__stack *stack)
{
    weft__g_stand_on(g, stack);
    stack->fiber = weft__san_fiber_renew(stack->fiber);
    weft__san_stack(&g->ctx, stack->low, (size_t)(stack->top - stack->low), stack->fiber);
    atomic_store_explicit(&g->ctx.sp, weft__ctx_make(stack->top, weft__g_main, g, weft__bury_dead),
                          memory_order_relaxed);
}

static inline struct weft__g *weft__put_off(struct weft__p *p, struct weft__g *g)
{
    p->pending = g;
    return NULL;
}

/* g has no saved stack pointer.  One that has not begun needs a stack, and only one that lies ready
 * is taken here: getting one otherwise needs system calls and more room than a coroutine should
 * spend of its first page.  NULL: none does; or g has not quite left another M, and is waited for
 * on our M's context. */
static inline struct weft__stack *weft__take_stack(struct weft__p *p, const struct weft__g *g)
{
    if (g->stack != NULL || g->stack_shift != p->birth_shift) {
        return NULL;
    }
    return weft__stack_get_hot(&p->stack_cache);
}

static inline bool weft__can_begin(struct weft__p *p, struct weft__g *g)
{
    struct weft__stack *stack = weft__take_stack(p, g);
    if (stack == NULL) {
        return false;
    }
    weft__lay_out_on(g, stack);
    return true;
}

/* May g be switched to at once? */
static inline bool weft__can_run(struct weft__p *p, struct weft__g *g)
{
    /* acquire [G-SAVED] */
    return WEFT__LIKELY(atomic_load_explicit(&g->ctx.sp, memory_order_acquire) != NULL) ||
           weft__can_begin(p, g);
}

/* The successor of a coroutine that leaves: one of this P's own, or NULL for the M's context. */
static inline struct weft__g *weft__successor(struct weft__p *p)
{
    if (weft__p_is_due(p)) {
        return NULL; /* time for the reactor, the timers and the global queue */
    }
    struct weft__g *g = weft__queue_pick(p);
    if (g == NULL || WEFT__LIKELY(weft__can_run(p, g))) {
        return g;
    }
    return weft__put_off(p, g);
}

#endif
