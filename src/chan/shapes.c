/* SPDX-License-Identifier: MIT */
/* shapes.c - see shapes.h. */
#include "shapes.h"

int weft__shape_wait(struct weft__waitq *q, void *value, enum weft__wait_reason reason,
                     const void *object, const void *caller)
{
    struct weft__wait w;
    struct weft__waiter waiter = {.wait = &w, .value = value, .index = 0};
    weft__park_init(&w);
    weft__park_begin(&w, reason, object, caller);
    weft__waitq_add(q, &waiter);
    weft__unlock(q->lock);
    int rc = weft__park_wait(&w);
    if (rc == 0) {
        return waiter.rc; /* whoever claimed it has unlinked it */
    }
    weft__lock(q->lock);
    weft__waitq_remove(q, &waiter);
    weft__unlock(q->lock);
    return rc;
}

void weft__shape_end_waits(struct weft__waitq *q, int rc)
{
    struct weft__waiter *w;
    while ((w = weft__waitq_claim_first(q)) != NULL) {
        w->rc = rc;
        weft__park_wake(w->wait);
    }
}

int weft__shape_check(const struct weft_case *c, const struct weft_runtime *rt)
{
    (void)c;
    (void)rt;
    return 0;
}

void weft__shape_won(struct weft_case *c, struct weft__waiter *w)
{
    c->rc = w->rc;
}
