/* SPDX-License-Identifier: MIT */
/*
 * copy.h - copying from one fd to another inside the kernel: a file into a socket, a connection
 * into another one.
 *
 *     n = weft_sendfile(fd, file, 0, bytes);         part of a file
 *     n = weft_copy(to, from, SIZE_MAX);             all that comes, until the end
 *
 *     weft_relay_open(&relay);                       the same where a deadline may end it, and the
 *     n = weft_relay_copy(&relay, to, from, max);    copy goes on later
 *     weft_relay_close(&relay);
 *
 * A socket of Weft that was used here is waited for by polls from then on, also by weft_read() and
 * weft_write(): with io_uring that takes a system call more where they have to wait.
 *
 * What is read from a disk is read by a thread for blocking calls (blocking.h), as far as it is not
 * in memory, and what goes to a file is written by one: the processor is not kept.
 */
#ifndef WEFT_COPY_H
#define WEFT_COPY_H

#include <sys/types.h>
#include <weft/base.h>

WEFT_BEGIN_DECLS

/**
 * weft_sendfile - send part of a file, all of it unless the file ends.
 *
 * @out     where to: a socket, a pipe, a file; somebody else's socket or device must be O_NONBLOCK.
 * @file    a file; its position is neither used nor moved.
 * @offset  where in the file to begin, in bytes.
 * @count   how many bytes; SIZE_MAX for all up to the end.
 *
 * Returns    count; less only if the file ends there, or after an error, which the next call, with
 *            an offset that much greater, returns.
 * Errors     if nothing was sent before:
 *            -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled
 *            -EPIPE      the peer reads no more (there is no SIGPIPE)
 *            -EBADF      out or file is not open, or out was closed by weft_close() during the call
 *            -EINVAL     offset < 0; or sendfile(2) does not know how, as for a file that is
 *                        O_APPEND; or out would block the thread: weft_copy() can do that
 *            and what sendfile(2) gives: -ECONNRESET, -EIO, -ESPIPE, -ENOTCONN, ...; never -EAGAIN
 *            or -EINTR
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine.
 */
WEFT_API_MUST ssize_t weft_sendfile(int out, int file, int64_t offset, size_t count);

/* A pipe through which bytes go from fd to fd; the fields are private. */
struct weft_relay {
    int pipe[2];
    size_t held; /* taken from one fd and not given to the other yet */
};

/**
 * weft_relay_open - make a relay: two descriptors.
 *
 * @r  storage for it; one coroutine at a time uses it.
 *
 * Returns    0: it is to be given to weft_relay_close().
 * Errors     -EMFILE, -ENFILE, -ENOMEM
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API_MUST int weft_relay_open(struct weft_relay *r);

/**
 * weft_relay_close - close a relay; bytes that it holds are lost.
 *
 * @r  a relay in which nobody copies.
 *
 * Returns    0.
 * Errors     as weft_close()
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API int weft_relay_close(struct weft_relay *r);

/**
 * weft_relay_held - how many bytes were taken from one fd and not given to another.
 *
 * @r  the relay.
 *
 * Returns    the number; 0 after a copy that ended at its limit or at the end of the stream.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API size_t weft_relay_held(const struct weft_relay *r);

/**
 * weft_relay_copy - copy what comes, up to a limit or to the end of the stream.
 *
 * @r      the relay; what it holds goes first.
 * @out    where to: a socket, a pipe, a file (at its position, not O_APPEND).
 * @in     where from: a socket, a pipe, a file (from its position).  A socket or device of somebody
 *         else must be O_NONBLOCK, here and as `out`.
 * @limit  how many bytes at most; SIZE_MAX for no limit.
 *
 * What arrives is passed on at once, however little it is.
 *
 * Returns    how many bytes `out` has taken: limit, less if the stream ended or after an error,
 *            which the next call returns; 0 at the end of the stream.
 * Errors     if nothing was given before:
 *            -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled; in both cases nothing is lost: what was
 *                        taken from `in` is in the relay, and the next call goes on with it
 *            -EPIPE      the peer of `out` reads no more
 *            -EBADF      one is not open, or was closed by weft_close() during the call
 *            -EINVAL     splice(2) does not know how: weft_copy() does
 *            and what splice(2) gives: -ECONNRESET, -EIO, -ENOSPC, ...; never -EAGAIN or -EINTR
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine.
 */
WEFT_API_MUST ssize_t weft_relay_copy(struct weft_relay *r, int out, int in, size_t limit);

/**
 * weft_copy - copy what comes, up to a limit or to the end of the stream, any fd to any other.
 *
 * @out    where to: any fd.
 * @in     where from: any fd.
 * @limit  how many bytes at most; SIZE_MAX for no limit.
 *
 * As weft_relay_copy() with a relay for the time of the call, and by reads and writes where the
 * kernel cannot copy by itself.  An error, and the end of a scope, may come between the two sides:
 * then some bytes were taken from `in` that `out` has not got.  Who wants to go on after such an
 * end keeps a relay.
 *
 * Returns    how many bytes `out` has taken: limit, less if the stream ended or after an error; 0
 *            at the end of the stream.
 * Errors     as weft_relay_open() and, but for -EINVAL, weft_relay_copy(); those of weft_read() and
 *            weft_write()
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine.
 */
WEFT_API_MUST ssize_t weft_copy(int out, int in, size_t limit);

WEFT_END_DECLS
#endif
