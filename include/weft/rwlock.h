/* SPDX-License-Identifier: MIT */
/*
 * rwlock.h - read-write lock: many readers, or one writer.
 *
 * Who comes is served in order, and goes behind whoever waits already, so neither readers nor
 * writers starve; readers that wait one after the other go in together.  For the same reason, one
 * who reads must not ask to read again before it has unlocked: a writer may wait in between.
 */
#ifndef WEFT_RWLOCK_H
#define WEFT_RWLOCK_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

struct weft_rwlock;

/**
 * weft_rwlock_make - make an unlocked read-write lock.
 *
 * Returns    the lock, to be given to weft_rwlock_free(); NULL for lack of memory.
 * Errors     none as a code.
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST struct weft_rwlock *weft_rwlock_make(void);

/**
 * weft_rwlock_free - free a read-write lock; fatal if it is held or waited for.
 *
 * @rw  the lock; NULL is allowed.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_rwlock_free(struct weft_rwlock *rw);

/**
 * weft_rwlock_read_lock - take a lock for reading, beside other readers.
 *
 * @rw  the lock; asking for it while one holds it for writing is fatal.
 *
 * Returns    0: the caller is one of those who hold it.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 * Order      what writers wrote before their unlock is visible.
 */
WEFT_API_MUST int weft_rwlock_read_lock(struct weft_rwlock *rw);

/**
 * weft_rwlock_read_try_lock - take a lock for reading if that needs no waiting.
 *
 * @rw  the lock.
 *
 * Returns    0: the caller is one of those who hold it.
 * Errors     -EAGAIN  somebody holds it for writing, or waits for it
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_rwlock_read_try_lock(struct weft_rwlock *rw);

/**
 * weft_rwlock_read_unlock - give back a lock that was taken for reading.
 *
 * @rw  the lock; it is fatal if nobody holds it for reading.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread; a reader may leave the unlock to somebody else.
 */
WEFT_API void weft_rwlock_read_unlock(struct weft_rwlock *rw);

/**
 * weft_rwlock_write_lock - take a lock for writing, alone.
 *
 * @rw  the lock; asking for it while one holds it for writing is fatal.
 *
 * A coroutine that ends while it holds the lock is reported by a line on stderr.
 *
 * Returns    0: the caller alone holds it.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 * Order      what all did before their unlock is visible.
 */
WEFT_API_MUST int weft_rwlock_write_lock(struct weft_rwlock *rw);

/**
 * weft_rwlock_write_try_lock - take a lock for writing if that needs no waiting.
 *
 * @rw  the lock.
 *
 * Returns    0: the caller alone holds it.
 * Errors     -EAGAIN  somebody holds it, or waits for it
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_rwlock_write_try_lock(struct weft_rwlock *rw);

/**
 * weft_rwlock_write_unlock - give back a lock that was taken for writing.
 *
 * @rw  the lock; it is fatal if the caller does not hold it for writing.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread, the coroutine or thread that took it.
 */
WEFT_API void weft_rwlock_write_unlock(struct weft_rwlock *rw);

WEFT_END_DECLS
#endif
