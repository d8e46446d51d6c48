/* SPDX-License-Identifier: MIT */
/* waits_message.h - of waits.h: the calls that send and receive datagrams, or with flags and
 * descriptors, what makes them go on, and what closes their sockets. */
#ifndef WEFT_TESTS_WAITS_MESSAGE_H
#define WEFT_TESTS_WAITS_MESSAGE_H

#include "waits_world.h"

static ssize_t call_recv(struct world *w)
{
    char buf[1];
    return weft_recv(w->fd[1], buf, sizeof buf, 0);
}

static ssize_t call_recv_msg(struct world *w)
{
    char buf[1];
    struct iovec iov = {buf, sizeof buf};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    return weft_recv_msg(w->fd[1], &msg, 0);
}

static ssize_t call_peek(struct world *w)
{
    char buf[1];
    return weft_peek(w->fd[1], buf, sizeof buf);
}

static ssize_t call_recv_fds(struct world *w)
{
    char buf[1];
    int got[1], count = 1;
    return weft_recv_fds(w->fd[1], buf, sizeof buf, got, &count);
}

static ssize_t call_send(struct world *w)
{
    return weft_send(w->jam[0], "x", 1, 0);
}

static ssize_t call_send_msg(struct world *w)
{
    struct iovec iov = {(char[]){"x"}, 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    return weft_send_msg(w->jam[0], &msg, 0);
}

static ssize_t call_send_fds(struct world *w)
{
    return weft_send_fds(w->jam[0], "x", 1, &w->listener, 1);
}

static ssize_t call_dgram_recv(struct world *w)
{
    char buf[1];
    return weft_dgram_recv(w->mail[1], buf, sizeof buf, NULL, NULL);
}

static ssize_t call_dgram_recv_many(struct world *w)
{
    char bufs[2][1];
    struct weft_dgram msgs[2] = {{.buf = bufs[0], .bytes = 1}, {.buf = bufs[1], .bytes = 1}};
    return weft_dgram_recv_many(w->mail[1], msgs, 2);
}

static ssize_t call_dgram_recv_train(struct world *w)
{
    char buf[1];
    size_t each;
    return weft_dgram_recv_train(w->mail[1], buf, sizeof buf, &each, NULL);
}

static ssize_t call_dgram_send(struct world *w)
{
    return weft_dgram_send(w->crammed[0], "x", 1, NULL);
}

static ssize_t call_dgram_send_to_a_name(struct world *w)
{
    struct weft_addr addr;
    CHECK_EQ(weft_local_addr(w->crammed[1], &addr), 0);
    return weft_dgram_send(w->crammed[2], "x", 1, &addr);
}

static ssize_t call_dgram_send_many(struct world *w)
{
    struct weft_dgram msgs[1] = {{.buf = (char[]){"x"}, .bytes = 1}};
    return weft_dgram_send_many(w->crammed[0], msgs, 1);
}

static ssize_t call_dgram_bind(struct world *w)
{
    char where[40];
    snprintf(where, sizeof where, "%s:0", w->name);
    return weft_dgram_bind(where);
}

static ssize_t call_dgram_dial(struct world *w)
{
    char where[40];
    snprintf(where, sizeof where, "%s:9", w->name);
    return weft_dgram_dial(where);
}

/* ---- what makes them go on, and what closes ---- */

static void answer_mail_lookups(struct world *w)
{
    const struct weft_resolve_opts opts = {.size = sizeof opts, .socktype = SOCK_DGRAM};
    struct weft_addr addr;

    open_names(w);
    CHECK_EQ(weft_resolve(w->name, "80", &addr, 1, &opts), 1);
}

static void send_a_datagram(struct world *w)
{
    CHECK_EQ(weft_dgram_send(w->mail[0], "x", 1, NULL), 1);
}

static void empty_crammed(struct world *w)
{
    char buf[1];
    while (recv(w->crammed[1], buf, sizeof buf, MSG_DONTWAIT) > 0)
        ;
}

static void close_mail(struct world *w)
{
    close_fd(w, w->mail[1]);
}

static void close_crammed(struct world *w)
{
    close_fd(w, w->crammed[0]);
}

static void close_crammed_other(struct world *w)
{
    close_fd(w, w->crammed[2]);
}

#endif
