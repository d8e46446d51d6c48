/* SPDX-License-Identifier: MIT */
/*
 * message.h - sending and receiving on sockets with flags, control data and descriptors.
 *
 * What weft/io.h leaves out: looking at bytes without taking them, telling the kernel that more
 * follows, handing an open file to another process.  The calls work on any socket, for a stream or
 * for datagrams, made by Weft or not.
 *
 * Flags are those of recv(2) and send(2) that leave the waiting to Weft:
 *
 *   to receive   MSG_PEEK, MSG_TRUNC, and MSG_DONTWAIT: -EAGAIN instead of a wait
 *   to send      MSG_MORE, MSG_EOR, MSG_OOB, MSG_DONTROUTE, MSG_CONFIRM, and MSG_DONTWAIT
 *
 * Any other is -EINVAL, but for MSG_NOSIGNAL and MSG_CMSG_CLOEXEC, which are always set.  What
 * MSG_WAITALL is for does weft_read_full().  MSG_TRUNC asks for a datagram's real length; of TCP it
 * throws bytes away (tcp(7)).
 */
#ifndef WEFT_MESSAGE_H
#define WEFT_MESSAGE_H

#include <sys/socket.h>
#include <weft/base.h>

WEFT_BEGIN_DECLS

/* No call hands over more descriptors than these. */
#define WEFT_FDS_MAX 64

/**
 * weft_recv - read what is there, with flags.
 *
 * @fd     a socket.
 * @buf    receives at most n bytes.
 * @n      room in it.
 * @flags  see above; 0 makes it weft_read(), but that n 0 takes an empty datagram.
 *
 * Returns    how many bytes, 0 .. n; with MSG_TRUNC the length of the datagram, which may be more.
 *            0 at the end of a stream, or for an empty datagram.
 * Errors     -EAGAIN     MSG_DONTWAIT was given, and nothing is there
 *            -ETIMEDOUT  the deadline of a surrounding scope passed first; nothing was taken
 *            -ECANCELED  a surrounding scope was cancelled; nothing was taken
 *            -EBADF      fd is not open, or was closed by weft_close() during the call
 *            -EINVAL     an unknown flag
 *            and what recv(2) gives: -ECONNRESET, -ENOTCONN, -ENOTSOCK, ...; never -EINTR
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine; several may wait on one fd.
 */
WEFT_API_MUST ssize_t weft_recv(int fd, void *buf, size_t n, int flags);

/**
 * weft_send - write some bytes, or one datagram, with flags.
 *
 * @fd     a socket that is connected.
 * @buf    n bytes; the kernel has let go of them when the call returns.
 * @n      how many.
 * @flags  see above; 0 makes it weft_write(), but that with n 0 an empty datagram is sent.
 *
 * Returns    how many bytes were taken, 1 .. n for a stream; n for a datagram.
 * Errors     -EAGAIN     MSG_DONTWAIT was given, and there is no room
 *            -ETIMEDOUT  the deadline of a surrounding scope passed first; nothing was taken
 *            -ECANCELED  a surrounding scope was cancelled; nothing was taken
 *            -EPIPE      the peer reads no more (there is no SIGPIPE)
 *            -EBADF      fd is not open, or was closed by weft_close() during the call
 *            -EINVAL     an unknown flag
 *            and what send(2) gives: -ECONNRESET, -EMSGSIZE, -ENOTSOCK, ...; never -EINTR
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine.
 */
WEFT_API_MUST ssize_t weft_send(int fd, const void *buf, size_t n, int flags);

/**
 * weft_peek - see what is there without taking it, waiting for the first byte.
 *
 * @fd   a socket.
 * @buf  receives at most n bytes, which the next read gives again.
 * @n    room in it, at least 1.
 *
 * A peek that has seen some bytes does not wait for more: it sees the same ones until they are
 * read.  For protocols that need more than a look at their begin there is weft_reader_peek().
 *
 * Returns    how many bytes, 1 .. n; 0 at the end of a stream, or for an empty datagram.
 * Errors     as weft_recv(); -EINVAL: n is 0.
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine.
 */
WEFT_API_MUST ssize_t weft_peek(int fd, void *buf, size_t n);

/**
 * weft_recv_msg - recvmsg(2): into several buffers, with the sender's address and control data.
 *
 * @fd     a socket.
 * @msg    as for recvmsg(2), and what it gives; not touched on an error.
 * @flags  as for weft_recv().
 *
 * Descriptors that come with it are the caller's, and close-on-exec.
 *
 * Returns    as weft_recv().
 * Errors     as weft_recv().
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine; several may wait on one fd.
 */
WEFT_API_MUST ssize_t weft_recv_msg(int fd, struct msghdr *msg, int flags);

/**
 * weft_send_msg - sendmsg(2): from several buffers, with an address and control data.
 *
 * @fd     a socket.
 * @msg    as for sendmsg(2); not changed.
 * @flags  as for weft_send().
 *
 * Returns    as weft_send().
 * Errors     as weft_send(), and what sendmsg(2) gives for an address and control data.
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine.
 */
WEFT_API_MUST ssize_t weft_send_msg(int fd, const struct msghdr *msg, int flags);

/**
 * weft_send_fds - hand open files to whoever reads the other end (SCM_RIGHTS).
 *
 * @fd     a UNIX socket.
 * @buf    n bytes that go with them.
 * @n      at least 1: a stream carries descriptors on its bytes only.
 * @fds    the files; they stay the caller's, who may close them when the call has returned.
 * @count  how many, 1 .. WEFT_FDS_MAX.
 *
 * All descriptors go with the first byte that is taken; what bytes are left over weft_write_full()
 * sends.  The reader has to use weft_recv_fds() or weft_recv_msg() for this byte: to any other
 * read the kernel gives the bytes and closes the descriptors.
 *
 * Returns    how many bytes were taken, 1 .. n, and all descriptors with them.
 * Errors     as weft_send(), if nothing was taken, and
 *            -EBADF         one of fds is not open
 *            -EINVAL        n or count is not as above
 *            -EOPNOTSUPP    not a UNIX socket
 *            -ETOOMANYREFS  too many descriptors of this user's are under way
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine.
 */
WEFT_API_MUST ssize_t weft_send_fds(int fd, const void *buf, size_t n, const int *fds, int count);

/**
 * weft_recv_fds - read bytes, and the open files that come with them.
 *
 * @fd     a UNIX socket without SO_PASSCRED.
 * @buf    receives at most n bytes.
 * @n      room in it, at least 1.
 * @fds    receives descriptors, close-on-exec, to be closed by the caller.
 * @count  room in fds, 0 .. WEFT_FDS_MAX; receives how many came: 0 mostly.  -EMSGSIZE if there
 *         were more than fit, -EMFILE if the process may have no more open: then all of them were
 *         closed, and the bytes are there all the same.
 *
 * One call gives the descriptors of one send at most, and no bytes from behind those that they came
 * with; bytes sent before may stand in front.
 *
 * Returns    how many bytes, 1 .. n; 0 at the end of a stream, or for an empty datagram.
 * Errors     as weft_recv(); *count is 0 then.  -EINVAL: n or *count is not as above.
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine.
 */
WEFT_API_MUST ssize_t weft_recv_fds(int fd, void *buf, size_t n, int *fds, int *count);

WEFT_END_DECLS
#endif
