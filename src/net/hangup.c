/* SPDX-License-Identifier: MIT */
/* hangup.c - the two other ways to close a connection: gently, and at once. */
#include <weft/net.h>
#include <weft/scope.h>

#include "../base/sys.h"
#include "../park/park.h"

/* Until the peer has closed; it may send as fast as we read, so time is looked at each time. */
static int drop_the_rest(int fd)
{
    char dropped[512];
    ssize_t n;
    int rc = 0;
    do {
        n = weft_read(fd, dropped, sizeof dropped);
        rc = n > 0 ? weft__park_check_scope() : (int)n;
    } while (n > 0 && rc == 0);
    return rc;
}

int weft_close_linger(int fd, int64_t limit_ns)
{
    (void)weft__park_self("weft_close_linger()");
    int rc = weft_shutdown(fd, SHUT_WR);
    if (rc == 0) {
        struct weft_scope limit;
        weft_scope_begin(&limit, limit_ns);
        rc = drop_the_rest(fd);
        (void)weft_scope_end(&limit);
    }
    int closed = weft_close(fd);
    return rc != 0 ? rc : closed;
}

int weft_close_abort(int fd)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    /* What is no socket is just closed. */
    (void)weft__sys_setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    return weft_close(fd);
}
