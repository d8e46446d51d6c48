/* SPDX-License-Identifier: MIT */
/* many.c - several datagrams by one system call. */
#define _GNU_SOURCE
#include <weft/datagram.h>

#include <errno.h>

#include "../base/sys.h"
#include "message.h"

/* The driver waits for the first of them; one system call takes what is there. */
struct several {
    struct weft__op_wait ow;
    struct weft_dgram *msgs;
    int count;  /* at most WEFT_DGRAM_MANY */
    int n_done; /* by the last try */
};

struct headers {
    struct mmsghdr hdr[WEFT_DGRAM_MANY];
    struct iovec iov[WEFT_DGRAM_MANY];
};

static void set_header(struct msghdr *hdr, struct iovec *iov, const struct weft_dgram *msg,
                       socklen_t name_len)
{
    *iov = (struct iovec){msg->buf, msg->bytes};
    *hdr = (struct msghdr){.msg_iov = iov, .msg_iovlen = 1};
    if (name_len > 0) {
        hdr->msg_name = (void *)(uintptr_t)&msg->addr.storage;
        hdr->msg_namelen = name_len;
    }
}

static void set_received(struct weft_dgram *msg, size_t length, socklen_t name_len)
{
    msg->length = length;
    weft__message_sender(&msg->addr, name_len);
}

static ssize_t recv_several(struct weft__op *op, bool is_socket)
{
    struct several *s = WEFT__CONTAINER(op, struct several, ow.op);
    struct headers h;
    (void)is_socket;
    for (int i = 0; i < s->count; i++) {
        set_header(&h.hdr[i].msg_hdr, &h.iov[i], &s->msgs[i], sizeof s->msgs[i].addr.storage);
    }
    int n = weft__sys_recvmmsg_now(op->fd, h.hdr, (unsigned)s->count,
                                   MSG_TRUNC | MSG_CMSG_CLOEXEC);
    for (int i = 0; i < n; i++) {
        set_received(&s->msgs[i], h.hdr[i].msg_len, h.hdr[i].msg_hdr.msg_namelen);
    }
    s->n_done = n > 0 ? n : 0;
    return n;
}

int weft_dgram_recv_many(int fd, struct weft_dgram *msgs, int count)
{
    const void *caller = __builtin_return_address(0);
    struct several s = {.msgs = msgs, .count = count < WEFT_DGRAM_MANY ? count : WEFT_DGRAM_MANY};
    struct iovec iov;
    struct msghdr msg;
    (void)weft__park_self("weft_dgram_recv_many()");
    if (count < 1) {
        return -EINVAL;
    }
    set_header(&msg, &iov, &msgs[0], sizeof msgs[0].addr.storage);
    weft__message_init(&s.ow, WEFT__OP_RECVMSG, fd, &msg, MSG_TRUNC);
    ssize_t n = weft__io_run_by(&s.ow.op, recv_several, WAIT_READ, caller);
    if (n < 0 || s.n_done > 0) {
        return (int)n;
    }
    /* The first was waited for; others may have come with it. */
    set_received(&msgs[0], (size_t)n, msg.msg_namelen);
    if (--s.count > 0) {
        s.msgs++;
        (void)weft__io_try(&s.ow.op, recv_several);
    }
    return 1 + s.n_done;
}

static ssize_t send_several(struct weft__op *op, bool is_socket)
{
    struct several *s = WEFT__CONTAINER(op, struct several, ow.op);
    struct headers h;
    (void)is_socket;
    for (int i = 0; i < s->count; i++) {
        set_header(&h.hdr[i].msg_hdr, &h.iov[i], &s->msgs[i], s->msgs[i].addr.len);
    }
    int n = weft__sys_sendmmsg_now(op->fd, h.hdr, (unsigned)s->count, MSG_NOSIGNAL);
    s->n_done = n > 0 ? n : 0;
    return n;
}

int weft_dgram_send_many(int fd, const struct weft_dgram *msgs, int count)
{
    const void *caller = __builtin_return_address(0);
    int done = 0;
    (void)weft__park_self("weft_dgram_send_many()");
    if (count < 1) {
        return -EINVAL;
    }
    while (done < count) {
        struct several s = {.msgs = (struct weft_dgram *)(uintptr_t)&msgs[done]};
        struct iovec iov;
        struct msghdr msg;
        s.count = count - done < WEFT_DGRAM_MANY ? count - done : WEFT_DGRAM_MANY;
        set_header(&msg, &iov, &msgs[done], msgs[done].addr.len);
        weft__message_init(&s.ow, WEFT__OP_SENDMSG, fd, &msg, 0);
        ssize_t n = weft__message_send(&s.ow.op, send_several, caller);
        if (n < 0) {
            return done > 0 ? done : (int)n;
        }
        done += s.n_done > 0 ? s.n_done : 1; /* one was waited for */
    }
    return done;
}
