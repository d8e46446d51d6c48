/* SPDX-License-Identifier: MIT */
/* option.h - for net/: options of sockets that have no call of their own. */
#ifndef WEFT_NET_OPTION_H
#define WEFT_NET_OPTION_H

#include <stdint.h>

/* TCP_DEFER_ACCEPT of a listener; 0 or -errno. */
int weft__set_defer_accept(int fd, int64_t ns);

#endif
