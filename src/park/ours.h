/* SPDX-License-Identifier: MIT */
/* ours.h - to wait in an object that is ours (sched/ours.h): the short way of park.h. */
#ifndef WEFT_PARK_OURS_H
#define WEFT_PARK_OURS_H

#include "../sched/ours.h"
#include "park.h"

/* Is the caller under no scope with a deadline?  A cancel has its say on the short way, too. */
static WEFT__ALWAYS_INLINE bool weft__ours_may_wait(const struct weft__ours *o)
{
    const struct weft__scope_frame *scope = o->m->cur->scope;
    return scope == NULL || scope->nearest_ns == INT64_MAX;
}

/*
 * Wait in q, which is protected by l, until somebody claims the waiter, takes it out and wakes it:
 * 0; or until a scope is cancelled, which gives its -ECANCELED: then the waiter may be linked
 * still.  Gives the lock back.
 */
static WEFT__ALWAYS_INLINE int weft__ours_wait(const struct weft__ours *o, struct weft__lock *l,
                                               struct weft__waitq *q, struct weft__waiter *waiter,
                                               enum weft__wait_reason reason, const void *object,
                                               const void *caller)
{
    struct weft__g *g = o->m->cur;
    struct weft__wait w;
    w.g = g;
    w.is_contested = false;
    waiter->index = 0;
    weft__park_publish(&w, g, reason, object, caller);
    weft__waitq_add_only(q, waiter, &w);
    weft__lock_note(l, false);
    if (g->scope != NULL) {
        return weft__park_wait_scoped(&w, o->m, o->gate);
    }
    weft__switch_park_inside(o->m, g, o->gate);
    return 0;
}

#endif
