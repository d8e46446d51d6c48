/* SPDX-License-Identifier: MIT */
/* net.h - stream sockets: TCP over IPv4 and IPv6, and UNIX. */
#ifndef WEFT_NET_H
#define WEFT_NET_H

#include <sys/socket.h>
#include <weft/base.h>
#include <weft/io.h>

WEFT_BEGIN_DECLS

/* A socket address of any family. */
struct weft_addr {
    socklen_t len; /* of the part of `storage` that is used */
    struct sockaddr_storage storage;
};

/* Enough for every text of weft_addr_format(), with its end. */
#define WEFT_ADDR_TEXT_MAX 128

/**
 * weft_addr_parse - turn a text into an address.
 *
 * @addr  receives the address.
 * @text  "127.0.0.1:80", "[::1]:80", "[fe80::1%eth0]:80" (%: an interface, by its name or number),
 *        "localhost:80" (127.0.0.1), ":80" or "*:80" (any address, IPv6 with IPv4 where the system
 *        has it, else IPv4), "unix:/path" or "unix:@name" (abstract).  Names other than localhost
 *        are not looked up: weft_resolve() does that.
 *
 * Returns    0.
 * Errors     -EINVAL        not such a text
 *            -ENODEV        no such interface
 *            -ENAMETOOLONG  a UNIX path that does not fit
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API_MUST int weft_addr_parse(struct weft_addr *addr, const char *text);

/**
 * weft_addr_format - turn an address into a text, the inverse of weft_addr_parse().
 *
 * @addr   the address.
 * @text   receives the text with its end, cut if it does not fit.
 * @bytes  size of text; WEFT_ADDR_TEXT_MAX is always enough.
 *
 * Returns    text.
 * Errors     none; an unknown family gives "?".
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API char *weft_addr_format(const struct weft_addr *addr, char *text, size_t bytes);

/**
 * weft_addr_port - the port of an address.
 *
 * @addr  the address.
 *
 * Returns    0 .. 65535; 0 for a UNIX address.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API int weft_addr_port(const struct weft_addr *addr);

/* Options of weft_listen_with(); what is left 0 takes its default. */
struct weft_listen_opts {
    size_t size;    /* sizeof(struct weft_listen_opts), set by the macro */
    int backlog;    /* default 4096, cut by the system's limit */
    int reuse_port; /* 1: SO_REUSEPORT, several listeners on one port */
    int v6_only;    /* 1: an IPv6 listener takes no IPv4 connections */
    int keep_path;  /* 1: a UNIX path that exists is an error; default: a dead socket file is
                        removed first */
    int64_t defer_accept_ns; /* a TCP connection is accepted when its first bytes are there, or
                                when about so much time has passed, rounded up to seconds */
    size_t recv_bytes; /* kernel buffers of the connections, as for weft_set_buffers(); set here, */
    size_t send_bytes; /* they count from the first packet on */
};

/**
 * weft_listen_addr - open a listening socket; use weft_listen() or weft_listen_with().
 *
 * @addr  where; port 0 lets the system choose (weft_local_addr() tells).
 * @opts  NULL for the defaults.
 *
 * TCP listeners set SO_REUSEADDR.
 *
 * Returns    the fd, to be closed by weft_close().
 * Errors     -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -EMFILE, -ENFILE, -ENOMEM, -EAFNOSUPPORT, as
 *            socket(2), bind(2), listen(2)
 *            -EINVAL      a negative time, or buffers of more than INT_MAX bytes
 *            -EOPNOTSUPP  defer_accept_ns for a UNIX socket
 * Blocks     never.
 * Threads    a coroutine.
 */
WEFT_API_MUST int weft_listen_addr(const struct weft_addr *addr,
                                   const struct weft_listen_opts *opts);

/**
 * weft_listen - open a listening socket at a text address.
 *
 * @where  as for weft_addr_parse(), or "host:service" with names, as for weft_resolve(): then at
 *         the first of the host's addresses where it can be.
 *
 * Returns    the fd, to be closed by weft_close().
 * Errors     as weft_addr_parse(), weft_resolve() and weft_listen_addr().
 * Blocks     the coroutine, never the thread, while a name is looked up.
 * Threads    a coroutine.
 */
WEFT_API_MUST int weft_listen(const char *where);

