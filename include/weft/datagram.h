/* SPDX-License-Identifier: MIT */
/*
 * datagram.h - sockets for datagrams: UDP over IPv4 and IPv6, and UNIX.
 *
 *     int fd = weft_dgram_bind(":5353");
 *     ssize_t n = weft_dgram_recv(fd, buf, sizeof buf, &from, NULL);
 *     n = weft_dgram_send(fd, buf, (size_t)n, &from);
 *
 * Each send is one datagram, each receive takes one.  What does not fit is never cut in silence.
 * The fds are closed by weft_close(); weft_local_addr(), weft_set_buffers(), weft_wait_fd(), select
 * and the calls of weft/message.h work on them as well, and those of weft/io.h do, but weft_read()
 * cuts.  The calls here work on sockets of others, too, if they are for datagrams: of a stream, a
 * receive loses bytes.
 */
#ifndef WEFT_DATAGRAM_H
#define WEFT_DATAGRAM_H

#include <weft/base.h>
#include <weft/net.h>

WEFT_BEGIN_DECLS

/* More than these are not received by one call of weft_dgram_recv_many(). */
#define WEFT_DGRAM_MANY 32

/* One of several datagrams. */
struct weft_dgram {
    void *buf;
    size_t bytes;          /* how many there are to be sent, or room for how many */
    size_t length;         /* received: its real length; more than `bytes`: it was cut */
    struct weft_addr addr; /* received: who sent it; to send: to whom, with .len 0 to whom the
                              socket is connected */
};

/* Options of weft_dgram_bind_with(); what is left 0 takes its default. */
struct weft_dgram_opts {
    size_t size;    /* sizeof(struct weft_dgram_opts), set by the macro */
    int reuse_addr; /* 1: SO_REUSEADDR, for several receivers of one multicast group */
    int reuse_port; /* 1: SO_REUSEPORT, several sockets share what comes to one port */
    int v6_only;    /* 1: an IPv6 socket takes no IPv4 datagrams */
    int keep_path;  /* 1: a UNIX path that exists is an error; default: a dead socket file is
                       removed first */
};

/**
 * weft_dgram_bind_addr - open a socket at an address; use weft_dgram_bind() or
 * weft_dgram_bind_with().
 *
 * @addr  where; port 0 lets the system choose (weft_local_addr() tells).
 * @opts  read, not kept; NULL for the defaults.
 *
 * Returns    the fd, to be closed by weft_close().
 * Errors     -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -EMFILE, -ENFILE, -ENOMEM, -EAFNOSUPPORT, as
 *            socket(2) and bind(2)
 * Blocks     never.
 * Threads    a coroutine.
 */
WEFT_API_MUST int weft_dgram_bind_addr(const struct weft_addr *addr,
                                       const struct weft_dgram_opts *opts);

/**
 * weft_dgram_bind - open a socket at a text address.
 *
 * @where  as for weft_addr_parse(), or "host:service" with names, as for weft_resolve(): then at
 *         the first of the host's addresses where it can be.
 *
 * Returns    the fd, to be closed by weft_close().
 * Errors     as weft_addr_parse(), weft_resolve() and weft_dgram_bind_addr().
 * Blocks     the coroutine, never the thread, while a name is looked up.
 * Threads    a coroutine.
 */
WEFT_API_MUST int weft_dgram_bind(const char *where);

/**
 * weft_dgram_open - open a socket without an address of its own.
 *
 * @family  AF_INET, AF_INET6 or AF_UNIX.
 *
 * UDP gets an address with the first datagram that is sent.  A UNIX socket has none, and its
 * datagrams cannot be answered.
 *
 * Returns    the fd, to be closed by weft_close().
 * Errors     -EAFNOSUPPORT, -EMFILE, -ENFILE, -ENOMEM, as socket(2)
 * Blocks     never.
 * Threads    a coroutine.
 */
WEFT_API_MUST int weft_dgram_open(int family);

/**
 * weft_dgram_dial - open a socket that is connected to a text address.
 *
 * @where  as for weft_dgram_bind(); of several addresses the first to which there is a way.
 *
 * Nothing is sent: whether anybody is there, a UNIX name tells at once, and UDP with what comes
 * back of the first datagram, if anything.
 *
 * Returns    the fd, to be closed by weft_close().
 * Errors     as weft_addr_parse(), weft_resolve(), weft_dgram_open() and weft_dgram_connect().
 * Blocks     the coroutine, never the thread, while a name is looked up.
 * Threads    a coroutine.
 */
WEFT_API_MUST int weft_dgram_dial(const char *where);

