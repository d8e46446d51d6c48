/* SPDX-License-Identifier: MIT */
/*
 * limit.h - how many coroutines a runtime may have at a time, and who waits for a place.
 *
 * Where there is a limit, whoever starts a coroutine takes a place first; the coroutine is marked
 * (G_FLAG_COUNTED) and gives its place back when it ends, to the one who has waited longest.  So
 * somebody waits only while all places are taken.  Where there is none, nothing is counted: a spawn
 * looks at the mark that it would set, and an end at the flags that it looks at anyway.
 *
 * Coroutines of the runtime wait, and plain threads.  Those of other runtimes are refused: theirs
 * may be stopped while they wait in ours.
 *
 * The functions are in park/limit.c: they wait.
 */
#ifndef WEFT_SCHED_LIMIT_H
#define WEFT_SCHED_LIMIT_H

#include "wait.h"

struct weft__limit {
    uint32_t max; /* 0: none */
    bool may_wait;
    struct weft__lock lock; /* RANK_CHAN; protects all below; n_waiting is read without */
    uint32_t count;         /* places taken */
    bool is_closed;         /* plain threads get no place any more */
    struct weft__waitq starters;
    _Atomic uint32_t n_waiting; /* that have not come back from it */
};

/* Of one who waits for a place.  The wait is set up by its owner; a plain thread's is contested. */
struct weft__start {
    struct weft__wait wait;
    struct weft__waiter waiter;
};

void weft__limit_init(struct weft__limit *l, int max, bool may_wait);

/* For coroutines: a place.  0; -EAGAIN; or -errno of a scope. */
int weft__limit_take(struct weft__limit *l, bool may_wait, const void *caller);

/* The same in two steps: 0 a place; 1 it has to be waited for by the next call; -EAGAIN; or
 * -ESHUTDOWN for plain threads.  s is NULL where the caller does not wait. */
int weft__limit_enter(struct weft__limit *l, struct weft__start *s, const void *caller);
int weft__limit_wait(struct weft__limit *l, struct weft__start *s);

/* A place is free: a coroutine could not be started. */
void weft__limit_leave(struct weft__limit *l);

/* By a coroutine that is about to end, before it tells anybody: the place that it may have is free.
 * */
void weft__limit_end(struct weft__g *g);

/* The runtime is being stopped: plain threads that wait get -ESHUTDOWN. */
void weft__limit_close(struct weft__limit *l);

#endif
