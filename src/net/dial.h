/* SPDX-License-Identifier: MIT */
/* dial.h - for net/: the parts of a connect. */
#ifndef WEFT_NET_DIAL_H
#define WEFT_NET_DIAL_H

#include <weft/net.h>

/* weft_dial_addr(), for the function that `caller` has called; opts may be NULL. */
int weft__dial(const struct weft_addr *addr, const struct weft_dial_opts *opts, const void *caller);

/* In which order n addresses are tried. */
void weft__dial_order(const struct weft_addr *addrs, int n, const struct weft_addr **order);

#endif
