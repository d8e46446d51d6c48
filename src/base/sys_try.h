/* SPDX-License-Identifier: MIT */
/* sys_try.h - for sys*.c and tests: preadv2() and pwritev2() where the C library has none. */
#ifndef WEFT_BASE_SYS_TRY_H
#define WEFT_BASE_SYS_TRY_H

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8

#ifdef __linux__ /* musl 1.2.4 and before */
#include <sys/syscall.h>

static inline ssize_t preadv2(int fd, const struct iovec *iov, int count, off_t at, int flags)
{
    return syscall(SYS_preadv2, fd, iov, (long)count, (long)at, 0L, flags);
}

static inline ssize_t pwritev2(int fd, const struct iovec *iov, int count, off_t at, int flags)
{
    return syscall(SYS_pwritev2, fd, iov, (long)count, (long)at, 0L, flags);
}
#else /* no other kernel can say "not now" of any fd */
static inline ssize_t preadv2(int fd, const struct iovec *iov, int count, off_t at, int flags)
{
    (void)fd, (void)iov, (void)count, (void)at, (void)flags;
    errno = EOPNOTSUPP;
    return -1;
}
#define pwritev2 preadv2
#endif
#endif

#endif
