/* SPDX-License-Identifier: MIT */
/*
 * stand.h - how many Ps run coroutines: as many as quota and affinity allow, never more than there
 * were at the start, never less than two.
 *
 * The Ps below rt->n_standing stand, the others stand down.  A P that stands down goes on serving
 * its reactor, its wheel and what is bound to it, but takes nothing else up: what it makes runnable
 * goes to the global queue, and one that stands is told of it.  It notices on its M's own context
 * (find.c), and from then on every coroutine that leaves it comes there; so no path of a coroutine
 * asks.
 *
 * The number is looked for by the watch thread, which no coroutine waits for and whose affinity
 * nobody has changed for himself.  A P asks it to at a turn where it reads the clock, or at the end
 * of a sleep, if the last look is long ago: a runtime without work asks nobody.
 */
#ifndef WEFT_SCHED_STAND_H
#define WEFT_SCHED_STAND_H

#include "cpus.h"
#include "sched.h"

#define WEFT__STAND_LEAST 2

/* Before rt has threads: all its Ps stand, for good or as the system will tell. */
void weft__stand_begin(struct weft_runtime *rt, bool follows);

/* From now on rt follows what `at` tells, with a look every interval_ns at most.  Two Ps or fewer
 * have nowhere to go. */
void weft__stand_follow(struct weft_runtime *rt, const struct weft__cpus_at *at,
                        int64_t interval_ns);

/* So many Ps are to stand: n is brought into the bounds.  By any thread. */
void weft__stand_set(struct weft_runtime *rt, int n);

/* The watch thread: look at what is allowed, in all runtimes that follow it. */
void weft__stand_look(void);

void weft__stand_ask_now(struct weft_runtime *rt, int64_t now_ns);

static inline bool weft__stand_follows(const struct weft_runtime *rt)
{
    return atomic_load_explicit(&rt->stand_look_ns, memory_order_relaxed) != INT64_MAX;
}

/* Is it time for a look? */
static inline void weft__stand_ask(struct weft_runtime *rt, int64_t now_ns)
{
    if (WEFT__UNLIKELY(now_ns >= atomic_load_explicit(&rt->stand_look_ns, memory_order_relaxed))) {
        weft__stand_ask_now(rt, now_ns);
    }
}

/* By the owner of p: has the number been changed over its head?  relaxed: before a sleep the fence
 * of [IDLE-DEKKER] lies in front of it, elsewhere it may come late. */
static inline bool weft__stand_has_changed(const struct weft__p *p)
{
    bool is_down = p->index >= atomic_load_explicit(&p->rt->n_standing, memory_order_relaxed);
    return WEFT__UNLIKELY(is_down != p->is_down) && !p->is_relief;
}

#endif
