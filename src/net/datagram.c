/* SPDX-License-Identifier: MIT */
/* datagram.c - sockets for datagrams: opened, connected, and what goes through them. */
#define _GNU_SOURCE
#include <weft/datagram.h>

#include <errno.h>
#include <string.h>
#include <sys/un.h>
#include <weft/name.h>

#include "../base/fatal.h"
#include "../base/sys.h"
#include "bind.h"
#include "message.h"
#include "names.h"

/* ---- Opening. ---- */

int weft_dgram_bind_addr(const struct weft_addr *addr, const struct weft_dgram_opts *given)
{
    struct weft_dgram_opts opts = {.size = sizeof opts};
    (void)weft__park_self("weft_dgram_bind()");
    if (given != NULL) {
        if (given->size < sizeof opts) {
            weft__fatal("weft_dgram_bind_with: bad options: `size` is too small");
        }
        opts = *given;
    }
    const struct weft__bind_opts how = {
        .type = SOCK_DGRAM,
        .reuse_addr = opts.reuse_addr != 0,
        .reuse_port = opts.reuse_port != 0,
        .v6_only = opts.v6_only != 0,
        .keep_path = opts.keep_path != 0,
    };
    return weft__io_adopt_datagrams(weft__bind(addr, &how));
}

int weft_dgram_open(int family)
{
    (void)weft__park_self("weft_dgram_open()");
    if (family != AF_INET && family != AF_INET6 && family != AF_UNIX) {
        return -EAFNOSUPPORT;
    }
    return weft__io_adopt_datagrams(weft__sys_socket(family, SOCK_DGRAM, 0));
}

static int open_at(const struct weft_addr *addr)
{
    return weft_dgram_bind_addr(addr, NULL);
}

static int open_to(const struct weft_addr *addr)
{
    int fd = weft_dgram_open(addr->storage.ss_family);
    if (fd < 0) {
        return fd;
    }
    int rc = weft_dgram_connect(fd, addr);
    if (rc != 0) {
        (void)weft_close(fd);
        return rc;
    }
    return fd;
}

/* By the first of a text's addresses with which it can be done. */
static int open_text(const char *where, int (*make)(const struct weft_addr *addr),
                     const void *caller)
{
    static const struct weft_resolve_opts opts = {.size = sizeof opts, .socktype = SOCK_DGRAM};
    struct weft_addr addr;
    int rc = weft_addr_parse(&addr, where);
    if (rc != -EINVAL) {
        return rc != 0 ? rc : make(&addr);
    }
    struct weft_addr *addrs = weft__alloc(WEFT_RESOLVE_MAX * sizeof *addrs);
    if (addrs == NULL) {
        return -ENOMEM;
    }
    int n = weft__resolve_text(where, addrs, WEFT_RESOLVE_MAX, &opts, caller);
    int fd = n;
    for (int i = 0; i < n && (i == 0 || fd < 0); i++) {
        fd = make(&addrs[i]);
    }
    weft__free(addrs);
    return fd;
}

int weft_dgram_bind(const char *where)
{
    (void)weft__park_self("weft_dgram_bind()");
    return open_text(where, open_at, __builtin_return_address(0));
}

int weft_dgram_dial(const char *where)
{
    (void)weft__park_self("weft_dgram_dial()");
    return open_text(where, open_to, __builtin_return_address(0));
}

int weft_dgram_connect(int fd, const struct weft_addr *addr)
{
    static const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    int type = 0;
    socklen_t len = sizeof type;
    int rc = weft__sys_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
    if (rc != 0) {
        return rc;
    }
    if (type != SOCK_DGRAM) {
        return -EOPNOTSUPP; /* a stream might block the thread */
    }
    return addr == NULL
               ? weft__sys_connect(fd, &nobody, sizeof nobody)
               : weft__sys_connect(fd, (const struct sockaddr *)&addr->storage, addr->len);
}

/* ---- One datagram. ---- */

ssize_t weft_dgram_send(int fd, const void *buf, size_t n, const struct weft_addr *to)
{
    const void *caller = __builtin_return_address(0);
    struct weft__op_wait ow;
    struct iovec iov = {(void *)(uintptr_t)buf, n};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    (void)weft__park_self("weft_dgram_send()");
    if (to != NULL) {
        msg.msg_name = (void *)(uintptr_t)&to->storage;
        msg.msg_namelen = to->len;
    }
    weft__message_init(&ow, WEFT__OP_SENDMSG, fd, &msg, 0);
    return weft__message_send(&ow.op, weft__op_try, caller);
}

/* The kernel gives no address at all for a UNIX socket without a name. */
static void set_sender(struct weft_addr *from, socklen_t len)
{
    from->len = len;
    if (len == 0) {
        from->storage.ss_family = AF_UNIX;
        from->len = offsetof(struct sockaddr_un, sun_path);
    }
}

ssize_t weft_dgram_recv(int fd, void *buf, size_t n, struct weft_addr *from, size_t *length)
{
    const void *caller = __builtin_return_address(0);
    struct weft__op_wait ow;
    struct iovec iov = {buf, n};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    (void)weft__park_self("weft_dgram_recv()");
    if (from != NULL) {
        msg.msg_name = &from->storage;
        msg.msg_namelen = sizeof from->storage;
    }
    weft__message_init(&ow, WEFT__OP_RECVMSG, fd, &msg, MSG_TRUNC);
    ssize_t got = weft__io_run(&ow.op, WAIT_READ, caller);
    if (got < 0) {
        return got;
    }
    if (from != NULL) {
        set_sender(from, msg.msg_namelen);
    }
    if (length != NULL) {
        *length = (size_t)got;
    }
    if ((size_t)got <= n) {
        return got;
    }
    return length != NULL ? (ssize_t)n : -EMSGSIZE;
}

/* ---- Several. ---- */

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
    set_sender(&msg->addr, name_len);
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
