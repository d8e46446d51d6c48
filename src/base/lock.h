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
 * An object that one P has made and only coroutines of that P use needs less, and so does what a P
 * has for itself: its lock is biased to the P's gate (gate.h), and costs no read-modify-write at
 * all.  The first other thread that wants it takes the bias away [LOCK-BIAS]: with the owner kept
 * out of its gate it sets `gate` to NULL, and from then on the word decides.  The owner looks at
 * `gate` again once it is inside.
 *
 * An object that has come to rest on a P again, which shows by WEFT__LOCK_SETTLED uses in a row, is
 * biased to that P: by the P itself, while it holds the word.  Whoever takes the word looks at
 * `gate` once more, and gives the word back if there is one.
 *
 * Rejected: a futex that the unlock wakes.  The unlock must then be a read-modify-write as well, 9
 * ns of the 30 of a channel operation.
 */
#ifndef WEFT_BASE_LOCK_H
#define WEFT_BASE_LOCK_H

#include "atomic.h"
#include "compiler.h"
#include "gate.h"
#include "rank.h"
#include "self.h"

struct weft__lock {
    _Atomic uint32_t word;
#ifdef WEFT_DEBUG
    uint32_t rank;
#endif
    uint32_t uses; /* in a row by one P, and which: weft__lock_settle() */
    _Atomic(struct weft__gate *) gate; /* whom it is biased to, or NULL */
};

/* To end a bias costs as much as some hundred uses gain by it. */
#define WEFT__LOCK_SETTLED 1023u

#ifdef WEFT_DEBUG
#define WEFT__LOCK_STATIC(rank_)                                                                   \
    {                                                                                              \
        .rank = (uint32_t)(rank_)                                                                  \
    }
#else
#define WEFT__LOCK_STATIC(rank_)                                                                   \
    {                                                                                              \
        .word = 0                                                                                  \
    }
#endif

void weft__lock_slow(struct weft__lock *l);

/* By a thread that is not the owner of its gate and holds no lock of an object. */
void weft__lock_end_bias(struct weft__lock *l);

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
    atomic_init(&l->gate, NULL);
    l->uses = 0;
#ifdef WEFT_DEBUG
    l->rank = (uint32_t)rank;
#else
    (void)rank;
#endif
}

/* Biased to `gate` from the beginning, where the system has what that takes. */
void weft__lock_init_for(struct weft__lock *l, enum weft__rank rank, struct weft__gate *gate);

/* The lock of an object that a coroutine makes: biased to its P, unless too many such biases had to
 * be ended.  As weft__lock_init() on a plain thread. */
void weft__lock_init_biased(struct weft__lock *l, enum weft__rank rank);

/* Inside our own gate: is l still biased to it?  If not, out again. */
static inline bool weft__lock_is_still_ours(struct weft__lock *l, struct weft__gate *gate)
{
    /* relaxed [LOCK-BIAS]: nobody ends the bias while we are inside. */
    if (WEFT__LIKELY(atomic_load_explicit(&l->gate, memory_order_relaxed) == gate)) {
        return true;
    }
    weft__gate_leave(gate);
    return false;
}

/* Bias it again, to the gate of the calling thread's P, which holds the word. */
void weft__lock_bias(struct weft__lock *l, struct weft__gate *gate);

/* Take a lock that was seen to be biased to `gate`; false if it is not any more. */
static inline bool weft__lock_enter(struct weft__lock *l, struct weft__gate *gate)
{
    if (WEFT__UNLIKELY(gate != weft__gate_self())) {
        weft__lock_end_bias(l);
        return false;
    }
    weft__gate_enter(gate);
    return weft__lock_is_still_ours(l, gate);
}

/*
 * The short way, for a thread that runs a P: take the lock if it is biased to `gate`, which is that
 * P's, and nobody asks for it.  Who finds false goes the long way, by weft__lock().
 */
static inline bool weft__lock_try_ours(struct weft__lock *l, struct weft__gate *gate)
{
    weft__lock_check(l);
    weft__perturb();
    /* It is looked at once, inside: to be there for nothing costs less than to look twice. */
    if (WEFT__UNLIKELY(!weft__gate_try_enter(gate)) || !weft__lock_is_still_ours(l, gate)) {
        return false;
    }
    weft__lock_note(l, true);
    return true;
}

/* Give back a lock that weft__lock_try_ours() took. */
static inline void weft__unlock_ours(struct weft__lock *l, struct weft__gate *gate)
{
    weft__lock_note(l, false);
    weft__gate_leave(gate);
    weft__perturb();
}

/* Is it biased to the P of this thread?  One that is biased to another loses that bias. */
static inline bool weft__lock_is_ours(struct weft__lock *l)
{
    /* acquire [LOCK-BIAS] */
    struct weft__gate *gate = atomic_load_explicit(&l->gate, memory_order_acquire);
    if (gate == NULL) {
        return false;
    }
    if (WEFT__LIKELY(gate == weft__gate_self())) {
        return true;
    }
    weft__lock_end_bias(l);
    return false;
}

/* Take the word. */
static inline void weft__lock_take_word(struct weft__lock *l)
{
    uint32_t expected = 0;
    /* acquire [LOCK-HELD]: what the last holder wrote before its unlock is visible. */
    if (WEFT__UNLIKELY(!atomic_compare_exchange_strong_explicit(
            &l->word, &expected, 1, memory_order_acquire, memory_order_relaxed))) {
        weft__lock_slow(l);
    }
}

