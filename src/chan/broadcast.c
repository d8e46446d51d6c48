/* SPDX-License-Identifier: MIT */
/*
 * broadcast.c - every value to every subscriber, by one ring.
 *
 * Values are numbered from 0.  The ring keeps the last `slots` of them; a subscriber knows the
 * number of the one that comes next for it, and what it has lost is a subtraction:
 *
 *        lost            kept             to come
 *   ... 5  6  7  |  8  9  10  11  12  |  13  14 ...
 *          ^        ^                    ^
 *          next     sent - slots         sent          it has lost 6 and 7, and goes on with 8
 *
 * Invariants, under the lock:
 *   - next <= sent, for each subscriber;
 *   - who waits in a subscriber has seen everything (next == sent), and the broadcast is open.
 * So a value goes straight to all who wait, from the sender's memory to theirs: none of them can be
 * overtaken on his way from the wake to the ring.
 *
 * References and subscribers are counted apart: without a reference nobody can send, which is a
 * close; the last of both frees it.
 */
#include <weft/broadcast.h>

#include "../base/fatal.h"
#include "../base/sys.h"
#include "shapes.h"

struct weft_subscriber {
    struct weft_broadcast *b;
    struct weft_subscriber *next_one, **prev_next; /* in b->subscribers */
    uint64_t next;                                 /* the number of the value that it takes next */
    struct weft__waitq receivers;
};

struct weft_broadcast {
    struct weft__lock lock; /* RANK_CHAN; protects all below but elem_bytes, slots; and the
                               subscribers */
    bool is_closed;
    uint32_t elem_bytes;
    uint32_t refs;
    size_t slots;
    size_t head;   /* the slot of the next value */
    uint64_t sent; /* values */
    size_t n_subscribers;
    struct weft_subscriber *subscribers;
    unsigned char ring[];
};

struct weft_broadcast *weft_broadcast_make(size_t elem_bytes, size_t capacity)
{
    if (elem_bytes > WEFT_CHAN_ELEM_BYTES_MAX) {
        weft__fatal("weft_broadcast_make: elem_bytes is larger than WEFT_CHAN_ELEM_BYTES_MAX");
    }
    if (capacity == 0) {
        weft__fatal("weft_broadcast_make: the capacity is 0");
    }
    if (elem_bytes != 0 && capacity > (SIZE_MAX / 2) / elem_bytes) {
        return NULL;
    }
    struct weft_broadcast *b = weft__alloc(sizeof *b + capacity * elem_bytes);
    if (b != NULL) {
        weft__lock_init_biased(&b->lock, RANK_CHAN);
        b->elem_bytes = (uint32_t)elem_bytes;
        b->refs = 1;
        b->slots = capacity;
    }
    return b;
}

struct weft_broadcast *weft_broadcast_ref(struct weft_broadcast *b)
{
    weft__lock(&b->lock);
    b->refs++;
    weft__unlock(&b->lock);
    return b;
}

/* Under the lock. */
static void close_locked(struct weft_broadcast *b)
{
    b->is_closed = true;
    for (struct weft_subscriber *s = b->subscribers; s != NULL; s = s->next_one) {
        weft__shape_end_waits(&s->receivers, -EPIPE);
    }
}

int weft_broadcast_close(struct weft_broadcast *b)
{
    weft__lock(&b->lock);
    bool was_closed = b->is_closed;
    close_locked(b);
    weft__unlock(&b->lock);
    return was_closed ? 1 : 0;
}

/* Gives the lock back. */
static void unlock_and_free_if_last(struct weft_broadcast *b)
{
    bool is_last = b->refs == 0 && b->n_subscribers == 0;
    weft__unlock(&b->lock);
    if (is_last) {
        weft__free(b);
    }
}

void weft_broadcast_unref(struct weft_broadcast *b)
{
    if (b == NULL) {
        return;
    }
    weft__lock(&b->lock);
    if (b->refs == 0) {
        weft__unlock(&b->lock);
        weft__fatal("weft_broadcast_unref: the broadcast has no reference left");
    }
    if (--b->refs == 0) {
        close_locked(b);
    }
    unlock_and_free_if_last(b);
}