/**
 * weft_listen_each - open several listeners at one TCP address: one for each processor.
 *
 * @addr  where; of port 0 the system makes one port, and all listeners have it.
 * @opts  NULL for the defaults; reuse_port is set anyway.
 * @fds   receives n fds, each to be closed by weft_close().
 * @n     how many, at least 1.
 *
 * Each has a queue of its own, and the kernel spreads the connections over them (SO_REUSEPORT).  So
 * every processor can have an acceptor whose connections stay with it:
 *
 *     int n = weft_runtime_procs(NULL);
 *     rc = weft_listen_each(&addr, NULL, fds, n);
 *     for (int k = 0; rc == 0 && k < n; k++)
 *         co[k] = weft_go_with(accept_all, &fds[k], .on_p = WEFT_ON_P(k), .pinned = 1);
 *
 * What an acceptor starts with go() begins on its processor; it may be stolen by one that has
 * nothing to do, unless the runtime has no_steal.  To close one listener of several resets the
 * connections that wait in its queue: close them when the server ends.
 *
 * Returns    0.
 * Errors     as weft_listen_addr(); then none is open
 *            -EINVAL      n < 1
 *            -EOPNOTSUPP  a UNIX address, and n > 1
 * Blocks     never.
 * Threads    a coroutine.
 */
WEFT_API_MUST int weft_listen_each(const struct weft_addr *addr,
                                   const struct weft_listen_opts *opts, int *fds, int n);

/**
 * weft_accept - take the next connection.
 *
 * @fd    a listening socket.
 * @peer  receives the peer's address; may be NULL.
 *
 * When descriptors or memory run out (EMFILE, ENFILE, ENOBUFS, ENOMEM) it says so once on stderr
 * and waits, 1 ms and then up to 100 ms at a time, or until a weft_close() makes room: a loop
 * around it never spins.  Connections that are gone before they are taken are skipped.
 *
 * Returns    the fd of the connection, close-on-exec, to be closed by weft_close().
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled
 *            -EBADF      fd is not open, or was closed by weft_close() during the call
 *            -EINVAL     not listening; -ENOTSOCK
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine; several may wait on one listener.
 */
WEFT_API_MUST int weft_accept(int fd, struct weft_addr *peer);

/**
 * weft_dial_addr - connect to an address.
 *
 * @addr  where to.
 *
 * Returns    the fd, to be closed by weft_close().
 * Errors     -ETIMEDOUT     the deadline of a surrounding scope, or TCP's own
 *                           (weft_scope_cause() tells which)
 *            -ECANCELED     a surrounding scope was cancelled
 *            -ECONNREFUSED  nobody listens there; also where TCP would have had both ends of the
 *                           connection meet on that port
 *            -EHOSTUNREACH, -ENETUNREACH, -ENOENT, -EACCES, -EADDRNOTAVAIL, -EMFILE, -ENFILE,
 *            -ENOMEM, as socket(2) and connect(2)
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine.
 */
WEFT_API_MUST int weft_dial_addr(const struct weft_addr *addr);

/* Options of weft_dial_with() and weft_dial_any(); what is left 0 takes its default. */
struct weft_dial_opts {
    size_t size;              /* sizeof(struct weft_dial_opts), set by the macro */
    int64_t attempt_delay_ns; /* between two attempts; default 250 ms */
    size_t recv_bytes; /* kernel buffers, as for weft_set_buffers(); set here, they count */
    size_t send_bytes; /* from the first packet on */
};

/**
 * weft_dial_any - connect to one of several addresses, the first that answers.
 *
 * @addrs  where to, the preferred ones first.
 * @n      how many, at least 1.
 * @opts   read, not kept; NULL for the defaults.
 *
 * The attempts begin one after the other, as RFC 8305 has it: with the families in turns, that of
 * the first address first, and the next one when opts->attempt_delay_ns have passed or one has
 * failed.  The first that connects wins; the others are ended, and their sockets closed, before the
 * call returns.
 *
 * Returns    the fd, to be closed by weft_close().
 * Errors     as weft_dial_addr(), of the last attempt to fail; of one to which somebody answered
 *            (-ECONNREFUSED) rather than of one for which there is no way (-ENETUNREACH)
 *            -EINVAL  n < 1, or buffers of more than INT_MAX bytes
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine.
 */
WEFT_API_MUST int weft_dial_any(const struct weft_addr *addrs, int n,
                                const struct weft_dial_opts *opts);

/**
 * weft_dial_opts - connect to a text address; use weft_dial() or weft_dial_with().
 *
 * @where  as for weft_dial().
 * @opts   read, not kept; NULL for the defaults.
 *
 * Returns    the fd, to be closed by weft_close().
 * Errors     as weft_dial().
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine.
 */
WEFT_API_MUST int weft_dial_opts(const char *where, const struct weft_dial_opts *opts);

/**
 * weft_dial - connect to a text address.
 *
 * @where  as for weft_addr_parse(), or "host:service" with names, as for weft_resolve(): then as
 *         weft_dial_any() to all of the host's addresses.  "localhost" is such a name here.
 *
 * Returns    the fd, to be closed by weft_close().
 * Errors     as weft_addr_parse(), weft_resolve() and weft_dial_any().
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine.
 */
WEFT_API_MUST int weft_dial(const char *where);

