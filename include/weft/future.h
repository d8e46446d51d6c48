/* SPDX-License-Identifier: MIT */
/*
 * future.h - a result that comes later, from anywhere; and a waker for what has no result.
 *
 * A future is seen from two sides.  Who will have the result holds a promise, and completes it
 * once: resolved with a value, or rejected with an error.  Who wants the result holds the future,
 * and awaits it, as often as he likes.  Both may be used on any thread, by coroutines of any
 * runtime, and in callbacks of other libraries; not in signal handlers, which take no locks: let
 * one write to a pipe that a coroutine reads.
 *
 *     static void on_answer(int status, void *arg)        on whatever thread calls it
 *     {
 *         weft_promise_resolve(arg, &status);
 *         weft_promise_unref(arg);
 *     }
 *
 *     struct weft_promise *p = weft_promise_make(sizeof(int));
 *     struct weft_future *f = weft_promise_future(p);
 *     library_ask(question, on_answer, p);
 *     int status, rc = weft_future_await(f, &status);     parks the coroutine, not the thread
 *     weft_future_unref(f);
 *
 * A promise whose last reference is given back before it was completed is broken: the future is
 * rejected with -EPIPE, so that nobody waits for a producer that is gone.  One that is held and
 * forgotten is reported: as a deadlock where only coroutines are left that wait, as a stall while
 * there is a thread that Weft did not start, which may still keep it.
 *
 * Who may complete?  The first who comes decides: a resolve, a reject, a cancel by somebody who
 * holds the future, or the breaking of the promise.  After that nothing changes any more, and the
 * others are told -EALREADY.
 *
 * Whose error is it?  An await can end by the future or by a scope around the caller, and either
 * may say -ECANCELED.  What a future says, it says for ever: weft_future_is_done() being false
 * means that a scope ended the wait, and weft_future_try_await() gives the future's own answer.
 */
#ifndef WEFT_FUTURE_H
#define WEFT_FUTURE_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

struct weft_promise;
struct weft_future;
struct weft_waker;

#define WEFT_FUTURE_BYTES_MAX ((size_t)1 << 16)

/**
 * weft_promise_make - make a promise of a value of `bytes` bytes, and its future.
 *
 * @bytes  0 .. WEFT_FUTURE_BYTES_MAX; with 0 it is the completion alone that counts, and the
 *         value pointers of resolve and await may be NULL.
 *
 * Returns    the promise, with one reference; NULL for lack of memory; a bad argument is fatal.
 * Errors     none as a code.
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST struct weft_promise *weft_promise_make(size_t bytes);

/**
 * weft_promise_future - the future of a promise, for one who wants the result.
 *
 * @p  the promise.
 *
 * Returns    the future, with a reference for the caller, to be given to weft_future_unref().
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST struct weft_future *weft_promise_future(struct weft_promise *p);

/**
 * weft_promise_ref - take one more reference, for one more who may complete it.
 *
 * @p  the promise, to which the caller has a reference.
 *
 * Returns    p.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API struct weft_promise *weft_promise_ref(struct weft_promise *p);

/**
 * weft_promise_unref - give a reference back.
 *
 * @p  the promise; NULL is allowed and does nothing.
 *
 * With the last one a promise that was not completed is broken: those who wait get -EPIPE.
 *
 * Returns    nothing.
 * Errors     none; one reference too many is fatal.
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_promise_unref(struct weft_promise *p);

/**
 * weft_promise_resolve - complete with a value.
 *
 * @p      the promise.
 * @value  the bytes of the value, copied before the call returns.
 *
 * Returns    0: all who wait wake with this value, and whoever awaits later gets it at once.
 * Errors     -EALREADY  it was completed before, or cancelled; the value was not taken
 * Blocks     never.
 * Threads    any thread, plain threads and callbacks included.
 * Order      what was written before is visible to those who await.
 */
WEFT_API int weft_promise_resolve(struct weft_promise *p, const void *value);

