/* SPDX-License-Identifier: MIT */
/* lifecycle.h - start, stop and entry of a runtime, between start.c, stop.c and enter.c. */
#ifndef WEFT_SCHED_LIFECYCLE_H
#define WEFT_SCHED_LIFECYCLE_H

#include "../base/text.h"
#include "sched.h"

/* All but the thread of an only P; *was_said: a line on stderr has told what is wrong. */
int weft__runtime_start(struct weft_runtime **out, const struct weft_config *given,
                        bool exits_on_deadlock, bool *was_said);

/* And that: after something was given to it, or it would go to sleep first.  Several Ps begin at
 * once, since nothing may run before all have their threads.  0 or -errno: then nothing is left but
 * to stop. */
int weft__runtime_begin(struct weft_runtime *rt);

/*
 * Stop, waiting at most until deadline_ns for coroutines that compute without blocking; returns how
 * many coroutines had not ended, or -ETIMEDOUT: then the runtime is left as it is, since its memory
 * is still in use.
 */
int64_t weft__runtime_stop(struct weft_runtime *rt, int64_t deadline_ns);

/* Implemented in sync/: a coroutine that waited in an object, for this reason, is discarded, and in
 * its queue no more. */
void weft__room_discard(uint8_t reason, void *object);

/* What weft_runtime_describe() says. */
void weft__runtime_describe(const struct weft_runtime *rt, struct weft__text *t);

#endif
