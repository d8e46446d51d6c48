/* SPDX-License-Identifier: MIT */
/*
 * cancel.h - cancelling scopes, of one coroutine or of many at a time.
 *
 *     for each:  weft__cancel_mark(frame)
 *     weft__cancel_fence()
 *     for each:  weft__cancel_deliver(frame)
 *
 * Any thread.  A frame must be open, or the root of a coroutine that has not begun or has ended,
 * from its mark to its delivery; between the two its coroutine does not leave a wait.
 */
#ifndef WEFT_PARK_CANCEL_H
#define WEFT_PARK_CANCEL_H

#include "../sched/scope_frame.h"

void weft__cancel_mark(struct weft__scope_frame *s);
void weft__cancel_fence(void);
void weft__cancel_deliver(struct weft__scope_frame *s);

/* All three, for one. */
void weft__cancel(struct weft__scope_frame *s);

#endif
