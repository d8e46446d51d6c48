/* SPDX-License-Identifier: MIT */
/*
 * sync.h - what coroutines and plain threads agree by: mutex, wait group and once here, the others
 * in headers of their own.  They park the coroutine and free the thread.
 *
 * All serve their waiters in order and obey the scopes around the caller: a wait that a scope has
 * ended leaves nothing behind, and what was granted before that is handed over.
 */
#ifndef WEFT_SYNC_H
#define WEFT_SYNC_H

#include <weft/barrier.h>
#include <weft/base.h>
#include <weft/cond.h>
#include <weft/event.h>
#include <weft/rwlock.h>
#include <weft/sem.h>

WEFT_BEGIN_DECLS

struct weft_mutex;
struct weft_wait_group;

/**
 * weft_mutex_make - make an unlocked mutex.
 *
 * Returns    the mutex, to be given to weft_mutex_free(); NULL for lack of memory.
 * Errors     none as a code.
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST struct weft_mutex *weft_mutex_make(void);

/**
 * weft_mutex_free - free a mutex; fatal if it is locked.
 *
 * @m  the mutex; NULL is allowed.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_mutex_free(struct weft_mutex *m);

/**
 * weft_mutex_lock - take a mutex.
 *
 * @m  the mutex; taking one that the caller holds already is fatal.
 *
 * Waiters are served in order, but a running coroutine may take a free mutex before them
 * (barging), unless the oldest has waited for more than 1 ms: then it gets it by hand-over.
 * A coroutine that has run for some ms without ever waiting may give way to others here.
 * A coroutine that ends while it holds a mutex is reported by a line on stderr.
 *
 * Returns    0: the caller holds it.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 * Order      what was written before the last unlock is visible.
 */
WEFT_API_MUST int weft_mutex_lock(struct weft_mutex *m);

/**
 * weft_mutex_try_lock - take a mutex if it is free.
 *
 * @m  the mutex.
 *
 * Returns    0: the caller holds it.
 * Errors     -EAGAIN  somebody holds it
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_mutex_try_lock(struct weft_mutex *m);

/**
 * weft_mutex_unlock - give a mutex back; fatal if the caller does not hold it.
 *
 * @m  the mutex.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread, the coroutine or thread that locked it.
 */
WEFT_API void weft_mutex_unlock(struct weft_mutex *m);

/**
 * weft_wg_make - make a wait group whose count is 0.
 *
 * Returns    the group, to be given to weft_wg_free(); NULL for lack of memory.
 * Errors     none as a code.
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST struct weft_wait_group *weft_wg_make(void);

/**
 * weft_wg_free - free a wait group; fatal if somebody waits in it.
 *
 * @wg  the group; NULL is allowed.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_wg_free(struct weft_wait_group *wg);

/**
 * weft_wg_add - add to the count; add before the work is spawned.
 *
 * @wg     the group.
 * @delta  may be negative; a count below 0 is fatal.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_wg_add(struct weft_wait_group *wg, int64_t delta);

/**
 * weft_wg_done - take one from the count; at 0 all waiters wake.
 *
 * @wg  the group.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 * Order      what was written before is visible to those who wake.
 */
WEFT_API void weft_wg_done(struct weft_wait_group *wg);

/**
 * weft_wg_wait - wait until the count is 0.
 *
 * @wg  the group.
 *
 * Returns    0.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_wg_wait(struct weft_wait_group *wg);

/* Something to be done once; static storage, no constructor:  static weft_once o = WEFT_ONCE_INIT;
 * */
typedef struct weft_once {
    uintptr_t weft__private[2];
} weft_once;
#define WEFT_ONCE_INIT                                                                             \
    {                                                                                              \
        {                                                                                          \
            0, 0                                                                                   \
        }                                                                                          \
    }

/**
 * weft_once_do - run fn(arg) if nobody has yet; return when it has been run.
 *
 * @once  what is to be done once.
 * @fn    runs in the caller that comes first; others wait for it, for ever if need be: a deadline
 *        must not let anyone go on without the work.
 * @arg   handed to fn.
 *
 * Returns    nothing.
 * Errors     none; calling it from fn on the same object is fatal.
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 * Order      all that fn wrote is visible afterwards.
 */
WEFT_API void weft_once_do(weft_once *once, void (*fn)(void *), void *arg);

WEFT_END_DECLS
#endif
