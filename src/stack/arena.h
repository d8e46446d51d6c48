/* SPDX-License-Identifier: MIT */
/* arena.h - between arena.c and cache.c: fresh stacks. */
#ifndef WEFT_STACK_ARENA_H
#define WEFT_STACK_ARENA_H

#include "stack.h"

/* A stack that was never used before, with its guard; NULL when none can be had.  Under the lock.
 * */
struct weft__stack *weft__arena_take(struct weft__stacks *s, int shift);

void weft__arena_free(struct weft__stacks *s);

#endif
