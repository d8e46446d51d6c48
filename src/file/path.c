/* SPDX-License-Identifier: MIT */
/* path.c - the calls on paths, and those on an fd that ask the file system. */
#include <weft/file.h>

#include <errno.h>

#include "../base/sys.h"
#include "../io/io.h"
#include "../park/job.h"
#include "../reactor/driver.h"
#include "carry.h"

/* An operation on a path; the caller fills in what else it has. */
static struct weft__op *begin(struct weft__op_wait *ow, enum weft__op_kind kind, const char *path)
{
    weft__op_init(&ow->op, kind, -1, ow);
    ow->op.path = path;
    ow->op.how = 0;
    ow->op.mode = 0;
    return &ow->op;
}

/* Keep in mind whether a look at the file waits for its disk. */
static void note_direct(int fd, bool is_direct)
{
    struct weft__fdtable *fds = &weft__park_reactors()->fds;
    struct weft__fd *entry = is_direct ? weft__fd_get(fds, fd) : weft__fd_find(fds, fd);
    if (entry != NULL) {
        atomic_store_explicit(&entry->is_direct, is_direct, memory_order_relaxed);
    }
}

/*
 * The open of a FIFO waits for its other end, of a terminal for its carrier: for ever, if nobody
 * comes.  A thread that has sent such a one to the kernel could not end before it, so a thread of
 * the pool has it.  Files and folders let nobody wait; and two ways through io_uring, one of them
 * to look what it is, are shorter than one to the pool.
 */
static bool may_wait_for_somebody(const char *path, int flags, const void *caller)
{
    bool is_new = (flags & O_CREAT) != 0 && (flags & O_EXCL) != 0;
    if (is_new || (flags & (O_NONBLOCK | O_DIRECTORY)) != 0 || weft__park_runtime() == NULL) {
        return false;
    }
    struct weft__op_wait ow;
    union weft__stat found;
    struct weft__op *op = begin(&ow, WEFT__OP_STAT, path);
    op->found = &found;
    ssize_t rc = weft__park_op(op, false, WAIT_PATH, caller);
    if (rc == 0) {
        return !S_ISREG(found.st.st_mode) && !S_ISDIR(found.st.st_mode);
    }
    return rc == -EOPNOTSUPP || rc == -EAGAIN || rc == -ENOMEM; /* nobody has looked */
}

int weft_open(const char *path, int flags, mode_t mode)
{
    const void *caller = __builtin_return_address(0);
    struct weft__op_wait ow;
    struct weft__op *op = begin(&ow, WEFT__OP_OPEN, path);
    op->how = flags;
    op->mode = mode;
    op->flags = may_wait_for_somebody(path, flags, caller) ? WEFT__OP_BLOCKS : 0;
    int fd = (int)weft__file_carry_out(op, caller);
    if (fd >= 0 && weft__park_runtime() != NULL) {
        note_direct(fd, weft__sys_is_direct(flags));
    }
    return fd;
}

static int stat_path(const char *path, int how, struct stat *st, const void *caller)
{
    struct weft__op_wait ow;
    union weft__stat found;
    struct weft__op *op = begin(&ow, WEFT__OP_STAT, path);
    op->found = &found;
    op->how = how;
    int rc = (int)weft__file_carry_out(op, caller);
    if (rc == 0) {
        *st = found.st;
    }
    return rc;
}

int weft_stat(const char *path, struct stat *st)
{
    return stat_path(path, 0, st, __builtin_return_address(0));
}

int weft_lstat(const char *path, struct stat *st)
{
    return stat_path(path, AT_SYMLINK_NOFOLLOW, st, __builtin_return_address(0));
}

int weft_fstat(int fd, struct stat *st)
{
    struct weft__op_wait ow;
    union weft__stat found;
    weft__op_init(&ow.op, WEFT__OP_STAT, fd, &ow);
    ow.op.found = &found;
    int rc = weft__file_carry_out_on_fd(&ow.op, __builtin_return_address(0));
    if (rc == 0) {
        *st = found.st;
    }
    return rc;
}

struct cut {
    const char *path;
    int64_t bytes;
};

static int truncate_it(void *arg)
{
    const struct cut *c = arg;
    return weft__sys_truncate(c->path, c->bytes);
}

/* Which no driver has. */
int weft_truncate(const char *path, int64_t bytes)
{
    struct cut c = {.path = path, .bytes = bytes};
    int result = 0;
    int rc = weft__park_job(truncate_it, &c, &result, WAIT_PATH, NULL, __builtin_return_address(0));
    return rc != 0 ? rc : result;
}

int weft_ftruncate(int fd, int64_t bytes)
{
    struct weft__op_wait ow;
    weft__op_init(&ow.op, WEFT__OP_FILE_RESIZE, fd, &ow);
    ow.op.offset = bytes;
    return weft__file_carry_out_on_fd(&ow.op, __builtin_return_address(0));
}

int weft_rename(const char *from, const char *to)
{
    struct weft__op_wait ow;
    struct weft__op *op = begin(&ow, WEFT__OP_RENAME, from);
    op->to = to;
    return (int)weft__file_carry_out(op, __builtin_return_address(0));
}

int weft_unlink(const char *path)
{
    struct weft__op_wait ow;
    struct weft__op *op = begin(&ow, WEFT__OP_UNLINK, path);
    return (int)weft__file_carry_out(op, __builtin_return_address(0));
}

int weft_mkdir(const char *path, mode_t mode)
{
    struct weft__op_wait ow;
    struct weft__op *op = begin(&ow, WEFT__OP_MKDIR, path);
    op->mode = mode;
    return (int)weft__file_carry_out(op, __builtin_return_address(0));
}

int weft_rmdir(const char *path)
{
    struct weft__op_wait ow;
    struct weft__op *op = begin(&ow, WEFT__OP_UNLINK, path);
    op->how = AT_REMOVEDIR;
    return (int)weft__file_carry_out(op, __builtin_return_address(0));
}

/* What suits all disks where the kernel does not tell. */
#define USUAL_ALIGNMENT 4096

struct question {
    int fd;
    struct weft_file_alignment *alignment;
};

static int find_alignment(void *arg)
{
    const struct question *q = arg;
    struct weft_file_alignment *a = q->alignment;
    int rc = weft__sys_direct_alignment(q->fd, &a->memory, &a->offset);
    if (rc == -ENOSYS) {
        *a = (struct weft_file_alignment){USUAL_ALIGNMENT, USUAL_ALIGNMENT};
        return 0;
    }
    if (rc != 0 || a->offset == 0) {
        return rc != 0 ? rc : -EOPNOTSUPP;
    }
    /* No less than posix_memalign() takes. */
    a->memory = a->memory > sizeof(void *) ? a->memory : sizeof(void *);
    return 0;
}

int weft_file_alignment(int fd, struct weft_file_alignment *alignment)
{
    struct question q = {.fd = fd, .alignment = alignment};
    return weft__io_have_done(fd, find_alignment, &q, __builtin_return_address(0));
}

int weft_file_align(const struct weft_file_alignment *alignment, int64_t *offset, size_t *bytes)
{
    uint64_t unit = alignment->offset;
    uint64_t from = (uint64_t)*offset;
    if (*offset < 0 || unit == 0 || *bytes > INT64_MAX - from) {
        return -EINVAL;
    }
    uint64_t to = (from + *bytes + unit - 1) / unit * unit;
    if (to > INT64_MAX) {
        return -EINVAL;
    }
    from -= from % unit;
    *offset = (int64_t)from;
    *bytes = (size_t)(to - from);
    return 0;
}
