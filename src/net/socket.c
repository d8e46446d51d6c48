/* SPDX-License-Identifier: MIT */
/* socket.c - what a connection can be asked and told. */
#include <weft/net.h>

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "../base/sys.h"
#include "option.h"

#ifndef TCP_KEEPIDLE
#define TCP_KEEPIDLE TCP_KEEPALIVE /* macOS */
#endif

int weft_shutdown(int fd, int how)
{
    return weft__sys_shutdown(fd, how);
}

int weft_local_addr(int fd, struct weft_addr *addr)
{
    addr->len = sizeof addr->storage;
    return weft__sys_getsockname(fd, (struct sockaddr *)&addr->storage, &addr->len);
}

int weft_peer_addr(int fd, struct weft_addr *addr)
{
    addr->len = sizeof addr->storage;
    return weft__sys_getpeername(fd, (struct sockaddr *)&addr->storage, &addr->len);
}

static int set_int(int fd, int level, int name, int value)
{
    return weft__sys_setsockopt(fd, level, name, &value, sizeof value);
}

int weft_set_nodelay(int fd, bool on)
{
    return set_int(fd, IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0);
}

/* Rounded up to what the kernel counts in. */
static int whole_seconds(int64_t ns)
{
    int64_t s = ns / 1000000000 + (ns % 1000000000 != 0 ? 1 : 0);
    return s > INT_MAX ? INT_MAX : (int)s;
}

int weft_set_keepalive(int fd, int64_t idle_ns, int64_t interval_ns, int count)
{
    if (idle_ns < 0 || interval_ns < 0 || count < 0) {
        return -EINVAL;
    }
    if (idle_ns == 0) {
        /* Any socket lets the switch be set: only a look at TCP's own option tells them apart. */
        int seconds;
        socklen_t len = sizeof seconds;
        int rc = weft__sys_getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, &len);
        return rc != 0 ? rc : set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 0);
    }
    int rc = set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, whole_seconds(idle_ns));
    if (rc == 0 && interval_ns > 0) {
        rc = set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, whole_seconds(interval_ns));
    }
    if (rc == 0 && count > 0) {
        rc = set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, count);
    }
    return rc != 0 ? rc : set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

int weft__set_defer_accept(int fd, int64_t ns)
{
#ifdef TCP_DEFER_ACCEPT
    return ns < 0 ? -EINVAL : set_int(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, whole_seconds(ns));
#else
    (void)fd;
    return ns < 0 ? -EINVAL : -EOPNOTSUPP;
#endif
}

int weft_set_buffers(int fd, size_t recv_bytes, size_t send_bytes)
{
    if (recv_bytes > INT_MAX || send_bytes > INT_MAX) {
        return -EINVAL;
    }
    int rc = recv_bytes > 0 ? set_int(fd, SOL_SOCKET, SO_RCVBUF, (int)recv_bytes) : 0;
    if (rc == 0 && send_bytes > 0) {
        rc = set_int(fd, SOL_SOCKET, SO_SNDBUF, (int)send_bytes);
    }
    return rc;
}
