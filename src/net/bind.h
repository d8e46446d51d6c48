/* SPDX-License-Identifier: MIT */
/* bind.h - for net/: a socket at an address. */
#ifndef WEFT_NET_BIND_H
#define WEFT_NET_BIND_H

#include <weft/net.h>

struct weft__bind_opts {
    int type; /* SOCK_STREAM or SOCK_DGRAM, with SOCK_NONBLOCK if wanted */
    bool reuse_addr;
    bool reuse_port;
    bool v6_only;
    bool keep_path; /* else a UNIX path whose socket nobody serves is removed first */
};

/* The fd, not adopted yet; -errno.  "Any address" of IPv6 is any of IPv4 on a system without. */
int weft__bind(const struct weft_addr *addr, const struct weft__bind_opts *opts);

#endif