/**
 * weft_dgram_connect - choose the one to whom a socket sends and from whom it receives.
 *
 * @fd    a socket for datagrams.
 * @addr  with whom; NULL: with anybody again.
 *
 * What others have sent before is still received.  Errors that come back to what was sent, as
 * -ECONNREFUSED, are reported to a connected socket only.
 *
 * Returns    0.
 * Errors     -EOPNOTSUPP  a socket for a stream
 *            -ECONNREFUSED, -ENOENT, -EPROTOTYPE, -EACCES, -EPERM  a UNIX name at which there is no
 *                         such socket
 *            -ENETUNREACH, -EADDRNOTAVAIL, -EAFNOSUPPORT, -EBADF, -ENOTSOCK, as connect(2)
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API_MUST int weft_dgram_connect(int fd, const struct weft_addr *addr);

/**
 * weft_dgram_send - send one datagram.
 *
 * @fd   the socket.
 * @buf  n bytes; the kernel has let go of them when the call returns.
 * @n    may be 0: an empty datagram is one.
 * @to   to whom; NULL: to whom the socket is connected.
 *
 * It waits while the socket's own buffer is full, and to a UNIX name while its reader's queue is.
 * For a UNIX socket that is not connected the kernel has no event for the end of that: it tries
 * again after 0.2 ms, and up to 10 ms, and takes as long to see a weft_close().
 *
 * Returns    n.
 * Errors     -ETIMEDOUT     the deadline of a surrounding scope passed first; nothing was sent
 *            -ECANCELED     a surrounding scope was cancelled; nothing was sent
 *            -EBADF         fd is not open, or was closed by weft_close() during the call
 *            -EMSGSIZE      longer than such a datagram can be
 *            -EDESTADDRREQ, -ENOTCONN  `to` is NULL and the socket not connected
 *            -ECONNREFUSED  nobody is there; of UDP, an answer to a datagram sent before
 *            -EACCES        a broadcast address, without weft_set_broadcast(); or as unix(7)
 *            and what sendto(2) gives: -ENETUNREACH, -EHOSTUNREACH, -ENOENT, -EISCONN, -EINVAL,
 *            -EPERM, -ENOBUFS, -ENOTSOCK, ...; never -EAGAIN or -EINTR
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine; several may use one fd.
 */
WEFT_API_MUST ssize_t weft_dgram_send(int fd, const void *buf, size_t n,
                                      const struct weft_addr *to);

/**
 * weft_dgram_recv - take the next datagram.
 *
 * @fd      the socket.
 * @buf     receives at most n bytes.
 * @n       room in it; what is longer is cut.
 * @from    receives who sent it; may be NULL.  A UNIX sender without a name is "unix:", and cannot
 *          be answered.
 * @length  receives the real length, more than n if it was cut.  NULL: what does not fit is an
 *          error.
 *
 * Returns    how many bytes are in buf, 0 .. n.
 * Errors     -EMSGSIZE      `length` is NULL, and the datagram was longer than n; it is gone
 *            -ETIMEDOUT     the deadline of a surrounding scope passed first; nothing was taken
 *            -ECANCELED     a surrounding scope was cancelled; nothing was taken
 *            -EBADF         fd is not open, or was closed by weft_close() during the call
 *            -ECONNREFUSED  connected, and nobody is there: an answer to what was sent before
 *            and what recvfrom(2) gives: -ENOTSOCK, -EFAULT, ...; never -EAGAIN or -EINTR
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine; several may use one fd, and each datagram goes to one of them.
 */
WEFT_API_MUST ssize_t weft_dgram_recv(int fd, void *buf, size_t n, struct weft_addr *from,
                                      size_t *length);

/**
 * weft_dgram_recv_many - take what datagrams there are, waiting for the first.
 *
 * @fd     the socket.
 * @msgs   .buf and .bytes say where to; .length and .addr are received.
 * @count  how many there is room for; at most WEFT_DGRAM_MANY of them are used.
 *
 * One system call takes all that are there.  An error that is met behind the first is not told,
 * unless it lasts.
 *
 * Returns    how many came, 1 .. count.
 * Errors     as weft_dgram_recv(), but not -EMSGSIZE: .length tells.  -EINVAL: count < 1.
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine; several may use one fd.
 */
WEFT_API_MUST int weft_dgram_recv_many(int fd, struct weft_dgram *msgs, int count);

/**
 * weft_dgram_send_many - send several datagrams, in their order.
 *
 * @fd     the socket.
 * @msgs   .buf, .bytes and .addr say what and to whom; not changed.
 * @count  how many.
 *
 * One system call sends up to WEFT_DGRAM_MANY of them.
 *
 * Returns    how many, in their order; fewer than count only after an error, which a call for the
 *            rest returns if it lasts.
 * Errors     as weft_dgram_send(), if none was sent before.  -EINVAL: count < 1.
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine; several may use one fd.
 */
WEFT_API_MUST int weft_dgram_send_many(int fd, const struct weft_dgram *msgs, int count);

/**
 * weft_dgram_send_train - send a buffer as datagrams of one length (UDP_SEGMENT of Linux 4.18).
 *
 * @fd    a UDP socket.
 * @buf   n bytes; the kernel has let go of them when the call returns.
 * @n     how many, less than 64 KiB.
 * @each  how many go into one datagram, 1 .. 65535; the last takes what is left.
 * @to    to whom; NULL: to whom the socket is connected.
 *
 * The train goes through the system as one, and is cut up as late as can be.
 *
 * Returns    n.
 * Errors     as weft_dgram_send(), and
 *            -ENOTSUP   the system has no trains, or the socket is none of UDP
 *            -EINVAL    `each` is not as above, or longer than the network takes in one piece; or
 *                       there are more datagrams than the system takes (64)
 *            -EIO       the device cannot cut them up
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine; several may use one fd.
 */
