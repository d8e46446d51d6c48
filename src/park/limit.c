/* SPDX-License-Identifier: MIT */
/* limit.c - see sched/limit.h. */
#include "../sched/limit.h"

#include <errno.h>

#include "../sched/sched.h"
#include "park.h"

void weft__limit_init(struct weft__limit *l, int max, bool may_wait)
{
    l->max = (uint32_t)max;
    l->may_wait = may_wait;
    weft__lock_init(&l->lock, RANK_CHAN);
    weft__waitq_init(&l->starters, &l->lock);
}

int weft__limit_enter(struct weft__limit *l, struct weft__start *s, const void *caller)
{
    int rc = 0;
    weft__lock(&l->lock);
    if (l->is_closed && weft__g_self() == NULL) {
        rc = -ESHUTDOWN;
    } else if (l->count < l->max) {
        l->count++;
    } else if (s == NULL || !l->may_wait) {
        rc = -EAGAIN;
    } else {
        s->waiter.wait = &s->wait;
        s->waiter.index = 0;
        weft__park_begin(&s->wait, WAIT_PLACE, NULL, caller);
        weft__waitq_add(&l->starters, &s->waiter);
        atomic_fetch_add_explicit(&l->n_waiting, 1, memory_order_relaxed);
        rc = 1;
    }
    weft__unlock(&l->lock);
    return rc;
}

int weft__limit_wait(struct weft__limit *l, struct weft__start *s)
{
    int rc = weft__park_wait(&s->wait);
    weft__lock(&l->lock); /* whoever woke us may still be in there */
    weft__waitq_remove(&l->starters, &s->waiter);
    atomic_fetch_sub_explicit(&l->n_waiting, 1, memory_order_relaxed);
    weft__unlock(&l->lock);
    return rc == 0 ? s->waiter.rc : rc;
}

int weft__limit_take(struct weft__limit *l, bool may_wait, const void *caller)
{
    struct weft__start s;
    weft__park_init(&s.wait);
    int rc = weft__limit_enter(l, may_wait ? &s : NULL, caller);
    return rc == 1 ? weft__limit_wait(l, &s) : rc;
}

void weft__limit_leave(struct weft__limit *l)
{
    weft__lock(&l->lock);
    struct weft__waiter *w = weft__waitq_claim_first(&l->starters);
    if (w != NULL) {
        w->rc = 0; /* the place is his: the count stays */
        weft__park_wake(w->wait);
    } else {
        l->count--;
    }
    weft__unlock(&l->lock);
}

void weft__limit_end(struct weft__g *g)
{
    if ((g->flags & G_FLAG_COUNTED) != 0) {
        g->flags &= (uint16_t)~G_FLAG_COUNTED;
        weft__limit_leave(&g->rt->limit);
    }
}

void weft__limit_close(struct weft__limit *l)
{
    struct weft__waiter *next;
    weft__lock(&l->lock);
    l->is_closed = true;
    for (struct weft__waiter *w = weft__waitq_first(&l->starters); w != NULL; w = next) {
        next = w->next;
        if (w->wait->g == NULL) {
            weft__waitq_remove(&l->starters, w);
            if (weft__wait_claim(w->wait, w->index)) {
                w->rc = -ESHUTDOWN;
                weft__park_wake(w->wait);
            }
        }
    }
    weft__unlock(&l->lock);
}
