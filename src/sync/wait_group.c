/* SPDX-License-Identifier: MIT */
/*
 * wait_group.c - counting work that is still to be done.
 *
 * The count changes without the lock as long as it stays above 0 (while the lock is biased to a P,
 * by plain stores under it).  The step to 0 and every look by
 * a waiter are under the lock: a waiter that sees 0 may free the group at once, and must not do so
 * while the last weft_wg_done() is still inside.
 */
#include <weft/sync.h>

#include "../base/fatal.h"
#include "../base/sys.h"
#include "../park/park.h"

struct weft_wait_group {
    _Atomic int64_t count;
    struct weft__lock lock; /* RANK_CHAN; protects waiters and the step of count to 0 */
    struct weft__waitq waiters;
};

struct weft_wait_group *weft_wg_make(void)
{
    struct weft_wait_group *wg = weft__alloc(sizeof *wg);
    if (wg != NULL) {
        weft__lock_init_biased(&wg->lock, RANK_CHAN);
        weft__waitq_init(&wg->waiters, &wg->lock);
    }
    return wg;
}

void weft_wg_free(struct weft_wait_group *wg)
{
    if (wg == NULL) {
        return;
    }
    weft__lock(&wg->lock);
    bool has_waiters = weft__waitq_first(&wg->waiters) != NULL;
    weft__unlock(&wg->lock);
    if (has_waiters) {
        weft__fatal("weft_wg_free: somebody waits in the wait group");
    }
    weft__free(wg);
}

/* The count would become 0, or less. */
static WEFT__COLD void add_to_zero(struct weft_wait_group *wg, int64_t delta)
{
    weft__lock(&wg->lock);
    /* acq_rel [WG-ZERO]: what was done before each weft_wg_done() is visible to those who wake. */
    int64_t count = atomic_fetch_add_explicit(&wg->count, delta, memory_order_acq_rel) + delta;
    struct weft__waiter *w;
    while (count == 0 && (w = weft__waitq_claim_first(&wg->waiters)) != NULL) {
        weft__park_wake(w->wait);
    }
    weft__unlock(&wg->lock);
    if (count < 0) {
        weft__fatal("a wait group's count became negative: more weft_wg_done() than weft_wg_add()");
    }
}

/* With the lock held, which is biased to our P: true if the count is above 0 after it. */
static inline bool add_inside(struct weft_wait_group *wg, int64_t delta)
{
    int64_t count = atomic_load_explicit(&wg->count, memory_order_relaxed) + delta;
    if (count <= 0) {
        return false;
    }
    atomic_store_explicit(&wg->count, count, memory_order_relaxed);
    return true;
}

static inline bool add_biased(struct weft_wait_group *wg, int64_t delta)
{
    if (!weft__lock_if_biased(&wg->lock)) {
        return false;
    }
    bool is_done = add_inside(wg, delta);
    weft__unlock(&wg->lock);
    return is_done;
}

static WEFT__NOINLINE void add_rest(struct weft_wait_group *wg, int64_t delta)
{
    if (add_biased(wg, delta)) {
        return;
    }
    int64_t count = atomic_load_explicit(&wg->count, memory_order_relaxed);
    while (delta >= 0 || count + delta > 0) {
        /* release [WG-ZERO]: what this caller did is visible to those who see 0 in the end. */
        if (atomic_compare_exchange_weak_explicit(&wg->count, &count, count + delta,
                                                  memory_order_release, memory_order_relaxed)) {
            return;
        }
    }
    add_to_zero(wg, delta);
}

void weft_wg_add(struct weft_wait_group *wg, int64_t delta)
{
    struct weft__gate *gate = weft__gate_self();
    if (gate != NULL && weft__lock_try_ours(&wg->lock, gate)) {
        bool is_done = add_inside(wg, delta);
        weft__unlock_ours(&wg->lock, gate);
        if (WEFT__LIKELY(is_done)) {
            return;
        }
    }
    add_rest(wg, delta);
}

void weft_wg_done(struct weft_wait_group *wg)
{
    weft_wg_add(wg, -1);
}

int weft_wg_wait(struct weft_wait_group *wg)
{
    struct weft__wait w;
    struct weft__waiter waiter = {.wait = &w, .index = 0};
    weft__lock(&wg->lock);
    /* acquire [WG-ZERO] */
    if (atomic_load_explicit(&wg->count, memory_order_acquire) == 0) {
        weft__unlock(&wg->lock);
        return 0;
    }
    weft__park_init(&w);
    weft__park_begin(&w, WAIT_GROUP, wg, __builtin_return_address(0));
    weft__waitq_add(&wg->waiters, &waiter);
    weft__unlock(&wg->lock);
    int rc = weft__park_wait(&w);
    weft__lock(&wg->lock); /* whoever woke us may still be in there */
    weft__waitq_remove(&wg->waiters, &waiter);
    weft__unlock(&wg->lock);
    return rc;
}
