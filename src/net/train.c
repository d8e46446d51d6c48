/* SPDX-License-Identifier: MIT */
/* train.c - datagrams of one length, which go through the kernel as one. */
#define _GNU_SOURCE
#include <weft/datagram.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#include "../base/sys.h"
#include "message.h"

/* Missing in older headers; a system that has no such option says so. */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* Control data that are one length. */
union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

static int not_supported(int rc)
{
    return rc == -ENOPROTOOPT || rc == -EOPNOTSUPP ? -ENOTSUP : rc;
}

static int get_option(int fd, int name, int *value)
{
    socklen_t len = sizeof *value;
    return not_supported(weft__sys_getsockopt(fd, IPPROTO_UDP, name, value, &len));
}

int weft_dgram_merge(int fd, bool on)
{
    int value = on ? 1 : 0;
    return not_supported(weft__sys_setsockopt(fd, IPPROTO_UDP, UDP_GRO, &value, sizeof value));
}

ssize_t weft_dgram_send_train(int fd, const void *buf, size_t n, size_t each,
                              const struct weft_addr *to)
{
    const void *caller = __builtin_return_address(0);
    struct weft__op_wait ow;
    struct iovec iov = {(void *)(uintptr_t)buf, n};
    union control control = {.bytes = {0}};
    const uint16_t length = (uint16_t)each;
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = CMSG_SPACE(sizeof length),
    };
    int unused;
    (void)weft__park_self("weft_dgram_send_train()");
    if (each == 0 || each > UINT16_MAX) {
        return -EINVAL;
    }
    /* A socket that does not know the length would ignore it, and send one long datagram. */
    int rc = get_option(fd, UDP_SEGMENT, &unused);
    if (rc != 0) {
        return rc;
    }
    if (to != NULL) {
        msg.msg_name = (void *)(uintptr_t)&to->storage;
        msg.msg_namelen = to->len;
    }
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = IPPROTO_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof length);
    memcpy(CMSG_DATA(c), &length, sizeof length);
    weft__message_init(&ow, WEFT__OP_SENDMSG, fd, &msg, 0);
    return weft__message_send(&ow.op, weft__op_try, caller);
}

/* Of a message of n bytes: how long its datagrams are. */
static size_t length_of_each(struct msghdr *msg, size_t n)
{
    const struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    int length;
    if (c == NULL || c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO) {
        return n;
    }
    memcpy(&length, CMSG_DATA(c), sizeof length);
    return length > 0 && (size_t)length < n ? (size_t)length : n;
}

ssize_t weft_dgram_recv_train(int fd, void *buf, size_t n, size_t *each, struct weft_addr *from)
{
    const void *caller = __builtin_return_address(0);
    struct weft__op_wait ow;
    struct iovec iov = {buf, n};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    union control control;
    int merges = 0;
    (void)weft__park_self("weft_dgram_recv_train()");
    /* No room without need: on another socket descriptors might come and stay open. */
    if (get_option(fd, UDP_GRO, &merges) == 0 && merges) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof control.bytes;
    }
    if (from != NULL) {
        msg.msg_name = &from->storage;
        msg.msg_namelen = sizeof from->storage;
    }
    weft__message_init(&ow, WEFT__OP_RECVMSG, fd, &msg, MSG_TRUNC);
    ssize_t got = weft__io_run(&ow.op, WAIT_READ, caller);
    if (got < 0) {
        return got;
    }
    if ((size_t)got > n) {
        return -EMSGSIZE;
    }
    if (from != NULL) {
        weft__message_sender(from, msg.msg_namelen);
    }
    *each = length_of_each(&msg, (size_t)got);
    return got;
}
