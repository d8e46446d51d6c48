/* SPDX-License-Identifier: MIT */
/* queue.c - see queue.h. */
#include "queue.h"

#include "../base/self.h"

/* The woken queue is full: half of it and g go to the global queue. */
WEFT__COLD void weft__queue_spill_woken(struct weft__p *p, struct weft__g *g)
{
    struct weft__g *out[WEFT__RUNQ_CAP / 2 + 1];
    uint32_t n = weft__runq_grab(&p->woken, out, WEFT__RUNQ_CAP / 2);
    out[n++] = g;
    weft__inject_spill(&p->rt->inject, out, n);
}

static WEFT__COLD void spill_unstarted(struct weft__p *p, struct weft__g *g)
{
    struct weft__g *out[WEFT__DEQUE_CAP / 2 + 1];
    uint32_t n = weft__deque_spill(&p->unstarted, out, WEFT__DEQUE_CAP / 2);
    if (!weft__deque_push(&p->unstarted, g)) {
        out[n++] = g;
    }
    weft__inject_spill(&p->rt->inject, out, n);
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

static struct weft__g *pick_woken(struct weft__p *p)
{
    struct weft__g *g = weft__queue_pick_short(p);
    if (g != NULL) {
        return g;
    }
    struct weft__g *next = atomic_load_explicit(&p->run_next, memory_order_relaxed);
    if (next == NULL) {
        return NULL;
    }
    /* It has used up its turns at the front, and goes behind all others. */
    p->run_next_streak = 0;
    g = weft__runq_pop(&p->woken, p->is_alone);
    next = weft__run_next_take(p, next);
    if (g == NULL) {
        return next;
    }
    if (next != NULL) {
        weft__queue_push_woken(p, next);
    }
    return g;
}

struct weft__g *weft__queue_pick(struct weft__p *p)
{
    struct weft__g *g;
    p->tick++;
    if (weft__queue_has_bound(p) && (p->tick & 1) != 0 && (g = take_bound(p)) != NULL) {
        return g;
    }
    if ((g = pick_woken(p)) != NULL) {
        return g;
    }
    if (!weft__deque_is_empty(&p->unstarted)) {
        g = p->is_alone ? weft__deque_pop_alone(&p->unstarted) : weft__deque_pop(&p->unstarted);
        if (g != NULL) {
            return g;
        }
    }
    return weft__queue_has_bound(p) ? take_bound(p) : NULL;
}

/* Pinned ones go back to where they belong. */
struct weft__g *weft__starved_take(struct weft__p *p)
{
    struct weft__g *g;
    while ((g = weft__inject_take_starved(&p->rt->inject)) != NULL &&
           (g->flags & G_FLAG_PINNED) != 0 && g->p_home != p->index) {
        weft__queue_bound(&p->rt->p[g->p_home], g);
    }
    return g;
}

WEFT__COLD void weft__queue_hint(struct weft__p *p)
{
    p->may_hint = false;
    weft__queue_tell(p);
}

static void tell_of_one(struct weft__p *p)
{
    if (weft__queue_may_hint(p)) {
        weft__queue_hint(p);
    }
    p->hint_tick = p->tick;
}

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
        g = weft__run_next_put(p, g);
    }
    if (g == NULL) {
        tell_of_one(p);
        return;
    }
    weft__queue_push_woken(p, g);
    weft__queue_tell(p);
}

void weft__queue_unstarted(struct weft__p *p, struct weft__g *g)
{
    bool is_one = weft__deque_is_empty(&p->unstarted);
    if (WEFT__UNLIKELY(!weft__deque_push(&p->unstarted, g))) {
        spill_unstarted(p, g);
    }
    if (is_one) {
        tell_of_one(p);
    } else {
        weft__queue_tell(p);
    }
}
