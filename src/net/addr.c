/* SPDX-License-Identifier: MIT */
/* addr.c - addresses and their texts. */
#include "addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "../base/sys.h"

/* A decimal number up to max, all of the text; -EINVAL otherwise. */
static int64_t parse_number(const char *text, int64_t max)
{
    int64_t n = 0;
    if (*text == 0) {
        return -EINVAL;
    }
    for (; *text != 0; text++) {
        if (*text < '0' || *text > '9') {
            return -EINVAL;
        }
        n = n * 10 + (*text - '0');
        if (n > max) {
            return -EINVAL;
        }
    }
    return n;
}

int weft__addr_parse_port(const char *text)
{
    return (int)parse_number(text, 65535);
}

static int parse_unix(struct weft_addr *addr, const char *path)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&addr->storage;
    size_t n = strlen(path);
    if (n == 0) {
        return -EINVAL;
    }
    bool is_abstract = path[0] == '@';
    /* A path needs its 0; an abstract name has none, and a 0 in front. */
    if (n + (is_abstract ? 0 : 1) > sizeof un->sun_path) {
        return -ENAMETOOLONG;
    }
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, n);
    if (is_abstract) {
        un->sun_path[0] = 0;
    }
    addr->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (is_abstract ? 0 : 1));
    return 0;
}

static void set_v4(struct weft_addr *addr, struct in_addr ip, int port)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&addr->storage;
    in->sin_family = AF_INET;
    in->sin_addr = ip;
    in->sin_port = htons((uint16_t)port);
    addr->len = sizeof *in;
}

static void set_v6(struct weft_addr *addr, const struct in6_addr *ip, int port)
{
    struct sockaddr_in6 *in = (struct sockaddr_in6 *)&addr->storage;
    in->sin6_family = AF_INET6;
    in->sin6_addr = *ip;
    in->sin6_port = htons((uint16_t)port);
    addr->len = sizeof *in;
}

void weft__addr_set_port(struct weft_addr *addr, int port)
{
    if (addr->storage.ss_family == AF_INET) {
        ((struct sockaddr_in *)&addr->storage)->sin_port = htons((uint16_t)port);
    } else if (addr->storage.ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)&addr->storage)->sin6_port = htons((uint16_t)port);
    }
}

int64_t weft__addr_parse_interface(const char *text)
{
    int64_t n = parse_number(text, UINT32_MAX);
    if (n == 0 || *text == 0) {
        return -EINVAL;
    }
    return n > 0 ? n : weft__sys_interface(text);
}

static int parse_v6(struct weft_addr *addr, const char *host, int port)
{
    char digits[INET6_ADDRSTRLEN];
    const char *scope = strchr(host, '%');
    size_t n = scope != NULL ? (size_t)(scope - host) : strlen(host);
    struct in6_addr ip;
    if (n >= sizeof digits) {
        return -EINVAL;
    }
    memcpy(digits, host, n);
    digits[n] = 0;
    if (inet_pton(AF_INET6, digits, &ip) != 1) {
        return -EINVAL;
    }
    int64_t index = scope != NULL ? weft__addr_parse_interface(scope + 1) : 0;
    if (index < 0) {
        return (int)index;
    }
    set_v6(addr, &ip, port);
    ((struct sockaddr_in6 *)&addr->storage)->sin6_scope_id = (uint32_t)index;
    return 0;
}

int weft__addr_parse_ip(struct weft_addr *addr, const char *host, int port)
{
    struct in_addr ip;
    memset(addr, 0, sizeof *addr);
    if (inet_pton(AF_INET, host, &ip) != 1) {
        return parse_v6(addr, host, port);
    }
    set_v4(addr, ip, port);
    return 0;
}

int weft_addr_parse(struct weft_addr *addr, const char *text)
{
    memset(addr, 0, sizeof *addr);
    if (strncmp(text, "unix:", 5) == 0) {
        return parse_unix(addr, text + 5);
    }
    const char *colon = strrchr(text, ':');
    if (colon == NULL) {
        return -EINVAL;
    }
    int port = weft__addr_parse_port(colon + 1);
    char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 2]; /* two brackets, a % and the end */
    size_t n = (size_t)(colon - text);
    if (port < 0 || n >= sizeof host) {
        return -EINVAL;
    }
    memcpy(host, text, n);
    host[n] = 0;
    if (n == 0 || strcmp(host, "*") == 0) {
        set_v6(addr, &in6addr_any, port);
        return 0;
    }
    bool is_v6 = host[0] == '[' && host[n - 1] == ']';
    if (is_v6 != (strchr(host, ':') != NULL)) {
        return -EINVAL;
    }
    if (is_v6) {
        host[n - 1] = 0;
    }
    return weft__addr_parse_ip(addr,
                               is_v6                            ? host + 1
                               : strcmp(host, "localhost") == 0 ? "127.0.0.1"
                                                                : host,
                               port);
}

static void format_unix(const struct weft_addr *addr, char *text, size_t bytes)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&addr->storage;
    size_t head = offsetof(struct sockaddr_un, sun_path);
    size_t n = addr->len > head ? addr->len - head : 0;
    if (n == 0) {
        snprintf(text, bytes, "unix:"); /* a socket without a name */
    } else if (un->sun_path[0] == 0) {
        snprintf(text, bytes, "unix:@%.*s", (int)(n - 1), un->sun_path + 1);
    } else {
        snprintf(text, bytes, "unix:%.*s", (int)strnlen(un->sun_path, n), un->sun_path);
    }
}

char *weft_addr_format(const struct weft_addr *addr, char *text, size_t bytes)
{
    char ip[INET6_ADDRSTRLEN];
    if (bytes == 0) {
        return text;
    }
    snprintf(text, bytes, "?");
    if (addr->storage.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&addr->storage;
        inet_ntop(AF_INET, &in->sin_addr, ip, sizeof ip);
        snprintf(text, bytes, "%s:%d", ip, ntohs(in->sin_port));
    } else if (addr->storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)&addr->storage;
        inet_ntop(AF_INET6, &in->sin6_addr, ip, sizeof ip);
        if (in->sin6_scope_id != 0) {
            snprintf(text, bytes, "[%s%%%" PRIu32 "]:%d", ip, in->sin6_scope_id,
                     ntohs(in->sin6_port));
        } else {
            snprintf(text, bytes, "[%s]:%d", ip, ntohs(in->sin6_port));
        }
    } else if (addr->storage.ss_family == AF_UNIX) {
        format_unix(addr, text, bytes);
    }
    return text;
}

int weft_addr_port(const struct weft_addr *addr)
{
    switch (addr->storage.ss_family) {
    case AF_INET:
        return ntohs(((const struct sockaddr_in *)&addr->storage)->sin_port);
    case AF_INET6:
        return ntohs(((const struct sockaddr_in6 *)&addr->storage)->sin6_port);
    default:
        return 0;
    }
}
