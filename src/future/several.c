/* SPDX-License-Identifier: MIT */
/*
 * several.c - waiting for all of several futures, or for any of them.
 *
 * A future that is complete stays so.  So "all" waits for one after the other, and "any" links its
 * waiters one lock at a time: whatever happens between two of them is still to be seen.
 */
#include <errno.h>

#include "../base/clock.h"
#include "../base/random.h"
#include "../base/sys.h"
#include "future.h"

/* Waiters that need no allocation: half a KiB of the stack, as in a select. */
#define INLINE_MAX 8

int weft_future_await_all(struct weft_future *const *futures, int n)
{
    int failure = 0;
    for (int i = 0; i < n; i++) {
        if (futures[i] == NULL) {
            continue;
        }
        int rc = weft__future_wait(futures[i], __builtin_return_address(0));
        if (rc < 0) {
            return rc;
        }
        if (failure == 0) {
            failure = weft__future_look(futures[i]);
        }
    }
    return n < 0 ? -EINVAL : failure;
}

static uint64_t seed(void)
{
    return weft__park_runtime() != NULL ? weft__park_random()
                                        : weft__random_mix((uint64_t)weft__clock_ns()) | 1;
}

/* One of those that are complete, each with the same chance; -EAGAIN if none is, -EINVAL if there
 * is none at all. */
static int pick(struct weft_future *const *futures, int n)
{
    uint64_t random = seed();
    uint32_t n_done = 0;
    int chosen = -EINVAL;
    for (int i = 0; i < n; i++) {
        if (futures[i] == NULL) {
            continue;
        }
        if (weft__future_look(futures[i]) == WEFT__FUTURE_PENDING) {
            chosen = chosen < 0 ? -EAGAIN : chosen;
        } else if (weft__random_below(&random, ++n_done) == 0) {
            chosen = i;
        }
    }
    return chosen;
}

/* Link a waiter in each, until one is found that is complete by now: its index, or n. */
static int link_all(struct weft_future *const *futures, int n, struct weft__waiter *waiters,
                    struct weft__wait *wait)
{
    for (int i = 0; i < n; i++) {
        struct weft_future *f = futures[i];
        if (f == NULL) {
            continue;
        }
        waiters[i] = (struct weft__waiter){.wait = wait, .index = i};
        weft__lock(&f->lock);
        bool is_done = weft__future_look(f) != WEFT__FUTURE_PENDING;
        if (!is_done) {
            weft__waitq_add(&f->waiters, &waiters[i]);
        }
        weft__unlock(&f->lock);
        if (is_done) {
            return i;
        }
        weft__perturb();
    }
    return n;
}

/* Also in the one that won: it may stand in the array twice, and whoever woke us may not have come
 * to the second waiter yet. */
static void unlink_all(struct weft_future *const *futures, int n, struct weft__waiter *waiters)
{
    for (int i = 0; i < n; i++) {
        if (futures[i] != NULL) {
            weft__lock(&futures[i]->lock);
            weft__waitq_remove(&futures[i]->waiters, &waiters[i]);
            weft__unlock(&futures[i]->lock);
        }
    }
}

static int wait_for_any(struct weft_future *const *futures, int n, struct weft__waiter *waiters,
                        const void *caller)
{
    struct weft__wait w;
    weft__park_init(&w);
    weft__park_contest(&w);
    weft__park_begin(&w, WAIT_FUTURE_ANY, futures, caller);
    int n_linked = link_all(futures, n, waiters, &w);
    int chosen = n_linked;
    if (n_linked < n && weft__wait_claim(&w, n_linked)) {
        weft__park_abandon(&w);
    } else {
        chosen = weft__park_wait(&w);
    }
    unlink_all(futures, n_linked, waiters);
    return chosen;
}

static WEFT__COLD int wait_for_any_of_many(struct weft_future *const *futures, int n,
                                           const void *caller)
{
    struct weft__waiter *waiters = weft__alloc((size_t)n * sizeof *waiters);
    if (waiters == NULL) {
        return -ENOMEM;
    }
    int chosen = wait_for_any(futures, n, waiters, caller);
    weft__free(waiters);
    return chosen;
}

/* Apart, so that one who finds a complete future needs no room for waiters. */
static WEFT__NOINLINE int wait_for_any_of_few(struct weft_future *const *futures, int n,
                                              const void *caller)
{
    struct weft__waiter waiters[INLINE_MAX];
    return wait_for_any(futures, n, waiters, caller);
}

int weft_future_await_any(struct weft_future *const *futures, int n)
{
    int chosen = pick(futures, n);
    if (chosen != -EAGAIN) {
        return chosen;
    }
    return n > INLINE_MAX ? wait_for_any_of_many(futures, n, __builtin_return_address(0))
                          : wait_for_any_of_few(futures, n, __builtin_return_address(0));
}
