/* SPDX-License-Identifier: MIT */
/*
 * future.h - a future from inside.
 *
 *   PENDING --1--> complete for ever: 0 resolved, or what it was rejected with
 *
 *   1  under the lock, by the first who comes: a producer, a cancel, or whoever gives the last
 *      reference to the promise back (-EPIPE).  The value is written before, those who wait are
 *      woken after it, all under the lock.
 *
 * [FUTURE-DONE]  The outcome is stored with release, and who loads another one than PENDING with
 * acquire may read the value: it never changes again, so that needs no lock.
 *
 * A promise is the same object with another count: all references to the promise together hold
 * one to the future.
 *
 * Futures are made to go from thread to thread, so their lock is not biased to a P.
 */
#ifndef WEFT_FUTURE_FUTURE_H
#define WEFT_FUTURE_FUTURE_H

#include <weft/future.h>

#include "../park/park.h"
#include "../park/select_ops.h"

/* No -errno, and not 0. */
#define WEFT__FUTURE_PENDING 1

struct weft_future {
    struct weft__lock lock; /* RANK_CHAN; protects waiters, on_cancel, and the step to complete */
    struct weft__waitq waiters;
    _Atomic int outcome;
    bool is_cancelled; /* published by outcome, as value is */
    _Atomic uint32_t refs;
    _Atomic uint32_t promise_refs;
    uint32_t bytes;
    void (*on_cancel)(void *);
    void *on_cancel_arg;
    unsigned char value[];
};

extern const struct weft__select_ops weft__future_ops;
extern const struct weft__select_ops weft__waker_ops;

/* PENDING, or the outcome, and with it all that the producer wrote. */
static inline int weft__future_look(const struct weft_future *f)
{
    /* acquire [FUTURE-DONE] */
    return atomic_load_explicit(&f->outcome, memory_order_acquire);
}

/* Wait until f is complete: 0, or what a scope says. */
int weft__future_wait(struct weft_future *f, const void *caller);

#endif
