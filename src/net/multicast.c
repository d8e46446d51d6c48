/* SPDX-License-Identifier: MIT */
/* multicast.c - what a socket for datagrams is told of groups and of broadcasts. */
#define _GNU_SOURCE
#include <weft/datagram.h>

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "../base/sys.h"
#include "addr.h"

int weft_set_broadcast(int fd, bool on)
{
    int value = on ? 1 : 0;
    return weft__sys_setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &value, sizeof value);
}

/* AF_INET or AF_INET6; -EOPNOTSUPP for others. */
static int family_of(int fd)
{
    int family = weft__sys_family(fd);
    return family < 0 || family == AF_INET || family == AF_INET6 ? family : -EOPNOTSUPP;
}

/* Set the option that each of the two has; the same value means the same. */
static int set_either(int fd, int option_v4, int option_v6, int value)
{
    int family = family_of(fd);
    if (family < 0) {
        return family;
    }
    return family == AF_INET
               ? weft__sys_setsockopt(fd, IPPROTO_IP, option_v4, &value, sizeof value)
               : weft__sys_setsockopt(fd, IPPROTO_IPV6, option_v6, &value, sizeof value);
}

int weft_multicast_ttl(int fd, int hops)
{
    if (hops < 0 || hops > 255) {
        return -EINVAL;
    }
    return set_either(fd, IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS, hops);
}

int weft_multicast_loop(int fd, bool on)
{
    return set_either(fd, IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP, on ? 1 : 0);
}

int weft_multicast_interface(int fd, const char *interface)
{
    int64_t index = interface != NULL ? weft__addr_parse_interface(interface) : 0;
    int family = family_of(fd);
    if (index < 0 || family < 0) {
        return index < 0 ? (int)index : family;
    }
    if (family == AF_INET6) {
        int number = (int)index;
        return weft__sys_setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &number, sizeof number);
    }
    struct ip_mreqn by_index = {.imr_ifindex = (int)index};
    return weft__sys_setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &by_index, sizeof by_index);
}

static int change(int fd, int option, const struct weft_addr *group, const char *interface)
{
    struct group_req req;
    int64_t index = 0;
    memset(&req, 0, sizeof req);
    if (interface != NULL) {
        index = weft__addr_parse_interface(interface);
    } else if (group->storage.ss_family == AF_INET6) {
        index = ((const struct sockaddr_in6 *)&group->storage)->sin6_scope_id;
    }
    if (index < 0) {
        return (int)index;
    }
    req.gr_interface = (uint32_t)index;
    memcpy(&req.gr_group, &group->storage, group->len);
    switch (group->storage.ss_family) {
    case AF_INET:
        return weft__sys_setsockopt(fd, IPPROTO_IP, option, &req, sizeof req);
    case AF_INET6:
        return weft__sys_setsockopt(fd, IPPROTO_IPV6, option, &req, sizeof req);
    default:
        return -EINVAL;
    }
}

int weft_multicast_join(int fd, const struct weft_addr *group, const char *interface)
{
    return change(fd, MCAST_JOIN_GROUP, group, interface);
}

int weft_multicast_leave(int fd, const struct weft_addr *group, const char *interface)
{
    return change(fd, MCAST_LEAVE_GROUP, group, interface);
}
