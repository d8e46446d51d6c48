/* SPDX-License-Identifier: MIT */
/*
 * deque.h - the unstarted queue of a P: the owner takes the youngest, thieves the oldest, so that
 * a tree of coroutines runs depth-first on each P in a few stacks, and a thief gets a large branch.
 *
 *   top <= bottom, bottom - top <= WEFT__DEQUE_CAP   (free-running 64-bit: they never wrap)
 *   bottom  written by the owner only: upwards at any time, downwards in the P's gate
 *   top     written by whoever is in the P's gate, upwards only
 *   slot[i] the owner only, and only while i is outside [top, bottom)
 *
 * A ring that does not grow: what does not fit goes to the global queue.
 */
#ifndef WEFT_SCHED_DEQUE_H
#define WEFT_SCHED_DEQUE_H

#include "../base/atomic.h"
#include "../base/compiler.h"

#define WEFT__DEQUE_CAP WEFT__BOUND(256u, 4u)

struct weft__g;

struct weft__deque {
    _Atomic uint64_t top WEFT__ALIGNED_LINE;
    _Atomic uint64_t bottom WEFT__ALIGNED_LINE;
    _Atomic(struct weft__g *) slot[WEFT__DEQUE_CAP];
};

/* Owner: add; false if it is full. */
static inline bool weft__deque_push(struct weft__deque *d, struct weft__g *g)
{
    uint64_t bottom = atomic_load_explicit(&d->bottom, memory_order_relaxed); /* our own */
    /* acquire [DEQUE-TAKE]: a thief that moved top has finished reading the slot that we may now
     * overwrite. */
    uint64_t top = atomic_load_explicit(&d->top, memory_order_acquire);
    if (bottom - top >= WEFT__DEQUE_CAP) {
        return false;
    }
    atomic_store_explicit(&d->slot[bottom % WEFT__DEQUE_CAP], g, memory_order_relaxed);
    /* release [DEQUE-PUSH]: publishes the slot and *g to thieves. */
    atomic_store_explicit(&d->bottom, bottom + 1, memory_order_release);
    return true;
}

/* Owner: add the first one of a deque that is empty. */
static inline void weft__deque_push_first(struct weft__deque *d, struct weft__g *g)
{
    uint64_t bottom = atomic_load_explicit(&d->bottom, memory_order_relaxed); /* our own */
    atomic_store_explicit(&d->slot[bottom % WEFT__DEQUE_CAP], g, memory_order_relaxed);
    /* release [DEQUE-PUSH] */
    atomic_store_explicit(&d->bottom, bottom + 1, memory_order_release);
}

/* Owner: add several, the first of which is then the youngest; false if not all find room. */
static inline bool weft__deque_push_all(struct weft__deque *d, struct weft__g **all, uint32_t n)
{
    uint64_t bottom = atomic_load_explicit(&d->bottom, memory_order_relaxed); /* our own */
    /* acquire [DEQUE-TAKE]: as above */
    if (bottom + n - atomic_load_explicit(&d->top, memory_order_acquire) > WEFT__DEQUE_CAP) {
        return false;
    }
    for (uint32_t i = n; i-- > 0; bottom++) {
        atomic_store_explicit(&d->slot[bottom % WEFT__DEQUE_CAP], all[i], memory_order_relaxed);
    }
    /* release [DEQUE-PUSH] */
    atomic_store_explicit(&d->bottom, bottom, memory_order_release);
    return true;
}

/* Anyone: how many there are; old at once. */
static inline int64_t weft__deque_count(const struct weft__deque *d)
{
    return (int64_t)(atomic_load_explicit(&d->bottom, memory_order_relaxed) -
                     atomic_load_explicit(&d->top, memory_order_relaxed));
}

/* Anyone: is there something?  Old at once; but what the owner finds empty stays so. */
static inline bool weft__deque_is_empty(const struct weft__deque *d)
{
    /* acquire [DEQUE-TAKE]: for the owner, who may overwrite what was taken. */
    uint64_t top = atomic_load_explicit(&d->top, memory_order_acquire);
    return atomic_load_explicit(&d->bottom, memory_order_relaxed) <= top;
}

/* Owner, in the gate: take the youngest; NULL if empty. */
static inline struct weft__g *weft__deque_pop(struct weft__deque *d)
{
    uint64_t bottom = atomic_load_explicit(&d->bottom, memory_order_relaxed); /* our own */
    if (bottom == atomic_load_explicit(&d->top, memory_order_relaxed)) {
        return NULL;
    }
    /* relaxed: who looks without the gate may see it late. */
    atomic_store_explicit(&d->bottom, bottom - 1, memory_order_relaxed);
    struct weft__g *g =
        atomic_load_explicit(&d->slot[(bottom - 1) % WEFT__DEQUE_CAP], memory_order_relaxed);
    if (g == NULL) {
        __builtin_unreachable(); /* nobody pushes that: spares who takes it a look */
    }
    return g;
}

/* In the gate: take up to max of the oldest, at most half (rounded up), into `out`; returns how
 * many. */
uint32_t weft__deque_grab(struct weft__deque *d, struct weft__g **out, uint32_t max);

#endif
