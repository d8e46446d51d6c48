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
 * What is taken out of a P's queues is taken inside its gate (base/gate.h): plain stores for the
 * owner, who is there at each turn, and a thief seizes it.  What is put in is published by a store
 * with release.
 *
 * What the owner does at each turn is here, to be inlined; the rest is in queue.c.
 */
#ifndef WEFT_SCHED_QUEUE_H
#define WEFT_SCHED_QUEUE_H

#include "../base/fence.h"
#include "sched.h"

/* From where a coroutine was left to the operation that it waits for: some frames of ours. */
#define WEFT__FETCH_BYTES 512

/* By any thread: to a P of its runtime if this is one (to the front if run_next), else to the
 * global queue; those that may run on one P only to that one. */
void weft__queue_woken(struct weft__g *g, bool run_next);
/* One that stays on its P, by whoever does not run that one, or before it has begun. */
void weft__queue_at_home(struct weft__g *g);
void weft__queue_unstarted(struct weft__p *p, struct weft__g *g);
/* Several, of which the first shall run first; others are told once. */
void weft__queue_unstarted_all(struct weft__p *p, struct weft__g **all, uint32_t n);
void weft__queue_bound(struct weft__p *p, struct weft__g *g);

/* By the owner of p, after it has queued some with p->tells_later set. */
void weft__queue_tell_of_woken(struct weft__p *p);

/* By the owner of p: the one of the unstarted that has waited longest; NULL if there is none. */
struct weft__g *weft__queue_take_oldest(struct weft__p *p);

/*
 * By another P: take what waits on p, half of it, into out, which has room for WEFT__STEAL_MAX; and
 * what is in run-next, if there is nothing else and with_next.  How many; and were they woken?
 * Then some may have begun, and some not (a yield goes behind one of those).  Else none has: one
 * that has must not get among them, since `next_batch` stands where its scope is.
 */
#define WEFT__STEAL_MAX (WEFT__RUNQ_CAP / 2)
uint32_t weft__queue_steal(struct weft__p *p, struct weft__g **out, bool with_next,
                           bool *were_woken);

/* All that waits on p, but for what only p may run, goes to the global queue: by its owner, or by a
 * thread that runs no P.  How many. */
uint32_t weft__queue_give_away(struct weft__p *p);
uint32_t weft__queue_take_away(struct weft__p *p);

/* The next of those that only p may run; by its owner. */
struct weft__g *weft__queue_take_bound(struct weft__p *p);

/* One that waits for a stack, for this P to try. */
struct weft__g *weft__starved_take(struct weft__p *p);
void weft__starved_pass_on(struct weft__p *p, struct weft__stack *stack); /* which p has got */

/* Work was made visible: does a P sleep, and is none looking around already? */
static inline bool weft__queue_must_tell(const struct weft__p *p)
{
    if (WEFT__LIKELY(p->is_alone)) {
        return false;
    }
    weft__fence_light(); /* [IDLE-DEKKER] */
    return WEFT__UNLIKELY(atomic_load_explicit(&p->rt->n_idle, memory_order_relaxed) != 0) &&
           atomic_load_explicit(&p->rt->n_spinning, memory_order_relaxed) == 0;
}

/* Then wake it. */
static inline void weft__queue_tell(struct weft__p *p)
{
    if (weft__queue_must_tell(p)) {
        weft__idle_wake_one(p->rt);
    }
}

/*
 * The only thing that waits on this P was made visible: a coroutine in run-next, or one that has
 * not started.  Mostly the one that runs is about to wait for just that, and a P that is woken for
 * it finds nothing: so it is told of at most once in WEFT__HINT_NS, and again if in this same turn
 * there was one before, which somebody has taken.  Should the one that runs compute instead, an
 * idle P finds out by itself: while others are busy it looks around every WEFT__LOOK_NS (find.c).
 *
 * Who is done with it sets hint_tick.
 */
static inline bool weft__queue_may_hint(const struct weft__p *p)
{
    return (int32_t)(p->hint_tick - p->tick) >= 0 || WEFT__TELL_ALWAYS;
}

/* Nobody was told for a while: the next time somebody may be, in whatever turn that is. */
static inline void weft__queue_let_hint(struct weft__p *p)
{
    p->hint_tick = p->tick + UINT32_MAX / 4;
}

/* Tell somebody now; from then on only in this turn again. */
void weft__queue_hint(struct weft__p *p);