struct weft_subscriber *weft_broadcast_subscribe(struct weft_broadcast *b)
{
    struct weft_subscriber *s = weft__alloc(sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->b = b;
    weft__waitq_init(&s->receivers, &b->lock);
    weft__lock(&b->lock);
    s->next = b->sent;
    s->next_one = b->subscribers;
    s->prev_next = &b->subscribers;
    if (s->next_one != NULL) {
        s->next_one->prev_next = &s->next_one;
    }
    b->subscribers = s;
    b->n_subscribers++;
    weft__unlock(&b->lock);
    return s;
}

void weft_broadcast_unsubscribe(struct weft_subscriber *s)
{
    if (s == NULL) {
        return;
    }
    struct weft_broadcast *b = s->b;
    weft__lock(&b->lock);
    if (weft__waitq_first(&s->receivers) != NULL) {
        weft__unlock(&b->lock);
        weft__fatal("weft_broadcast_unsubscribe: somebody waits in the subscriber");
    }
    *s->prev_next = s->next_one;
    if (s->next_one != NULL) {
        s->next_one->prev_next = s->prev_next;
    }
    b->n_subscribers--;
    unlock_and_free_if_last(b);
    weft__free(s);
}

/* The place of a value that is kept: `behind` 1 is the youngest. */
static unsigned char *slot_of(struct weft_broadcast *b, uint64_t behind)
{
    size_t slot = b->head >= behind ? b->head - behind : b->head + b->slots - behind;
    return b->ring + slot * b->elem_bytes;
}

/* Under the lock: give the value that was just sent to one who waits. */
static void hand_over(struct weft_subscriber *s, const void *value)
{
    struct weft__waiter *w = weft__waitq_claim_first(&s->receivers);
    if (w != NULL) {
        weft__shape_copy(w->value, value, s->b->elem_bytes);
        w->rc = 0;
        s->next++;
        WEFT__DEBUG_ASSERT(s->next == s->b->sent);
        weft__park_wake(w->wait);
    }
}

ssize_t weft_broadcast_send(struct weft_broadcast *b, const void *value)
{
    weft__lock(&b->lock);
    ssize_t rc = -EPIPE;
    if (!b->is_closed) {
        weft__shape_copy(b->ring + b->head * b->elem_bytes, value, b->elem_bytes);
        b->head = b->head + 1 == b->slots ? 0 : b->head + 1;
        b->sent++;
        for (struct weft_subscriber *s = b->subscribers; s != NULL; s = s->next_one) {
            hand_over(s, value);
        }
        rc = (ssize_t)b->n_subscribers;
    }
    weft__unlock(&b->lock);
    return rc;
}

/* Under the lock: how many values were lost before the one that is taken; -EPIPE, or -EAGAIN if
 * there is none yet. */
static int64_t take(struct weft_subscriber *s, void *value)
{
    struct weft_broadcast *b = s->b;
    uint64_t behind = b->sent - s->next;
    if (behind == 0) {
        return b->is_closed ? -EPIPE : -EAGAIN;
    }
    uint64_t kept = behind < b->slots ? behind : b->slots;
    weft__shape_copy(value, slot_of(b, kept), b->elem_bytes);
    s->next += behind - kept + 1;
    return (int64_t)(behind - kept);
}

int64_t weft_subscriber_recv(struct weft_subscriber *s, void *value)
{
    weft__lock(&s->b->lock);
    int64_t rc = take(s, value);
    if (rc == -EAGAIN) {
        return weft__shape_wait(&s->receivers, value, WAIT_BROADCAST, s->b,
                                __builtin_return_address(0));
    }
    weft__unlock(&s->b->lock);
    return rc;
}

int64_t weft_subscriber_try_recv(struct weft_subscriber *s, void *value)
{
    weft__lock(&s->b->lock);
    int64_t rc = take(s, value);
    weft__unlock(&s->b->lock);
    return rc;
}

static bool is_ready(const struct weft_case *c)
{
    const struct weft_subscriber *s = c->object;
    return s->next != s->b->sent || s->b->is_closed;
}

static bool try_locked(struct weft_case *c, struct weft__wait **wake)
{
    (void)wake;
    c->rc = take(c->object, c->value);
    return c->rc != -EAGAIN;
}

const struct weft__select_ops weft__broadcast_ops = {
    .queue_at = offsetof(struct weft_subscriber, receivers),
    .has_value = true,
    .check = weft__shape_check,
    .is_ready = is_ready,
    .try_locked = try_locked,
    .won = weft__shape_won,
};
