/* SPDX-License-Identifier: MIT */
/*
 * oneshot.h - a channel for one value: the answer to a question, the result of a job.
 *
 *     struct weft_oneshot *answer = weft_oneshot_make(sizeof(int));
 *
 *     rc = weft_oneshot_send(answer, &v);                    who answers
 *     weft_oneshot_close_send(answer);
 *
 *     if (weft_oneshot_recv(answer, &v) == 0) ...            who asks
 *     weft_oneshot_close_recv(answer);
 *
 * It has two ends.  Each is closed once, by whoever uses it, in any order, and the second close
 * frees it.  An end that is closed before its time tells the other: the one who asks is told that
 * no answer will come, the one who answers that nobody wants it any more.
 */
#ifndef WEFT_ONESHOT_H
#define WEFT_ONESHOT_H

#include <weft/chan.h>

WEFT_BEGIN_DECLS

struct weft_oneshot;

/**
 * weft_oneshot_make - make a channel for one value.
 *
 * @elem_bytes  size of the value, 0 .. WEFT_CHAN_ELEM_BYTES_MAX; 0 makes a pure signal, and the
 *              value pointers of send and receive may then be NULL.
 *
 * Returns    the oneshot, of which each end is to be closed once; NULL for lack of memory; a bad
 *            argument is fatal.
 * Errors     none as a code.
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST struct weft_oneshot *weft_oneshot_make(size_t elem_bytes);

/**
 * weft_oneshot_send - send the value.
 *
 * @o      the oneshot; its sending end is open.
 * @value  elem_bytes bytes, copied before the call returns.
 *
 * Returns    0: it was received, or is kept for the receiver, who may still leave without it.
 * Errors     -EALREADY  a value was sent before; this one was not
 *            -EPIPE     the receiving end is closed; not sent
 * Blocks     never.
 * Threads    any thread.
 * Order      what the sender wrote before is visible to the receiver.
 */
WEFT_API_MUST int weft_oneshot_send(struct weft_oneshot *o, const void *value);

/**
 * weft_oneshot_recv - wait for the value.
 *
 * @o      the oneshot; its receiving end is open.
 * @value  receives elem_bytes bytes; untouched unless 0 is returned; NULL drops the value.
 *
 * If several wait, the one who came first gets it.
 *
 * Returns    0.
 * Errors     -EPIPE      none will come: the sending end was closed without one, or it was
 *                        received before
 *            -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled; the value was not taken
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 * Order      all that the sender wrote before its send is visible here.
 */
WEFT_API_MUST int weft_oneshot_recv(struct weft_oneshot *o, void *value);

/**
 * weft_oneshot_try_recv - take the value if it is there.
 *
 * @o      the oneshot; its receiving end is open.
 * @value  receives elem_bytes bytes; untouched unless 0 is returned; NULL drops the value.
 *
 * Returns    0.
 * Errors     -EAGAIN  it may still come
 *            -EPIPE   none will come
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_oneshot_try_recv(struct weft_oneshot *o, void *value);

/**
 * weft_oneshot_close_send - close the sending end, after a send or instead of it.
 *
 * @o  the oneshot; NULL is allowed.
 *
 * A value that was sent can still be received.  To close an end twice, or to use it afterwards, is
 * fatal as long as the other one is open; after that, the oneshot is gone.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_oneshot_close_send(struct weft_oneshot *o);

/**
 * weft_oneshot_close_recv - close the receiving end, after the receive or instead of it.
 *
 * @o  the oneshot; NULL is allowed.
 *
 * A value that was sent and not received is dropped.  It is fatal while somebody waits for it; for
 * the rest as weft_oneshot_close_send().
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_oneshot_close_recv(struct weft_oneshot *o);

WEFT_END_DECLS
#endif
