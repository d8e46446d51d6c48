/* SPDX-License-Identifier: MIT */
/*
 * aside.h - Ps that step aside: a relief P at rest (lookout.h), and one that stands down (stand.h).
 * They go on serving their reactors and wheels, and run what only they may; all else that they make
 * runnable is for others.
 *
 * By the owner of p, on its M's own context.
 */
#ifndef WEFT_SCHED_ASIDE_H
#define WEFT_SCHED_ASIDE_H

#include "sched.h"

/* The next coroutine of a relief P that nobody has called, and of a P that is down; NULL: look
 * again, it has slept. */
struct weft__g *weft__find_at_rest(struct weft__p *p);
struct weft__g *weft__find_bound(struct weft__p *p);

/* p was told to stand down, or to stand again. */
void weft__change_sides(struct weft__p *p);

/* find.c: look at the reactor and the timers; and sleep until there is something to do. */
void weft__p_poll(struct weft__p *p, int64_t deadline_ns);
void weft__p_sleep(struct weft__p *p);

#endif
