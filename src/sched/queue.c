/* SPDX-License-Identifier: MIT */
/* queue.c - see queue.h. */
#include "queue.h"

#include "../base/self.h"

/* Half of a queue that is full, and g, go to the global queue.  In the gate. */
static WEFT__COLD void spill_woken(struct weft__p *p, struct weft__g *g)
{
    struct weft__g *out[WEFT__RUNQ_CAP / 2 + 1];
    uint32_t n = weft__runq_grab(&p->woken, out, WEFT__RUNQ_CAP / 2);
    out[n++] = g;
    weft__inject_spill_woken(p->inject, out, n);
}

static WEFT__COLD void spill_unstarted(struct weft__p *p, struct weft__g *g)
{
    struct weft__g *out[WEFT__BATCH_MAX];
    uint32_t n = weft__deque_grab(&p->unstarted, out, WEFT__BATCH_MAX);
    if (n != 0) { /* else thieves have made room meanwhile */
        weft__inject_spill_unstarted(p->inject, out, n);
    }
    (void)weft__deque_push(&p->unstarted, g);
}

static void push_woken(struct weft__p *p, struct weft__g *g)
{
    if (WEFT__UNLIKELY(!weft__runq_push(&p->woken, g))) {
        bool must_leave = weft__gate_enter_once(p->gate);
        spill_woken(p, g);
        if (must_leave) {
            weft__gate_leave(p->gate);
        }
    }
}

/* Put g into run-next; what was there comes back. */
static struct weft__g *put_next(struct weft__p *p, struct weft__g *g)
{
    bool must_leave = weft__gate_enter_once(p->gate);
    struct weft__g *old = atomic_load_explicit(&p->run_next, memory_order_relaxed);
    /* release [RUN-NEXT]: publishes g to a thief. */
    atomic_store_explicit(&p->run_next, g, memory_order_release);
    if (must_leave) {
        weft__gate_leave(p->gate);
    }
    return old;
}

void weft__queue_bound(struct weft__p *p, struct weft__g *g)
{
    weft__lock(&p->bound_lock);
    weft__glist_add(&p->bound, g);
    atomic_store_explicit(&p->has_bound, true, memory_order_relaxed);
    weft__unlock(&p->bound_lock);
    (void)weft__idle_wake_p(p);
}

WEFT__COLD struct weft__g *weft__queue_take_bound(struct weft__p *p)
{
    weft__lock(&p->bound_lock);
    struct weft__g *g = weft__glist_take(&p->bound);
    atomic_store_explicit(&p->has_bound, p->bound.count != 0, memory_order_relaxed);
    weft__unlock(&p->bound_lock);
    return g;
}

/* In the gate. */
static struct weft__g *pick(struct weft__p *p)
{
    struct weft__g *g = weft__queue_pick_inside(p);
    struct weft__g *next = atomic_load_explicit(&p->run_next, memory_order_relaxed);
    if (g != NULL || next == NULL) {
        return g;
    }
    /* It has used up its turns at the front: it goes behind all others. */
    g = weft__runq_pop(&p->woken);
    p->run_next_streak = 0;
    atomic_store_explicit(&p->run_next, NULL, memory_order_relaxed);
    (void)weft__runq_push(&p->woken, next); /* there is room: one was taken out */
    return g;
}

struct weft__g *weft__queue_pick(struct weft__p *p)
{
    struct weft__g *g;
    p->tick++;
    if (weft__queue_has_bound(p) && (p->tick & 1) != 0 && (g = weft__queue_take_bound(p)) != NULL) {
        return g;
    }
    weft__gate_enter(p->gate);
    g = pick(p);
    weft__gate_leave(p->gate);
    return g == NULL && weft__queue_has_bound(p) ? weft__queue_take_bound(p) : g;
}

struct weft__g *weft__queue_take_oldest(struct weft__p *p)
{
    struct weft__g *g = NULL;
    weft__gate_enter(p->gate);
    (void)weft__deque_grab(&p->unstarted, &g, 1);
    weft__gate_leave(p->gate);
    return g;
}

/* In the gate, which the owner need not enter to put something where NULL is. */
static struct weft__g *take_next(struct weft__p *p)
{
    /* acquire [RUN-NEXT] */
    struct weft__g *g = atomic_load_explicit(&p->run_next, memory_order_acquire);
    weft__perturb();
    if (g != NULL) {
        atomic_store_explicit(&p->run_next, NULL, memory_order_relaxed);
    }
    return g;
}

uint32_t weft__queue_steal(struct weft__p *p, struct weft__g **out, bool with_next,
                           bool *were_woken)
{
    weft__gate_seize(p->gate);
    uint32_t n = weft__runq_grab(&p->woken, out, WEFT__STEAL_MAX);
    *were_woken = n != 0;
    if (n == 0) {
        n = weft__deque_grab(&p->unstarted, out, WEFT__STEAL_MAX);
    }
    if (n == 0 && with_next && (out[0] = take_next(p)) != NULL) {
        n = 1;
    }
    weft__gate_release(p->gate);
    return n;
}

