/* SPDX-License-Identifier: MIT */
/* sys_copy.c - the system calls that copy from fd to fd, and what has to be known before. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler.h"
#include "sys_result.h"

ssize_t weft__sys_sendfile_now(int out, int file, int64_t offset, size_t bytes)
{
    FAULT(WRITE);
    ssize_t n;
    do {
        off_t at = offset;
        n = weft__result_long(sendfile(out, file, &at, bytes));
    } while (n == -EINTR);
    return n;
}

ssize_t weft__sys_splice_now(int in, int64_t offset, int out, size_t bytes, bool is_read)
{
    int fault = weft__fault(is_read ? WEFT__CALL_READ : WEFT__CALL_WRITE);
    if (WEFT__UNLIKELY(fault != 0)) {
        return fault;
    }
    ssize_t n;
    do {
        loff_t at = offset;
        n = weft__result_long(
            splice(in, offset < 0 ? NULL : &at, out, NULL, bytes, SPLICE_F_NONBLOCK));
    } while (n == -EINTR);
    return n;
}

int weft__sys_pipe(int fds[2], bool nonblock)
{
    FAULT(PIPE);
    return weft__result(pipe2(fds, O_CLOEXEC | (nonblock ? O_NONBLOCK : 0)));
}

int weft__sys_fd_kind(int fd)
{
    struct stat st;
    int rc = weft__result(fstat(fd, &st));
    if (rc < 0) {
        return rc;
    }
    if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)) {
        return WEFT__FD_DISK;
    }
    if (S_ISFIFO(st.st_mode)) {
        return WEFT__FD_PIPE;
    }
    int flags = weft__result(fcntl(fd, F_GETFL));
    return flags < 0 ? flags : (flags & O_NONBLOCK) != 0 ? WEFT__FD_STREAM : WEFT__FD_BLOCKS;
}

bool weft__sys_appends(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_APPEND) != 0;
}

int64_t weft__sys_position(int fd)
{
    return weft__result_long(lseek(fd, 0, SEEK_CUR));
}

/* A file system that cannot say counts as cold.  What is not a file has no offsets. */
bool weft__sys_is_cold(int fd, int64_t offset)
{
    char byte;
    struct iovec iov = {&byte, 1};
    ssize_t n = weft__result_long(preadv2(fd, &iov, 1, offset, RWF_NOWAIT));
    return n == -EAGAIN || n == -EOPNOTSUPP || n == -ENOSYS;
}