static inline void weft__lock(struct weft__lock *l)
{
    weft__lock_check(l);
    for (;;) {
        weft__perturb();
        /* acquire [LOCK-BIAS]: with NULL comes all that was done while it was biased. */
        struct weft__gate *gate = atomic_load_explicit(&l->gate, memory_order_acquire);
        if (gate != NULL && weft__lock_enter(l, gate)) {
            break;
        }
        weft__lock_take_word(l);
        /* acquire [LOCK-BIAS]: as above, if it was biased and is not any more.  From here on it
         * stays: only who holds the word makes a bias of NULL. */
        if (WEFT__LIKELY(atomic_load_explicit(&l->gate, memory_order_acquire) == NULL)) {
            break;
        }
        /* release [LOCK-HELD]: nothing was done. */
        atomic_store_explicit(&l->word, 0, memory_order_release);
    }
    weft__lock_note(l, true);
}

/*
 * For words beside a lock that others change by read-modify-writes without taking it: true if the
 * lock is biased to this thread's P, and now held; else it is not biased, and not held.  What is
 * changed by plain stores under such a lock is changed in no other way while the bias lasts.
 */
static inline bool weft__lock_if_biased(struct weft__lock *l)
{
    /* acquire [LOCK-BIAS] */
    struct weft__gate *gate = atomic_load_explicit(&l->gate, memory_order_acquire);
    if (gate == NULL || !weft__lock_enter(l, gate)) {
        return false;
    }
    weft__lock_note(l, true);
    return true;
}

/* The lock if it is free.  By a thread to whose gate it is not biased; to another one's it is not
 * after this. */
static inline bool weft__try_lock(struct weft__lock *l)
{
    uint32_t expected = 0;
    /* acquire [LOCK-BIAS]: as in weft__lock(). */
    if (WEFT__UNLIKELY(atomic_load_explicit(&l->gate, memory_order_acquire) != NULL)) {
        weft__lock_end_bias(l);
    }
    /* acquire [LOCK-HELD]: as in weft__lock(). */
    if (!atomic_compare_exchange_strong_explicit(&l->word, &expected, 1, memory_order_acquire,
                                                 memory_order_relaxed)) {
        return false;
    }
    /* acquire [LOCK-BIAS]: it may have been biased again meanwhile. */
    if (WEFT__UNLIKELY(atomic_load_explicit(&l->gate, memory_order_acquire) != NULL)) {
        /* release [LOCK-HELD]: nothing was done. */
        atomic_store_explicit(&l->word, 0, memory_order_release);
        return false;
    }
    weft__lock_note(l, true);
    return true;
}

static inline void weft__unlock(struct weft__lock *l)
{
    weft__lock_note(l, false);
    /* relaxed [LOCK-BIAS]: it does not change while we hold the lock. */
    struct weft__gate *gate = atomic_load_explicit(&l->gate, memory_order_relaxed);
    if (gate != NULL) {
        weft__gate_leave(gate);
    } else {
        /* release [LOCK-HELD]: publishes what was written under the lock to the next holder. */
        atomic_store_explicit(&l->word, 0, memory_order_release);
    }
    weft__perturb();
}

/* Whose gate it is, in the high bits of `uses`. */
static inline uint32_t weft__lock_user(const struct weft__gate *gate)
{
    return (uint32_t)((uintptr_t)gate / WEFT__CACHE_LINE) * (WEFT__LOCK_SETTLED + 1);
}

/* The lock is held, by one who does not ask whether it has settled: a use by another P than the
 * last ones'. */
static inline void weft__lock_note_use(struct weft__lock *l)
{
    uint32_t who = weft__lock_user(weft__gate_self());
    if ((l->uses & ~WEFT__LOCK_SETTLED) != who) {
        l->uses = who;
    }
}

/*
 * The lock is held, and alone protects its object: nothing is changed in other ways.  Note that
 * this thread has used it; true if its P alone has for a while: weft__unlock_and_bias().
 */
static inline bool weft__lock_has_settled(struct weft__lock *l)
{
    /* relaxed [LOCK-BIAS]: it does not change while we hold the lock. */
    if (atomic_load_explicit(&l->gate, memory_order_relaxed) != NULL) {
        return false;
    }
    const struct weft__gate *gate = weft__gate_self();
    uint32_t who = weft__lock_user(gate);
    if ((l->uses & ~WEFT__LOCK_SETTLED) != who) {
        l->uses = who;
    } else if ((l->uses & WEFT__LOCK_SETTLED) != WEFT__LOCK_SETTLED) {
        l->uses++;
    } else {
        l->uses = who; /* where it may not be, it is asked anew after as many uses */
        return gate != NULL;
    }
    return false;
}

/*
 * Give the lock back, whose word is held, biased to the P of this thread.  Nobody may wait in the
 * object but coroutines of that P's runtime: whoever is found there under a bias is taken for one
 * (sched/ours.h).
 */
static inline void weft__unlock_and_bias(struct weft__lock *l)
{
    weft__lock_bias(l, weft__gate_self());
    weft__lock_note(l, false);
    /* release [LOCK-HELD]: as in weft__unlock(). */
    atomic_store_explicit(&l->word, 0, memory_order_release);
    weft__perturb();
}

#endif
