/* SPDX-License-Identifier: MIT */
/*
 * lock.h - the lock of the runtime itself: short sections, no switch, no system call inside.
 *
 *   word  0  free
 *         1  held
 *         2  held, and somebody may sleep on the futex
 *
 * A thread spins for a bounded while and then sleeps, so that a holder that lost its CPU does not
 * make others burn theirs.
 */
#ifndef WEFT_BASE_LOCK_H
#define WEFT_BASE_LOCK_H

#include "atomic.h"
#include "compiler.h"
#include "rank.h"

struct weft__lock {
    _Atomic uint32_t word;
#ifdef WEFT_DEBUG
    uint32_t rank;
#endif
};

void weft__lock_slow(struct weft__lock *l);
void weft__lock_wake(struct weft__lock *l);

#ifdef WEFT_DEBUG
void weft__lock_check(const struct weft__lock *l);
void weft__lock_note(const struct weft__lock *l, bool taken);
#else
static inline void weft__lock_check(const struct weft__lock *l)
{
    (void)l;
}
static inline void weft__lock_note(const struct weft__lock *l, bool taken)
{
    (void)l;
    (void)taken;
}
#endif

static inline void weft__lock_init(struct weft__lock *l, enum weft__rank rank)
{
    atomic_init(&l->word, 0);
#ifdef WEFT_DEBUG
    l->rank = (uint32_t)rank;
#else
    (void)rank;
#endif
}

static inline void weft__lock(struct weft__lock *l)
{
    weft__lock_check(l);
    weft__perturb();
    uint32_t expected = 0;
    /* acquire [LOCK-HELD]: what the last holder wrote before its unlock is visible. */
    if (WEFT__UNLIKELY(!atomic_compare_exchange_strong_explicit(
            &l->word, &expected, 1, memory_order_acquire, memory_order_relaxed))) {
        weft__lock_slow(l);
    }
    weft__lock_note(l, true);
}

static inline bool weft__try_lock(struct weft__lock *l)
{
    uint32_t expected = 0;
    /* acquire [LOCK-HELD]: as in weft__lock(). */
    if (!atomic_compare_exchange_strong_explicit(&l->word, &expected, 1, memory_order_acquire,
                                                 memory_order_relaxed)) {
        return false;
    }
    weft__lock_note(l, true);
    return true;
}

static inline void weft__unlock(struct weft__lock *l)
{
    weft__lock_note(l, false);
    /* release [LOCK-HELD]: publishes what was written under the lock to the next holder. */
    if (WEFT__UNLIKELY(atomic_exchange_explicit(&l->word, 0, memory_order_release) == 2)) {
        weft__lock_wake(l);
    }
    weft__perturb();
}

#endif