/* In the gate.  One by one: with its stack each keeps its rank, woken or unstarted, and the others
 * get their share of them at once, which is not so of the overflow. */
static uint32_t empty(struct weft__p *p)
{
    struct weft__g *out[WEFT__STEAL_MAX];
    uint32_t sum = 0;
    uint32_t n;
    do {
        n = weft__runq_grab(&p->woken, out, WEFT__STEAL_MAX);
        if (n == 0) {
            n = weft__deque_grab(&p->unstarted, out, WEFT__STEAL_MAX);
        }
        if (n == 0 && (out[0] = take_next(p)) != NULL) {
            n = 1;
        }
        for (uint32_t i = 0; i < n; i++) {
            weft__inject_add(&p->rt->inject, out[i]);
        }
        sum += n;
    } while (n != 0);
    return sum;
}

uint32_t weft__queue_give_away(struct weft__p *p)
{
    weft__gate_enter(p->gate);
    uint32_t n = empty(p);
    weft__gate_leave(p->gate);
    return n;
}

uint32_t weft__queue_take_away(struct weft__p *p)
{
    weft__gate_seize(p->gate);
    uint32_t n = empty(p);
    weft__gate_release(p->gate);
    return n;
}

/* Those that may run nowhere else go back to where they belong. */
struct weft__g *weft__starved_take(struct weft__p *p)
{
    struct weft__g *g;
    while ((g = weft__inject_take_starved(&p->rt->inject)) != NULL &&
           (g->flags & (G_FLAG_PINNED | G_FLAG_STAYS)) != 0 && g->p_home != p->index) {
        weft__queue_bound(weft__p_at(p->rt, g->p_home), g);
    }
    return g;
}

WEFT__COLD void weft__queue_hint(struct weft__p *p)
{
    p->hint_tick = p->tick;
    weft__queue_tell(p);
}

static void tell_of_one(struct weft__p *p)
{
    if (weft__queue_may_hint(p)) {
        weft__queue_hint(p);
    }
    p->hint_tick = p->tick;
}

void weft__queue_at_home(struct weft__g *g)
{
    struct weft__p *home = &g->rt->p[g->p_home];
    weft__inject_add(home->inject, g); /* g may run and end at once */
    (void)weft__idle_wake_p(home);
}

void weft__queue_woken(struct weft__g *g, bool run_next)
{
    struct weft_runtime *rt = g->rt;
    struct weft__m *m = weft__m_self();
    if (WEFT__UNLIKELY((g->flags & G_FLAG_PINNED) != 0)) {
        weft__queue_bound(weft__p_at(rt, g->p_home), g);
        return;
    }
    if ((g->flags & G_FLAG_STAYS) != 0 &&
        (m == NULL || m->p == NULL || m->p != &rt->p[g->p_home])) {
        weft__queue_at_home(g);
        return;
    }
    if (WEFT__UNLIKELY(m == NULL || m->p == NULL || m->rt != rt) ||
        (rt->may_steal && rt->procs > 1 && weft__perturb_migrates())) {
        weft__inject_add(&rt->inject, g);
        weft__idle_wake_one(rt);
        return;
    }
    struct weft__p *p = m->p;
    if (run_next) {
        g = put_next(p, g);
    }
    if (g == NULL) {
        tell_of_one(p);
        return;
    }
    push_woken(p, g);
    if (!p->tells_later) {
        weft__queue_tell(p);
    }
}

void weft__queue_tell_of_woken(struct weft__p *p)
{
    if (weft__runq_count(&p->woken) > 1) {
        weft__queue_tell(p);
    } else {
        tell_of_one(p);
    }
}

static inline void push_unstarted(struct weft__p *p, struct weft__g *g)
{
    if (WEFT__UNLIKELY(!weft__deque_push(&p->unstarted, g))) {
        weft__gate_enter(p->gate);
        spill_unstarted(p, g);
        weft__gate_leave(p->gate);
    }
}

void weft__queue_unstarted_all(struct weft__p *p, struct weft__g **all, uint32_t n)
{
    if (n > 1 && weft__deque_push_all(&p->unstarted, all + 1, n - 1)) {
        n = 1;
    }
    while (n > 1) {
        push_unstarted(p, all[--n]); /* the last one that is pushed runs first */
    }
    if (n == 1) {
        weft__queue_unstarted(p, all[0]);
    }
}

void weft__queue_unstarted(struct weft__p *p, struct weft__g *g)
{
    bool is_one = weft__deque_is_empty(&p->unstarted);
    push_unstarted(p, g);
    if (is_one) {
        tell_of_one(p);
    } else {
        weft__queue_tell(p);
    }
}
