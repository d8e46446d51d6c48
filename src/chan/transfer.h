/* SPDX-License-Identifier: MIT */
/* transfer.h - moving one value under a channel's lock: shared by send, receive and select. */
#ifndef WEFT_CHAN_TRANSFER_H
#define WEFT_CHAN_TRANSFER_H

#include <errno.h>
#include <string.h>

#include "chan.h"

/* Words are what most channels carry; for them no call is made. */
static inline void weft__chan_copy(void *to, const void *from, size_t bytes)
{
    if (bytes == 8) {
        memcpy(to, from, 8);
    } else if (bytes == 4) {
        memcpy(to, from, 4);
    } else if (bytes != 0) {
        memcpy(to, from, bytes);
    }
}

static inline unsigned char *weft__chan_slot(struct weft_chan *ch, size_t i)
{
    size_t slot = ch->head + i;
    if (slot >= ch->slots) {
        slot -= ch->slots;
    }
    return ch->buffer + slot * ch->elem_bytes;
}

/* Double the buffer of an unbounded channel; false for lack of memory. */
bool weft__chan_grow(struct weft_chan *ch);

/* 0, -EPIPE, -ENOMEM, or -EAGAIN if it would have to wait.  *wake: to be woken after the unlock. */
static inline int weft__chan_send_locked(struct weft_chan *ch, const void *value,
                                         struct weft__wait **wake)
{
    if (WEFT__UNLIKELY(ch->is_closed)) {
        return -EPIPE;
    }
    if (ch->receivers.first != NULL) {
        struct weft__waiter *r = weft__waitq_claim_first(&ch->receivers);
        if (r != NULL) {
            if (r->value != NULL) {
                weft__chan_copy(r->value, value, ch->elem_bytes);
            }
            r->rc = 0;
            *wake = r->wait;
            return 0;
        }
    }
    if (WEFT__UNLIKELY(ch->count == ch->slots) && ch->capacity == WEFT_CHAN_UNBOUNDED &&
        !weft__chan_grow(ch)) {
        return -ENOMEM;
    }
    if (ch->count < ch->slots) {
        weft__chan_copy(weft__chan_slot(ch, ch->count), value, ch->elem_bytes);
        ch->count++;
        return 0;
    }
    return -EAGAIN;
}

static inline int weft__chan_recv_locked(struct weft_chan *ch, void *value,
                                         struct weft__wait **wake)
{
    struct weft__waiter *s = NULL;
    if (ch->count > 0) {
        if (value != NULL) {
            weft__chan_copy(value, weft__chan_slot(ch, 0), ch->elem_bytes);
        }
        ch->head = ch->head + 1 == ch->slots ? 0 : ch->head + 1;
        ch->count--;
        if (ch->senders.first != NULL && (s = weft__waitq_claim_first(&ch->senders)) != NULL) {
            weft__chan_copy(weft__chan_slot(ch, ch->count), s->value, ch->elem_bytes);
            ch->count++;
        }
    } else if (ch->senders.first != NULL && (s = weft__waitq_claim_first(&ch->senders)) != NULL) {
        if (value != NULL) {
            weft__chan_copy(value, s->value, ch->elem_bytes);
        }
    } else {
        return ch->is_closed ? -EPIPE : -EAGAIN;
    }
    if (s != NULL) {
        s->rc = 0;
        *wake = s->wait;
    }
    return 0;
}

#endif
