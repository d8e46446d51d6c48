/* SPDX-License-Identifier: MIT */
/*
 * ours.h - the short way of park.h, for an object whose lock is biased to the caller's P.
 *
 * As long as that bias lasts (base/lock.h), only coroutines that run on this P come to the object,
 * so whoever waits in it is a coroutine of this P's runtime.  What park.h has to ask (who waits, a
 * coroutine or a thread?  of which runtime?  on which P does the caller run?) is known here.
 *
 * It is short in what it can do as well: nobody asks for the gate, and the one who waits is under
 * no scope.  Where it does not apply, the callers go the long way.
 */
#ifndef WEFT_PARK_OURS_H
#define WEFT_PARK_OURS_H

#include "../sched/queue.h"
#include "park.h"

/* A way through an object that is ours, from its lock to its unlock. */
struct weft__ours {
    struct weft__m *m; /* the caller's */
    struct weft__gate *gate;
};

/* Take l, the lock of an object of the runtime rt, if that can be done the short way. */
static WEFT__ALWAYS_INLINE bool weft__ours_lock(struct weft__ours *o, struct weft__lock *l,
                                                const struct weft_runtime *rt)
{
    o->m = weft__m_self();
    o->gate = weft__gate_self();
    return o->m != NULL && o->m->rt == rt && weft__lock_try_ours(l, o->gate);
}

static WEFT__ALWAYS_INLINE void weft__ours_unlock(const struct weft__ours *o, struct weft__lock *l)
{
    weft__unlock_ours(l, o->gate);
}

/* weft__park_wake(), under the lock: the waiter was found in the object's queue. */
static WEFT__ALWAYS_INLINE void weft__ours_wake(const struct weft__ours *o, struct weft__wait *w)
{
    weft__queue_ready_here(o->m->p, w->g);
}

/* Can the caller wait the short way? */
static WEFT__ALWAYS_INLINE bool weft__ours_may_wait(const struct weft__ours *o)
{
    return o->m->cur->scope == NULL;
}

/*
 * Wait in q, which is protected by l, until somebody claims the waiter, takes it out and wakes it:
 * nobody else can end this wait.  Gives the lock back.
 */
static WEFT__ALWAYS_INLINE void weft__ours_wait(const struct weft__ours *o, struct weft__lock *l,
                                                struct weft__waitq *q, struct weft__waiter *waiter,
                                                enum weft__wait_reason reason, const void *object,
                                                const void *caller)
{
    struct weft__g *g = o->m->cur;
    struct weft__wait w;
    w.g = g;
    w.waiters = NULL;
    w.is_contested = false;
    waiter->wait = &w;
    weft__park_publish(&w, g, reason, object, caller);
    weft__waitq_add(q, waiter);
    weft__ours_unlock(o, l);
    weft__switch_park(o->m, g);
}

#endif