WEFT_API_MUST ssize_t weft_dgram_send_train(int fd, const void *buf, size_t n, size_t each,
                                            const struct weft_addr *to);

/**
 * weft_dgram_recv_train - take the next datagram, or several that the kernel has merged.
 *
 * @fd    the socket.
 * @buf   receives at most n bytes: datagrams one behind the other.
 * @n     room in it; 64 KiB is always enough.
 * @each  receives how long each of them is; the last may be shorter.  A single one has all bytes.
 * @from  receives who sent them; may be NULL.
 *
 * Without weft_dgram_merge() none are merged.
 *
 * Returns    how many bytes are in buf, 0 .. n; 0 for an empty datagram.
 * Errors     -EMSGSIZE  there were more than n bytes; they are gone
 *            else as weft_dgram_recv()
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine; several may use one fd.
 */
WEFT_API_MUST ssize_t weft_dgram_recv_train(int fd, void *buf, size_t n, size_t *each,
                                            struct weft_addr *from);

/**
 * weft_dgram_merge - may the kernel merge datagrams of one sender (UDP_GRO of Linux 5.0)?
 *
 * @fd  a UDP socket.
 * @on  whether; it does not unless told so.
 *
 * Merged ones can be told apart by weft_dgram_recv_train() only: to any other call they are one
 * long datagram.
 *
 * Returns    0.
 * Errors     -ENOTSUP  the system does not merge, or the socket is none of UDP
 *            -EBADF, -ENOTSOCK
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API_MUST int weft_dgram_merge(int fd, bool on);

/**
 * weft_set_broadcast - allow datagrams to broadcast addresses (SO_BROADCAST).
 *
 * @fd  the socket.
 * @on  whether.
 *
 * Returns    0.
 * Errors     -EBADF, -ENOTSOCK
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API int weft_set_broadcast(int fd, bool on);

/**
 * weft_multicast_join - receive what is sent to a group.
 *
 * @fd         a UDP socket, bound to the port that is sent to.
 * @group      the group's address; its port does not matter.
 * @interface  by its name or its number; NULL: the one after the % of the address, or the system's
 *             choice.
 *
 * Returns    0.
 * Errors     -EINVAL      not an address of a group, or an interface without a name
 *            -EADDRINUSE  joined already
 *            -ENODEV      no such interface, or none for this group
 *            -ENOPROTOOPT, -EOPNOTSUPP  of another family than the socket's
 *            -EBADF, -ENOTSOCK, -ENOBUFS, as setsockopt(2)
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API_MUST int weft_multicast_join(int fd, const struct weft_addr *group,
                                      const char *interface);

/**
 * weft_multicast_leave - undo weft_multicast_join(); weft_close() does so, too.
 *
 * @fd         the socket.
 * @group      the group.
 * @interface  as it was joined.
 *
 * Returns    0.
 * Errors     -EADDRNOTAVAIL  not joined there; else as weft_multicast_join().
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API int weft_multicast_leave(int fd, const struct weft_addr *group, const char *interface);

/**
 * weft_multicast_ttl - how far datagrams to groups go.
 *
 * @fd    a UDP socket.
 * @hops  0: this machine; 1, the default: this network; at most 255.
 *
 * Returns    0.
 * Errors     -EINVAL, -EBADF, -ENOTSOCK, -EOPNOTSUPP for a UNIX socket
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API int weft_multicast_ttl(int fd, int hops);

/**
 * weft_multicast_loop - do datagrams to groups come to receivers on this machine, too?
 *
 * @fd  a UDP socket, of the sender.
 * @on  whether; they do unless told otherwise.
 *
 * Returns    0.
 * Errors     -EBADF, -ENOTSOCK, -EOPNOTSUPP for a UNIX socket
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API int weft_multicast_loop(int fd, bool on);

/**
 * weft_multicast_interface - through which interface datagrams to groups are sent.
 *
 * @fd         a UDP socket.
 * @interface  by its name or its number; NULL: the system's choice.
 *
 * Returns    0.
 * Errors     -ENODEV  no such interface
 *            -EINVAL  an interface without a name
 *            -EBADF, -ENOTSOCK, -EADDRNOTAVAIL, -EOPNOTSUPP for a UNIX socket
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API int weft_multicast_interface(int fd, const char *interface);

#ifndef __cplusplus
/* weft_dgram_bind_with(&addr, .reuse_addr = 1) */
#define weft_dgram_bind_with(addr, ...)                                                            \
    weft_dgram_bind_addr(                                                                          \
        addr, &(struct weft_dgram_opts){.size = sizeof(struct weft_dgram_opts), __VA_ARGS__})
#endif

WEFT_END_DECLS
#endif