/**
 * weft_promise_reject - complete with an error.
 *
 * @p      the promise.
 * @error  a negative errno, which those who await get; another number is fatal.
 *
 * Returns    0: all who wait wake with the error, and whoever awaits later gets it at once.
 * Errors     -EALREADY  it was completed before, or cancelled
 * Blocks     never.
 * Threads    any thread, plain threads and callbacks included.
 * Order      what was written before is visible to those who await.
 */
WEFT_API int weft_promise_reject(struct weft_promise *p, int error);

/**
 * weft_promise_is_cancelled - has somebody who holds the future cancelled it?
 *
 * @p  the promise.
 *
 * Returns    true: the result is not wanted any more.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API bool weft_promise_is_cancelled(const struct weft_promise *p);

/**
 * weft_promise_on_cancel - say what is to be done when the future is cancelled.
 *
 * @p    the promise.
 * @fn   called once if a weft_future_cancel() decides, by its caller, after those who wait were
 *       woken; never called if a completion decides.
 * @arg  handed to fn.  Where a completion is told -EALREADY because of a cancel, fn may have run,
 *       be running or be about to: so let it be the one who frees what arg points to.
 *
 * A promise has one such function: another takes the place of the one before, and NULL takes it
 * back.
 *
 * Returns    0.
 * Errors     -EALREADY  it was completed or cancelled before; nothing was changed
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_promise_on_cancel(struct weft_promise *p, void (*fn)(void *), void *arg);

/**
 * weft_future_ref - take one more reference.
 *
 * @f  the future, to which the caller has a reference.
 *
 * Returns    f.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API struct weft_future *weft_future_ref(struct weft_future *f);

/**
 * weft_future_unref - give a reference back.
 *
 * @f  the future; NULL is allowed and does nothing.
 *
 * Returns    nothing.
 * Errors     none; one reference too many is fatal.
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_future_unref(struct weft_future *f);

/**
 * weft_future_await - wait for the result.
 *
 * @f      the future; the caller holds a reference for the whole call.
 * @value  receives the value; untouched unless 0 is returned; NULL leaves it where it is.
 *
 * A future that is complete answers at once, whatever the scopes say, and as often as it is asked.
 * A wait that a scope ends does not cancel the future.
 *
 * Returns    0: resolved.
 * Errors     what it was rejected with
 *            -EPIPE      the promise is broken: nobody is left who could complete it
 *            -ECANCELED  the future or a surrounding scope was cancelled
 *            -ETIMEDOUT  the deadline of a surrounding scope passed first
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread; any number of waiters, coroutines of any runtime and plain threads.
 * Order      all that was written before the completion is visible.
 */
WEFT_API_MUST int weft_future_await(struct weft_future *f, void *value);

/**
 * weft_future_try_await - the result, if it is there.
 *
 * @f      the future.
 * @value  receives the value; untouched unless 0 is returned; may be NULL.
 *
 * Returns    0: resolved.
 * Errors     what it was rejected with
 *            -EPIPE      the promise is broken
 *            -ECANCELED  the future was cancelled
 *            -EAGAIN     it is not complete (or was rejected with just this)
 * Blocks     never.
 * Threads    any thread.
 * Order      all that was written before the completion is visible, unless it is -EAGAIN.
 */
WEFT_API_MUST int weft_future_try_await(struct weft_future *f, void *value);

/**
 * weft_future_is_done - is it complete: resolved, rejected, broken or cancelled?
 *
 * @f  the future.
 *
 * Returns    true if an await would answer at once, from now on for ever.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API bool weft_future_is_done(const struct weft_future *f);

/**
 * weft_future_cancel - the result is not wanted any more, by anybody.
 *
 * @f  the future.
 *
 * All who wait wake with -ECANCELED, whoever awaits later gets it at once, and what was registered
 * with weft_promise_on_cancel() is called.  The producer is not stopped: it finds out by that, by
 * weft_promise_is_cancelled(), or when its completion is told -EALREADY.
 *
 * Returns    0.
 * Errors     -EALREADY  it is complete, or cancelled, already
 * Blocks     never; but what the producer has registered is called before it returns.
 * Threads    any thread.
 */
