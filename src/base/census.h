/* SPDX-License-Identifier: MIT */
/*
 * census.h - to count the threads of the process that are not ours: all that there are, less ours.
 *
 * The two numbers are of different moments.  A thread of ours that came between them is one too
 * many that is not ours, which is a safe mistake for who wants to know that there is none.  One
 * that left between them would hide another, so whoever leaves says it here:
 *
 *   who leaves                          who counts
 *   1 takes himself out of our count    1 looks at how many have left
 *   2 counts that he has left           2 adds up ours
 *   3 ends                              3 asks the kernel for all
 *                                       4 looks at how many have left again
 *
 * [CENSUS-LEFT]  If the kernel did not count him any more, step 4 sees his step 2, for both went
 * through the kernel; and if step 1 had seen that one already, step 2 saw him taken out.
 */
#ifndef WEFT_BASE_CENSUS_H
#define WEFT_BASE_CENSUS_H

#include <stdint.h>

#include "atomic.h"

extern _Atomic uint64_t weft__census_left;

/* A thread that *count counts is about to end, or to be no longer one of ours. */
static inline void weft__census_leave(_Atomic uint32_t *count)
{
    atomic_fetch_sub_explicit(count, 1, memory_order_relaxed);
    /* release [CENSUS-LEFT]: after he is taken out. */
    atomic_fetch_add_explicit(&weft__census_left, 1, memory_order_release);
}

static inline uint64_t weft__census_count_left(void)
{
    /* acquire [CENSUS-LEFT] */
    return atomic_load_explicit(&weft__census_left, memory_order_acquire);
}

#endif
