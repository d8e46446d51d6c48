/* SPDX-License-Identifier: MIT */
/*
 * ours.h - the short way through an object whose lock is biased to the caller's P.
 *
 * As long as that bias lasts (base/lock.h), only coroutines that run on this P come to the object,
 * and it began when no thread waited there: so whoever waits is a coroutine of this P's runtime,
 * though perhaps one that was on another P when it began to wait.  What
 * the long way has to ask (who waits, a coroutine or a thread?  of which runtime?  on which P does
 * the caller run?) is known here.
 *
 * It is short in what it can do as well: it gives up where somebody asks for the gate, and the
 * callers leave to the long way whatever else is unusual.  How to wait: park/ours.h.
 */
#ifndef WEFT_SCHED_OURS_H
#define WEFT_SCHED_OURS_H

#include "../base/lock.h"
#include "queue.h"

/* A way through an object that is ours, from its lock to its unlock. */
struct weft__ours {
    struct weft__m *m; /* the caller's */
    struct weft__gate *gate;
};

/* Who is the caller?  False for a plain thread. */
static WEFT__ALWAYS_INLINE bool weft__ours_begin(struct weft__ours *o)
{
    o->m = weft__m_self();
    o->gate = weft__gate_self();
    return o->m != NULL;
}

static WEFT__ALWAYS_INLINE bool weft__ours_lock(const struct weft__ours *o, struct weft__lock *l)
{
    return weft__lock_try_ours(l, o->gate);
}

static WEFT__ALWAYS_INLINE void weft__ours_unlock(const struct weft__ours *o, struct weft__lock *l)
{
    weft__unlock_ours(l, o->gate);
}

/* End a wait that was claimed under the lock, by the waiter that was found in the object, as the
 * last act of a call that returns 0: what takes a call here is the last one, too, so that nothing
 * has to be kept over it. */
static WEFT__ALWAYS_INLINE int weft__ours_wake_last(const struct weft__ours *o,
                                                    const struct weft__wait *w)
{
    struct weft__g *g = w->g;
    struct weft__p *p = o->m->p;
    return WEFT__LIKELY(weft__queue_ready_short(p, g)) ? 0 : weft__queue_ready_last(p, g);
}

#endif
