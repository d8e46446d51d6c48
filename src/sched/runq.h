/* SPDX-License-Identifier: MIT */
/*
 * runq.h - the woken queue of a P: a bounded ring, first in first out, that others may steal from.
 *
 *   head <= tail, tail - head <= WEFT__RUNQ_CAP     (free-running uint32_t)
 *   tail    written by the owner only
 *   head    written by whoever is in the P's gate: the owner, or a thief that has seized it
 *   slot[i] the owner only, and only while i is outside [head, tail)
 *
 * So to push is a plain store, and to take out are plain stores inside the gate (base/gate.h).
 */
#ifndef WEFT_SCHED_RUNQ_H
#define WEFT_SCHED_RUNQ_H

#include "../base/atomic.h"
#include "../base/compiler.h"

#define WEFT__RUNQ_CAP WEFT__BOUND(256u, 4u)

struct weft__g;

struct weft__runq {
    _Atomic uint32_t head WEFT__ALIGNED_LINE;
    _Atomic uint32_t tail WEFT__ALIGNED_LINE;
    _Atomic(struct weft__g *) slot[WEFT__RUNQ_CAP];
};

/* Owner: append; false if it is full. */
static inline bool weft__runq_push(struct weft__runq *q, struct weft__g *g)
{
    /* acquire [RUNQ-TAKE]: a thief's release on head says that it has finished reading the slot
     * that we are about to overwrite. */
    uint32_t head = atomic_load_explicit(&q->head, memory_order_acquire);
    uint32_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed); /* our own */
    if (tail - head >= WEFT__RUNQ_CAP) {
        return false;
    }
    atomic_store_explicit(&q->slot[tail % WEFT__RUNQ_CAP], g, memory_order_relaxed);
    /* release [RUNQ-PUSH]: publishes the slot and everything written to *g before this call; pairs
     * with the loads of tail by thieves. */
    atomic_store_explicit(&q->tail, tail + 1, memory_order_release);
    return true;
}

/* Owner, in the gate: take the oldest; NULL if empty. */
static inline struct weft__g *weft__runq_pop(struct weft__runq *q)
{
    uint32_t head = atomic_load_explicit(&q->head, memory_order_relaxed);
    if (head == atomic_load_explicit(&q->tail, memory_order_relaxed)) { /* our own */
        return NULL;
    }
    struct weft__g *g = atomic_load_explicit(&q->slot[head % WEFT__RUNQ_CAP], memory_order_relaxed);
    /* relaxed: only we overwrite the slot. */
    atomic_store_explicit(&q->head, head + 1, memory_order_relaxed);
    if (g == NULL) {
        __builtin_unreachable(); /* nobody pushes that: spares who takes it a look */
    }
    return g;
}

/* Owner, in the gate: the oldest, which stays; NULL if empty. */
static inline struct weft__g *weft__runq_first(const struct weft__runq *q)
{
    uint32_t head = atomic_load_explicit(&q->head, memory_order_relaxed);
    return head == atomic_load_explicit(&q->tail, memory_order_relaxed) /* our own */
               ? NULL
               : atomic_load_explicit(&q->slot[head % WEFT__RUNQ_CAP], memory_order_relaxed);
}

/* Owner, in the gate. */
static inline bool weft__runq_is_empty(const struct weft__runq *q)
{
    return atomic_load_explicit(&q->head, memory_order_relaxed) ==
           atomic_load_explicit(&q->tail, memory_order_relaxed);
}

/* Anyone: how many there are; old at once. */
static inline uint32_t weft__runq_count(const struct weft__runq *q)
{
    uint32_t head = atomic_load_explicit(&q->head, memory_order_relaxed);
    uint32_t n = atomic_load_explicit(&q->tail, memory_order_relaxed) - head;
    return n > WEFT__RUNQ_CAP ? 0 : n; /* the two may be of different moments */
}

/* In the gate: take up to max of the oldest, at most half (rounded up), into `out`; returns how
 * many. */
uint32_t weft__runq_grab(struct weft__runq *q, struct weft__g **out, uint32_t max);

#endif
