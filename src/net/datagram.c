/* SPDX-License-Identifier: MIT */
/* datagram.c - sockets for datagrams: opened, connected; one datagram.  Several: many.c. */
#define _GNU_SOURCE
#include <weft/datagram.h>

#include <errno.h>
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
        weft__message_sender(from, msg.msg_namelen);
    }
    if (length != NULL) {
        *length = (size_t)got;
    }
    if ((size_t)got <= n) {
        return got;
    }
    return length != NULL ? (ssize_t)n : -EMSGSIZE;
}
