/* SPDX-License-Identifier: MIT */
/*
 * broadcast.h - a channel whose every value goes to every subscriber.
 *
 *     struct weft_broadcast *prices = weft_broadcast_make(sizeof(int), 16);
 *
 *     weft_broadcast_send(prices, &price);                   who sends
 *     weft_broadcast_close(prices);
 *     weft_broadcast_unref(prices);
 *
 *     struct weft_subscriber *s = weft_broadcast_subscribe(prices);
 *     int64_t lost;                                          who receives
 *     while ((lost = weft_subscriber_recv(s, &price)) >= 0) ...
 *     weft_broadcast_unsubscribe(s);
 *
 * The last `capacity` values are kept.  A sender never waits: a subscriber that falls further
 * behind loses the oldest ones, and its next receive says how many.
 */
#ifndef WEFT_BROADCAST_H
#define WEFT_BROADCAST_H

#include <weft/chan.h>

WEFT_BEGIN_DECLS

struct weft_broadcast;
struct weft_subscriber;

/**
 * weft_broadcast_make - make a broadcast for values of elem_bytes bytes, without subscribers.
 *
 * @elem_bytes  size of a value, 0 .. WEFT_CHAN_ELEM_BYTES_MAX; 0 makes pure signals, and the value
 *              pointers of send and receive may then be NULL.
 * @capacity    how many values are kept for those who are slow; at least 1.
 *
 * The maker holds one reference.
 *
 * Returns    the broadcast, NULL for lack of memory; a bad argument is fatal.
 * Errors     none as a code.
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST struct weft_broadcast *weft_broadcast_make(size_t elem_bytes, size_t capacity);

/**
 * weft_broadcast_ref - take one more reference, for one more who sends or subscribes.
 *
 * @b  the broadcast, to which the caller has a reference.
 *
 * Returns    b.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API struct weft_broadcast *weft_broadcast_ref(struct weft_broadcast *b);

/**
 * weft_broadcast_unref - give a reference back; the last one closes the broadcast.
 *
 * @b  the broadcast; NULL is allowed and does nothing.
 *
 * Subscribers need no reference: they drain what is kept and get -EPIPE.  The memory goes with the
 * last reference or the last subscriber, whichever is later.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_broadcast_unref(struct weft_broadcast *b);

/**
 * weft_broadcast_send - send a value to all who have subscribed.
 *
 * @b      the broadcast; the caller holds a reference.
 * @value  elem_bytes bytes, copied before the call returns.
 *
 * Returns    how many subscribers there are; 0 if nobody will see the value.
 * Errors     -EPIPE  the broadcast is closed; not sent
 * Blocks     never.
 * Threads    any thread.
 * Order      what the sender wrote before is visible to those who receive the value.
 */
WEFT_API ssize_t weft_broadcast_send(struct weft_broadcast *b, const void *value);

/**
 * weft_broadcast_close - say that no more values will be sent.
 *
 * @b  the broadcast; the caller holds a reference.
 *
 * Subscribers receive what is kept for them and then get -EPIPE.  Closing twice is allowed and
 * does nothing the second time.
 *
 * Returns    0; 1 if it was closed before.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API int weft_broadcast_close(struct weft_broadcast *b);

/**
 * weft_broadcast_subscribe - receive all values that are sent from now on.
 *
 * @b  the broadcast; the caller holds a reference, at least until the call returns.
 *
 * Returns    a subscriber, to be given to weft_broadcast_unsubscribe(); NULL for lack of memory.
 * Errors     none as a code.
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST struct weft_subscriber *weft_broadcast_subscribe(struct weft_broadcast *b);

/**
 * weft_broadcast_unsubscribe - end a subscription and free the subscriber.
 *
 * @s  the subscriber; NULL is allowed.
 *
 * It is fatal while somebody waits in it.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_broadcast_unsubscribe(struct weft_subscriber *s);

/**
 * weft_subscriber_recv - take the next value of a subscription.
 *
 * @s      the subscriber.
 * @value  receives elem_bytes bytes; untouched if an error is returned; NULL drops the value.
 *
 * Values come in the order in which they were sent.  Of several who share one subscriber each value
 * goes to one, the one who came first.
 *
 * Returns    how many values were lost right before this one because the subscriber was too slow:
 *            0, or a number that is reported this once; `value` then is the oldest that was kept.
 * Errors     -EPIPE      closed, and everything kept was received
 *            -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled; no value was taken
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 * Order      all that the sender wrote before its send is visible here.
 */
WEFT_API_MUST int64_t weft_subscriber_recv(struct weft_subscriber *s, void *value);

/**
 * weft_subscriber_try_recv - take the next value of a subscription if there is one.
 *
 * @s      the subscriber.
 * @value  receives elem_bytes bytes; untouched if an error is returned; NULL drops the value.
 *
 * Returns    how many values were lost right before this one, as weft_subscriber_recv().
 * Errors     -EAGAIN  everything sent so far was received
 *            -EPIPE   the same, and the broadcast is closed
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST int64_t weft_subscriber_try_recv(struct weft_subscriber *s, void *value);

WEFT_END_DECLS
#endif
