/* SPDX-License-Identifier: MIT */
/* disk.c - what may take long with an fd, done by a thread of the pool. */
#include <errno.h>

#include "../park/job.h"
#include "../reactor/driver.h"
#include "io.h"

int weft__io_hold(int fd, struct weft__fd **entry)
{
    *entry = NULL;
    if (fd < 0) {
        return -EBADF;
    }
    if (weft__park_runtime() == NULL) {
        return 0;
    }
    *entry = weft__fd_get(&weft__park_reactors()->fds, fd);
    if (*entry == NULL) {
        return -ENOMEM;
    }
    return weft__fd_enter(*entry) ? 0 : -EBADF; /* [FD-INSIDE] */
}

void weft__io_let_go(struct weft__fd *entry)
{
    if (entry != NULL) {
        weft__fd_leave(entry); /* [FD-INSIDE] */
    }
}

int weft__io_have_done(int fd, int (*fn)(void *), void *arg, const void *caller)
{
    struct weft__fd *entry;
    int result = 0;
    int rc = weft__io_hold(fd, &entry);
    if (rc != 0) {
        return rc;
    }
    rc = weft__park_job(fn, arg, &result, WAIT_FILE, (const void *)(intptr_t)fd, caller);
    weft__io_let_go(entry);
    return rc != 0 ? rc : result;
}
