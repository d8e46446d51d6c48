/* SPDX-License-Identifier: MIT */
/*
 * sem.h - weighted semaphore: permits, of which each caller takes as many as it needs.
 *
 * Requests are served in order.  One for many permits is not passed by those for few that came
 * after it; one that gives up lets them pass.
 */
#ifndef WEFT_SEM_H
#define WEFT_SEM_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

struct weft_sem;

/**
 * weft_sem_make - make a semaphore.
 *
 * @permits  free ones to begin with; a negative number is fatal.  It is no upper bound.
 *
 * Returns    the semaphore, to be given to weft_sem_free(); NULL for lack of memory.
 * Errors     none as a code.
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST struct weft_sem *weft_sem_make(int64_t permits);

/**
 * weft_sem_free - free a semaphore; fatal if somebody waits for it.
 *
 * @s  the semaphore; NULL is allowed.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_sem_free(struct weft_sem *s);

/**
 * weft_sem_acquire - take permits, all at once.
 *
 * @s  the semaphore.
 * @n  how many; less than 1 is fatal.  More than there will ever be are waited for as long as the
 *     scopes allow, and with them all who come later.
 *
 * Returns    0: the caller has them.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled; no permit was taken
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 * Order      what was written before the release of these permits is visible.
 */
WEFT_API_MUST int weft_sem_acquire(struct weft_sem *s, int64_t n);

/**
 * weft_sem_try_acquire - take permits if that needs no waiting.
 *
 * @s  the semaphore.
 * @n  how many; less than 1 is fatal.
 *
 * Returns    0: the caller has them.
 * Errors     -EAGAIN  there are fewer, or somebody waits
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_sem_try_acquire(struct weft_sem *s, int64_t n);

/**
 * weft_sem_release - give permits back, or add new ones.
 *
 * @s  the semaphore.
 * @n  how many; less than 1 is fatal, and so are more than INT64_MAX in sum.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread; it need not be the one who acquired them.
 */
WEFT_API void weft_sem_release(struct weft_sem *s, int64_t n);

WEFT_END_DECLS
#endif
