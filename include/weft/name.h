/* SPDX-License-Identifier: MIT */
/*
 * name.h - names of hosts and services, turned into addresses.
 *
 *     struct weft_addr addrs[8];
 *     int n = weft_resolve("example.org", "http", addrs, 8, NULL);
 *     int fd = n < 0 ? n : weft_dial_any(addrs, n, NULL);      or weft_dial("example.org:http")
 *
 * A literal address with a number for a service is answered at once.  All else is asked of
 * getaddrinfo(3), and so of whatever the system is set up to ask, on a thread of the pool of
 * weft_blocking(): coroutines go on meanwhile, and a caller whose scope ends goes on at once,
 * whatever becomes of the lookup.  Callers who ask for the same at the same time share one lookup.
 *
 * Answers are kept with the runtime and used again for weft_config.name_ttl_ns, errors of the name
 * services for weft_config.name_error_ttl_ns; getaddrinfo(3) does not tell how long they are valid.
 * The 256 youngest are kept.
 */
#ifndef WEFT_NAME_H
#define WEFT_NAME_H

#include <weft/base.h>
#include <weft/net.h>

WEFT_BEGIN_DECLS

struct weft_runtime;

/* No name has more addresses here. */
#define WEFT_RESOLVE_MAX 64

/* Options of weft_resolve(); what is left 0 takes its default. */
struct weft_resolve_opts {
    size_t size;  /* sizeof(struct weft_resolve_opts), set by the macro */
    int family;   /* AF_INET or AF_INET6: no others; default: both */
    int socktype; /* whose services: SOCK_STREAM, the default, or SOCK_DGRAM */
};

/**
 * weft_resolve - the addresses of a host, with the port of a service.
 *
 * @host     a name, or a literal: "127.0.0.1", "::1", "[::1]", "fe80::1%eth0", "unix:/path".
 * @service  a port, "80", or the name of a service, "http"; NULL for port 0.
 * @addrs    receives the addresses, in the order of preference that getaddrinfo(3) gives them.
 * @max      room in addrs; those for which there is none are left out.
 * @opts     read, not kept; NULL for the defaults.
 *
 * What looks like an IPv4 address and is none, "127.1" or "1.2.3.256", is not taken for a name.
 *
 * Returns    how many addresses, at least 1.
 * Errors     -ENOENT           there is no such name
 *            -ENODATA          the name has no address, or none of the family
 *            -EPROTONOSUPPORT  there is no such service
 *            -EAGAIN           the name services do not answer now; or no thread can be had
 *            -EIO              the name services have failed, and will again
 *            -ETIMEDOUT        the deadline of a surrounding scope passed first
 *            -ECANCELED        a surrounding scope was cancelled
 *            -EINVAL           neither a name nor a literal; max < 1; no such socktype
 *            -EAFNOSUPPORT     no such family
 *            -ENODEV           no such interface, after the % of an address
 *            -ENAMETOOLONG     a host of more than 255 bytes, a service of more than 63, a path
 *            -ENOMEM, -EMFILE, -ENFILE, ...: what kept getaddrinfo(3) from asking
 * Blocks     the coroutine, never the thread, unless it is a literal or is known already; on a
 *            plain thread, which asks by itself and for nobody else, the thread.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_resolve(const char *host, const char *service, struct weft_addr *addrs,
                               int max, const struct weft_resolve_opts *opts);
#ifndef __cplusplus
/* weft_resolve_with("example.org", "ntp", addrs, 8, .socktype = SOCK_DGRAM) */
#define weft_resolve_with(host, service, addrs, max, ...)                                          \
    weft_resolve(                                                                                  \
        host, service, addrs, max,                                                                 \
        &(struct weft_resolve_opts){.size = sizeof(struct weft_resolve_opts), __VA_ARGS__})
#endif

/**
 * weft_resolve_flush - forget all answers: the next to ask will ask the name services.
 *
 * @rt  whose answers; NULL for the caller's runtime.
 *
 * Lookups that are under way answer those who wait for them, and nobody else.
 *
 * Returns    0.
 * Errors     -EINVAL  rt is NULL, and the caller is a plain thread
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API int weft_resolve_flush(struct weft_runtime *rt);

WEFT_END_DECLS
#endif
