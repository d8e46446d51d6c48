/* SPDX-License-Identifier: MIT */
/*
 * away.h - what goes on away from the Ps of a runtime and will make one of its coroutines runnable:
 * jobs of its pool, coroutines that are outside.  The look at a deadlock goes by it (deadlock.c).
 */
#ifndef WEFT_SCHED_AWAY_H
#define WEFT_SCHED_AWAY_H

struct weft_runtime;

/* By a coroutine of rt, before it waits or goes outside. */
void weft__away_begin(struct weft_runtime *rt);

/* By any thread that rt outlives, after the coroutine was made runnable. */
void weft__away_end(struct weft_runtime *rt);

#endif
