/* SPDX-License-Identifier: MIT */
/* transfer.h - moving one value under a channel's lock: shared by send, receive and select. */
#ifndef WEFT_CHAN_TRANSFER_H
#define WEFT_CHAN_TRANSFER_H

#include <errno.h>
#include <string.h>

#include "chan.h"

/*
 * A transfer is compiled twice.  The short form knows that values are 4 or 8 bytes long, which is
 * what most channels carry, that the channel is open, and that nobody else can end the wait of whom
 * it meets: so it makes no call, and need not keep anything over one.
 */
enum weft__chan_form {
    CHAN_FORM_ANY,
    CHAN_FORM_SHORT,
};

/* May a value be handed to, or taken from, whoever waits in q by the short form? */
static inline bool weft__chan_is_short(const struct weft_chan *ch, const struct weft__waitq *q)
{
    return WEFT__LIKELY(ch->word_bytes != 0) && WEFT__LIKELY(weft__waitq_is_plain(q));
}

/* The same, where a select waits whose objects are all in `gate`, and whom nobody outside can find?
 */
static inline bool weft__chan_meets_select(const struct weft_chan *ch,
                                           const struct weft__waitq *q,
                                           const struct weft__gate *gate)
{
    return ch->word_bytes != 0 && weft__waitq_is_all_in(q, gate);
}

static WEFT__ALWAYS_INLINE void weft__chan_copy(const struct weft_chan *ch, void *to,
                                                const void *from, enum weft__chan_form form)
{
    if (WEFT__LIKELY(ch->word_bytes == 8)) {
        memcpy(to, from, 8);
    } else if (form == CHAN_FORM_SHORT || ch->word_bytes == 4) {
        memcpy(to, from, 4);
    } else if (ch->elem_bytes != 0) {
        memcpy(to, from, ch->elem_bytes);
    }
}

static WEFT__ALWAYS_INLINE struct weft__waiter *weft__chan_claim(struct weft__waitq *q,
                                                                 enum weft__chan_form form)
{
    return form == CHAN_FORM_SHORT ? weft__waitq_claim_plain(q) : weft__waitq_claim_first(q);
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

/* May coroutines of rt use it? */
static inline bool weft__chan_is_for(const struct weft_chan *ch, const struct weft_runtime *rt)
{
    return ch->rt == rt || ch->is_shared;
}

/* Is there a value, a sender, who may be claimed already, or the end? */
static inline bool weft__chan_can_recv(const struct weft_chan *ch)
{
    return (ch->count | (uintptr_t)ch->senders.first | ch->is_closed) != 0; /* one look */
}

/* Is there room, a receiver, who may be claimed already, or the end? */
static inline bool weft__chan_can_send(const struct weft_chan *ch)
{
    return ch->count < ch->slots || ch->receivers.first != NULL || ch->is_closed ||
           ch->capacity == WEFT_CHAN_UNBOUNDED;
}

/* 0, -EPIPE, or -EAGAIN if there is no room.  *wake: to be woken after it. */
static WEFT__ALWAYS_INLINE int weft__chan_put(struct weft_chan *ch, const void *value,
                                              enum weft__chan_form form, struct weft__wait **wake)
{
    if (form != CHAN_FORM_SHORT && WEFT__UNLIKELY(ch->is_closed)) {
        return -EPIPE;
    }
    struct weft__waiter *r = weft__chan_claim(&ch->receivers, form);
    if (r != NULL) {
        if (r->value != NULL) {
            weft__chan_copy(ch, r->value, value, form);
        }
        r->rc = 0;
        *wake = r->wait;
        return 0;
    }
    if (ch->count < ch->slots) {
        weft__chan_copy(ch, weft__chan_slot(ch, ch->count), value, form);
        ch->count++;
        return 0;
    }
    return -EAGAIN;
}

/* 0, -EPIPE, or -EAGAIN if there is nothing. */
static WEFT__ALWAYS_INLINE int weft__chan_take(struct weft_chan *ch, void *value,
                                               enum weft__chan_form form, struct weft__wait **wake)
{
    struct weft__waiter *s = NULL;
    if (ch->count > 0) {
        if (value != NULL) {
            weft__chan_copy(ch, value, weft__chan_slot(ch, 0), form);
        }
        ch->head = ch->head + 1 == ch->slots ? 0 : ch->head + 1;
        ch->count--;
        if ((s = weft__chan_claim(&ch->senders, form)) != NULL) {
            weft__chan_copy(ch, weft__chan_slot(ch, ch->count), s->value, form);
            ch->count++;
        }
    } else if ((s = weft__chan_claim(&ch->senders, form)) != NULL) {
        if (value != NULL) {
            weft__chan_copy(ch, value, s->value, form);
        }
    } else {
        return form != CHAN_FORM_SHORT && ch->is_closed ? -EPIPE : -EAGAIN;
    }
    if (s != NULL) {
        s->rc = 0;
        *wake = s->wait;
    }
    return 0;
}

/* The same for any channel, which may grow: also -ENOMEM. */
static inline int weft__chan_send_locked(struct weft_chan *ch, const void *value,
                                         struct weft__wait **wake)
{
    int rc = weft__chan_put(ch, value, CHAN_FORM_ANY, wake);
    if (rc == -EAGAIN && WEFT__UNLIKELY(ch->capacity == WEFT_CHAN_UNBOUNDED)) {
        return weft__chan_grow(ch) ? weft__chan_put(ch, value, CHAN_FORM_ANY, wake) : -ENOMEM;
    }
    return rc;
}

static inline int weft__chan_recv_locked(struct weft_chan *ch, void *value,
                                         struct weft__wait **wake)
{
    return weft__chan_take(ch, value, CHAN_FORM_ANY, wake);
}

#endif
