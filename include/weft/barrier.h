/* SPDX-License-Identifier: MIT */
/* barrier.h - barrier: so many meet, and go on together, again and again. */
#ifndef WEFT_BARRIER_H
#define WEFT_BARRIER_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

struct weft_barrier;

/**
 * weft_barrier_make - make a barrier.
 *
 * @n  how many meet; less than 1 is fatal.
 *
 * Returns    the barrier, to be given to weft_barrier_free(); NULL for lack of memory.
 * Errors     none as a code.
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST struct weft_barrier *weft_barrier_make(int n);

/**
 * weft_barrier_free - free a barrier; fatal if somebody waits at it.
 *
 * @b  the barrier; NULL is allowed.  Those who have met may still be on their way out of
 *     weft_barrier_wait(): the one to whom it returned 1 may free it at once.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_barrier_free(struct weft_barrier *b);

/**
 * weft_barrier_wait - wait until so many have come.
 *
 * @b  the barrier; it can be used again at once.
 *
 * One whose wait is ended by a scope has not come: somebody else must.  Who has met the others
 * returns without an error, even if a scope ends at the same moment.
 *
 * Returns    1 to one of those who have met, the last to come; 0 to the others.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 * Order      what each wrote before is visible to all who have met.
 */
WEFT_API_MUST int weft_barrier_wait(struct weft_barrier *b);

WEFT_END_DECLS
#endif