/* Does somebody wait who can run on this P alone? */
static inline bool weft__queue_has_bound(const struct weft__p *p)
{
    return WEFT__UNLIKELY(atomic_load_explicit(&p->has_bound, memory_order_relaxed));
}

/* By the owner: only he puts something there. */
static WEFT__ALWAYS_INLINE struct weft__g *weft__queue_next(const struct weft__p *p)
{
    return atomic_load_explicit(&p->run_next, memory_order_relaxed);
}

/* May any g be put into the queues of any P that it is made runnable on? */
static inline bool weft__queue_is_here(const struct weft__g *g)
{
    return (g->flags & (G_FLAG_PINNED | G_FLAG_STAYS)) == 0 && !weft__perturb_migrates();
}

/*
 * weft__queue_woken(g, true) by the owner of p, which is a P of g's runtime.
 *
 * Mostly one is woken in a turn, and goes into run-next, which is free: that is done here, without
 * a call.
 */
static WEFT__ALWAYS_INLINE void weft__queue_woken_here(struct weft__p *p, struct weft__g *g)
{
    if (WEFT__LIKELY(weft__queue_is_here(g)) &&
        atomic_load_explicit(&p->run_next, memory_order_relaxed) == NULL) {
        /* release [RUN-NEXT]: publishes g to a thief.  Only we put something where NULL is. */
        atomic_store_explicit(&p->run_next, g, memory_order_release);
        if (WEFT__UNLIKELY(weft__queue_may_hint(p))) {
            weft__queue_hint(p);
        }
        p->hint_tick = p->tick;
        return;
    }
    weft__queue_woken(g, true);
}

/* Is that no more than to put it there? */
static WEFT__ALWAYS_INLINE bool weft__queue_can_take(const struct weft__p *p,
                                                     const struct weft__g *g)
{
    return WEFT__LIKELY(weft__queue_is_here(g)) &&
           atomic_load_explicit(&p->run_next, memory_order_relaxed) == NULL &&
           WEFT__LIKELY(!weft__queue_may_hint(p));
}

/* Then do. */
static WEFT__ALWAYS_INLINE void weft__queue_take_next(struct weft__p *p, struct weft__g *g)
{
    p->hint_tick = p->tick;
    /* release [RUN-NEXT] */
    atomic_store_explicit(&p->run_next, g, memory_order_release);
}

static WEFT__ALWAYS_INLINE void weft__queue_note_ready(struct weft__g *g)
{
    if (WEFT__UNLIKELY(atomic_load_explicit(&g->state, memory_order_relaxed) != G_PARKED)) {
        weft__g_did_not_wait();
    }
    weft__perturb();
    atomic_store_explicit(&g->state, G_RUNNABLE, memory_order_relaxed);
}

/* ready.c: weft__queue_ready_here() for the last act of a call that returns 0. */
int weft__queue_ready_last(struct weft__p *p, struct weft__g *g);

/* Make a parked coroutine runnable, as weft__g_ready() does, and next; g is of the runtime of p,
 * which is the caller's P. */
static WEFT__ALWAYS_INLINE void weft__queue_ready_here(struct weft__p *p, struct weft__g *g)
{
    weft__queue_note_ready(g);
    weft__queue_woken_here(p, g);
}

/*
 * Would g, if the owner of p made it runnable now, be the next that p runs?  Then who leaves may
 * leave for it, and spare it the queue.  Not in the gate: others only take out.
 */
static WEFT__ALWAYS_INLINE bool weft__queue_would_be_next(const struct weft__p *p,
                                                          const struct weft__g *g)
{
    return WEFT__LIKELY(weft__queue_is_here(g)) && WEFT__LIKELY(weft__queue_next(p) == NULL) &&
           WEFT__LIKELY(weft__runq_is_empty(&p->woken)) &&
           WEFT__LIKELY(!weft__queue_has_bound(p)) && WEFT__LIKELY(!weft__p_must_poll(p));
}

/* The same without a call: false if it could not be, and nothing was done. */
static WEFT__ALWAYS_INLINE bool weft__queue_ready_short(struct weft__p *p, struct weft__g *g)
{
    if (WEFT__UNLIKELY(atomic_load_explicit(&g->state, memory_order_relaxed) != G_PARKED) ||
        !weft__queue_can_take(p, g)) {
        return false;
    }
    weft__perturb();
    atomic_store_explicit(&g->state, G_RUNNABLE, memory_order_relaxed);
    weft__queue_take_next(p, g);
    return true;
}

