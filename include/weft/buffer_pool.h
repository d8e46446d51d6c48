/* SPDX-License-Identifier: MIT */
/*
 * buffer_pool.h - a fixed number of buffers of one size, for which callers wait.
 *
 * So what thousands of connections hold in memory has a bound: who finds no buffer waits until one
 * is put back, in order.  The buffer that was put back last is given first, for it is in the cache;
 * memory that was never used is never touched.
 *
 * All buffers lie in a row, from the first byte of a page, and have numbers from 0 to 32,767: the
 * shape in which io_uring takes buffers to choose from.
 */
#ifndef WEFT_BUFFER_POOL_H
#define WEFT_BUFFER_POOL_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

struct weft_buffer_pool;

#define WEFT_BUFFERS_MAX 32768

/**
 * weft_buffer_pool_make - make a pool.
 *
 * @bytes  size of a buffer, rounded up to a multiple of 64; 0 is fatal.
 * @count  how many, 1 .. WEFT_BUFFERS_MAX; another number is fatal.
 *
 * Returns    the pool, to be given to weft_buffer_pool_free(); NULL for lack of memory.
 * Errors     none as a code.
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST struct weft_buffer_pool *weft_buffer_pool_make(size_t bytes, int count);

/**
 * weft_buffer_pool_free - free a pool; fatal if a buffer was not put back.
 *
 * @pool  the pool; NULL is allowed.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_buffer_pool_free(struct weft_buffer_pool *pool);

/**
 * weft_buffer_pool_bytes - the size of a pool's buffers.
 *
 * @pool  the pool.
 *
 * Returns    the number of bytes, a multiple of 64.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API size_t weft_buffer_pool_bytes(const struct weft_buffer_pool *pool);

/**
 * weft_buffer_pool_get - take a buffer, waiting for one if need be; first come, first served.
 *
 * @pool  the pool.
 * @buf   receives the buffer when 0 is returned; what is in it is left over from its last user.
 *
 * Returns    0: the caller has the buffer, until weft_buffer_pool_put().
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled; no buffer was taken
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_buffer_pool_get(struct weft_buffer_pool *pool, void **buf);

/**
 * weft_buffer_pool_try_get - take a buffer if that needs no waiting.
 *
 * @pool  the pool.
 * @buf   receives the buffer when 0 is returned.
 *
 * Returns    0.
 * Errors     -EAGAIN  none is free, or somebody waits for one
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_buffer_pool_try_get(struct weft_buffer_pool *pool, void **buf);

/**
 * weft_buffer_pool_put - give a buffer back.
 *
 * @pool  the pool.
 * @buf   a buffer that was taken from it; any other address, or one put back before, is fatal.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread; it need not be the one who took it.
 */
WEFT_API void weft_buffer_pool_put(struct weft_buffer_pool *pool, void *buf);

WEFT_END_DECLS
#endif
