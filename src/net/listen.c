/* SPDX-License-Identifier: MIT */
/* listen.c - listening sockets and the connections they take. */
#include <weft/net.h>

#include <errno.h>

#include "../base/fatal.h"
#include "../base/sys.h"
#include "../base/text.h"
#include "../io/io.h"
#include "../reactor/driver.h"
#include "bind.h"
#include "names.h"
#include "option.h"

#define BACKLOG_DEFAULT 4096
/* How long to wait for a free descriptor, first and at most. */
#define LIMIT_NS_MIN ((int64_t)1000000)
#define LIMIT_NS_MAX ((int64_t)100000000)

int weft_listen_addr(const struct weft_addr *addr, const struct weft_listen_opts *given)
{
    struct weft_listen_opts opts = {.size = sizeof opts};
    (void)weft__park_self("weft_listen()");
    if (given != NULL) {
        if (given->size < sizeof opts) {
            weft__fatal("weft_listen_with: bad options: `size` is too small");
        }
        opts = *given;
    }
    const struct weft__bind_opts how = {
        .type = SOCK_STREAM | SOCK_NONBLOCK, /* see "what the makers owe" in op.h */
        .reuse_addr = true,
        .reuse_port = opts.reuse_port != 0,
        .v6_only = opts.v6_only != 0,
        .keep_path = opts.keep_path != 0,
    };
    int fd = weft__bind(addr, &how);
    if (fd < 0) {
        return fd;
    }
    int rc = opts.defer_accept_ns != 0 ? weft__set_defer_accept(fd, opts.defer_accept_ns) : 0;
    if (rc == 0) {
        rc = weft_set_buffers(fd, opts.recv_bytes, opts.send_bytes);
    }
    if (rc == 0) {
        rc = weft__sys_listen(fd, opts.backlog > 0 ? opts.backlog : BACKLOG_DEFAULT);
    }
    if (rc != 0) {
        (void)weft__sys_close(fd);
        return rc;
    }
    return weft__io_adopt(fd);
}

int weft_listen_each(const struct weft_addr *addr, const struct weft_listen_opts *given, int *fds,
                     int n)
{
    struct weft_listen_opts opts = given != NULL ? *given : (struct weft_listen_opts){0};
    struct weft_addr at = *addr;
    (void)weft__park_self("weft_listen_each()");
    if (n < 1 || (n > 1 && addr->storage.ss_family == AF_UNIX)) {
        return n < 1 ? -EINVAL : -EOPNOTSUPP;
    }
    opts.size = given != NULL ? given->size : sizeof opts;
    opts.reuse_port = addr->storage.ss_family != AF_UNIX;
    int rc = 0;
    for (int i = 0; i < n && rc == 0; i++) {
        fds[i] = weft_listen_addr(&at, &opts);
        rc = fds[i] < 0 ? fds[i] : i == 0 ? weft_local_addr(fds[0], &at) : 0;
        for (int k = 0; rc != 0 && k <= i; k++) {
            (void)weft_close(fds[k]);
        }
    }
    return rc;
}

/* At the first of a name's addresses that can be had. */
static int listen_by_name(const char *where, const void *caller)
{
    struct weft_addr *addrs = weft__alloc(WEFT_RESOLVE_MAX * sizeof *addrs);
    if (addrs == NULL) {
        return -ENOMEM;
    }
    int n = weft__resolve_text(where, addrs, WEFT_RESOLVE_MAX, NULL, caller);
    int fd = n;
    for (int i = 0; i < n && (i == 0 || fd < 0); i++) {
        fd = weft_listen_addr(&addrs[i], NULL);
    }
    weft__free(addrs);
    return fd;
}

int weft_listen(const char *where)
{
    const void *caller = __builtin_return_address(0);
    struct weft_addr addr;
    (void)weft__park_self("weft_listen()");
    int rc = weft_addr_parse(&addr, where);
    if (rc == -EINVAL) {
        return listen_by_name(where, caller);
    }
    return rc != 0 ? rc : weft_listen_addr(&addr, NULL);
}

static bool is_gone(ssize_t rc)
{
    /* Errors of the connection that was waiting, not of the listener: accept(2) names them. */
    switch (rc) {
    case -ECONNABORTED:
    case -EPROTO:
    case -ENETDOWN:
    case -ENOPROTOOPT:
    case -EHOSTDOWN:
#ifdef ENONET
    case -ENONET:
#endif
    case -EHOSTUNREACH:
    case -EOPNOTSUPP:
    case -ENETUNREACH:
    case -EPERM:
        return true;
    default:
        return false;
    }
}

static bool is_limit(ssize_t rc)
{
    return rc == -EMFILE || rc == -ENFILE || rc == -ENOBUFS || rc == -ENOMEM;
}

static void say_limit_once(ssize_t rc)
{
    static _Atomic bool said;
    if (atomic_exchange_explicit(&said, true, memory_order_relaxed)) {
        return;
    }
    char line[256];
    struct weft__text t;
    weft__text_init(&t, line, sizeof line);
    weft__text_add(&t, "weft: accept: ");
    weft__text_add(&t, weft_strerror(rc));
    weft__text_add(&t, "; connections wait until some are closed (raise ulimit -n for more)\n");
    (void)weft__text_write(&t, 2);
}

static int check_listens(int fd)
{
    int listens = 0;
    socklen_t len = sizeof listens;
    int rc = weft__sys_getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len);
    return rc == 0 && !listens ? -EINVAL : rc;
}

/* An fd that is not ours may be anything, and would be waited for although no connection ever comes
 * there.  One of ours that does not listen says so when it is tried. */
static int check_foreign(int fd)
{
    return fd < 0 || weft__fd_is_own(&weft__park_reactors()->fds, fd) ? 0 : check_listens(fd);
}

int weft_accept(int fd, struct weft_addr *peer)
{
    const void *caller = __builtin_return_address(0);
    int64_t delay_ns = LIMIT_NS_MIN;
    uint32_t life = 0; /* of fd, the same for all tries */
    (void)weft__park_self("weft_accept()");
    int bad = check_foreign(fd);
    if (bad != 0) {
        return bad;
    }
    for (;;) {
        struct weft__op_wait ow;
        weft__op_init(&ow.op, WEFT__OP_ACCEPT, fd, &ow);
        ow.op.life = life;
        ow.op.addr = NULL;
        ow.op.addr_len = NULL;
        if (peer != NULL) {
            peer->len = sizeof peer->storage;
            ow.op.addr = (struct sockaddr *)&peer->storage;
            ow.op.addr_len = &peer->len;
        }
        ssize_t rc = weft__io_run(&ow.op, WAIT_ACCEPT, caller);
        life = ow.op.life;
        if (rc >= 0) {
            rc = weft__io_adopt((int)rc);
        }
        if (rc >= 0) {
            return (int)rc;
        }
        if (is_limit(rc)) {
            say_limit_once(rc);
            weft__park_count_accept_wait();
            int ended = weft__io_wait_for_descriptor(delay_ns, caller);
            if (ended != 0) {
                return ended;
            }
            delay_ns = delay_ns * 2 < LIMIT_NS_MAX ? delay_ns * 2 : LIMIT_NS_MAX;
        } else if (!is_gone(rc)) {
            return (int)rc;
        } else if ((bad = check_listens(fd)) != 0) { /* a socket for datagrams speaks likewise */
            return bad;
        }
    }
}
