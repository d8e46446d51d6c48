/* SPDX-License-Identifier: MIT */
/*
 * oneshot.c - one value, two ends.
 *
 *   EMPTY --1--> KEPT --2--> GONE
 *     |                        ^
 *     +-----------3------------+
 *
 *   1  send     nobody waits: the value is copied into the oneshot.
 *   2  receive  it is copied out.
 *   3  send     to one who waits: straight from the sender's memory to his.
 *
 * Who waits, waits while it is EMPTY and the sending end is open.  The two ends are bits of their
 * own: whoever closes the second one, under the lock, frees it.
 */
#include <weft/oneshot.h>

#include "../base/fatal.h"
#include "../base/sys.h"
#include "shapes.h"

enum oneshot_state {
    EMPTY,
    KEPT,
    GONE,
};

struct weft_oneshot {
    struct weft__lock lock; /* RANK_CHAN; protects all below but elem_bytes */
    uint8_t state;          /* enum oneshot_state */
    bool has_sender;        /* the end is open */
    bool has_receiver;
    uint32_t elem_bytes;
    struct weft__waitq receivers;
    unsigned char value[];
};

struct weft_oneshot *weft_oneshot_make(size_t elem_bytes)
{
    if (elem_bytes > WEFT_CHAN_ELEM_BYTES_MAX) {
        weft__fatal("weft_oneshot_make: elem_bytes is larger than WEFT_CHAN_ELEM_BYTES_MAX");
    }
    struct weft_oneshot *o = weft__alloc(sizeof *o + elem_bytes);
    if (o != NULL) {
        weft__lock_init_biased(&o->lock, RANK_CHAN);
        weft__waitq_init(&o->receivers, &o->lock);
        o->state = EMPTY;
        o->has_sender = true;
        o->has_receiver = true;
        o->elem_bytes = (uint32_t)elem_bytes;
    }
    return o;
}

/* Under the lock. */
static int put(struct weft_oneshot *o, const void *value)
{
    if (o->state != EMPTY) {
        return -EALREADY;
    }
    if (!o->has_receiver) {
        return -EPIPE;
    }
    struct weft__waiter *w = weft__waitq_claim_first(&o->receivers);
    if (w == NULL) {
        weft__shape_copy(o->value, value, o->elem_bytes);
        o->state = KEPT;
        return 0;
    }
    weft__shape_copy(w->value, value, o->elem_bytes);
    w->rc = 0;
    o->state = GONE;
    weft__park_wake(w->wait);
    weft__shape_end_waits(&o->receivers, -EPIPE); /* for the others nothing is left */
    return 0;
}

/* Under the lock: 0, -EPIPE, or -EAGAIN if the value may still come. */
static int take(struct weft_oneshot *o, void *value)
{
    if (o->state == KEPT) {
        weft__shape_copy(value, o->value, o->elem_bytes);
        o->state = GONE;
        return 0;
    }
    return o->state == GONE || !o->has_sender ? -EPIPE : -EAGAIN;
}

int weft_oneshot_send(struct weft_oneshot *o, const void *value)
{
    weft__lock(&o->lock);
    bool is_open = o->has_sender;
    int rc = is_open ? put(o, value) : 0;
    weft__unlock(&o->lock);
    if (!is_open) {
        weft__fatal("weft_oneshot_send: the sending end of the oneshot is closed");
    }
    return rc;
}

/* Receive without waiting; -EAGAIN with the lock still held. */
static int recv_now(struct weft_oneshot *o, void *value)
{
    weft__lock(&o->lock);
    bool is_open = o->has_receiver;
    int rc = is_open ? take(o, value) : 0;
    if (rc != -EAGAIN) {
        weft__unlock(&o->lock);
    }
    if (!is_open) {
        weft__fatal("a receive from a oneshot whose receiving end is closed");
    }
    return rc;
}

int weft_oneshot_recv(struct weft_oneshot *o, void *value)
{
    int rc = recv_now(o, value);
    if (rc != -EAGAIN) {
        return rc;
    }
    return weft__shape_wait(&o->receivers, value, WAIT_ONESHOT, o, __builtin_return_address(0));
}

int weft_oneshot_try_recv(struct weft_oneshot *o, void *value)
{
    int rc = recv_now(o, value);
    if (rc == -EAGAIN) {
        weft__unlock(&o->lock);
    }
    return rc;
}

void weft_oneshot_close_send(struct weft_oneshot *o)
{
    if (o == NULL) {
        return;
    }
    weft__lock(&o->lock);
    bool was_open = o->has_sender;
    bool is_last = !o->has_receiver;
    o->has_sender = false;
    if (o->state == EMPTY) {
        weft__shape_end_waits(&o->receivers, -EPIPE);
    }
    weft__unlock(&o->lock);
    if (!was_open) {
        weft__fatal("weft_oneshot_close_send: the end is closed already");
    }
    if (is_last) {
        weft__free(o);
    }
}

void weft_oneshot_close_recv(struct weft_oneshot *o)
{
    if (o == NULL) {
        return;
    }
    weft__lock(&o->lock);
    bool was_open = o->has_receiver;
    bool is_last = !o->has_sender;
    bool has_waiters = weft__waitq_first(&o->receivers) != NULL;
    o->has_receiver = false;
    weft__unlock(&o->lock);
    if (!was_open) {
        weft__fatal("weft_oneshot_close_recv: the end is closed already");
    }
    if (has_waiters) {
        weft__fatal("weft_oneshot_close_recv: somebody waits for the value of the oneshot");
    }
    if (is_last) {
        weft__free(o);
    }
}

static bool is_ready(const struct weft_case *c)
{
    const struct weft_oneshot *o = c->object;
    return o->state != EMPTY || !o->has_sender;
}

static bool try_locked(struct weft_case *c, struct weft__wait **wake)
{
    (void)wake;
    int rc = take(c->object, c->value);
    c->rc = rc;
    return rc != -EAGAIN;
}

const struct weft__select_ops weft__oneshot_ops = {
    .queue_at = offsetof(struct weft_oneshot, receivers),
    .has_value = true,
    .check = weft__shape_check,
    .is_ready = is_ready,
    .try_locked = try_locked,
    .won = weft__shape_won,
};
