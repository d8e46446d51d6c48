/* SPDX-License-Identifier: MIT */
/* ours.h - to wait in an object that is ours (sched/ours.h): the short way of park.h. */
#ifndef WEFT_PARK_OURS_H
#define WEFT_PARK_OURS_H

#include "../sched/ours.h"
#include "park.h"

/* Is the caller under no scope, which would have a say in the wait? */
static WEFT__ALWAYS_INLINE bool weft__ours_is_free(const struct weft__ours *o)
{
    return o->m->cur->scope == NULL;
}

/* It is under one: has none a deadline?  A cancel has its say on the short way, too. */
static WEFT__ALWAYS_INLINE bool weft__ours_has_no_deadline(const struct weft__ours *o)
{
    return o->m->cur->scope->nearest_ns == INT64_MAX;
}

static WEFT__ALWAYS_INLINE void weft__ours_link(const struct weft__ours *o, struct weft__waitq *q,
                                                struct weft__waiter *waiter, struct weft__wait *w,
                                                enum weft__wait_reason reason, const void *object,
                                                const void *caller)
{
    struct weft__g *g = o->m->cur;
    w->g = g;
    w->contest = CONTEST_NONE;
    waiter->index = 0;
    weft__park_publish(w, g, reason, object, caller);
    weft__waitq_add_only(q, waiter, w);
}

/*
 * Wait in q, which is protected by l, until somebody claims the waiter, takes it out and wakes it:
 * nobody else can end this wait, of one who is free.  Gives the lock back, returns the rc of the
 * waiter.
 */
static WEFT__ALWAYS_INLINE int weft__ours_wait(const struct weft__ours *o, struct weft__lock *l,
                                               struct weft__waitq *q, bool is_empty, void *value,
                                               enum weft__wait_reason reason, const void *object,
                                               const void *caller)
{
    struct weft__g *g = o->m->cur;
    struct weft__own_wait *own = g->own;
    weft__park_publish(&own->wait, g, reason, object, caller);
    own->waiter.value = value;
    own->waiter.queue = q;
    if (is_empty) {
        weft__waitq_append_first(q, &own->waiter);
    } else {
        weft__waitq_append(q, &own->waiter);
    }
    weft__lock_note(l, false);
    return weft__switch_park_inside(g, o->gate, o->m);
}

/* The same of one under scopes without a deadline: 0, or the -ECANCELED of one that was cancelled;
 * then the waiter may be linked still. */
static inline int weft__ours_wait_scoped(const struct weft__ours *o, struct weft__lock *l,
                                         struct weft__waitq *q, struct weft__waiter *waiter,
                                         enum weft__wait_reason reason, const void *object,
                                         const void *caller)
{
    struct weft__wait w;
    weft__ours_link(o, q, waiter, &w, reason, object, caller);
    weft__lock_note(l, false);
    return weft__park_wait_scoped(&w, o->m, o->gate);
}

#endif
