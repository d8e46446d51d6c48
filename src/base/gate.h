/* SPDX-License-Identifier: MIT */
/*
 * gate.h - a lock that belongs to one P: two plain stores for the thread that runs it, a system
 * call for everybody else.
 *
 *   inside  GATE_OUT, or GATE_IN while the owner is inside; written by the owner alone
 *           GATE_WAITS   the owner is out, and stays so as long as somebody asks
 *   asked   GATE_ASKED   somebody else wants in, and is in as soon as the owner is out
 *           GATE_FENCES  membarrier() is refused to the others: the owner fences itself
 *           GATE_CALLED  the coroutine that runs shall give way at its next call that may wait: a
 *                        hint, which is forgotten at the next poll, and may be lost
 *
 *   owner                             somebody else
 *   1 inside = GATE_IN                1 asked |= GATE_ASKED, by compare-exchange
 *   2 light fence                     2 wait a moment for GATE_WAITS: then that is all
 *   3 asked != 0: back out, and       3 heavy fence
 *     go the long way                 4 wait until inside is not GATE_IN
 *
 * [GATE-IN]  At least one of the two sees the other's step 1 (base/fence.h), so never are both in.
 * Leaving is a store with release, and the last steps load with acquire: each sees what the other
 * did.
 *
 * The light fence is one for the compiler alone, so that to enter is a store and a look.  The heavy
 * one interrupts the owner, which costs some 10 us on a virtual machine; but an owner that comes to
 * its gate at every turn meets the one who asks by itself, and says so: GATE_WAITS.  On that long
 * way both fence for real.
 *
 * Should membarrier() be refused one day, the one who meets that leaves GATE_FENCES behind and
 * waits until no processor can hold back a store from before; from then on the owner's way is the
 * long one.  (Where it never was to be had, no lock is biased: lock.c.)
 *
 * The owner waits for nothing while it is inside but the runtime's own short locks, and whoever
 * asks holds no lock: so a wait for a gate ends, unless the kernel has put the other thread aside,
 * and then it offers its CPU.
 */
#ifndef WEFT_BASE_GATE_H
#define WEFT_BASE_GATE_H

#include "atomic.h"
#include "compiler.h"
#include "fence.h"

enum {
    GATE_OUT = 0,
    GATE_IN = 1,
    GATE_WAITS = 2,
};

enum {
    GATE_ASKED = 1,
    GATE_FENCES = 2,
    GATE_CALLED = 4,
};

struct weft__gate {
    _Atomic uint32_t inside;
    _Atomic uint32_t asked;
    _Atomic int32_t balance; /* of biases that lasted against such that had to be ended; a hint */
    _Atomic uint64_t epoch;  /* of this gate alone, until the next bias to it is ended */
    struct weft__gate *next; /* while no P has it */
} WEFT__ALIGNED_LINE;

/* A gate for a P, and back.  Gates are never freed: an object may name the gate of a P that is
 * gone, which then is nobody's, or another P's, and a lock all the same.  NULL: no memory. */
struct weft__gate *weft__gate_make(void);
void weft__gate_drop(struct weft__gate *gate);

void weft__gate_wait(struct weft__gate *gate); /* the owner's long way; inside afterwards */

#ifdef WEFT_DEBUG
void weft__gate_check_is_out(const struct weft__gate *gate);
#else
static inline void weft__gate_check_is_out(const struct weft__gate *gate)
{
    (void)gate;
}
#endif

static inline void weft__gate_leave(struct weft__gate *gate)
{
    /* release [GATE-IN] */
    atomic_store_explicit(&gate->inside, GATE_OUT, memory_order_release);
}

/* By the thread that runs the P, which is not inside; false if it must go the long way. */
static inline bool weft__gate_try_enter(struct weft__gate *gate)
{
    weft__gate_check_is_out(gate);
    atomic_store_explicit(&gate->inside, GATE_IN, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst); /* [GATE-IN] */
    /* acquire [GATE-IN]: what the last one who had asked did is visible. */
    if (WEFT__LIKELY(atomic_load_explicit(&gate->asked, memory_order_acquire) == 0)) {
        return true;
    }
    weft__gate_leave(gate); /* we have done nothing */
    return false;
}

/* The same, and if need be by the long way: wait until nobody asks any more. */
static inline void weft__gate_enter(struct weft__gate *gate)
{
    if (WEFT__UNLIKELY(!weft__gate_try_enter(gate))) {
        weft__gate_wait(gate);
    }
}

/* By one who is inside.  As long as it is the same, no bias to this gate was ended: what was biased
 * to it still is. */
static inline uint64_t weft__gate_epoch(const struct weft__gate *gate)
{
    return atomic_load_explicit(&gate->epoch, memory_order_relaxed);
}

/* By the owner, which may be inside already: who wakes somebody may hold a biased lock.  Is it the
 * caller who must leave? */
static inline bool weft__gate_enter_once(struct weft__gate *gate)
{
    if (atomic_load_explicit(&gate->inside, memory_order_relaxed) != GATE_OUT) {
        return false;
    }
    weft__gate_enter(gate);
    return true;
}

/*
 * Shall an object that the owner makes be biased to its gate?  To end a bias costs some thousand
 * times what a bias saves at each use: so of WEFT__GATE_END_COST objects at most about one may end
 * that way.
 */
#define WEFT__GATE_END_COST 64
#define WEFT__GATE_BALANCE_MAX 256

static inline bool weft__gate_is_worth_it(struct weft__gate *gate)
{
    int32_t balance = atomic_load_explicit(&gate->balance, memory_order_relaxed);
    if (WEFT__UNLIKELY(balance < WEFT__GATE_BALANCE_MAX)) {
        atomic_store_explicit(&gate->balance, balance + 1, memory_order_relaxed);
    }
    return balance >= 0;
}

/* A bias is about to be ended, by one who has seized the gate: a new epoch begins. */
void weft__gate_note_end(struct weft__gate *gate);

/* By any thread: call upon the coroutine that runs on the owner. */
static inline void weft__gate_call(struct weft__gate *gate)
{
    atomic_fetch_or_explicit(&gate->asked, GATE_CALLED, memory_order_relaxed);
}

/* By the owner, on a short way that does not enter: is there anything that only the long one sees?
 */
static inline bool weft__gate_is_asked(const struct weft__gate *gate)
{
    return atomic_load_explicit(&gate->asked, memory_order_relaxed) != 0;
}

/* By the owner. */
static inline bool weft__gate_is_called(const struct weft__gate *gate)
{
    return (atomic_load_explicit(&gate->asked, memory_order_relaxed) & GATE_CALLED) != 0;
}

/* By the owner: nobody has called. */
void weft__gate_uncall(struct weft__gate *gate);

/* By any other thread, which holds no gate: keep the owner out. */
void weft__gate_seize(struct weft__gate *gate);
void weft__gate_release(struct weft__gate *gate);

#endif
