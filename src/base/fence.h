/* SPDX-License-Identifier: MIT */
/*
 * fence.h - the two halves of an asymmetric fence.
 *
 * Where two threads each write one word and then read the other's (Dekker), both need a fence
 * between the two.  When one side does so at every step and the other seldom, the frequent one pays
 * nothing: its light fence only keeps the compiler from moving things, and the heavy fence of the
 * other one makes every running thread of the process execute a real one, by membarrier(2).
 *
 * [ASYM-FENCE]  After the heavy fence its caller sees what anybody wrote before a light fence that
 * is not yet over, and whoever passes a light fence later sees what the caller wrote before it.
 *
 * Source: the membarrier(2) manual, section "Examples".
 */
#ifndef WEFT_BASE_FENCE_H
#define WEFT_BASE_FENCE_H

#include "atomic.h"
#include "compiler.h"

/* Written before the first runtime starts; false where membarrier() cannot be had: then both are
 * real fences. */
extern _Atomic bool weft__fence_is_asymmetric;

/* Ask the kernel, once a process; before the threads that use the fences exist.  Any thread. */
void weft__fence_init(void);

/* A seq_cst fence towards those who call weft__fence_heavy(). */
static inline void weft__fence_light(void)
{
    if (WEFT__LIKELY(atomic_load_explicit(&weft__fence_is_asymmetric, memory_order_relaxed))) {
        atomic_signal_fence(memory_order_seq_cst); /* [ASYM-FENCE] */
    } else {
        atomic_thread_fence(memory_order_seq_cst); /* [ASYM-FENCE] */
    }
}

/* A seq_cst fence here and, where they stand, in all threads of the process.  Some microseconds.
 * False if it is one here alone, and light fences are real ones instead. */
bool weft__fence_heavy(void);

/* Wait until no processor can hold back any more what was written before the call. */
void weft__fence_drain(void);

#endif
