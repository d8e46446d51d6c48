/* SPDX-License-Identifier: MIT */
/* handle_end.h - a coroutine with a handle ends: the short way. */
#ifndef WEFT_SCHED_HANDLE_END_H
#define WEFT_SCHED_HANDLE_END_H

#include "handle.h"
#include "ours.h"

/*
 * weft__handle_finish() by the coroutine itself, which is about to leave for another one.  Mostly
 * that is the one who joins it: then he is returned, to run at once, and is in no queue.  Else
 * NULL.
 */
static WEFT__ALWAYS_INLINE struct weft__g *weft__handle_end(struct weft__m *m, struct weft__p *p,
                                                            struct weft_co *co, int result)
{
    const struct weft__ours o = {.m = m, .gate = p->gate};
    if (WEFT__UNLIKELY(!weft__ours_lock(&o, &co->lock))) {
        weft__handle_finish(co, result);
        return NULL;
    }
    struct weft__waiter *w = co->waiters.first;
    struct weft__handle_cache *cache = &p->handles;
    if (w == NULL || w->value == NULL || WEFT__UNLIKELY(weft__handle_cache_is_full(cache)) ||
        (w->wait->contest != CONTEST_NONE && !weft__wait_claim(w->wait, w->index))) {
        weft__ours_unlock(&o, &co->lock);
        weft__handle_finish(co, result);
        return NULL;
    }
    /* Mostly there is one who joins, and nobody else has anything to do with it any more. */
    weft__waitq_take(&co->waiters, w);
    *(int *)w->value = result;
    w->rc = 0;
    co->g = NULL;
    /* release [HANDLE-DONE].  Of one that is being joined neither was set. */
    atomic_store_explicit(&co->state, CO_DONE | CO_RELEASED, memory_order_release);
    weft__ours_unlock(&o, &co->lock);
    weft__handle_cache_add(cache, co);
    struct weft__g *g = w->wait->g;
    if (WEFT__LIKELY(weft__queue_would_be_next(p, g))) {
        weft__queue_note_ready(g);
        return g;
    }
    (void)weft__ours_wake_last(&o, w->wait);
    return NULL;
}

#endif
