/* SPDX-License-Identifier: MIT */
/*
 * gate.h - a lock that belongs to one P: two plain stores for the thread that runs it, a system
 * call for everybody else.
 *
 *   inside  how deep the owner is inside; written by the owner alone
 *   asked   0  nobody else wants in
 *           1  somebody does, and is in as soon as the owner is out
 *
 *   owner                             somebody else
 *   1 inside = 1                      1 asked: 0 -> 1, by compare-exchange
 *   2 light fence                     2 heavy fence
 *   3 asked != 0: back out, wait      3 wait until inside is 0
 *
 * [GATE-IN]  At least one of the two sees the other's step 1 (base/fence.h), so never are both in.
 * Leaving is a store with release, and step 3 loads with acquire: each sees what the other did.
 *
 * The owner never waits for anything while it is inside, and whoever asks holds no lock: so a wait
 * for a gate ends, unless the kernel has put the other thread aside, and then it offers its CPU.
 */
#ifndef WEFT_BASE_GATE_H
#define WEFT_BASE_GATE_H

#include "atomic.h"
#include "compiler.h"
#include "fence.h"

struct weft__gate {
    _Atomic uint32_t inside;
    _Atomic uint32_t asked;
    _Atomic int32_t balance; /* of biases that lasted against such that had to be ended; a hint */
    struct weft__gate *next; /* while no P has it */
} WEFT__ALIGNED_LINE;

/* A gate for a P, and back.  Gates are never freed: an object may name the gate of a P that is
 * gone, which then is nobody's, or another P's, and a lock all the same.  NULL: no memory. */
struct weft__gate *weft__gate_make(void);
void weft__gate_drop(struct weft__gate *gate);

void weft__gate_wait(struct weft__gate *gate); /* step 3 of the owner; inside again afterwards */

/* By the thread that runs the P.  May be nested. */
static inline void weft__gate_enter(struct weft__gate *gate)
{
    uint32_t depth = atomic_load_explicit(&gate->inside, memory_order_relaxed);
    atomic_store_explicit(&gate->inside, depth + 1, memory_order_relaxed);
    weft__fence_light(); /* [GATE-IN] */
    /* acquire [GATE-IN]: what the last one who had asked did is visible. */
    if (WEFT__UNLIKELY(atomic_load_explicit(&gate->asked, memory_order_acquire) != 0) &&
        depth == 0) {
        weft__gate_wait(gate);
    }
}

static inline void weft__gate_leave(struct weft__gate *gate)
{
    uint32_t depth = atomic_load_explicit(&gate->inside, memory_order_relaxed);
    /* release [GATE-IN] */
    atomic_store_explicit(&gate->inside, depth - 1, memory_order_release);
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
    if (balance < WEFT__GATE_BALANCE_MAX) {
        atomic_store_explicit(&gate->balance, balance + 1, memory_order_relaxed);
    }
    return balance >= 0;
}

static inline void weft__gate_note_end(struct weft__gate *gate)
{
    int32_t balance = atomic_load_explicit(&gate->balance, memory_order_relaxed);
    atomic_store_explicit(&gate->balance, balance - WEFT__GATE_END_COST, memory_order_relaxed);
}

/* By any other thread, which holds no gate: keep the owner out. */
void weft__gate_seize(struct weft__gate *gate);
void weft__gate_release(struct weft__gate *gate);

#endif
