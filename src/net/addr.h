/* SPDX-License-Identifier: MIT */
/* addr.h - for net/: the parts of an address's text. */
#ifndef WEFT_NET_ADDR_H
#define WEFT_NET_ADDR_H

#include <weft/net.h>

/* A decimal port, all of the text; -EINVAL otherwise. */
int weft__addr_parse_port(const char *text);

/* An IPv4 or an IPv6 address, the latter without brackets, perhaps with %INTERFACE.  0; -EINVAL: it
 * is neither; -ENODEV: there is no such interface. */
int weft__addr_parse_ip(struct weft_addr *addr, const char *host, int port);

/* The index of an interface, by its number or its name; -EINVAL, -ENODEV. */
int64_t weft__addr_parse_interface(const char *text);

/* Does nothing to a UNIX address. */
void weft__addr_set_port(struct weft_addr *addr, int port);

#endif
