/* SPDX-License-Identifier: MIT */
/*
 * blocking.h - calls that block a thread and cannot be made otherwise: files, name services,
 * libraries that know nothing of coroutines.
 *
 *     rc = weft_blocking(look_up, &query, &result);     on another thread, while this one waits
 *
 *     WEFT_BLOCKING {                                   here and now, for a call known to be long
 *         n = flock(fd, LOCK_EX);
 *         error = errno;
 *     }
 *
 * Both leave the processor to other coroutines, and cost two changes of threads, 10 to 50 us.  The
 * first is the one to take: it can be given up while it is queued, its threads come and go with the
 * need, and none of them does anything else.  The second needs no function of its own and stays on
 * its thread.
 */
#ifndef WEFT_BLOCKING_H
#define WEFT_BLOCKING_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

/**
 * weft_blocking - run fn(arg) on a thread of the runtime's pool and wait for its result.
 *
 * @fn      what blocks.  It runs on a plain thread, with a stack of 1 MiB and all asynchronous
 *          signals blocked; it must return, and must not stop this runtime.
 * @arg     handed to fn.
 * @result  receives fn's value when 0 is returned; may be NULL.
 *
 * A job gets an idle thread, or a new one as long as there are fewer than weft_config.blocking_max;
 * else it is queued, first in first out, as it is if a new one is refused by the system while there
 * are others.  Threads that are idle for weft_config.blocking_idle_ns leave.
 *
 * fn cannot be interrupted: once it has begun this call waits until it returns, whatever becomes of
 * the scopes around it.  If a scope ends before, the job is taken out of the queue and fn is never
 * called.  weft_runtime_stop() waits for those that have begun, and says so once a second; the
 * others never begin.
 *
 * Returns    0: fn has returned.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first; fn was not called
 *            -ECANCELED  a surrounding scope was cancelled; fn was not called
 *            -EAGAIN     no thread can be had, and the pool has none; fn was not called
 *            -ENOMEM     no memory for one, likewise
 * Blocks     the coroutine, never the thread; on a plain thread, which calls fn itself, the thread.
 * Threads    any thread.
 * Order      what fn wrote is visible.
 */
WEFT_API_MUST int weft_blocking(int (*fn)(void *), void *arg, int *result);

/**
 * weft_blocking_enter - give the processor away for a long call; use WEFT_BLOCKING where you can.
 *
 * Other coroutines go on, on another thread.  Until weft_blocking_leave() the caller is a plain
 * thread to Weft: calls that those may make work (weft_wg_done(), weft_chan_send_foreign(), ...),
 * the others refuse, or are fatal.  It stays on its thread, with all asynchronous signals blocked,
 * and cannot be interrupted; deadlines and cancels show at the next call after it.  Pairs may be
 * nested; the outermost counts.
 *
 * The processor stays, and waits, if it has pinned coroutines, if weft_config.blocking_max
 * coroutines have given theirs away already, or if no thread can be had for it; nothing else is
 * different then.  So do not wait in there for what another coroutine does.  Threads that were
 * started for this stay until the runtime stops.
 *
 * With io_uring some calls may end with -EINTR, as on any thread that has submitted operations
 * (epoll_wait, sigtimedwait, ...); those belong into weft_blocking().
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread; on a plain thread it does nothing.
 */
WEFT_API void weft_blocking_enter(void);

/**
 * weft_blocking_leave - be a coroutine again, on the next processor that has time.
 *
 * May return on another thread: read errno before.  In a coroutine that has not entered it is
 * fatal, and so is to end without it.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     the coroutine, until a processor takes it up.
 * Threads    any thread, that of weft_blocking_enter(); on a plain thread it does nothing.
 */
WEFT_API void weft_blocking_leave(void);

static inline int weft__blocking_open(void)
{
    weft_blocking_enter();
    return 1;
}

static inline void weft__blocking_close(int *is_inside)
{
    (void)is_inside;
    weft_blocking_leave();
}

/* The block form: leaves however the block is left, by its end, break, return or goto. */
#define WEFT_BLOCKING                                                                              \
    for (int weft__is_inside                                                                       \
         __attribute__((cleanup(weft__blocking_close))) = weft__blocking_open();                   \
         weft__is_inside != 0; weft__is_inside = 0)

WEFT_END_DECLS
#endif
