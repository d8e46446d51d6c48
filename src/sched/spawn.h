/* SPDX-License-Identifier: MIT */
/* spawn.h - go() for those who say whether it may wait at the limit of the runtime (limit.h), and
 * whose code it is that has called Weft: a return address into it. */
#ifndef WEFT_SCHED_SPAWN_H
#define WEFT_SCHED_SPAWN_H

#include <weft/go.h>

/* As weft_go_at(). */
int weft__go(void (*fn)(void *), void *arg, const char *site, bool may_wait, const void *caller);

/* As weft_go_opts(); *error is written where that returns NULL. */
struct weft_co *weft__go_opts(int (*fn)(void *), void *arg, const struct weft_go_opts *opts,
                              bool may_wait, const void *caller, int *error);

#endif
