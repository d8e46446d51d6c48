/* SPDX-License-Identifier: MIT */
/*
 * spawn.h - go() for parts of Weft: for those who have a place already, where the runtime has a
 * limit (limit.h); if the coroutine cannot be started, the place is free again.  And for what Weft
 * does in a coroutine of its own.
 */
#ifndef WEFT_SCHED_SPAWN_H
#define WEFT_SCHED_SPAWN_H

#include <weft/go.h>

/* As weft_go_at(). */
int weft__go_placed(void (*fn)(void *), void *arg, const char *site);

/* As weft_go_opts(); *error is written where that returns NULL. */
struct weft_co *weft__go_opts_placed(int (*fn)(void *), void *arg,
                                     const struct weft_go_opts *opts, int *error);

/* By a coroutine: begin fn(arg), which inherits nothing and takes no place; `done` is called with
 * arg when it has returned, or is discarded.  False, and neither is called: for lack of memory. */
bool weft__go_ours(void (*fn)(void *), void (*done)(void *), void *arg, const char *site);

#endif
