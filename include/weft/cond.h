/* SPDX-License-Identifier: MIT */
/*
 * cond.h - condition variable: wait until something that a mutex guards has changed.
 *
 *     weft_mutex_lock(m);
 *     while (rc == 0 && !there_is_work())
 *         rc = weft_cond_wait(c, m);
 *     ...the mutex is held, whatever rc is...
 *     weft_mutex_unlock(m);
 *
 * It never wakes without a signal.  The loop is for others that may come first: they may take the
 * mutex between the signal and the one who was woken by it.
 */
#ifndef WEFT_COND_H
#define WEFT_COND_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

struct weft_cond;
struct weft_mutex;

/**
 * weft_cond_make - make a condition variable.
 *
 * Returns    the condition, to be given to weft_cond_free(); NULL for lack of memory.
 * Errors     none as a code.
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST struct weft_cond *weft_cond_make(void);

/**
 * weft_cond_free - free a condition variable; fatal if somebody waits for a signal.
 *
 * @c  the condition; NULL is allowed.  Those who have had their signal may still be on their way
 *     out of weft_cond_wait().
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_cond_free(struct weft_cond *c);

/**
 * weft_cond_wait - give a mutex back, wait for a signal, take the mutex again.
 *
 * @c  the condition.
 * @m  the mutex; it is fatal if the caller does not hold it.
 *
 * A signal that is sent after the mutex was given back is not missed.  Waiters get signals in the
 * order in which they came.  The mutex is held again when this returns, also after an error: no
 * scope ends the wait for that.
 *
 * Returns    0: there was a signal for the caller.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 * Order      as weft_mutex_lock().
 */
WEFT_API_MUST int weft_cond_wait(struct weft_cond *c, struct weft_mutex *m);

/**
 * weft_cond_signal - wake the one who has waited longest.
 *
 * @c  the condition.
 *
 * If a scope ends that wait at the same moment, one of the two wins; if it is the scope, the signal
 * goes to the next who waits.  A signal that finds nobody is forgotten.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread; the mutex need not be held.
 */
WEFT_API void weft_cond_signal(struct weft_cond *c);

/**
 * weft_cond_broadcast - wake all who wait.
 *
 * @c  the condition.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread; the mutex need not be held.
 */
WEFT_API void weft_cond_broadcast(struct weft_cond *c);

WEFT_END_DECLS
#endif
