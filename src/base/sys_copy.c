/* SPDX-License-Identifier: MIT */
/* sys_copy.c - pipes, and what has to be known of fds before one copies between them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler.h"
#include "sys_result.h"
#include "sys_try.h"

int weft__sys_pipe(int fds[2], bool nonblock)
{
    FAULT(PIPE);
#ifdef __APPLE__ /* a fork between two calls inherits the pipe */
    int rc = weft__result(pipe(fds));
    for (int i = 0; rc == 0 && i < 2; i++) {
        (void)fcntl(fds[i], F_SETFD, FD_CLOEXEC);
        (void)weft__sys_set_nonblock(fds[i], nonblock);
    }
    return rc;
#else
    return weft__result(pipe2(fds, O_CLOEXEC | (nonblock ? O_NONBLOCK : 0)));
#endif
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
