/* SPDX-License-Identifier: MIT */
/* net_options.c - what a connection can be told: no delay, keep-alive, buffers. */
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "net_test.h"

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;

    CHECK_EQ(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

CO_TEST(options_reach_the_socket)
{
    int tcp[2], local[2];

    tcp_pair(tcp);
    unix_pair(local);
    CHECK_EQ(weft_set_nodelay(tcp[0], true), 0);
    CHECK_EQ(option(tcp[0], IPPROTO_TCP, TCP_NODELAY), 1);
    CHECK_EQ(weft_set_nodelay(tcp[0], false), 0);
    CHECK_EQ(option(tcp[0], IPPROTO_TCP, TCP_NODELAY), 0);
    CHECK_EQ(weft_set_nodelay(local[0], true), -EOPNOTSUPP);

    CHECK_EQ(weft_set_keepalive(tcp[0], 1, 2 * WEFT_SEC + 1, 5), 0); /* rounded up */
    CHECK_EQ(option(tcp[0], SOL_SOCKET, SO_KEEPALIVE), 1);
    CHECK_EQ(option(tcp[0], IPPROTO_TCP, TCP_KEEPIDLE), 1);
    CHECK_EQ(option(tcp[0], IPPROTO_TCP, TCP_KEEPINTVL), 3);
    CHECK_EQ(option(tcp[0], IPPROTO_TCP, TCP_KEEPCNT), 5);
    CHECK_EQ(weft_set_keepalive(tcp[0], 7 * WEFT_SEC, 0, 0), 0); /* the rest stays */
    CHECK_EQ(option(tcp[0], IPPROTO_TCP, TCP_KEEPIDLE), 7);
    CHECK_EQ(option(tcp[0], IPPROTO_TCP, TCP_KEEPINTVL), 3);
    CHECK_EQ(option(tcp[0], IPPROTO_TCP, TCP_KEEPCNT), 5);
    CHECK_EQ(weft_set_keepalive(tcp[0], 0, 0, 0), 0);
    CHECK_EQ(option(tcp[0], SOL_SOCKET, SO_KEEPALIVE), 0);
    CHECK_EQ(weft_set_keepalive(tcp[0], -1, 0, 0), -EINVAL);
    CHECK_EQ(weft_set_keepalive(tcp[0], WEFT_SEC, -1, 0), -EINVAL);
    CHECK_EQ(weft_set_keepalive(tcp[0], WEFT_SEC, 0, -1), -EINVAL);
    CHECK_EQ(weft_set_keepalive(tcp[0], WEFT_NEVER, 0, 0), -EINVAL);
    CHECK_EQ(weft_set_keepalive(local[0], WEFT_SEC, 0, 0), -EOPNOTSUPP);
    CHECK_EQ(weft_set_keepalive(local[0], 0, 0, 0), -EOPNOTSUPP);

    int send_bytes = option(tcp[1], SOL_SOCKET, SO_SNDBUF);
    CHECK_EQ(weft_set_buffers(tcp[1], 10000, 0), 0);
    CHECK_GE(option(tcp[1], SOL_SOCKET, SO_RCVBUF), 10000);
    CHECK_LE(option(tcp[1], SOL_SOCKET, SO_RCVBUF), 40000);
    CHECK_EQ(option(tcp[1], SOL_SOCKET, SO_SNDBUF), send_bytes);
    CHECK_EQ(weft_set_buffers(tcp[1], 0, 9000), 0);
    CHECK_LE(option(tcp[1], SOL_SOCKET, SO_SNDBUF), 36000);
    CHECK_EQ(weft_set_buffers(tcp[1], SIZE_MAX, 0), -EINVAL);
    CHECK_EQ(weft_set_buffers(tcp[1], 0, SIZE_MAX), -EINVAL);
    close_both(tcp);
    close_both(local);
    return 0;
}
