/* SPDX-License-Identifier: MIT */
/* carry.c - see carry.h. */
#include "carry.h"

#include <errno.h>
#include <fcntl.h>

#include "../base/sys.h"
#include "../io/io.h"
#include "../park/disk.h"
#include "../park/job.h"

static int find_out(const struct weft__op *op)
{
    return weft__op_is_of_path(op)
               ? weft__sys_stat(op->path, &op->found->st, op->how != AT_SYMLINK_NOFOLLOW)
               : weft__sys_fstat(op->fd, &op->found->st);
}

/* On a thread that may block. */
static ssize_t call(const struct weft__op *op)
{
    switch (op->kind) {
    case WEFT__OP_FILE_READ:
        return weft__sys_pread(op->fd, op->iov, op->iov_count, op->offset);
    case WEFT__OP_FILE_WRITE:
        return weft__sys_pwrite(op->fd, op->iov, op->iov_count, op->offset);
    case WEFT__OP_FILE_SYNC:
        return weft__sys_fsync(op->fd, op->is_data_only);
    case WEFT__OP_FILE_RESIZE:
        return weft__sys_ftruncate(op->fd, op->offset);
    case WEFT__OP_STAT:
        return find_out(op);
    case WEFT__OP_OPEN:
        return weft__sys_open(op->path, op->how, op->mode);
    case WEFT__OP_RENAME:
        return weft__sys_rename(op->path, op->to);
    case WEFT__OP_UNLINK:
        return op->how == AT_REMOVEDIR ? weft__sys_rmdir(op->path) : weft__sys_unlink(op->path);
    default:
        return weft__sys_mkdir(op->path, op->mode);
    }
}

static int do_it(void *arg)
{
    struct weft__op *op = arg;
    op->result = call(op);
    return 0;
}

/* Of reads only long copies come here without a need to: those keep a thread for a while. */
static bool waits_for_disk(const struct weft__op *op)
{
    return op->kind == WEFT__OP_FILE_READ && (op->flags & (WEFT__OP_BLOCKS | WEFT__OP_LONG)) == 0;
}

ssize_t weft__file_carry_out(struct weft__op *op, const void *caller)
{
    enum weft__wait_reason reason = op->fd < 0 ? WAIT_PATH : WAIT_FILE;
    int rc = weft__park_check_scope();
    if (rc != 0) {
        return rc;
    }
    if (weft__park_runtime() != NULL && (op->flags & WEFT__OP_BLOCKS) == 0) {
        ssize_t n = weft__park_op(op, false, reason, caller);
        if (n != -EOPNOTSUPP && n != -EAGAIN && n != -ENOMEM) {
            return n;
        }
    }
    int unused;
    const void *object = (const void *)(intptr_t)op->fd;
    rc = waits_for_disk(op) ? weft__park_disk_job(do_it, op, &unused, reason, object, caller)
                            : weft__park_job(do_it, op, &unused, reason, object, caller);
    return rc != 0 ? rc : op->result;
}

int weft__file_carry_out_on_fd(struct weft__op *op, const void *caller)
{
    struct weft__fd *entry;
    int rc = weft__io_hold(op->fd, &entry);
    if (rc != 0) {
        return rc;
    }
    rc = (int)weft__file_carry_out(op, caller);
    weft__io_let_go(entry);
    return rc;
}
