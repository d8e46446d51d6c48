/* SPDX-License-Identifier: MIT */
/* names.h - for net/: what the name services say, asked once for all who want to know. */
#ifndef WEFT_NET_NAMES_H
#define WEFT_NET_NAMES_H

#include <weft/name.h>

#include <stdint.h>

/* The longest that are looked up, without their ends. */
#define WEFT__HOST_MAX 255
#define WEFT__SERVICE_MAX 63

/* What is asked.  service: NULL where it is a number, which the answer does not know. */
struct weft__question {
    const char *host, *service;
    int family, socktype;
};

/* The answer to a question, from those that are kept or from the name services: how many addresses,
 * or -errno.  By a coroutine, which waits for it. */
int weft__names_ask(const struct weft__question *question, struct weft_addr *addrs, int max,
                    const void *caller);

/* The same on a plain thread, which asks by itself. */
int weft__names_ask_now(const struct weft__question *question, struct weft_addr *addrs, int max);

/* weft_resolve(), for the function that `caller` has called. */
int weft__resolve(const char *host, const char *service, struct weft_addr *addrs, int max,
                  const struct weft_resolve_opts *opts, const void *caller);

/* The addresses of "host:service", where weft_addr_parse() has none. */
int weft__resolve_text(const char *where, struct weft_addr *addrs, int max,
                       const struct weft_resolve_opts *opts, const void *caller);

/* Whom names.c asks.  Tests put their own in its place, while there is no runtime. */
struct weft__names_door {
    int (*lookup)(const char *host, const char *service, int family, int socktype,
                  struct weft_addr *addrs, int max);
    int64_t (*clock_ns)(void);
};
extern const struct weft__names_door *weft__names_door;

#endif
