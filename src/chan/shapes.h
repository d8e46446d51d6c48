/* SPDX-License-Identifier: MIT */
/*
 * shapes.h - what the other shapes of channels share: oneshot, broadcast, watch.
 *
 * They may be used by every coroutine and every plain thread, by the same calls.  All that they
 * have is under one lock; it is biased to the P of the coroutine that made them until somebody
 * else comes, and then not again, so that nobody is taken for a coroutine of that P who is none
 * (sched/ours.h).
 *
 * Nobody frees what a peer may still be leaving: who frees has held the lock after the peer had let
 * it go, and the peers have no business there afterwards.
 */
#ifndef WEFT_CHAN_SHAPES_H
#define WEFT_CHAN_SHAPES_H

#include <errno.h>
#include <string.h>

#include <weft/chan.h>

#include "../park/park.h"
#include "../park/select_ops.h"

extern const struct weft__select_ops weft__oneshot_ops;
extern const struct weft__select_ops weft__broadcast_ops;
extern const struct weft__select_ops weft__watch_ops;

/* Values of 0 bytes may have no address. */
static inline void weft__shape_copy(void *to, const void *from, size_t bytes)
{
    if (bytes != 0 && to != NULL) {
        memcpy(to, from, bytes);
    }
}

/* Under the lock, which is released: wait in q until somebody claims the waiter.  Returns the rc
 * that he gave it, or the -errno of a scope that ended the wait: then nobody gave anything. */
int weft__shape_wait(struct weft__waitq *q, void *value, enum weft__wait_reason reason,
                     const void *object, const void *caller);

/* Under the lock: all who wait in q get rc. */
void weft__shape_end_waits(struct weft__waitq *q, int rc);

/* For select: any coroutine may use it. */
int weft__shape_check(const struct weft_case *c, const struct weft_runtime *rt);

/* For select: the winner gave the outcome. */
void weft__shape_won(struct weft_case *c, struct weft__waiter *w);

#endif
