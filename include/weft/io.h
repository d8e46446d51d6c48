/* SPDX-License-Identifier: MIT */
/*
 * io.h - reading, writing and waiting on any file descriptor without blocking the thread.
 *
 * Sockets made by Weft are closed by weft_close() only.  Any other fd (a pipe, a terminal, a
 * signalfd, a socket of another library) may be used too: it is watched for the time of a wait
 * and stays the caller's; close it with close() when nobody waits on it, or with weft_close().
 * An fd of the caller's that blocks (O_NONBLOCK not set) and is read by several processes can
 * still block the thread for a moment; set O_NONBLOCK on such.
 *
 * A file is read and written at its own position.  What takes a disk is done by a thread of the
 * pool of weft_blocking(), and waited for when it has begun; weft/file.h says more, and has the
 * calls that read and write at any place.
 */
#ifndef WEFT_IO_H
#define WEFT_IO_H

#include <sys/uio.h>
#include <weft/base.h>

WEFT_BEGIN_DECLS

/**
 * weft_read - read what is there, waiting for the first byte.
 *
 * @fd   any fd.
 * @buf  receives at most n bytes; the kernel has let go of it when the call returns.
 * @n    0 returns 0 at once.
 *
 * Returns    how many bytes, 1 .. n; 0 at the end of the stream.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first; nothing was read
 *            -ECANCELED  a surrounding scope was cancelled; nothing was read
 *            -EBADF      fd is not open, or was closed by weft_close() during the call
 *            and what read(2) gives: -ECONNRESET, -EIO, -EISDIR, -EFAULT, ...; never -EINTR, and
 *            -EAGAIN only if a file takes a thread and none can be had
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine; several may wait on one fd.
 */
WEFT_API_MUST ssize_t weft_read(int fd, void *buf, size_t n);

/**
 * weft_write - write some bytes, waiting until at least one is taken.
 *
 * @fd   any fd.
 * @buf  n bytes; the kernel has let go of them when the call returns.
 * @n    0 returns 0 at once.
 *
 * Returns    how many bytes were taken, 1 .. n.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first; nothing was taken
 *            -ECANCELED  a surrounding scope was cancelled; nothing was taken
 *            -EPIPE      the peer reads no more (there is no SIGPIPE for sockets)
 *            -EBADF      fd is not open, or was closed by weft_close() during the call
 *            and what write(2) gives: -ECONNRESET, -ENOSPC, ...; never -EINTR, and -EAGAIN only
 *            if a file takes a thread and none can be had
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine.
 */
WEFT_API_MUST ssize_t weft_write(int fd, const void *buf, size_t n);

/**
 * weft_read_full - read exactly n bytes unless the stream ends.
 *
 * @fd   any fd.
 * @buf  receives the bytes.
 * @n    how many.
 *
 * Returns    n; less only if the stream ended there.
 * Errors     as weft_read(), if nothing was read before; otherwise the count is returned and the
 *            error comes at the next call.
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine.
 */
WEFT_API_MUST ssize_t weft_read_full(int fd, void *buf, size_t n);

/**
 * weft_write_full - write all n bytes.
 *
 * @fd   any fd.
 * @buf  the bytes.
 * @n    how many.
 *
 * Returns    n; less only after an error, which the next call returns.
 * Errors     as weft_write(), if nothing was written before.
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine; two writers of one fd may interleave.
 */
WEFT_API_MUST ssize_t weft_write_full(int fd, const void *buf, size_t n);

/**
 * weft_readv - weft_read() into several buffers.
 *
 * @fd     any fd.
 * @iov    the buffers.
 * @count  how many, 0 .. 1024.
 *
 * Returns    how many bytes in all; 0 at the end of the stream.
 * Errors     as weft_read(); -EINVAL for a bad count.
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine.
 */
WEFT_API_MUST ssize_t weft_readv(int fd, const struct iovec *iov, int count);

/**
 * weft_writev - weft_write() from several buffers.
 *
 * @fd     any fd.
 * @iov    the buffers.
 * @count  how many, 0 .. 1024.
 *
 * Returns    how many bytes in all.
 * Errors     as weft_write(); -EINVAL for a bad count.
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine.
 */
WEFT_API_MUST ssize_t weft_writev(int fd, const struct iovec *iov, int count);

/**
 * weft_writev_full - write everything in several buffers.
 *
 * @fd     any fd.
 * @iov    the buffers; not changed.
 * @count  how many, 0 .. 1024.
 *
 * Returns    the sum of the lengths; less only after an error, which the next call returns.
 * Errors     as weft_writev(), if nothing was written before.
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine.
 */
WEFT_API_MUST ssize_t weft_writev_full(int fd, const struct iovec *iov, int count);

/**
 * weft_wait_fd - wait until an fd is ready.
 *
 * @fd      any fd.
 * @events  POLLIN, POLLOUT or both, of <poll.h>.
 *
 * Returns    the events that are there, with POLLERR and POLLHUP as poll(2) adds them; > 0.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled
 *            -EBADF      fd is not open, or was closed by weft_close() during the call
 *            -EINVAL     no event or an unknown one was asked for
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine.
 */
WEFT_API_MUST int weft_wait_fd(int fd, int events);

/**
 * weft_close - close an fd, also one that others are waiting on.
 *
 * @fd  the fd.
 *
 * Operations in flight on it return -EBADF at once, the kernel lets go of their buffers, then the
 * fd is closed and a peer sees the end of the stream.  Calls on a file are waited for instead, and
 * one that was opened for writing, or has lost its name, is closed by a thread of the pool, since
 * that may take long.  A deadline does not keep it from closing.
 *
 * Returns    0.
 * Errors     -EBADF  not open
 *            -EIO, -ENOSPC, -EDQUOT  as close(2); the fd is closed all the same
 * Blocks     the coroutine, until the kernel has let go of the operations, and of the file.
 * Threads    any thread; on a plain thread -EBUSY while an operation is in flight.
 */
WEFT_API int weft_close(int fd);

WEFT_END_DECLS
#endif
