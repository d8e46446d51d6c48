/* SPDX-License-Identifier: MIT */
/* event.h - event: something has happened, or not; many may wait for it, also in a select. */
#ifndef WEFT_EVENT_H
#define WEFT_EVENT_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

struct weft_event;

/**
 * weft_event_make - make an event that is not set.
 *
 * Returns    the event, to be given to weft_event_free(); NULL for lack of memory.
 * Errors     none as a code.
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST struct weft_event *weft_event_make(void);

/**
 * weft_event_free - free an event; fatal if somebody waits for it.
 *
 * @e  the event; NULL is allowed.  Those whom weft_event_set() has woken may still be on their way
 *     out of weft_event_wait(); a select that waited for it must have returned.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_event_free(struct weft_event *e);

/**
 * weft_event_set - it has happened: wake all who wait; nobody waits any more until a reset.
 *
 * @e  the event; one that is set already stays so.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_event_set(struct weft_event *e);

/**
 * weft_event_reset - from now on it is waited for again.
 *
 * @e  the event.  Those whom the last weft_event_set() found waiting go on all the same.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_event_reset(struct weft_event *e);

/**
 * weft_event_is_set - has it happened?
 *
 * @e  the event.
 *
 * Returns    true if it is set.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 * Order      if so, what was written before weft_event_set() is visible.
 */
WEFT_API bool weft_event_is_set(const struct weft_event *e);

/**
 * weft_event_wait - wait until it has happened.
 *
 * @e  the event; who has waited may free it at once, if nobody else uses it.
 *
 * Returns    0.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 * Order      what was written before weft_event_set() is visible.
 */
WEFT_API_MUST int weft_event_wait(struct weft_event *e);

WEFT_END_DECLS
#endif
