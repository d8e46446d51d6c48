/* SPDX-License-Identifier: MIT */
/* op.c - an operation as one system call that does not wait. */
#include "op.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "../base/sys.h"

#ifndef IOV_MAX
#define IOV_MAX 1024 /* Linux since ever; hidden by strict headers */
#endif

int weft__op_events(const struct weft__op *op)
{
    switch (op->kind) {
    case WEFT__OP_READ:
    case WEFT__OP_READV:
    case WEFT__OP_RECVMSG:
    case WEFT__OP_ACCEPT:
    case WEFT__OP_SPLICE_IN:
        return POLLIN;
    case WEFT__OP_POLL:
        return op->events;
    default:
        return POLLOUT;
    }
}

/* Which of `events`, or of the errors that need no asking, are there now?  0 if none. */
static ssize_t poll_now(int fd, int events)
{
    struct pollfd p = {.fd = fd, .events = (short)events};
    int n = weft__sys_poll(&p, 1, 0);
    if (n <= 0) {
        return n;
    }
    return (p.revents & POLLNVAL) != 0 ? -EBADF : p.revents;
}

static int iov_count_max(int count)
{
    return count > IOV_MAX ? IOV_MAX : count;
}

static bool has_header(const struct weft__op *op)
{
    return op->kind == WEFT__OP_RECVMSG || op->kind == WEFT__OP_SENDMSG;
}

struct msghdr *weft__op_msg(struct weft__op *op)
{
    if (has_header(op)) {
        return op->hdr;
    }
    memset(&op->msg, 0, sizeof op->msg);
    op->msg.msg_iov = (struct iovec *)op->iov;
    op->msg.msg_iovlen = (size_t)iov_count_max(op->iov_count);
    return &op->msg;
}

int weft__op_msg_flags(const struct weft__op *op)
{
    int flags = has_header(op) ? op->hdr_flags : 0;
    return flags | (weft__op_events(op) == POLLIN ? MSG_CMSG_CLOEXEC : MSG_NOSIGNAL);
}

static ssize_t try_socket(struct weft__op *op)
{
    switch (op->kind) {
    case WEFT__OP_READ: {
        ssize_t n = weft__sys_recv_now(op->fd, op->buf, op->bytes);
        if (n > 0 && (size_t)n < op->bytes) {
            op->flags |= WEFT__OP_SHORT;
        }
        return n;
    }
    case WEFT__OP_WRITE:
        return weft__sys_send_now(op->fd, op->buf, op->bytes);
    case WEFT__OP_READV:
    case WEFT__OP_RECVMSG:
        return weft__sys_recvmsg_now(op->fd, weft__op_msg(op), weft__op_msg_flags(op));
    default:
        return weft__sys_sendmsg_now(op->fd, weft__op_msg(op), weft__op_msg_flags(op));
    }
}

static bool is_read(const struct weft__op *op)
{
    return op->kind == WEFT__OP_READ || op->kind == WEFT__OP_READV;
}

/* What is to be moved, as a vector; `one` is room for that of a single buffer. */
static const struct iovec *vector_of(const struct weft__op *op, struct iovec *one, int *count)
{
    if (op->kind == WEFT__OP_READV || op->kind == WEFT__OP_WRITEV) {
        *count = iov_count_max(op->iov_count);
        return op->iov;
    }
    *count = 1;
    *one = (struct iovec){.iov_base = op->buf, .iov_len = op->bytes};
    return one;
}

/* An fd that is not ours: of any type, shared with anybody, blocking or not. */
static ssize_t try_foreign(const struct weft__op *op)
{
    struct iovec one;
    int count;
    const struct iovec *iov = vector_of(op, &one, &count);
    return is_read(op) ? weft__sys_read_now(op->fd, iov, count)
                       : weft__sys_write_now(op->fd, iov, count);
}

ssize_t weft__op_wait_for_disk(const struct weft__op *op)
{
    struct iovec one;
    int count;
    const struct iovec *iov = vector_of(op, &one, &count);
    return is_read(op) ? weft__sys_readv(op->fd, iov, count)
                       : weft__sys_writev(op->fd, iov, count);
}

/* A connection that ended while it was queued is passed over, as if it had never come. */
static ssize_t try_accept(struct weft__op *op, bool is_socket)
{
    ssize_t n;
    do {
        if (!is_socket) {
            /* A listener of somebody else may block: only poll can tell. */
            ssize_t there = poll_now(op->fd, POLLIN);
            if (there <= 0) {
                return there == 0 ? -EAGAIN : there;
            }
        }
        n = weft__sys_accept_now(op->fd, op->addr, op->addr_len);
    } while (n == -ECONNABORTED || n == -EPROTO);
    return n;
}

/* The socket blocks, but connect() has no flag for one call: its mode is changed around it.
 * Nobody else uses a socket that is not connected yet. */
static ssize_t begin_connect(struct weft__op *op)
{
    int rc = weft__sys_set_nonblock(op->fd, true);
    if (rc < 0) {
        return rc;
    }
    rc = weft__sys_connect(op->fd, op->addr, *op->addr_len);
    (void)weft__sys_set_nonblock(op->fd, false);
    if (rc == -EINPROGRESS || rc == -EALREADY || rc == -EINTR) {
        op->flags |= WEFT__OP_BEGUN;
        return -EAGAIN;
    }
    return rc;
}

static ssize_t try_connect(struct weft__op *op)
{
    if ((op->flags & WEFT__OP_BEGUN) == 0) {
        return begin_connect(op);
    }
    /* Writable, also by an error, is what says that it is over; SO_ERROR is 0 before that too. */
    ssize_t there = poll_now(op->fd, POLLOUT);
    if (there <= 0) {
        return there == 0 ? -EAGAIN : there;
    }
    int error = 0;
    socklen_t len = sizeof error;
    int rc = weft__sys_getsockopt(op->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return rc < 0 ? rc : -error;
}

ssize_t weft__op_try_now(struct weft__op *op, bool is_socket)
{
    ssize_t n;
    switch (op->kind) {
    case WEFT__OP_ACCEPT:
        return try_accept(op, is_socket);
    case WEFT__OP_CONNECT:
        return try_connect(op);
    case WEFT__OP_POLL:
        n = poll_now(op->fd, op->events);
        return n == 0 ? -EAGAIN : n;
    case WEFT__OP_RECVMSG:
    case WEFT__OP_SENDMSG:
        return try_socket(op); /* -ENOTSOCK if it is none */
    case WEFT__OP_SENDFILE:
        return weft__sys_sendfile_now(op->fd, op->other, op->offset, op->part);
    case WEFT__OP_SPLICE_IN:
        return weft__sys_splice_now(op->fd, -1, op->other, op->part, true);
    case WEFT__OP_SPLICE_OUT:
        return weft__sys_splice_now(op->other, op->offset, op->fd, op->part, false);
    default:
        return is_socket ? try_socket(op) : try_foreign(op);
    }
}

/* A file is always ready for poll(2), yet a read that must not wait gives -EAGAIN while the page is
 * not in memory: waiting for it to become ready would turn for ever. */
ssize_t weft__op_try(struct weft__op *op, bool is_socket)
{
    if (is_socket || op->kind > WEFT__OP_WRITEV) {
        return weft__op_try_now(op, is_socket);
    }
    ssize_t n = (op->flags & WEFT__OP_BLOCKS) == 0 ? weft__op_try_now(op, false) : -EAGAIN;
    if (n == -EAGAIN && ((op->flags & WEFT__OP_BLOCKS) != 0 || weft__sys_is_file(op->fd))) {
        n = weft__op_wait_for_disk(op);
    }
    return n;
}
