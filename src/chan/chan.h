/* SPDX-License-Identifier: MIT */
/*
 * chan.h - a channel from inside.
 *
 * Invariants, under the lock:
 *   - receivers wait only if nothing is buffered and no sender waits;
 *   - senders wait only if the buffer is full (an unbuffered channel is always full);
 *   - after the close no sender waits, and no receiver but those that are being woken (close.c).
 * A waiter that somebody else has claimed may still be linked for a moment; whoever meets it
 * unlinks it and goes on, and it unlinks itself too.
 *
 * A value goes straight from the sender's memory to the receiver's when one of them waits, through
 * the buffer otherwise: it is copied once each way.
 */
#ifndef WEFT_CHAN_CHAN_H
#define WEFT_CHAN_CHAN_H

#include <weft/chan.h>

#include "../park/park.h"
#include "../park/select_ops.h"

struct weft_chan {
    struct weft__lock lock; /* RANK_CHAN; protects all below but elem_bytes, capacity, rt, refs */
    bool is_closed;
    bool is_shared;
    uint8_t word_bytes; /* of a value, if it is 4 or 8, until the close; else 0 */
    uint32_t elem_bytes;
    size_t capacity; /* as asked for */
    size_t slots;    /* of the buffer: capacity, or for an unbounded channel what it grew to */
    size_t count;    /* values buffered */
    size_t head;     /* slot of the oldest */
    unsigned char *buffer;
    struct weft__waitq receivers;
    struct weft__waitq senders;
    struct weft_runtime *rt; /* whose coroutines may use it, unless is_shared */
    _Atomic uint32_t refs;
};

extern const struct weft__select_ops weft__chan_recv_ops;
extern const struct weft__select_ops weft__chan_send_ops;

#endif
