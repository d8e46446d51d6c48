/* SPDX-License-Identifier: MIT */
/* resolve.c - what is asked: literals, which are answered here, and names, which names.c knows. */
#include <errno.h>
#include <string.h>

#include "../base/fatal.h"
#include "../base/port.h"
#include "../park/park.h"
#include "addr.h"
#include "names.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex_digit(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* As the last part of a name: getaddrinfo(3) takes "127.1" and "0x7f000001" for addresses. */
static bool is_number(const char *part)
{
    bool is_hex = part[0] == '0' && (part[1] == 'x' || part[1] == 'X');
    for (part += is_hex ? 2 : 0; is_hex ? is_hex_digit(*part) : is_digit(*part); part++) {
    }
    return *part == 0 || *part == '.';
}

/* Bytes of other alphabets are left to the name services. */
static bool may_be_in_name(char c)
{
    return is_digit(c) || is_letter(c) || c == '-' || c == '_' || c == '.' ||
           (unsigned char)c >= 0x80;
}

static bool is_name(const char *host)
{
    const char *part = host;
    const char *at = host;
    for (; may_be_in_name(*at); at++) {
        if (*at == '.' && at[1] != 0) {
            part = at + 1;
        }
    }
    return *at == 0 && *host != 0 && *host != '.' && !is_number(part);
}

/* A literal host.  1; 0: it is none, and may be a name; or -errno. */
static int parse_literal(struct weft_addr *addr, const char *host, int port)
{
    char inside[WEFT__HOST_MAX + 1];
    size_t n = strlen(host);
    if (strncmp(host, "unix:", 5) == 0) {
        int rc = weft_addr_parse(addr, host);
        return rc == 0 ? 1 : rc;
    }
    if (n > WEFT__HOST_MAX) {
        return -ENAMETOOLONG;
    }
    if (host[0] == '[' && host[n - 1] == ']') {
        memcpy(inside, host + 1, n - 2);
        inside[n - 2] = 0;
        host = strchr(inside, ':') != NULL ? inside : "";
    }
    int rc = weft__addr_parse_ip(addr, host, port);
    if (rc == -EINVAL && is_name(host)) {
        return 0;
    }
    return rc == 0 ? 1 : rc;
}

/* The port that a service is; 0 where there is none; -ENOENT: it is a name. */
static int parse_service(const char *service)
{
    if (service == NULL) {
        return 0;
    }
    bool has_letter = false;
    const char *at = service;
    for (; is_letter(*at) || is_digit(*at) || (*at != 0 && strchr("-_.+", *at) != NULL); at++) {
        has_letter = has_letter || is_letter(*at);
    }
    if (*at != 0 || !has_letter) {
        return weft__addr_parse_port(service);
    }
    return at - service <= WEFT__SERVICE_MAX ? -ENOENT : -ENAMETOOLONG;
}

/* Without brackets, for getaddrinfo(3). */
static const char *bare(const char *host, char *room)
{
    size_t n = strlen(host);
    if (host[0] != '[') {
        return host;
    }
    memcpy(room, host + 1, n - 2);
    room[n - 2] = 0;
    return room;
}

static int ask(const struct weft__question *q, struct weft_addr *addrs, int max, const void *caller)
{
    return weft__park_runtime() != NULL ? weft__names_ask(q, addrs, max, caller)
                                        : weft__names_ask_now(q, addrs, max);
}

static struct weft_resolve_opts opts_of(const struct weft_resolve_opts *given)
{
    struct weft_resolve_opts opts = {.size = sizeof opts};
    if (given != NULL) {
        if (given->size < sizeof opts) {
            weft__fatal("weft_resolve: bad options: `size` is too small");
        }
        opts = *given;
    }
    if (opts.socktype == 0) {
        opts.socktype = SOCK_STREAM;
    }
    return opts;
}

int weft__resolve(const char *host, const char *service, struct weft_addr *addrs, int max,
                  const struct weft_resolve_opts *given, const void *caller)
{
    struct weft_resolve_opts opts = opts_of(given);
    if (host == NULL || max < 1 || (opts.socktype != SOCK_STREAM && opts.socktype != SOCK_DGRAM)) {
        return -EINVAL;
    }
    if (opts.family != AF_UNSPEC && opts.family != AF_INET && opts.family != AF_INET6) {
        return -EAFNOSUPPORT;
    }
    int port = parse_service(service);
    if (port < 0 && port != -ENOENT) {
        return port;
    }
    struct weft_addr literal;
    int n = parse_literal(&literal, host, port > 0 ? port : 0);
    if (n < 0) {
        return n;
    }
    bool is_unix = n == 1 && literal.storage.ss_family == AF_UNIX;
    if (n == 1 && opts.family != AF_UNSPEC && literal.storage.ss_family != opts.family) {
        return -ENODATA;
    }
    if (n == 1 && (port >= 0 || is_unix)) {
        addrs[0] = literal;
        return 1;
    }
    char room[WEFT__HOST_MAX + 1];
    struct weft__question q = {
        .host = bare(host, room),
        .service = port < 0 ? service : NULL,
        .family = opts.family,
        .socktype = opts.socktype,
    };
    n = ask(&q, addrs, max, caller);
    for (int i = 0; i < n && port >= 0; i++) {
        weft__addr_set_port(&addrs[i], port);
    }
    return n;
}

int weft_resolve(const char *host, const char *service, struct weft_addr *addrs, int max,
                 const struct weft_resolve_opts *opts)
{
    return weft__resolve(host, service, addrs, max, opts, __builtin_return_address(0));
}

int weft__resolve_text(const char *where, struct weft_addr *addrs, int max,
                       const struct weft_resolve_opts *opts, const void *caller)
{
    char host[WEFT__HOST_MAX + 1];
    const char *colon = strrchr(where, ':');
    if (colon == NULL || strncmp(where, "unix:", 5) == 0) {
        return -EINVAL;
    }
    size_t n = (size_t)(colon - where);
    if (n > WEFT__HOST_MAX) {
        return -ENAMETOOLONG;
    }
    memcpy(host, where, n);
    host[n] = 0;
    /* The colons of an IPv6 address are told from that of the port by brackets alone. */
    if (host[0] != '[' && strchr(host, ':') != NULL) {
        return -EINVAL;
    }
    return weft__resolve(host, colon + 1, addrs, max, opts, caller);
}
