/* SPDX-License-Identifier: MIT */
/*
 * waker.c - a permit to go on, given by anybody and used up by the one who waits.
 *
 * Under the lock: if there is a permit, nobody waits.  A wake gives it to the oldest who waits, and
 * leaves it for the next one if there is none; one that is there already is not doubled.
 */
#include <errno.h>

#include "../base/fatal.h"
#include "../base/sys.h"
#include "future.h"

struct weft_waker {
    struct weft__lock lock; /* RANK_CHAN; protects has_permit and waiters */
    bool has_permit;
    struct weft__waitq waiters;
    _Atomic uint32_t refs;
};

static void check(const struct weft_waker *w)
{
    if (WEFT__UNLIKELY(w == NULL)) {
        weft__fatal("a waker that is NULL was used");
    }
}

struct weft_waker *weft_waker_make(void)
{
    struct weft_waker *w = weft__alloc(sizeof *w);
    if (w != NULL) {
        weft__lock_init(&w->lock, RANK_CHAN);
        weft__waitq_init(&w->waiters, &w->lock);
        atomic_init(&w->refs, 1);
    }
    return w;
}

struct weft_waker *weft_waker_ref(struct weft_waker *w)
{
    check(w);
    /* relaxed: the caller has a reference already; the order comes with the last [WAKER-REF]. */
    atomic_fetch_add_explicit(&w->refs, 1, memory_order_relaxed);
    return w;
}

void weft_waker_unref(struct weft_waker *w)
{
    if (w == NULL) {
        return;
    }
    /* acq_rel [WAKER-REF]: the one who frees comes after everything others did with it. */
    uint32_t before = atomic_fetch_sub_explicit(&w->refs, 1, memory_order_acq_rel);
    if (before == 0) {
        weft__fatal("weft_waker_unref: the waker has no reference left");
    }
    if (before > 1) {
        return;
    }
    weft__lock(&w->lock); /* whoever woke us may still be leaving it */
    bool has_waiters = weft__waitq_first(&w->waiters) != NULL;
    weft__unlock(&w->lock);
    if (has_waiters) {
        weft__fatal("weft_waker_unref: the last reference to a waker was given back while "
                    "somebody waits in it");
    }
    weft__free(w);
}

void weft_waker_wake(struct weft_waker *w)
{
    check(w);
    weft__lock(&w->lock);
    struct weft__waiter *waiter = weft__waitq_claim_first(&w->waiters);
    if (waiter != NULL) {
        weft__park_wake(waiter->wait);
    } else {
        w->has_permit = true;
    }
    weft__unlock(&w->lock);
}

/* Under the lock. */
static bool take_permit(struct weft_waker *w)
{
    bool had_permit = w->has_permit;
    w->has_permit = false;
    return had_permit;
}

int weft_waker_wait(struct weft_waker *w)
{
    check(w);
    struct weft__wait wait;
    struct weft__waiter waiter = {.wait = &wait, .index = 0};
    weft__park_init(&wait);
    weft__lock(&w->lock);
    if (take_permit(w)) {
        weft__unlock(&w->lock);
        return 0;
    }
    weft__park_begin(&wait, WAIT_WAKER, w, __builtin_return_address(0));
    weft__waitq_add(&w->waiters, &waiter);
    weft__unlock(&w->lock);
    int rc = weft__park_wait(&wait);
    if (rc < 0) { /* else whoever woke us has unlinked it */
        weft__lock(&w->lock);
        weft__waitq_remove(&w->waiters, &waiter);
        weft__unlock(&w->lock);
    }
    return rc;
}

/* ---- in a case of a select ---- */

static int check_case(const struct weft_case *c, const struct weft_runtime *rt)
{
    (void)c;
    (void)rt;
    return 0;
}

static bool is_ready(const struct weft_case *c)
{
    const struct weft_waker *w = c->object;
    return w->has_permit;
}

static bool try_locked(struct weft_case *c, struct weft__wait **wake)
{
    (void)wake;
    c->rc = 0;
    return take_permit(c->object);
}

static void won(struct weft_case *c, struct weft__waiter *w)
{
    (void)w;
    c->rc = 0;
}

const struct weft__select_ops weft__waker_ops = {
    .queue_at = offsetof(struct weft_waker, waiters),
    .has_value = false,
    .check = check_case,
    .is_ready = is_ready,
    .try_locked = try_locked,
    .won = won,
};