WEFT_API int weft_future_cancel(struct weft_future *f);

/**
 * weft_future_await_all - wait until each of several futures is complete.
 *
 * @futures  n of them; NULL entries are passed over.
 * @n        how many; with none the call returns at once.
 *
 * One that fails does not end the wait for the others.  The values are taken from each future
 * afterwards, by weft_future_try_await().
 *
 * Returns    0: all are resolved.
 * Errors     of the first one in the array that was not resolved, what it was rejected with,
 *            -EPIPE or -ECANCELED; then all are complete
 *            -ECANCELED  a surrounding scope was cancelled; some may not be complete
 *            -ETIMEDOUT  the deadline of a surrounding scope passed first; likewise
 *            -EINVAL     n is negative
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 * Order      all that was written before the completions is visible.
 */
WEFT_API_MUST int weft_future_await_all(struct weft_future *const *futures, int n);

/**
 * weft_future_await_any - wait until one of several futures is complete, and say which.
 *
 * @futures  n of them; NULL entries are passed over.
 * @n        how many.
 *
 * If several are complete, one is chosen at random, each with the same chance.  Nothing is taken
 * from any: the result is asked for by weft_future_try_await().  To meet all of them in the order
 * in which they complete, set the entry that was chosen to NULL and ask again, until -EINVAL.
 *
 * Returns    the index of one that is complete, however it was completed.
 * Errors     -ECANCELED  a surrounding scope was cancelled
 *            -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -EINVAL     there is none to wait for: all entries are NULL, or n <= 0
 *            -ENOMEM     no memory to wait for more than 8
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 * Order      all that was written before its completion is visible.
 */
WEFT_API_MUST int weft_future_await_any(struct weft_future *const *futures, int n);

/**
 * weft_waker_make - make a waker: one waits in it, and others, anywhere, wake him.
 *
 * For callbacks of other libraries that say "something has happened" again and again.  A wake that
 * comes while nobody waits is remembered, and the next wait returns at once; several such wakes
 * are one.  So a wake is never lost, and who was woken must look for what there is to do, which
 * may be nothing more.
 *
 * Returns    the waker, with one reference; NULL for lack of memory.
 * Errors     none as a code.
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST struct weft_waker *weft_waker_make(void);

/**
 * weft_waker_ref - take one more reference, for one more who may wake.
 *
 * @w  the waker, to which the caller has a reference.
 *
 * Returns    w.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API struct weft_waker *weft_waker_ref(struct weft_waker *w);

/**
 * weft_waker_unref - give a reference back; the last one frees the waker.
 *
 * @w  the waker; NULL is allowed and does nothing.
 *
 * It may be done as soon as a wait has returned, while the wake that ended it is on its way out;
 * giving back the last reference while somebody waits is fatal.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_waker_unref(struct weft_waker *w);

/**
 * weft_waker_wake - wake the one who waits in a waker, or who will wait next.
 *
 * @w  the waker.
 *
 * It is not for signal handlers: it takes a lock that the interrupted code may hold.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread, plain threads and callbacks included.
 * Order      what was written before is visible after the wait that it ends.
 */
WEFT_API void weft_waker_wake(struct weft_waker *w);

/**
 * weft_waker_wait - wait for a wake, and use it up.
 *
 * @w  the waker; the caller holds a reference for the whole call.
 *
 * Made for one who waits; if there are more, each wake ends one wait, the oldest.
 *
 * Returns    0: woken since the last wait.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first; no wake was used up
 *            -ECANCELED  a surrounding scope was cancelled; likewise
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 * Order      what was written before the wakes is visible.
 */
WEFT_API_MUST int weft_waker_wait(struct weft_waker *w);

WEFT_END_DECLS
#endif
