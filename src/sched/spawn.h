/* SPDX-License-Identifier: MIT */
/* spawn.h - go() for those who have a place already, where the runtime has a limit (limit.h).  If
 * the coroutine cannot be started, the place is free again. */
#ifndef WEFT_SCHED_SPAWN_H
#define WEFT_SCHED_SPAWN_H

#include <weft/go.h>

/* As weft_go_at(). */
int weft__go_placed(void (*fn)(void *), void *arg, const char *site);

/* As weft_go_opts(); *error is written where that returns NULL. */
struct weft_co *weft__go_opts_placed(int (*fn)(void *), void *arg,
                                     const struct weft_go_opts *opts, int *error);

#endif
