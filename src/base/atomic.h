/* SPDX-License-Identifier: MIT */
/*
 * atomic.h - the one door to <stdatomic.h>.
 *
 * Every access names its order, and every order other than relaxed carries a tag in a comment
 * ([RUNQ-PUSH]) that appears at both of its ends.
 *
 * weft__perturb() marks the places where an unlucky interleaving would hurt: between a state that
 * others can see and the next step of the one who changed it.  It is nothing in a normal build;
 * built with -DWEFT_PERTURB, it delays or yields at random from a seed, so that stress tests see
 * the interleavings that an undisturbed machine shows once in a million.
 */
#ifndef WEFT_BASE_ATOMIC_H
#define WEFT_BASE_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef WEFT_PERTURB
void weft__perturb(void);
/* Shall a coroutine that became runnable go to another P than usual?  One time in two; the short
 * ways ask first, and the long way once more. */
bool weft__perturb_migrates(void);
#else
static inline void weft__perturb(void)
{
}
static inline bool weft__perturb_migrates(void)
{
    return false;
}
#endif

/* A counter that one thread writes and others may read: no read-modify-write is needed. */
#define weft__count(counter)                                                                       \
    atomic_store_explicit(&(counter), atomic_load_explicit(&(counter), memory_order_relaxed) + 1,  \
                          memory_order_relaxed)
#define weft__count_add(counter, n)                                                                \
    atomic_store_explicit(&(counter),                                                              \
                          atomic_load_explicit(&(counter), memory_order_relaxed) + (n),            \
                          memory_order_relaxed)

/* weft__count() of what each turn counts: by one instruction where there is one, which no compiler
 * makes of an atomic load and store. */
static inline void weft__count_turn(_Atomic uint64_t *counter)
{
#if defined(__x86_64__) && !defined(WEFT_MODEL)
    __asm__("addq $1, %0" : "+m"(*(uint64_t *)counter) : : "cc");
#else
    weft__count(*counter);
#endif
}

#endif
