/* SPDX-License-Identifier: MIT */
/* dial.c - connecting to one address; to one of several: race.c. */
#include "dial.h"

#include <errno.h>
#include <string.h>

#include "../base/sys.h"
#include "../io/io.h"
#include "../park/park.h"

static int connect_to(int fd, const struct weft_addr *addr, const void *caller)
{
    int64_t delay_ns = 0;
    for (;;) {
        struct weft__op_wait ow;
        socklen_t len = addr->len;
        weft__op_init(&ow.op, WEFT__OP_CONNECT, fd, &ow);
        ow.op.addr = (struct sockaddr *)(uintptr_t)&addr->storage;
        ow.op.addr_len = &len;
        ssize_t rc = weft__io_run(&ow.op, WAIT_CONNECT, caller);
        if (rc != -EAGAIN) {
            return (int)rc;
        }
        /* The backlog of a UNIX listener is full: the kernel has no event for its end. */
        int ended = weft__io_wait_a_while(fd, &delay_ns, WAIT_CONNECT, caller);
        if (ended != 0) {
            return ended;
        }
    }
}

/* Nobody listened, and the system chose the port that was dialled for our end: TCP has both ends
 * meet.  Only on a port of the range from which it chooses, and on this machine. */
static bool has_met_itself(int fd, const struct weft_addr *addr)
{
    struct weft_addr own, peer;
    int port = weft_addr_port(addr);
    return port != 0 && weft_local_addr(fd, &own) == 0 && weft_addr_port(&own) == port &&
           weft_peer_addr(fd, &peer) == 0 && own.len == peer.len &&
           memcmp(&own.storage, &peer.storage, own.len) == 0;
}

int weft__dial(const struct weft_addr *addr, const struct weft_dial_opts *opts, const void *caller)
{
    (void)weft__park_self("weft_dial()");
    int fd = weft__sys_socket(addr->storage.ss_family, SOCK_STREAM, 0);
    if (fd < 0) {
        return fd;
    }
    fd = weft__io_adopt(fd);
    if (fd < 0) {
        return fd;
    }
    int rc = opts != NULL ? weft_set_buffers(fd, opts->recv_bytes, opts->send_bytes) : 0;
    if (rc == 0) {
        rc = connect_to(fd, addr, caller);
    }
    if (rc == 0 && has_met_itself(fd, addr)) {
        (void)weft_close_abort(fd);
        return -ECONNREFUSED;
    }
    if (rc != 0) {
        (void)weft_close(fd);
        return rc;
    }
    return fd;
}

int weft_dial_addr(const struct weft_addr *addr)
{
    return weft__dial(addr, NULL, __builtin_return_address(0));
}

int weft_socket_pair(int fds[2])
{
    (void)weft__park_self("weft_socket_pair()");
    int pair[2];
    int rc = weft__sys_socketpair(AF_UNIX, SOCK_STREAM, pair);
    if (rc != 0) {
        return rc;
    }
    rc = weft__io_adopt(pair[0]);
    if (rc < 0) {
        (void)weft__sys_close(pair[1]);
        return rc;
    }
    rc = weft__io_adopt(pair[1]);
    if (rc < 0) {
        (void)weft_close(pair[0]);
        return rc;
    }
    fds[0] = pair[0];
    fds[1] = pair[1];
    return 0;
}
