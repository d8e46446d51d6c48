/* SPDX-License-Identifier: MIT */
/* message.c - sending and receiving with flags, control data and descriptors. */
#include "message.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>
#include <weft/message.h>

#include "../base/sys.h"

#define RECV_FLAGS (MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT | MSG_CMSG_CLOEXEC)
#define SEND_FLAGS                                                                                 \
    (MSG_MORE | MSG_EOR | MSG_OOB | MSG_DONTROUTE | MSG_CONFIRM | MSG_DONTWAIT | MSG_NOSIGNAL)

void weft__message_init(struct weft__op_wait *ow, enum weft__op_kind kind, int fd,
                        const struct msghdr *msg, int flags)
{
    weft__op_init(&ow->op, kind, fd, ow);
    ow->op.hdr = (struct msghdr *)(uintptr_t)msg;
    ow->op.hdr_flags = flags & ~MSG_DONTWAIT;
}

/* To a UNIX name, where the kernel has no event for the room that there may be again. */
static bool has_no_event(const struct msghdr *msg)
{
    const struct sockaddr *to = msg->msg_name;
    return to != NULL && msg->msg_namelen >= sizeof to->sa_family && to->sa_family == AF_UNIX;
}

void weft__message_sender(struct weft_addr *from, socklen_t len)
{
    from->len = len;
    if (len == 0) {
        from->storage.ss_family = AF_UNIX;
        from->len = offsetof(struct sockaddr_un, sun_path);
    }
}

ssize_t weft__message_send(struct weft__op *op, weft__io_try_fn *try_now, const void *caller)
{
    int64_t delay_ns = 0;
    if (!has_no_event(op->hdr)) {
        return weft__io_run_by(op, try_now, WAIT_WRITE, caller);
    }
    for (;;) {
        ssize_t n = weft__io_try(op, try_now);
        if (n != -EAGAIN) {
            return n;
        }
        int ended = weft__io_wait_a_while(op->fd, &delay_ns, WAIT_WRITE, caller);
        if (ended != 0) {
            return ended;
        }
    }
}

static ssize_t recv_msg(int fd, struct msghdr *msg, int flags, const void *caller)
{
    struct weft__op_wait ow;
    (void)weft__park_self("weft_recv()");
    if ((flags & ~RECV_FLAGS) != 0) {
        return -EINVAL;
    }
    weft__message_init(&ow, WEFT__OP_RECVMSG, fd, msg, flags);
    return (flags & MSG_DONTWAIT) != 0 ? weft__io_try(&ow.op, weft__op_try)
                                       : weft__io_run(&ow.op, WAIT_READ, caller);
}

static ssize_t send_msg(int fd, const struct msghdr *msg, int flags, const void *caller)
{
    struct weft__op_wait ow;
    (void)weft__park_self("weft_send()");
    if ((flags & ~SEND_FLAGS) != 0) {
        return -EINVAL;
    }
    weft__message_init(&ow, WEFT__OP_SENDMSG, fd, msg, flags);
    return (flags & MSG_DONTWAIT) != 0 ? weft__io_try(&ow.op, weft__op_try)
                                       : weft__message_send(&ow.op, weft__op_try, caller);
}

ssize_t weft_recv_msg(int fd, struct msghdr *msg, int flags)
{
    return recv_msg(fd, msg, flags, __builtin_return_address(0));
}

ssize_t weft_send_msg(int fd, const struct msghdr *msg, int flags)
{
    return send_msg(fd, msg, flags, __builtin_return_address(0));
}

ssize_t weft_recv(int fd, void *buf, size_t n, int flags)
{
    struct iovec iov = {buf, n};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    return recv_msg(fd, &msg, flags, __builtin_return_address(0));
}

ssize_t weft_send(int fd, const void *buf, size_t n, int flags)
{
    struct iovec iov = {(void *)(uintptr_t)buf, n};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    return send_msg(fd, &msg, flags, __builtin_return_address(0));
}

ssize_t weft_peek(int fd, void *buf, size_t n)
{
    struct iovec iov = {buf, n};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    (void)weft__park_self("weft_peek()");
    return n == 0 ? -EINVAL : recv_msg(fd, &msg, MSG_PEEK, __builtin_return_address(0));
}

/* ---- Descriptors. ---- */

/* Control data that are nothing but descriptors. */
union rights {
    char bytes[CMSG_SPACE(WEFT_FDS_MAX * sizeof(int))];
    struct cmsghdr align;
};

/* Any other socket sends the bytes and drops the descriptors, without a word. */
static int check_unix(int fd)
{
    int family = weft__sys_family(fd);
    return family < 0 ? family : family != AF_UNIX ? -EOPNOTSUPP : 0;
}

ssize_t weft_send_fds(int fd, const void *buf, size_t n, const int *fds, int count)
{
    const void *caller = __builtin_return_address(0);
    struct iovec iov = {(void *)(uintptr_t)buf, n};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    union rights rights;
    (void)weft__park_self("weft_send_fds()");
    if (n == 0 || count < 1 || count > WEFT_FDS_MAX) {
        return -EINVAL;
    }
    int rc = check_unix(fd);
    if (rc != 0) {
        return rc;
    }
    msg.msg_control = rights.bytes;
    msg.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
    memset(rights.bytes, 0, msg.msg_controllen);
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, (size_t)count * sizeof(int));
    return send_msg(fd, &msg, 0, caller);
}

/* How many descriptors the kernel has made of a message. */
static int take_fds(struct msghdr *msg, int *fds)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    if (c == NULL || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
        return 0;
    }
    size_t bytes = c->cmsg_len - CMSG_LEN(0);
    memcpy(fds, CMSG_DATA(c), bytes);
    return (int)(bytes / sizeof(int));
}

ssize_t weft_recv_fds(int fd, void *buf, size_t n, int *fds, int *count)
{
    const void *caller = __builtin_return_address(0);
    struct iovec iov = {buf, n};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    union rights rights;
    const int room = *count;
    (void)weft__park_self("weft_recv_fds()");
    *count = 0;
    if (n == 0 || room < 0 || room > WEFT_FDS_MAX) {
        return -EINVAL;
    }
    if (room > 0) {
        msg.msg_control = rights.bytes;
        msg.msg_controllen = CMSG_LEN((size_t)room * sizeof(int)); /* not one more fits */
    }
    ssize_t got = recv_msg(fd, &msg, 0, caller);
    if (got < 0) {
        return got;
    }
    *count = take_fds(&msg, fds);
    if ((msg.msg_flags & MSG_CTRUNC) != 0) {
        /* What the kernel had no room or no number for it has closed itself. */
        int error = *count == room ? -EMSGSIZE : -EMFILE;
        while (*count > 0) {
            (void)weft__sys_close(fds[--*count]);
        }
        *count = error;
    }
    return got;
}
