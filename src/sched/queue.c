/* SPDX-License-Identifier: MIT */
/*
 * queue.c - where a runnable coroutine waits for its turn, and which one is next.
 *
 * "Finish what has begun": those that have run before (woken) go before those that have not
 * (unstarted).  Bounds keep it fair: run-next goes first at most WEFT__RUN_NEXT_MAX times in a row
 * while the woken queue has something; the global queue is looked at every WEFT__TURNS_GLOBAL
 * turns; at such a look the oldest unstarted one runs if none of them did for WEFT__OLDEST_NS
 * (find.c); and a yield goes behind at least one unstarted coroutine.
 */
#include "../base/self.h"
#include "sched.h"

/* Holding the only P is the lock: nobody else looks into its queues. */
static inline bool is_alone(const struct weft__p *p)
{
    return p->rt->procs == 1;
}

/* The woken queue is full: half of it and g go to the global queue. */
static WEFT__COLD void spill_woken(struct weft__p *p, struct weft__g *g)
{
    struct weft__g *out[WEFT__RUNQ_CAP / 2 + 1];
    uint32_t n = weft__runq_grab(&p->woken, out, WEFT__RUNQ_CAP / 2);
    out[n++] = g;
    weft__inject_spill(&p->rt->inject, out, n);
}

static WEFT__COLD void spill_unstarted(struct weft__p *p, struct weft__g *g)
{
    struct weft__g *out[WEFT__DEQUE_CAP / 2 + 1];
    uint32_t n = 0;
    while (n < WEFT__DEQUE_CAP / 2 && (out[n] = weft__deque_steal(&p->unstarted)) != NULL) {
        n++;
    }
    if (!weft__deque_push(&p->unstarted, g)) {
        out[n++] = g;
    }
    weft__inject_spill(&p->rt->inject, out, n);
}

static inline void push_woken(struct weft__p *p, struct weft__g *g)
{
    if (WEFT__UNLIKELY(!weft__runq_push(&p->woken, g))) {
        spill_woken(p, g);
    }
}

void weft__queue_bound(struct weft__p *p, struct weft__g *g)
{
    weft__lock(&p->bound_lock);
    weft__glist_add(&p->bound, g);
    atomic_store_explicit(&p->bound_count, p->bound.count, memory_order_relaxed);
    weft__unlock(&p->bound_lock);
    (void)weft__idle_wake_p(p);
}

static WEFT__COLD struct weft__g *take_bound(struct weft__p *p)
{
    weft__lock(&p->bound_lock);
    struct weft__g *g = weft__glist_take(&p->bound);
    atomic_store_explicit(&p->bound_count, p->bound.count, memory_order_relaxed);
    weft__unlock(&p->bound_lock);
    return g;
}

/* One that waits for a stack, for this P to try; pinned ones go back to where they belong. */
struct weft__g *weft__starved_take(struct weft__p *p)
{
    struct weft__g *g;
    while ((g = weft__inject_take_starved(&p->rt->inject)) != NULL &&
           (g->flags & G_FLAG_PINNED) != 0 && g->p_home != p->index) {
        weft__queue_bound(&p->rt->p[g->p_home], g);
    }
    return g;
}

/* Put g (or nothing) into run-next and take out what was there. */
static inline struct weft__g *swap_run_next(struct weft__p *p, struct weft__g *g)
{
    struct weft__g *old = atomic_load_explicit(&p->run_next, memory_order_relaxed);
    if (is_alone(p)) {
        atomic_store_explicit(&p->run_next, g, memory_order_relaxed);
        return old;
    }
    if (old == NULL && g == NULL) {
        return NULL;
    }
    /* acq_rel [RUN-NEXT]: publishes g to a thief; against a thief that takes what was there. */
    return atomic_exchange_explicit(&p->run_next, g, memory_order_acq_rel);
}

/*
 * Queue a coroutine that has become runnable.  On a P of its runtime it goes there, to the front if
 * run_next; from any other thread into the global queue.
 */
void weft__queue_woken(struct weft__g *g, bool run_next)
{
    struct weft_runtime *rt = g->rt;
    struct weft__m *m = weft__m_self();
    if (WEFT__UNLIKELY((g->flags & G_FLAG_PINNED) != 0)) {
        weft__queue_bound(&rt->p[g->p_home], g);
        return;
    }
    if (WEFT__UNLIKELY(m == NULL || m->p == NULL || m->rt != rt) ||
        (rt->may_steal && weft__perturb_migrates())) {
        weft__inject_add(&rt->inject, g);
        weft__idle_wake_one(rt);
        return;
    }
    struct weft__p *p = m->p;
    if (run_next) {
        g = swap_run_next(p, g);
    }
    if (g != NULL) {
        push_woken(p, g);
    }
    if (!is_alone(p)) {
        if (g != NULL) {
            weft__idle_wake_one(rt);
        } else {
            weft__idle_hint(rt);
        }
    }
}

void weft__queue_unstarted(struct weft__p *p, struct weft__g *g)
{
    if (WEFT__UNLIKELY(!weft__deque_push(&p->unstarted, g))) {
        spill_unstarted(p, g);
    }
    if (p->rt->procs > 1) {
        weft__idle_wake_one(p->rt);
    }
}

/* The next coroutine among those that this P has; NULL if it has none. */
struct weft__g *weft__queue_pick(struct weft__p *p)
{
    struct weft__g *g;
    p->tick++;
    if (WEFT__UNLIKELY(atomic_load_explicit(&p->bound_count, memory_order_relaxed) != 0) &&
        (p->tick & 1) != 0 && (g = take_bound(p)) != NULL) {
        return g;
    }
    if (p->run_next_streak < WEFT__RUN_NEXT_MAX && (g = swap_run_next(p, NULL)) != NULL) {
        p->run_next_streak++;
        return g;
    }
    p->run_next_streak = 0;
    if ((g = weft__runq_pop(&p->woken, is_alone(p))) != NULL) {
        /* Whoever still is in run-next has used up its turns at the front: it goes behind all. */
        struct weft__g *last = swap_run_next(p, NULL);
        if (last != NULL) {
            push_woken(p, last);
        }
        return g;
    }
    if ((g = swap_run_next(p, NULL)) != NULL) {
        return g;
    }
    g = is_alone(p) ? weft__deque_pop_alone(&p->unstarted) : weft__deque_pop(&p->unstarted);
    if (g != NULL) {
        return g;
    }
    if (atomic_load_explicit(&p->bound_count, memory_order_relaxed) != 0) {
        return take_bound(p);
    }
    return NULL;
}
