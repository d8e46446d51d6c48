/* SPDX-License-Identifier: MIT */
/* own.h - what is the thread's, unless a coroutine has its own: floating-point control, errno. */
#ifndef WEFT_SCHED_OWN_H
#define WEFT_SCHED_OWN_H

#include "machine.h"

#define G_FLAGS_OWN (G_FLAG_OWN_FP | G_FLAG_OWN_ERRNO)

/* Right before the switch from one coroutine to another, or to an M's own context (NULL), if one of
 * them has something of its own. */
void weft__own_switch(struct weft__m *m, struct weft__g *from, const struct weft__g *to);

/* The same from an M's own context. */
void weft__own_load(const struct weft__g *to);

#endif
