/* SPDX-License-Identifier: MIT */
/* chan.h - channels: unbuffered, bounded, unbounded; forms for coroutines and for plain threads. */
#ifndef WEFT_CHAN_H
#define WEFT_CHAN_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

struct weft_chan;

/* A capacity without a bound: sends never wait. */
#define WEFT_CHAN_UNBOUNDED SIZE_MAX
#define WEFT_CHAN_ELEM_BYTES_MAX ((size_t)1 << 16)

/**
 * weft_chan_make - make a channel for values of elem_bytes bytes.
 *
 * @elem_bytes  size of a value, 0 .. WEFT_CHAN_ELEM_BYTES_MAX; 0 makes a channel of pure signals,
 *              and the value pointers of send and receive may then be NULL.
 * @capacity    how many values it buffers: 0 makes every send wait for its receive,
 *              WEFT_CHAN_UNBOUNDED never makes a send wait (but for memory).
 *
 * The channel belongs to the calling coroutine's runtime; made on a plain thread, it is shared
 * (see weft_chan_make_shared()).  The maker holds one reference.
 *
 * Returns    the channel, NULL for lack of memory; a bad argument is fatal.
 * Errors     none as a code.
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST struct weft_chan *weft_chan_make(size_t elem_bytes, size_t capacity);

/**
 * weft_chan_make_shared - make a channel that plain threads and every runtime may use by any form.
 *
 * @elem_bytes  as for weft_chan_make().
 * @capacity    as for weft_chan_make().
 *
 * Returns    the channel, NULL for lack of memory; a bad argument is fatal.
 * Errors     none as a code.
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST struct weft_chan *weft_chan_make_shared(size_t elem_bytes, size_t capacity);

/**
 * weft_chan_ref - take one more reference.
 *
 * @ch  the channel, to which the caller has a reference.
 *
 * Returns    ch.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API struct weft_chan *weft_chan_ref(struct weft_chan *ch);

/**
 * weft_chan_unref - give a reference back; the last one frees the channel and what it buffers.
 *
 * @ch  the channel; NULL is allowed and does nothing.
 *
 * It is fatal to give the last reference back while somebody waits in the channel.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_chan_unref(struct weft_chan *ch);

/**
 * weft_chan_send - put a value into a channel.
 *
 * @ch     the channel; the caller holds a reference for the whole call.  NULL waits for ever, as
 *         in Go.
 * @value  elem_bytes bytes, copied before the call returns.
 *
 * A coroutine that has run for some ms without ever waiting may give way to others here, but in an
 * unbounded channel.
 *
 * Returns    0: the value is buffered or was received.
 * Errors     -EPIPE      the channel is closed; the value was not sent
 *            -ETIMEDOUT  the deadline of a surrounding scope passed first; not sent
 *            -ECANCELED  a surrounding scope was cancelled; not sent
 *            -ENOMEM     an unbounded channel cannot grow; not sent
 *            -EXDEV      the caller is no coroutine of the channel's runtime
 * Blocks     the coroutine, never the thread; a plain thread, if the channel is shared.
 * Threads    any thread if the channel is shared; else a coroutine of its runtime.
 * Order      what the sender wrote before is visible to the receiver of this value.
 */
WEFT_API_MUST int weft_chan_send(struct weft_chan *ch, const void *value);

/**
 * weft_chan_recv - take the oldest value from a channel.
 *
 * @ch     the channel; the caller holds a reference for the whole call.  NULL waits for ever.
 * @value  receives elem_bytes bytes; untouched unless 0 is returned; NULL drops the value.
 *
 * Values arrive in the order in which the sends completed.  Values buffered before
 * weft_chan_close() can still be received after it.  A coroutine that has run for some ms without
 * ever waiting may give way to others here.
 *
 * Returns    0.
 * Errors     -EPIPE      closed, and nothing is buffered any more
 *            -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled; no value was taken
 *            -EXDEV      the caller is no coroutine of the channel's runtime
 * Blocks     the coroutine, never the thread; a plain thread, if the channel is shared.
 * Threads    any thread if the channel is shared; else a coroutine of its runtime.
 * Order      all that the sender wrote before its send is visible here.
 */
