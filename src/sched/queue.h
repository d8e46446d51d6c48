/* SPDX-License-Identifier: MIT */
/*
 * queue.h - where a runnable coroutine waits for its turn, and which one is next.
 *
 * "Finish what has begun": those that have run before (woken) go before those that have not
 * (unstarted).  Bounds keep it fair: run-next goes first at most WEFT__RUN_NEXT_MAX times in a row
 * while the woken queue has something; the global queue is looked at every WEFT__TURNS_GLOBAL
 * turns; at such a look the oldest unstarted one runs if none of them did for WEFT__OLDEST_NS
 * (find.c); and a yield goes behind at least one unstarted coroutine.
 *
 * What the owner of a P does at each turn is here, to be inlined; the rest is in queue.c.
 */
#ifndef WEFT_SCHED_QUEUE_H
#define WEFT_SCHED_QUEUE_H

#include "../base/fence.h"
#include "sched.h"

/* By any thread: to a P of its runtime if this is one (to the front if run_next), else to the
 * global queue; pinned and placed ones to their own P. */
void weft__queue_woken(struct weft__g *g, bool run_next);
void weft__queue_unstarted(struct weft__p *p, struct weft__g *g);
void weft__queue_bound(struct weft__p *p, struct weft__g *g);

/* One that waits for a stack, for this P to try. */
struct weft__g *weft__starved_take(struct weft__p *p);

/* For the inlined part. */
void weft__queue_spill_woken(struct weft__p *p, struct weft__g *g);
struct weft__g *weft__queue_take_bound(struct weft__p *p);

/* Work was made visible: wake a P for it, if one sleeps and none is looking around already. */
static inline void weft__queue_tell(struct weft__p *p)
{
    if (p->is_alone) {
        return;
    }
    const struct weft_runtime *rt = p->rt;
    weft__fence_light(); /* [IDLE-DEKKER] */
    if (WEFT__UNLIKELY(atomic_load_explicit(&rt->n_idle, memory_order_relaxed) != 0) &&
        atomic_load_explicit(&rt->n_spinning, memory_order_relaxed) == 0) {
        weft__idle_wake_one(p->rt);
    }
}

/*
 * The only thing that waits on this P was made visible: a coroutine in run-next, or one that has
 * not started.  Mostly the one that runs is about to wait for just that, and a P that is woken for
 * it finds nothing: so it is told of at most once in WEFT__HINT_NS, and again if in this same turn
 * there was one before, which somebody has taken.  Should the one that runs compute instead, an
 * idle P finds out by itself: while others are busy it looks around every WEFT__LOOK_NS (find.c).
 */
static inline void weft__queue_tell_of_one(struct weft__p *p)
{
    if (p->may_hint || p->hint_tick == p->tick || WEFT__TELL_ALWAYS) {
        p->may_hint = false;
        weft__queue_tell(p);
    }
    p->hint_tick = p->tick;
}

/* Put g into run-next; what was there comes back. */
static inline struct weft__g *weft__run_next_put(struct weft__p *p, struct weft__g *g)
{
    struct weft__g *old = atomic_load_explicit(&p->run_next, memory_order_relaxed);
    if (p->is_alone || old == NULL) {
        /* release [RUN-NEXT]: publishes g to a thief.  Only we put something where NULL is. */
        atomic_store_explicit(&p->run_next, g, memory_order_release);
        return old;
    }
    /* acq_rel [RUN-NEXT]: likewise; against a thief that takes what was there. */
    return atomic_exchange_explicit(&p->run_next, g, memory_order_acq_rel);
}

/* Take out `old`, which was seen there; NULL if a thief was faster. */
static inline struct weft__g *weft__run_next_take(struct weft__p *p, struct weft__g *old)
{
    if (p->is_alone) {
        atomic_store_explicit(&p->run_next, NULL, memory_order_relaxed);
        return old;
    }
    /* acq_rel [RUN-NEXT]: against a thief. */
    return atomic_exchange_explicit(&p->run_next, NULL, memory_order_acq_rel);
}

static inline void weft__queue_push_woken(struct weft__p *p, struct weft__g *g)
{
    if (WEFT__UNLIKELY(!weft__runq_push(&p->woken, g))) {
        weft__queue_spill_woken(p, g);
    }
}

/* By the owner of p, which is a P of g's runtime: weft__queue_woken(). */
static inline void weft__queue_woken_here(struct weft__p *p, struct weft__g *g, bool run_next)
{
    if (WEFT__UNLIKELY((g->flags & G_FLAG_PINNED) != 0) ||
        (p->rt->may_steal && weft__perturb_migrates())) {
        weft__queue_woken(g, run_next);
        return;
    }
    if (run_next) {
        g = weft__run_next_put(p, g);
    }
    if (g == NULL) {
        weft__queue_tell_of_one(p);
        return;
    }
    weft__queue_push_woken(p, g);
    weft__queue_tell(p);
}

/* The next coroutine among those that this P has; NULL if it has none. */
static inline struct weft__g *weft__queue_pick(struct weft__p *p)
{
    struct weft__g *g;
    p->tick++;
    if (WEFT__UNLIKELY(atomic_load_explicit(&p->bound_count, memory_order_relaxed) != 0) &&
        (p->tick & 1) != 0 && (g = weft__queue_take_bound(p)) != NULL) {
        return g;
    }
    struct weft__g *next = atomic_load_explicit(&p->run_next, memory_order_relaxed);
    if (next != NULL && p->run_next_streak < WEFT__RUN_NEXT_MAX &&
        (g = weft__run_next_take(p, next)) != NULL) {
        p->run_next_streak++;
        return g;
    }
    p->run_next_streak = 0;
    if ((g = weft__runq_pop(&p->woken, p->is_alone)) != NULL) {
        /* Whoever still is in run-next has used up its turns at the front: it goes behind all. */
        if (WEFT__UNLIKELY(next != NULL) && (next = weft__run_next_take(p, next)) != NULL) {
            weft__queue_push_woken(p, next);
        }
        return g;
    }
    if (next != NULL && (g = weft__run_next_take(p, next)) != NULL) {
        return g;
    }
    if (!weft__deque_is_empty(&p->unstarted)) {
        g = p->is_alone ? weft__deque_pop_alone(&p->unstarted) : weft__deque_pop(&p->unstarted);
        if (g != NULL) {
            return g;
        }
    }
    if (WEFT__UNLIKELY(atomic_load_explicit(&p->bound_count, memory_order_relaxed) != 0)) {
        return weft__queue_take_bound(p);
    }
    return NULL;
}

#endif
