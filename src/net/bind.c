/* SPDX-License-Identifier: MIT */
/* bind.c - see bind.h. */
#include "bind.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "../base/sys.h"

/* A UNIX path whose socket nobody serves is left over from a server that died. */
static void remove_dead_socket(const struct weft_addr *addr, int type)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&addr->storage;
    if (un->sun_path[0] == 0 || !weft__sys_is_socket_file(un->sun_path)) {
        return;
    }
    int fd = weft__sys_socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return;
    }
    int rc = weft__sys_connect(fd, (const struct sockaddr *)&addr->storage, addr->len);
    (void)weft__sys_close(fd);
    if (rc == -ECONNREFUSED) {
        (void)weft__sys_unlink(un->sun_path);
    }
}

static int set_options(int fd, int family, const struct weft__bind_opts *opts)
{
    int one = 1;
    int rc = 0;
    if (family != AF_UNIX && opts->reuse_addr) {
        rc = weft__sys_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    }
    if (rc == 0 && opts->reuse_port) {
        rc = weft__sys_setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    }
    if (rc == 0 && family == AF_INET6) {
        int v6_only = opts->v6_only ? 1 : 0;
        rc = weft__sys_setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only);
    }
    return rc;
}

static bool is_any_v6(const struct weft_addr *addr)
{
    const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)&addr->storage;
    return addr->storage.ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&in->sin6_addr);
}

static int bind_at(const struct weft_addr *addr, const struct weft__bind_opts *opts)
{
    int fd = weft__sys_socket(addr->storage.ss_family, opts->type, 0);
    if (fd < 0) {
        return fd;
    }
    int rc = set_options(fd, addr->storage.ss_family, opts);
    if (rc == 0) {
        rc = weft__sys_bind(fd, (const struct sockaddr *)&addr->storage, addr->len);
    }
    if (rc != 0) {
        (void)weft__sys_close(fd);
        return rc;
    }
    return fd;
}

int weft__bind(const struct weft_addr *addr, const struct weft__bind_opts *opts)
{
    if (addr->storage.ss_family == AF_UNIX && !opts->keep_path) {
        remove_dead_socket(addr, opts->type);
    }
    int fd = bind_at(addr, opts);
    if (fd == -EAFNOSUPPORT && is_any_v6(addr) && !opts->v6_only) {
        struct weft_addr v4 = {.len = sizeof(struct sockaddr_in)};
        struct sockaddr_in *in = (struct sockaddr_in *)&v4.storage;
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)weft_addr_port(addr));
        fd = bind_at(&v4, opts);
    }
    return fd;
}
