/* SPDX-License-Identifier: MIT */
/* close.c - the begin and the end of an fd, and those who wait for what has no event. */
#include <weft/io.h>
#include <weft/scope.h>
#include <weft/time.h>

#include <errno.h>

#include "../base/clock.h"
#include "../base/sys.h"
#include "../park/job.h"
#include "../reactor/driver.h"
#include "io.h"

#define WAIT_NS_MIN ((int64_t)200000)
#define WAIT_NS_MAX ((int64_t)10000000)
#define LOOK_NS_MIN (10 * WEFT_US)
#define LOOK_NS_MAX WEFT_MS

/* rc: what the reactor says of the new fd. */
static int adopted(int fd, int rc)
{
    if (rc != 0) {
        (void)weft__sys_close(fd);
        return rc;
    }
    return fd;
}

int weft__io_adopt(int fd)
{
    return fd < 0 ? fd : adopted(fd, weft__fd_adopt(&weft__park_reactors()->fds, fd));
}

int weft__io_adopt_datagrams(int fd)
{
    return fd < 0 ? fd : adopted(fd, weft__fd_adopt_datagrams(&weft__park_reactors()->fds, fd));
}

int weft__io_wait_a_while(int fd, int64_t *delay_ns, enum weft__wait_reason reason,
                           const void *caller)
{
    struct weft__wait w;
    *delay_ns = *delay_ns == 0 ? WAIT_NS_MIN : *delay_ns * 2;
    *delay_ns = *delay_ns < WAIT_NS_MAX ? *delay_ns : WAIT_NS_MAX;
    weft__park_init(&w);
    weft__park_until(&w, weft__clock_after(weft__clock_ns(), *delay_ns), 0);
    weft__park_begin(&w, reason, (const void *)(intptr_t)fd, caller);
    return weft__park_wait(&w);
}

int weft__io_wait_for_descriptor(int64_t delay_ns, const void *caller)
{
    struct weft__fd_waits *waits = weft__park_fd_waits();
    struct weft__wait w;
    struct weft__waiter waiter = {.wait = &w, .index = 0};
    weft__park_init(&w);
    weft__park_until(&w, weft__clock_after(weft__clock_ns(), delay_ns), 0);
    weft__park_begin(&w, WAIT_ACCEPT_LIMIT, NULL, caller);
    weft__lock(&waits->lock);
    weft__waitq_add(&waits->queue, &waiter);
    atomic_fetch_add_explicit(&waits->count, 1, memory_order_relaxed);
    weft__unlock(&waits->lock);
    int rc = weft__park_wait(&w);
    weft__lock(&waits->lock);
    weft__waitq_remove(&waits->queue, &waiter);
    atomic_fetch_sub_explicit(&waits->count, 1, memory_order_relaxed);
    weft__unlock(&waits->lock);
    return rc;
}

/* Let nobody in any more, and wait until no thread of the pool has its hands on fd: so none meets
 * another file under its number.  That there is one is rare: it is looked for, and not told. */
static void shut(struct weft__fd *entry)
{
    if (entry == NULL) {
        return;
    }
    weft__fd_shut(entry);
    if (WEFT__UNLIKELY(weft__fd_is_anybody_inside(entry))) {
        WEFT_SHIELD (s, WEFT_NEVER) {
            int64_t pause_ns = LOOK_NS_MIN;
            do {
                (void)weft_sleep(pause_ns);
                pause_ns = pause_ns < LOOK_NS_MAX ? 2 * pause_ns : LOOK_NS_MAX;
            } while (weft__fd_is_anybody_inside(entry));
        }
    }
}

/* The last close of a file may take long: what was written is given its blocks then, and a file
 * without a name gives them back.  So a copy keeps it open, which a thread of the pool closes: the
 * number itself is free at once, and its entry is not locked for long.  -1 for all else. */
static int copy_of_file(int fd, struct weft__fd *entry)
{
    bool is_own =
        entry != NULL && atomic_load_explicit(&entry->is_own, memory_order_relaxed);
    return !is_own && weft__sys_close_takes_long(fd) ? weft__sys_copy_fd(fd) : -1;
}

static int close_it(void *fd)
{
    return weft__sys_close(*(int *)fd);
}

static int close_at_disk(int fd, const void *caller)
{
    int result = 0;
    int rc;
    WEFT_SHIELD (s, WEFT_NEVER) {
        rc = weft__park_job(close_it, &fd, &result, WAIT_CLOSE, (const void *)(intptr_t)fd, caller);
    }
    return rc == 0 ? result : weft__sys_close(fd);
}

int weft_close(int fd)
{
    const void *caller = __builtin_return_address(0);
    if (fd < 0) {
        return -EBADF;
    }
    if (weft__park_runtime() == NULL) {
        return weft__park_close_outside(fd);
    }
    struct weft__fd *entry = weft__fd_find(&weft__park_reactors()->fds, fd);
    shut(entry);
    int copy = copy_of_file(fd, entry);
    struct weft__op_wait ow;
    weft__op_init(&ow.op, WEFT__OP_CLOSE, fd, &ow);
    int rc = (int)weft__park_op(&ow.op, false, WAIT_CLOSE, caller);
    if (WEFT__UNLIKELY(rc == -ENOMEM)) {
        rc = weft__sys_close(fd); /* no entry in the table could be made, so nothing is in flight */
    }
    if (copy >= 0) {
        int late = close_at_disk(copy, caller);
        rc = rc != 0 ? rc : late;
    }
    weft__park_descriptor_is_free(weft__park_fd_waits());
    return rc;
}
