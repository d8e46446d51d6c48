/* SPDX-License-Identifier: MIT */
/* multicast.c - groups and broadcasts: what a socket is told, and what then arrives.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include <net/if.h>
#include <netinet/in.h>

#include "net_test.h"

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;

    CHECK_EQ(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static int bind_or_skip(const char *where)
{
    if (test_is_emulated())
        SKIP("an emulator does not pass such options on");
    int fd = weft_dgram_bind(where);

    if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)
        SKIP("no such addresses here");
    CHECK_GE(fd, 0);
    return fd;
}

CO_TEST(options_reach_a_socket_of_either_family)
{
    int v4 = bind_or_skip("127.0.0.1:0"), local = weft_dgram_open(AF_UNIX);
    int v6 = bind_or_skip("[::1]:0");

    CHECK_EQ(weft_multicast_ttl(v4, 7), 0);
    CHECK_EQ(option(v4, IPPROTO_IP, IP_MULTICAST_TTL), 7);
    CHECK_EQ(weft_multicast_ttl(v6, 9), 0);
    CHECK_EQ(option(v6, IPPROTO_IPV6, IPV6_MULTICAST_HOPS), 9);
    CHECK_EQ(weft_multicast_ttl(v4, 256), -EINVAL);
    CHECK_EQ(weft_multicast_ttl(v4, -1), -EINVAL);
    CHECK_EQ(weft_multicast_ttl(local, 1), -EOPNOTSUPP);
    CHECK_EQ(weft_multicast_loop(v4, false), 0);
    CHECK_EQ(option(v4, IPPROTO_IP, IP_MULTICAST_LOOP), 0);
    CHECK_EQ(weft_multicast_loop(v6, false), 0);
    CHECK_EQ(option(v6, IPPROTO_IPV6, IPV6_MULTICAST_LOOP), 0);
    CHECK_EQ(weft_multicast_loop(v6, true), 0);
    CHECK_EQ(option(v6, IPPROTO_IPV6, IPV6_MULTICAST_LOOP), 1);
    CHECK_EQ(weft_multicast_interface(v6, "lo"), 0);
    CHECK_EQ(option(v6, IPPROTO_IPV6, IPV6_MULTICAST_IF), if_nametoindex("lo"));
    CHECK_EQ(weft_multicast_interface(v6, NULL), 0);
    CHECK_EQ(option(v6, IPPROTO_IPV6, IPV6_MULTICAST_IF), 0);
    CHECK_EQ(weft_multicast_interface(v4, "no such one"), -ENODEV);
    CHECK_EQ(weft_multicast_interface(local, NULL), -EOPNOTSUPP);
    CHECK_EQ(weft_set_broadcast(v4, true), 0);
    CHECK_EQ(option(v4, SOL_SOCKET, SO_BROADCAST), 1);
    CHECK_EQ(weft_set_broadcast(v4, false), 0);
    CHECK_EQ(option(v4, SOL_SOCKET, SO_BROADCAST), 0);
    const int fds[] = {v4, v6, local};
    for (int i = 0; i < COUNT(fds); i++)
        CHECK_EQ(weft_close(fds[i]), 0);
    return 0;
}

/* Goal: a broadcast has to be allowed first. */
CO_TEST(a_broadcast_that_is_not_allowed_is_refused)
{
    struct weft_addr all;
    int fd = weft_dgram_open(AF_INET);

    CHECK_GE(fd, 0);
    CHECK_EQ(weft_addr_parse(&all, "127.255.255.255:9"), 0);
    CHECK_EQ(weft_dgram_send(fd, "x", 1, &all), -EACCES);
    CHECK_EQ(weft_close(fd), 0);
    return 0;
}

/* One group on the loopback: two receivers on one port, one sender. */
static void check_group(const char *any, const char *group_text)
{
    struct weft_addr group, at;
    char text[WEFT_ADDR_TEXT_MAX], buf[16];
    int receivers[2];
    int sender = bind_or_skip(any);

    CHECK_EQ(weft_addr_parse(&at, any), 0);
    for (int i = 0; i < 2; i++) {
        receivers[i] = weft_dgram_bind_with(&at, .reuse_addr = 1);
        CHECK_GE(receivers[i], 0);
        CHECK_EQ(weft_local_addr(receivers[i], &at), 0);
    }
    snprintf(text, sizeof text, group_text, weft_addr_port(&at));
    CHECK_EQ(weft_addr_parse(&group, text), 0);
    CHECK_EQ(weft_multicast_interface(sender, "lo"), 0);
    for (int i = 0; i < 2; i++) {
        int rc = weft_multicast_join(receivers[i], &group, "lo");
        if (rc == -ENODEV || rc == -ENOSYS || rc == -ENOPROTOOPT)
            SKIP("no groups on the loopback");
        CHECK_EQ(rc, 0);
        CHECK_EQ(weft_multicast_join(receivers[i], &group, "lo"), -EADDRINUSE);
    }
    ssize_t n = weft_dgram_send(sender, "to all", 6, &group);
    if (n == -ENETUNREACH || n == -EPERM)
        SKIP("the loopback has no way to groups");
    CHECK_EQ(n, 6);
    for (int i = 0; i < 2; i++) {
        WEFT_DEADLINE (patience, LONG_NS)
            CHECK_EQ(weft_dgram_recv(receivers[i], buf, sizeof buf, NULL, NULL), 6);
        CHECK_EQ(weft_multicast_leave(receivers[i], &group, "lo"), 0);
        CHECK_EQ(weft_multicast_leave(receivers[i], &group, "lo"), -EADDRNOTAVAIL);
        CHECK_EQ(weft_close(receivers[i]), 0);
    }
    CHECK_EQ(weft_close(sender), 0);
}

/* Goal: all who have joined a group receive what is sent to it. */
CO_TEST(a_group_of_ipv4_receives)
{
    check_group("0.0.0.0:0", "239.255.77.1:%d");
    return 0;
}

CO_TEST(a_group_of_ipv6_receives)
{
    check_group("[::]:0", "[ff01::7701]:%d");
    return 0;
}

CO_TEST(what_is_no_group_cannot_be_joined)
{
    struct weft_addr addr;
    int fd = bind_or_skip("127.0.0.1:0");

    CHECK_EQ(weft_addr_parse(&addr, "127.0.0.1:1"), 0);
    CHECK_EQ(weft_multicast_join(fd, &addr, "lo"), -EINVAL);
    CHECK_EQ(weft_addr_parse(&addr, "unix:@group"), 0);
    CHECK_EQ(weft_multicast_join(fd, &addr, NULL), -EINVAL);
    CHECK_EQ(weft_addr_parse(&addr, "239.255.77.1:1"), 0);
    CHECK_EQ(weft_multicast_join(fd, &addr, "no such one"), -ENODEV);
    CHECK_EQ(weft_multicast_join(fd, &addr, ""), -EINVAL);
    CHECK_EQ(weft_close(fd), 0);
    return 0;
}