/* In the gate of p, by its owner, as the next two: run-next, which is g, if it may go first; else
 * NULL. */
static WEFT__ALWAYS_INLINE struct weft__g *weft__queue_pick_next(struct weft__p *p,
                                                                 struct weft__g *g)
{
    if (WEFT__LIKELY(weft__runq_is_empty(&p->woken)) ||
        p->run_next_streak++ < WEFT__RUN_NEXT_MAX) {
        atomic_store_explicit(&p->run_next, NULL, memory_order_relaxed);
        return g;
    }
    return NULL;
}

/* Where there is no run-next: the oldest of the woken queue, or NULL. */
static WEFT__ALWAYS_INLINE struct weft__g *weft__queue_pick_woken(struct weft__p *p)
{
    p->run_next_streak = 0;
    return weft__runq_pop(&p->woken);
}

/*
 * The next one, if that takes no more than a look: run-next if it may go first, the oldest of the
 * woken queue, or the youngest that has not started.  NULL: weft__queue_pick() knows.  No turn is
 * counted.
 */
static WEFT__ALWAYS_INLINE struct weft__g *weft__queue_pick_inside(struct weft__p *p)
{
    struct weft__g *next = weft__queue_next(p);
    if (WEFT__UNLIKELY(next != NULL)) {
        return weft__queue_pick_next(p, next);
    }
    struct weft__g *g = weft__queue_pick_woken(p);
    return g != NULL ? g : weft__deque_pop(&p->unstarted);
}

/* The same for one who is not in the gate. */
static WEFT__ALWAYS_INLINE struct weft__g *weft__queue_pick_short(struct weft__p *p)
{
    struct weft__gate *gate = p->gate;
    if (WEFT__UNLIKELY(!weft__gate_try_enter(gate))) {
        return NULL;
    }
    struct weft__g *g = weft__queue_pick_inside(p);
    weft__gate_leave(gate);
    return g;
}

/* From where a coroutine was left, what it waits with, but nothing beyond its first frame: what
 * lies there is another one's guard. */
static inline void weft__queue_fetch_stack(const struct weft__g *g, const void *sp)
{
    const size_t bytes = (uintptr_t)(g->own + 1) - (uintptr_t)sp;
    weft__prefetch(sp, bytes < WEFT__FETCH_BYTES ? (int)bytes : WEFT__FETCH_BYTES);
}

/* Have fetched what a coroutine that was long parked, and is soon to run, waited with.  The caller
 * is the only one who may make it runnable. */
static inline void weft__queue_fetch(const struct weft__g *g)
{
    const void *sp = atomic_load_explicit(&g->ctx.sp, memory_order_relaxed);
    if (sp != NULL) {
        weft__queue_fetch_stack(g, sp);
    }
    weft__prefetch(&g->stack->shift, 1); /* for its end */
}

/*
 * By the owner of p, in a coroutine that is back from a wait for the kernel, and mostly soon in
 * another call into it: have fetched what the next one waited with, which was as long out of use.
 * In the gate nobody else takes that one out, so it is there while it is looked at; p is the P of
 * now, after the switch, since the gate of another one is not ours to enter.
 */
static inline void weft__queue_fetch_next(const struct weft__p *p)
{
    struct weft__gate *gate = p->gate;
    if (WEFT__UNLIKELY(!weft__gate_try_enter(gate))) {
        return;
    }
    const struct weft__g *g = weft__runq_first(&p->woken);
    const void *sp = g != NULL ? atomic_load_explicit(&g->ctx.sp, memory_order_relaxed) : NULL;
    weft__gate_leave(gate);
    if (sp != NULL) {
        weft__prefetch(sp, WEFT__FETCH_BYTES);
    }
}

/* weft__queue_unstarted() where that takes no call: false if nothing was done. */
static WEFT__ALWAYS_INLINE bool weft__queue_unstarted_short(struct weft__p *p, struct weft__g *g)
{
    if (weft__deque_is_empty(&p->unstarted)) {
        if (WEFT__UNLIKELY(weft__queue_may_hint(p))) {
            return false;
        }
        p->hint_tick = p->tick;
        weft__deque_push_first(&p->unstarted, g);
        return true;
    }
    if (WEFT__UNLIKELY(!weft__deque_push(&p->unstarted, g))) {
        return false;
    }
    weft__queue_tell(p);
    return true;
}

/* The next coroutine among those that this P has; NULL if it has none. */
struct weft__g *weft__queue_pick(struct weft__p *p);

#endif
