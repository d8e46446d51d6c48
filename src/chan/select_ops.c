/* SPDX-License-Identifier: MIT */
/* select_ops.c - a channel in a case of a select. */
#include "transfer.h"

static struct weft__lock *lock_of(const struct weft_case *c)
{
    return &((struct weft_chan *)c->object)->lock;
}

static int check(const struct weft_case *c, const struct weft_runtime *rt)
{
    const struct weft_chan *ch = c->object;
    return ch->is_shared || ch->rt == rt ? 0 : -EXDEV;
}

static void won(struct weft_case *c, struct weft__waiter *w)
{
    c->rc = w->rc;
}

static bool try_recv(struct weft_case *c, struct weft__wait **wake)
{
    int rc = weft__chan_recv_locked(c->object, c->value, wake);
    c->rc = rc;
    return rc != -EAGAIN;
}

static void link_recv(struct weft_case *c, struct weft__waiter *w)
{
    w->value = c->value;
    weft__waitq_add(&((struct weft_chan *)c->object)->receivers, w);
}

static void unlink_recv(struct weft_case *c, struct weft__waiter *w)
{
    weft__waitq_remove(&((struct weft_chan *)c->object)->receivers, w);
}

static bool try_send(struct weft_case *c, struct weft__wait **wake)
{
    int rc = weft__chan_send_locked(c->object, c->value, wake);
    c->rc = rc;
    return rc != -EAGAIN;
}

static void link_send(struct weft_case *c, struct weft__waiter *w)
{
    w->value = c->value;
    weft__waitq_add(&((struct weft_chan *)c->object)->senders, w);
}

static void unlink_send(struct weft_case *c, struct weft__waiter *w)
{
    weft__waitq_remove(&((struct weft_chan *)c->object)->senders, w);
}

const struct weft__select_ops weft__chan_recv_ops = {
    .lock_of = lock_of,
    .check = check,
    .try_locked = try_recv,
    .link = link_recv,
    .unlink = unlink_recv,
    .won = won,
};

const struct weft__select_ops weft__chan_send_ops = {
    .lock_of = lock_of,
    .check = check,
    .try_locked = try_send,
    .link = link_send,
    .unlink = unlink_send,
    .won = won,
};
