/* SPDX-License-Identifier: MIT */
/* sys_file.c - the system calls on files and folders, as -errno.  But for those that are called
 * _now, they wait for a disk, perhaps. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler.h"
#include "sys_result.h"
#include "sys_try.h"

#ifdef __APPLE__
#define fdatasync fsync /* it is there, and undeclared */
#endif

/* A file that cannot be tried is one more that would wait. */
static ssize_t without_waiting(ssize_t n)
{
    return n == -EOPNOTSUPP || n == -ENOSYS ? -EAGAIN : n;
}

ssize_t weft__sys_pread_now(int fd, const struct iovec *iov, int count, int64_t offset)
{
    FAULT(FILE);
    ssize_t n;
    do {
        n = weft__result_long(preadv2(fd, iov, count, offset, RWF_NOWAIT));
    } while (n == -EINTR);
    return without_waiting(n);
}

ssize_t weft__sys_pwrite_now(int fd, const struct iovec *iov, int count, int64_t offset)
{
    FAULT(FILE);
    ssize_t n;
    do {
        n = weft__result_long(pwritev2(fd, iov, count, offset, RWF_NOWAIT));
    } while (n == -EINTR);
    return without_waiting(n);
}

ssize_t weft__sys_pread(int fd, const struct iovec *iov, int count, int64_t offset)
{
    FAULT(FILE);
    ssize_t n;
    do {
        n = weft__result_long(preadv(fd, iov, count, offset));
    } while (n == -EINTR);
    return n;
}

ssize_t weft__sys_pwrite(int fd, const struct iovec *iov, int count, int64_t offset)
{
    FAULT(FILE);
    ssize_t n;
    do {
        n = weft__result_long(pwritev(fd, iov, count, offset));
    } while (n == -EINTR);
    return n;
}

int weft__sys_open(const char *path, int flags, unsigned mode)
{
    FAULT(FILE);
    int fd;
    do {
        fd = weft__result(open(path, flags | O_CLOEXEC, (mode_t)mode));
    } while (fd == -EINTR);
    return fd;
}

int weft__sys_open_temp(const char *dir, unsigned mode)
{
#ifdef O_TMPFILE
    int fd = weft__sys_open(dir, O_TMPFILE | O_RDWR, mode);
    /* A kernel or a file system that knows no such files says one of three. */
    return fd == -EISDIR || fd == -EINVAL ? -EOPNOTSUPP : fd;
#else
    (void)dir;
    (void)mode;
    return -EOPNOTSUPP;
#endif
}

bool weft__sys_is_direct(int flags)
{
#ifdef O_DIRECT
    return (flags & O_DIRECT) != 0;
#else
    return (flags & 0) != 0;
#endif
}

int weft__sys_fsync(int fd, bool is_data_only)
{
    FAULT(FILE);
    int rc;
    do {
        rc = weft__result(is_data_only ? fdatasync(fd) : fsync(fd));
    } while (rc == -EINTR);
    return rc;
}

int weft__sys_stat(const char *path, struct stat *st, bool follows)
{
    FAULT(FILE);
    return weft__result(follows ? stat(path, st) : lstat(path, st));
}

int weft__sys_fstat(int fd, struct stat *st)
{
    FAULT(FILE);
    return weft__result(fstat(fd, st));
}

int weft__sys_fchmod(int fd, unsigned mode)
{
    FAULT(FILE);
    return weft__result(fchmod(fd, (mode_t)mode));
}

int weft__sys_truncate(const char *path, int64_t bytes)
{
    FAULT(FILE);
    int rc;
    do {
        rc = weft__result(truncate(path, bytes));
    } while (rc == -EINTR);
    return rc;
}

int weft__sys_ftruncate(int fd, int64_t bytes)
{
    FAULT(FILE);
    int rc;
    do {
        rc = weft__result(ftruncate(fd, bytes));
    } while (rc == -EINTR);
    return rc;
}

int weft__sys_rename(const char *from, const char *to)
{
    FAULT(FILE);
    return weft__result(rename(from, to));
}

int weft__sys_mkdir(const char *path, unsigned mode)
{
    FAULT(FILE);
    return weft__result(mkdir(path, (mode_t)mode));
}

int weft__sys_rmdir(const char *path)
{
    FAULT(FILE);
    return weft__result(rmdir(path));
}

int weft__sys_flock_now(int fd, int operation)
{
    FAULT(FILE);
    return weft__result(flock(fd, operation | LOCK_NB));
}
