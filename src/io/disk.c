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
    /* Where nobody is let in, is it this file that is being closed, or the one before it? */
    uint32_t life;
    do {
        life = weft__fd_life(*entry);
        if (weft__fd_enter(*entry)) { /* [FD-INSIDE] */
            return 0;
        }
    } while (life != weft__fd_generation(*entry));
    return -EBADF;
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
