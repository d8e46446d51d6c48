/* SPDX-License-Identifier: MIT */
/* path.c - the calls on paths, and those on an fd that ask the file system: all by the pool. */
#include <weft/file.h>

#include <errno.h>

#include "../base/sys.h"
#include "../io/io.h"
#include "../park/job.h"
#include "../reactor/driver.h"

/* The arguments of any of them. */
struct request {
    const char *path, *to;
    int fd, flags;
    mode_t mode;
    int64_t bytes;
    struct stat *st;
    struct weft_file_alignment *alignment;
};

static int have_path_done(int (*fn)(void *), struct request *r, const void *caller)
{
    int result = 0;
    int rc = weft__park_job(fn, r, &result, WAIT_PATH, NULL, caller);
    return rc != 0 ? rc : result;
}

static int open_it(void *arg)
{
    const struct request *r = arg;
    return weft__sys_open(r->path, r->flags, r->mode);
}

int weft_open(const char *path, int flags, mode_t mode)
{
    struct request r = {.path = path, .flags = flags, .mode = mode};
    int fd = have_path_done(open_it, &r, __builtin_return_address(0));
    if (fd < 0 || weft__park_runtime() == NULL) {
        return fd;
    }
    bool is_direct = weft__sys_is_direct(flags);
    struct weft__fdtable *fds = &weft__park_reactors()->fds;
    struct weft__fd *entry = is_direct ? weft__fd_get(fds, fd) : weft__fd_find(fds, fd);
    if (entry != NULL) {
        atomic_store_explicit(&entry->is_direct, is_direct, memory_order_relaxed);
    }
    return fd;
}

static int stat_it(void *arg)
{
    const struct request *r = arg;
    return weft__sys_stat(r->path, r->st, true);
}

int weft_stat(const char *path, struct stat *st)
{
    struct request r = {.path = path, .st = st};
    return have_path_done(stat_it, &r, __builtin_return_address(0));
}

static int lstat_it(void *arg)
{
    const struct request *r = arg;
    return weft__sys_stat(r->path, r->st, false);
}

int weft_lstat(const char *path, struct stat *st)
{
    struct request r = {.path = path, .st = st};
    return have_path_done(lstat_it, &r, __builtin_return_address(0));
}

static int fstat_it(void *arg)
{
    const struct request *r = arg;
    return weft__sys_fstat(r->fd, r->st);
}

int weft_fstat(int fd, struct stat *st)
{
    struct request r = {.fd = fd, .st = st};
    return weft__io_have_done(fd, fstat_it, &r, __builtin_return_address(0));
}

static int truncate_it(void *arg)
{
    const struct request *r = arg;
    return weft__sys_truncate(r->path, r->bytes);
}

int weft_truncate(const char *path, int64_t bytes)
{
    struct request r = {.path = path, .bytes = bytes};
    return have_path_done(truncate_it, &r, __builtin_return_address(0));
}

static int ftruncate_it(void *arg)
{
    const struct request *r = arg;
    return weft__sys_ftruncate(r->fd, r->bytes);
}

int weft_ftruncate(int fd, int64_t bytes)
{
    struct request r = {.fd = fd, .bytes = bytes};
    return weft__io_have_done(fd, ftruncate_it, &r, __builtin_return_address(0));
}

static int rename_it(void *arg)
{
    const struct request *r = arg;
    return weft__sys_rename(r->path, r->to);
}

int weft_rename(const char *from, const char *to)
{
    struct request r = {.path = from, .to = to};
    return have_path_done(rename_it, &r, __builtin_return_address(0));
}

static int unlink_it(void *arg)
{
    const struct request *r = arg;
    return weft__sys_unlink(r->path);
}

int weft_unlink(const char *path)
{
    struct request r = {.path = path};
    return have_path_done(unlink_it, &r, __builtin_return_address(0));
}

static int mkdir_it(void *arg)
{
    const struct request *r = arg;
    return weft__sys_mkdir(r->path, r->mode);
}

int weft_mkdir(const char *path, mode_t mode)
{
    struct request r = {.path = path, .mode = mode};
    return have_path_done(mkdir_it, &r, __builtin_return_address(0));
}

static int rmdir_it(void *arg)
{
    const struct request *r = arg;
    return weft__sys_rmdir(r->path);
}

int weft_rmdir(const char *path)
{
    struct request r = {.path = path};
    return have_path_done(rmdir_it, &r, __builtin_return_address(0));
}

/* What suits all disks where the kernel does not tell. */
#define USUAL_ALIGNMENT 4096

static int find_alignment(void *arg)
{
    const struct request *r = arg;
    struct weft_file_alignment *a = r->alignment;
    int rc = weft__sys_direct_alignment(r->fd, &a->memory, &a->offset);
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
    struct request r = {.fd = fd, .alignment = alignment};
    return weft__io_have_done(fd, find_alignment, &r, __builtin_return_address(0));
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
