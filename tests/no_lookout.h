/* SPDX-License-Identifier: MIT */
/*
 * no_lookout.h - included by a program that depends on what the processors do by themselves: the
 * look-out of its process serves nobody.
 *
 * Whoever gets no CPU for some ms looks like a hog to it, and then relief processors run what waits
 * there, wherever a lost wake-up, an order or a share of the CPU is looked for.
 */
#ifndef WEFT_TEST_NO_LOOKOUT_H
#define WEFT_TEST_NO_LOOKOUT_H

#include "sched/lookout.h"

__attribute__((constructor)) static void serve_nobody(void)
{
    atomic_store(&weft__lookout_serves, false);
}

#endif