/**
 * weft_socket_pair - two connected UNIX stream sockets.
 *
 * @fds  receives the two fds, to be closed by weft_close().
 *
 * Returns    0.
 * Errors     -EMFILE, -ENFILE, -ENOMEM
 * Blocks     never.
 * Threads    a coroutine.
 */
WEFT_API_MUST int weft_socket_pair(int fds[2]);

/**
 * weft_shutdown - close one direction of a connection, or both, and keep the fd.
 *
 * @fd   the socket.
 * @how  SHUT_RD, SHUT_WR or SHUT_RDWR.
 *
 * Returns    0.
 * Errors     -ENOTCONN, -EBADF, -ENOTSOCK, -EINVAL
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API int weft_shutdown(int fd, int how);

/**
 * weft_close_linger - close a connection so that the peer gets all that was sent.
 *
 * @fd        the socket; it is closed in any case.
 * @limit_ns  how long to wait for the peer, at most.
 *
 * A close with input unread resets a connection, and what the peer has not taken yet may be lost.
 * This shuts down the sending side, reads and drops what still comes, until the peer has closed
 * its side too, and then closes.  (SO_LINGER would have close(2) block the thread: do not set it.)
 *
 * Returns    0: the peer has closed.
 * Errors     -ETIMEDOUT  it has not within limit_ns, or the deadline of a surrounding scope
 *            -ECANCELED  a surrounding scope was cancelled
 *            -EBADF, -ENOTSOCK, -ENOTCONN, -ECONNRESET, ... as weft_shutdown() and weft_read()
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine.
 */
WEFT_API int weft_close_linger(int fd, int64_t limit_ns);

/**
 * weft_close_abort - close a TCP connection at once, by a reset; what was not sent is dropped.
 *
 * @fd  the socket; any other fd is closed as by weft_close().
 *
 * The peer's reads give -ECONNRESET.  Nothing stays in the kernel, as it does after an orderly
 * close (TIME_WAIT).
 *
 * Returns    0.
 * Errors     as weft_close()
 * Blocks     the coroutine, until the kernel has let go of the operations.
 * Threads    any thread; on a plain thread -EBUSY while an operation is in flight.
 */
WEFT_API int weft_close_abort(int fd);

/**
 * weft_local_addr - the address of this end.
 *
 * @fd    the socket.
 * @addr  receives it.
 *
 * Returns    0.
 * Errors     -EBADF, -ENOTSOCK
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API int weft_local_addr(int fd, struct weft_addr *addr);

/**
 * weft_peer_addr - the address of the other end.
 *
 * @fd    the socket.
 * @addr  receives it.
 *
 * Returns    0.
 * Errors     -ENOTCONN, -EBADF, -ENOTSOCK
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API int weft_peer_addr(int fd, struct weft_addr *addr);

/**
 * weft_set_nodelay - send small writes at once (TCP_NODELAY).
 *
 * @fd  a TCP socket.
 * @on  whether.
 *
 * Returns    0.
 * Errors     -EBADF, -ENOTSOCK, -EOPNOTSUPP for a UNIX socket
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API int weft_set_nodelay(int fd, bool on);

/**
 * weft_set_keepalive - probe a silent peer (SO_KEEPALIVE).
 *
 * @fd           a TCP socket.
 * @idle_ns      silence before the first probe, rounded up to seconds; 0 switches it off.
 * @interval_ns  between probes, rounded up to seconds; 0 leaves the system's.
 * @count        probes without an answer before the connection is dropped; 0 leaves the system's.
 *
 * Returns    0.
 * Errors     -EBADF, -ENOTSOCK, -EINVAL, -EOPNOTSUPP for a UNIX socket
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API int weft_set_keepalive(int fd, int64_t idle_ns, int64_t interval_ns, int count);

/**
 * weft_set_buffers - ask for kernel buffers (SO_RCVBUF, SO_SNDBUF).
 *
 * @fd          the socket.
 * @recv_bytes  0 leaves it as it is.
 * @send_bytes  0 leaves it as it is.
 *
 * Returns    0.
 * Errors     -EBADF, -ENOTSOCK, -EINVAL
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API int weft_set_buffers(int fd, size_t recv_bytes, size_t send_bytes);

#ifndef __cplusplus
/* weft_listen_with(&addr, .reuse_port = 1) */
#define weft_listen_with(addr, ...)                                                                \
    weft_listen_addr(                                                                              \
        addr, &(struct weft_listen_opts){.size = sizeof(struct weft_listen_opts), __VA_ARGS__})
/* weft_dial_with("example.org:http", .attempt_delay_ns = 100 * WEFT_MS) */
#define weft_dial_with(where, ...)                                                                 \
    weft_dial_opts(where,                                                                          \
                   &(struct weft_dial_opts){.size = sizeof(struct weft_dial_opts), __VA_ARGS__})
#endif

WEFT_END_DECLS
#endif
