/* SPDX-License-Identifier: MIT */
/*
 * move.c - see move.h.
 *
 * A file never says "not now": what is not in memory is read by a thread of the pool before it is
 * sent, and what goes to a file is moved there by such a thread.  No scope ends that: a file is
 * always ready.  Where no thread can be had it is done here and now.
 */
#include "move.h"

#include <weft/blocking.h>
#include <weft/scope.h>

#include "../reactor/driver.h"

#define SCRATCH_BYTES 16384

static int set_nonblocking(struct weft__fd *entry, int fd)
{
    if (!weft__fd_enter(entry)) {
        return -EBADF;
    }
    int rc = weft__sys_set_nonblock(fd, true);
    if (rc == 0) {
        atomic_store_explicit(&entry->is_nonblocking, true, memory_order_relaxed);
    }
    weft__fd_leave(entry);
    return rc;
}

int weft__move_prepare(struct weft__io_call *call, int fd)
{
    struct weft__fd *entry = weft__fd_find(&weft__park_reactors()->fds, fd);
    if (entry != NULL) {
        /* What is said of this file is not said of the next one, which may be a pipe of ours. */
        call->life = weft__fd_life(entry);
    }
    if (entry == NULL || !atomic_load_explicit(&entry->is_own, memory_order_relaxed)) {
        return weft__sys_fd_kind(fd);
    }
    if (!atomic_load_explicit(&entry->is_nonblocking, memory_order_relaxed)) {
        int rc = set_nonblocking(entry, fd);
        if (rc != 0) {
            return rc;
        }
    }
    return WEFT__FD_STREAM;
}

struct fetch {
    int file;
    int64_t offset;
    size_t bytes;
};

/* On a thread of the pool.  An error shows again when the bytes are sent. */
static int read_and_drop(void *arg)
{
    const struct fetch *f = arg;
    char scratch[SCRATCH_BYTES];
    ssize_t n = 1;
    for (size_t done = 0; done < f->bytes && n > 0; done += (size_t)n) {
        size_t left = f->bytes - done;
        struct iovec iov = {scratch, left < sizeof scratch ? left : sizeof scratch};
        n = weft__sys_pread(f->file, &iov, 1, f->offset + (int64_t)done);
        n = n < 0 ? 0 : n;
    }
    return 0;
}

static void on_a_thread(int (*fn)(void *), void *arg)
{
    WEFT_SHIELD (no_end, WEFT_NEVER) {
        if (weft_blocking(fn, arg, NULL) != 0) {
            (void)fn(arg);
        }
    }
}

void weft__move_fetch(int file, int64_t offset, size_t bytes)
{
    /* What is read in a row is in memory in a row: both ends tell of what is between them. */
    if (weft__sys_is_cold(file, offset) || weft__sys_is_cold(file, offset + (int64_t)bytes - 1)) {
        on_a_thread(read_and_drop, &(struct fetch){file, offset, bytes});
    }
}

static int carry_out(void *arg)
{
    struct weft__op *op = arg;
    op->result = weft__op_try(op, false);
    return 0;
}

ssize_t weft__move(struct weft__io_call *call, struct weft__op *op, int kind,
                   enum weft__wait_reason reason, const void *caller)
{
    if (kind != WEFT__FD_DISK) {
        return weft__io_run_next(call, op, reason, caller);
    }
    on_a_thread(carry_out, op);
    return op->result;
}