WEFT_API_MUST int weft_chan_recv(struct weft_chan *ch, void *value);

/**
 * weft_chan_try_send - put a value into a channel if that needs no waiting.
 *
 * @ch     the channel; NULL is never ready.
 * @value  elem_bytes bytes.
 *
 * Returns    0.
 * Errors     -EAGAIN  full, or unbuffered and nobody waits to receive
 *            -EPIPE   closed
 *            -ENOMEM  an unbounded channel cannot grow
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_chan_try_send(struct weft_chan *ch, const void *value);

/**
 * weft_chan_try_recv - take the oldest value if there is one.
 *
 * @ch     the channel; NULL is never ready.
 * @value  receives elem_bytes bytes; untouched unless 0 is returned; NULL drops the value.
 *
 * Returns    0.
 * Errors     -EAGAIN  empty, and nobody waits to send
 *            -EPIPE   closed and empty
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_chan_try_recv(struct weft_chan *ch, void *value);

/**
 * weft_chan_send_foreign - put a value into any channel from a plain thread.
 *
 * @ch          the channel.
 * @value       elem_bytes bytes.
 * @timeout_ns  how long to wait at most; WEFT_NEVER has no limit, <= 0 does not wait.
 *
 * Returns    0.
 * Errors     -EPIPE      closed
 *            -ETIMEDOUT  the time is over; the value was not sent
 *            -ENOMEM     an unbounded channel cannot grow
 *            -EXDEV      called from a coroutine
 * Blocks     the calling thread.
 * Threads    a plain thread; -EXDEV in a coroutine.
 */
WEFT_API_MUST int weft_chan_send_foreign(struct weft_chan *ch, const void *value,
                                         int64_t timeout_ns);

/**
 * weft_chan_recv_foreign - take the oldest value of any channel from a plain thread.
 *
 * @ch          the channel.
 * @value       receives elem_bytes bytes; NULL drops the value.
 * @timeout_ns  how long to wait at most; WEFT_NEVER has no limit, <= 0 does not wait.
 *
 * Returns    0.
 * Errors     -EPIPE      closed and empty
 *            -ETIMEDOUT  the time is over; nothing was taken
 *            -EXDEV      called from a coroutine
 * Blocks     the calling thread.
 * Threads    a plain thread; -EXDEV in a coroutine.
 */
WEFT_API_MUST int weft_chan_recv_foreign(struct weft_chan *ch, void *value, int64_t timeout_ns);

/**
 * weft_chan_close - say that no more values will be sent.
 *
 * @ch  the channel.
 *
 * Senders that wait get -EPIPE, receivers take what is buffered and then get -EPIPE.  Closing
 * twice is allowed and does nothing the second time.  Of a crowd of receivers the call wakes the
 * first 128; the others are woken by a coroutine of Weft's own, "weft_chan_close" in reports, which
 * takes its turns with all others (unless the channel is shared).
 *
 * Returns    0; 1 if it was closed before.
 * Errors     none; NULL is fatal.
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API int weft_chan_close(struct weft_chan *ch);

/**
 * weft_chan_len - how many values are buffered now.
 *
 * @ch  the channel.
 *
 * Returns    the number; it may be old at once when others use the channel.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API size_t weft_chan_len(struct weft_chan *ch);

/**
 * weft_chan_cap - the capacity that the channel was made with.
 *
 * @ch  the channel.
 *
 * Returns    the number, WEFT_CHAN_UNBOUNDED for an unbounded one.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API size_t weft_chan_cap(const struct weft_chan *ch);

/**
 * weft_chan_is_closed - has weft_chan_close() been called?
 *
 * @ch  the channel.
 *
 * Returns    true if so; values may still be buffered.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API bool weft_chan_is_closed(struct weft_chan *ch);

WEFT_END_DECLS
#endif
