/* SPDX-License-Identifier: MIT */
/* select_ops.c - a channel in a case of a select. */
#include "transfer.h"

static int check(const struct weft_case *c, const struct weft_runtime *rt)
{
    return weft__chan_is_for(c->object, rt) ? 0 : -EXDEV;
}

static void won(struct weft_case *c, struct weft__waiter *w)
{
    c->rc = w->rc;
}

static bool can_recv(const struct weft_case *c)
{
    return weft__chan_can_recv(c->object);
}

static bool can_send(const struct weft_case *c)
{
    return weft__chan_can_send(c->object);
}

static bool try_recv(struct weft_case *c, struct weft__wait **wake)
{
    int rc = weft__chan_recv_locked(c->object, c->value, wake);
    c->rc = rc;
    return rc != -EAGAIN;
}

static bool try_send(struct weft_case *c, struct weft__wait **wake)
{
    int rc = weft__chan_send_locked(c->object, c->value, wake);
    c->rc = rc;
    return rc != -EAGAIN;
}

const struct weft__select_ops weft__chan_recv_ops = {
    .queue_at = offsetof(struct weft_chan, receivers),
    .has_value = true,
    .check = check,
    .is_ready = can_recv,
    .try_locked = try_recv,
    .won = won,
};

const struct weft__select_ops weft__chan_send_ops = {
    .queue_at = offsetof(struct weft_chan, senders),
    .has_value = true,
    .check = check,
    .is_ready = can_send,
    .try_locked = try_send,
    .won = won,
};
