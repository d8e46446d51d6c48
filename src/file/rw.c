/* SPDX-License-Identifier: MIT */
/*
 * rw.c - reading and writing at a place in a file, and bringing it to the disk.
 *
 *   1  a try that does not wait for a disk: what is in memory costs one system call;
 *   2  io_uring, where it is the driver: the record and the buffers are the kernel's until it ends;
 *   3  a thread of the pool, where there is no io_uring, or it says that it would block as well.
 *
 * Direct I/O and what takes long to copy begin with the second; there, the latter is given to a
 * thread of the kernel at once, or it would be copied in the submission.
 *
 * The caller is inside the fd for all that time (fdtable.h), so that nobody closes it and gets the
 * number for another file.
 */
#include <weft/file.h>

#include <errno.h>

#include "../base/sys.h"
#include "../io/io.h"
#include "../park/job.h"
#include "../reactor/driver.h"

static ssize_t move_now(const struct weft__op *op)
{
    return op->kind == WEFT__OP_FILE_READ
               ? weft__sys_pread_now(op->fd, op->iov, op->iov_count, op->offset)
               : weft__sys_pwrite_now(op->fd, op->iov, op->iov_count, op->offset);
}

/* On a thread that may block. */
static int do_it(void *arg)
{
    struct weft__op *op = arg;
    switch (op->kind) {
    case WEFT__OP_FILE_READ:
        op->result = weft__sys_pread(op->fd, op->iov, op->iov_count, op->offset);
        break;
    case WEFT__OP_FILE_WRITE:
        op->result = weft__sys_pwrite(op->fd, op->iov, op->iov_count, op->offset);
        break;
    default:
        op->result = weft__sys_fsync(op->fd, op->is_data_only);
        break;
    }
    return 0;
}

/* It takes a disk.  op is part of a weft__op_wait. */
static ssize_t wait_for_disk(struct weft__op *op, const void *caller)
{
    int rc = weft__park_check_scope();
    if (rc != 0) {
        return rc;
    }
    if (weft__park_runtime() != NULL) {
        ssize_t n = weft__park_op(op, false, WAIT_FILE, caller);
        if (n != -EOPNOTSUPP && n != -EAGAIN && n != -ENOMEM) {
            return n;
        }
    }
    int unused;
    rc = weft__park_job(do_it, op, &unused, WAIT_FILE, (const void *)(intptr_t)op->fd, caller);
    return rc != 0 ? rc : op->result;
}

/* One step of a longer way: at least a byte, or 0 at the end of the file. */
static ssize_t move_some(struct weft__op *op, bool may_try, const void *caller)
{
    ssize_t n = may_try ? move_now(op) : -EAGAIN;
    if (n == -EAGAIN) {
        return wait_for_disk(op, caller);
    }
    if (weft__park_runtime() != NULL) {
        weft__park_spend();
    }
    return n;
}

/* The pages of a file may be in memory in part: the way goes on where a step has ended.  The first
 * step has all of the vector, so that what is appended at once stays together. */
static ssize_t move_all(enum weft__op_kind kind, int fd, const struct iovec *iov, int count,
                        int64_t offset, const void *caller)
{
    struct weft__fd *entry;
    ssize_t bytes = weft__io_vector_bytes(iov, count);
    if (bytes <= 0) {
        return bytes;
    }
    if (offset < 0 || offset > INT64_MAX - bytes) {
        return -EINVAL;
    }
    int rc = weft__io_hold(fd, &entry);
    if (rc != 0) {
        return rc;
    }
    bool is_direct =
        entry != NULL && atomic_load_explicit(&entry->is_direct, memory_order_relaxed);
    bool is_long = !is_direct && (size_t)bytes > WEFT__OP_LONG_BYTES;
    ssize_t done = 0;
    ssize_t n = 1;
    while (done < bytes && n > 0) {
        struct iovec rest[WEFT__IO_PART];
        struct weft__op_wait ow;
        weft__op_init(&ow.op, kind, fd, &ow);
        ow.op.flags = is_long ? WEFT__OP_LONG : 0;
        ow.op.iov = done == 0 ? iov : rest;
        ow.op.iov_count = done == 0 ? count : weft__io_part(rest, iov, count, (size_t)done);
        ow.op.offset = offset + done;
        n = move_some(&ow.op, !is_direct && !is_long, caller);
        done += n > 0 ? n : 0;
    }
    weft__io_let_go(entry);
    return done > 0 ? done : n;
}

ssize_t weft_pread(int fd, void *buf, size_t n, int64_t offset)
{
    struct iovec one = {.iov_base = buf, .iov_len = n};
    return move_all(WEFT__OP_FILE_READ, fd, &one, 1, offset, __builtin_return_address(0));
}

ssize_t weft_pwrite(int fd, const void *buf, size_t n, int64_t offset)
{
    struct iovec one = {.iov_base = (void *)(uintptr_t)buf, .iov_len = n};
    return move_all(WEFT__OP_FILE_WRITE, fd, &one, 1, offset, __builtin_return_address(0));
}

ssize_t weft_preadv(int fd, const struct iovec *iov, int count, int64_t offset)
{
    return move_all(WEFT__OP_FILE_READ, fd, iov, count, offset, __builtin_return_address(0));
}

ssize_t weft_pwritev(int fd, const struct iovec *iov, int count, int64_t offset)
{
    return move_all(WEFT__OP_FILE_WRITE, fd, iov, count, offset, __builtin_return_address(0));
}

static int sync_file(int fd, bool is_data_only, const void *caller)
{
    struct weft__fd *entry;
    int rc = weft__io_hold(fd, &entry);
    if (rc != 0) {
        return rc;
    }
    struct weft__op_wait ow;
    weft__op_init(&ow.op, WEFT__OP_FILE_SYNC, fd, &ow);
    ow.op.is_data_only = is_data_only;
    rc = (int)wait_for_disk(&ow.op, caller);
    weft__io_let_go(entry);
    return rc;
}

int weft_fsync(int fd)
{
    return sync_file(fd, false, __builtin_return_address(0));
}

int weft_fdatasync(int fd)
{
    return sync_file(fd, true, __builtin_return_address(0));
}
