/* SPDX-License-Identifier: MIT */
/*
 * lock.h - the lock of the runtime itself: short sections, no switch, no system call inside.
 *
 *   word  0  free
 *         1  held
 *
 * One read-modify-write to take it, a plain store to give it back.  So nobody knows who waits: a
 * thread that finds it held spins for a bounded while and then naps, in short naps, until it is
 * free.  Sections are some 50 ns long; a longer wait means that the holder lost its CPU, and a nap
 * of some 50 us gives it one, whatever the priorities are.
 *
 * Rejected: a futex that the unlock wakes.  The unlock must then be a read-modify-write as well, 9
 * ns of the 30 of a channel operation.
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
    atomic_store_explicit(&l->word, 0, memory_order_release);
    weft__perturb();
}

#endif
