/* SPDX-License-Identifier: MIT */
/* sys_fd.c - the system calls on file descriptors, as -errno. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "compiler.h"
#include "sys_result.h"
#include "sys_try.h"

/* For calls that move bytes: one that is let through may be cut short. */
#define FAULT_OR_SHORT(call, bytes)                                                                \
    do {                                                                                           \
        int fault_ = weft__fault(WEFT__CALL_##call);                                               \
        if (WEFT__UNLIKELY(fault_ < 0)) {                                                          \
            return fault_;                                                                         \
        }                                                                                          \
        if (WEFT__UNLIKELY(fault_ > 0) && (size_t)fault_ < (bytes)) {                              \
            (bytes) = (size_t)fault_;                                                              \
        }                                                                                          \
    } while (0)
/* The same for a vector, of which `part` is then what is left. */
#define FAULT_OR_SHORT_VECTOR(call, iov, count, part)                                              \
    do {                                                                                           \
        size_t bytes_ = SIZE_MAX;                                                                  \
        FAULT_OR_SHORT(call, bytes_);                                                              \
        if (WEFT__UNLIKELY(bytes_ != SIZE_MAX)) {                                                  \
            (part) = first_bytes(iov, (int)(count), bytes_);                                       \
            (iov) = &(part);                                                                       \
            (count) = 1;                                                                           \
        }                                                                                          \
    } while (0)

static inline struct iovec first_bytes(const struct iovec *iov, int count, size_t bytes)
{
    while (count > 1 && iov->iov_len == 0) {
        iov++;
        count--;
    }
    return (struct iovec){iov->iov_base, iov->iov_len < bytes ? iov->iov_len : bytes};
}

/* For an fd that the kernel cannot try without waiting (a terminal, an old kernel's pipe): is it
 * ready for `events` now? */
static int ready_now(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    int n = weft__sys_poll(&p, 1, 0);
    if (n < 0) {
        return n;
    }
    if ((p.revents & POLLNVAL) != 0) {
        return -EBADF;
    }
    return n == 0 ? -EAGAIN : 0;
}

/* A file is left alone: it says that it is ready, and waits for its disk. */
static bool cannot_try(ssize_t rc)
{
    return rc == -EOPNOTSUPP || rc == -ENOSYS || rc == -ESPIPE;
}

ssize_t weft__sys_read_now(int fd, const struct iovec *iov, int count)
{
    struct iovec part;
    FAULT_OR_SHORT_VECTOR(READ, iov, count, part);
    ssize_t n;
    do {
        n = weft__result_long(preadv2(fd, iov, count, -1, RWF_NOWAIT));
    } while (n == -EINTR);
    if (!cannot_try(n)) {
        return n;
    }
    int rc = weft__sys_is_file(fd) ? -EAGAIN : ready_now(fd, POLLIN);
    if (rc != 0) {
        return rc;
    }
    do {
        n = weft__result_long(readv(fd, iov, count));
    } while (n == -EINTR);
    return n;
}

/* Cut a vector to at most PIPE_BUF bytes: what a pipe that polls writable takes without waiting. */
static int cut_to_pipe_buf(struct iovec *to, const struct iovec *iov, int count, int max)
{
    size_t left = PIPE_BUF;
    int used = 0;
    for (int i = 0; i < count && used < max && left > 0; i++) {
        if (iov[i].iov_len == 0) {
            continue; /* with nothing but these, the write would give 0 */
        }
        to[used] = iov[i];
        if (to[used].iov_len > left) {
            to[used].iov_len = left;
        }
        left -= to[used].iov_len;
        used++;
    }
    return used;
}

/* A terminal that polls writable has room for one byte, and blocks with what is more: the bytes of
 * the first part go one at a time, as long as there is room.  The caller has seen that there is. */
static ssize_t write_to_terminal(int fd, const struct iovec *iov, int count)
{
    while (count > 1 && iov->iov_len == 0) {
        iov++;
        count--;
    }
    const char *bytes = iov->iov_base;
    size_t done = 0;
    ssize_t n = 0;
    while (done < iov->iov_len && (done == 0 || ready_now(fd, POLLOUT) == 0)) {
        do {
            n = weft__result_long(write(fd, bytes + done, 1));
        } while (n == -EINTR);
        if (n <= 0) {
            break;
        }
        done++;
    }
    return done > 0 ? (ssize_t)done : n;
}

ssize_t weft__sys_write_now(int fd, const struct iovec *iov, int count)
{
    struct iovec part;
    FAULT_OR_SHORT_VECTOR(WRITE, iov, count, part);
    ssize_t n;
    do {
        n = weft__result_long(pwritev2(fd, iov, count, -1, RWF_NOWAIT));
    } while (n == -EINTR);
    if (!cannot_try(n)) {
        return n;
    }
    int rc = weft__sys_is_file(fd) ? -EAGAIN : ready_now(fd, POLLOUT);
    if (rc != 0) {
        return rc;
    }
    int flags = fcntl(fd, F_GETFL);
    bool may_block = flags >= 0 && (flags & O_NONBLOCK) == 0;
    if (may_block && isatty(fd)) {
        return write_to_terminal(fd, iov, count);
    }
    struct iovec cut[8];
    do {
        n = may_block ? weft__result_long(writev(fd, cut, cut_to_pipe_buf(cut, iov, count, 8)))
                      : weft__result_long(writev(fd, iov, count));
    } while (n == -EINTR);
    return n;
}

ssize_t weft__sys_recv_now(int fd, void *buf, size_t bytes)
{
    FAULT_OR_SHORT(READ, bytes);
    ssize_t n;
    do {
        n = weft__result_long(recv(fd, buf, bytes, MSG_DONTWAIT));
    } while (n == -EINTR);
    return n;
}

ssize_t weft__sys_send_now(int fd, const void *buf, size_t bytes)
{
    FAULT_OR_SHORT(WRITE, bytes);
    ssize_t n;
    do {
        n = weft__result_long(send(fd, buf, bytes, MSG_DONTWAIT | MSG_NOSIGNAL));
    } while (n == -EINTR);
    return n;
}

ssize_t weft__sys_recvmsg_now(int fd, struct msghdr *msg, int flags)
{
    FAULT(READ);
    ssize_t n;
    do {
        n = weft__result_long(recvmsg(fd, msg, flags | MSG_DONTWAIT));
    } while (n == -EINTR);
    return n;
}

ssize_t weft__sys_sendmsg_now(int fd, const struct msghdr *msg, int flags)
{
    FAULT(WRITE);
    ssize_t n;
    do {
        n = weft__result_long(sendmsg(fd, msg, flags | MSG_DONTWAIT));
    } while (n == -EINTR);
    return n;
}

#ifdef __APPLE__
/* One by one; what came before an error counts. */
static int recvmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags, void *none)
{
    unsigned n = 0;
    (void)none;
    for (; n < count; n++) {
        ssize_t bytes = recvmsg(fd, &msgs[n].msg_hdr, flags);
        if (bytes < 0) {
            return n > 0 ? (int)n : -1;
        }
        msgs[n].msg_len = (unsigned)bytes;
    }
    return (int)n;
}

static int sendmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
    unsigned n = 0;
    while (n < count && sendmsg(fd, &msgs[n].msg_hdr, flags) >= 0) {
        n++;
    }
    return n > 0 ? (int)n : -1;
}
#endif

int weft__sys_recvmmsg_now(int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
    FAULT(READ);
    int n;
    do {
        n = weft__result(recvmmsg(fd, msgs, count, flags | MSG_DONTWAIT, NULL));
    } while (n == -EINTR);
    return n;
}

int weft__sys_sendmmsg_now(int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
    FAULT(WRITE);
    int n;
    do {
        n = weft__result(sendmmsg(fd, msgs, count, flags | MSG_DONTWAIT));
    } while (n == -EINTR);
    return n;
}

#ifdef __APPLE__
/* What socket() and accept() cannot be told there.  A fork between two calls inherits the fd. */
static int set_up(int fd, int type)
{
    int one = 1;
    if (fd >= 0) {
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        (void)setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &one, sizeof one);
        (void)weft__sys_set_nonblock(fd, (type & SOCK_NONBLOCK) != 0);
    }
    return fd;
}

static int take_connection(int fd, struct sockaddr *addr, socklen_t *len)
{
    return set_up(weft__result(accept(fd, addr, len)), 0);
}

static int open_socket(int domain, int type, int protocol)
{
    return set_up(weft__result(socket(domain, type & ~SOCK_NONBLOCK, protocol)), type);
}

static int open_pair(int domain, int type, int fds[2])
{
    int rc = weft__result(socketpair(domain, type & ~SOCK_NONBLOCK, 0, fds));
    for (int i = 0; rc == 0 && i < 2; i++) {
        (void)set_up(fds[i], type);
    }
    return rc;
}
#else
static int take_connection(int fd, struct sockaddr *addr, socklen_t *len)
{
    return weft__result(accept4(fd, addr, len, SOCK_CLOEXEC));
}

static int open_socket(int domain, int type, int protocol)
{
    return weft__result(socket(domain, type | SOCK_CLOEXEC, protocol));
}

static int open_pair(int domain, int type, int fds[2])
{
    return weft__result(socketpair(domain, type | SOCK_CLOEXEC, 0, fds));
}
#endif

int weft__sys_accept_now(int fd, struct sockaddr *addr, socklen_t *len)
{
    FAULT(ACCEPT);
    int rc;
    do {
        rc = take_connection(fd, addr, len);
    } while (rc == -EINTR);
    return rc;
}

int weft__sys_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    FAULT(CONNECT);
    return weft__result(connect(fd, addr, len));
}

ssize_t weft__sys_read(int fd, void *buf, size_t bytes)
{
    FAULT_OR_SHORT(READ, bytes);
    return weft__result_long(read(fd, buf, bytes));
}

ssize_t weft__sys_write(int fd, const void *buf, size_t bytes)
{
    FAULT_OR_SHORT(WRITE, bytes);
    return weft__result_long(write(fd, buf, bytes));
}

int weft__sys_open_read(const char *path)
{
    return weft__result(open(path, O_RDONLY | O_CLOEXEC));
}

int weft__sys_close(int fd)
{
    FAULT(CLOSE);
    int rc = weft__result(close(fd));
    return rc == -EINTR ? 0 : rc; /* the fd is gone */
}

int weft__sys_unlink(const char *path)
{
    return weft__result(unlink(path));
}

int weft__sys_poll(struct pollfd *fds, unsigned n, int timeout_ms)
{
    FAULT(POLL);
    int rc;
    do {
        rc = weft__result(poll(fds, n, timeout_ms));
    } while (rc == -EINTR && timeout_ms == 0);
    return rc;
}

int weft__sys_fd_check(int fd)
{
    return fcntl(fd, F_GETFD) < 0 ? -EBADF : 0;
}

bool weft__sys_is_socket_file(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

int weft__sys_socket(int domain, int type, int protocol)
{
    FAULT(SOCKET);
    return open_socket(domain, type, protocol);
}

int weft__sys_socketpair(int domain, int type, int fds[2])
{
    FAULT(SOCKET);
    return open_pair(domain, type, fds);
}

int weft__sys_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
    FAULT(BIND);
    return weft__result(bind(fd, addr, len));
}

int weft__sys_listen(int fd, int backlog)
{
    FAULT(LISTEN);
    return weft__result(listen(fd, backlog));
}

int weft__sys_shutdown(int fd, int how)
{
    FAULT(SOCKOPT);
    return weft__result(shutdown(fd, how));
}

int weft__sys_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
    FAULT(SOCKOPT);
    return weft__result(getsockname(fd, addr, len));
}

int weft__sys_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
    FAULT(SOCKOPT);
    return weft__result(getpeername(fd, addr, len));
}

int weft__sys_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    FAULT(SOCKOPT);
    return weft__result(setsockopt(fd, level, name, value, len));
}

int weft__sys_family(int fd)
{
    FAULT(SOCKOPT);
#ifdef SO_DOMAIN
    int family = 0;
    socklen_t len = sizeof family;
    int rc = weft__result(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len));
    return rc < 0 ? rc : family;
#else
    struct sockaddr_storage addr = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof addr;
    int rc = weft__result(getsockname(fd, (struct sockaddr *)&addr, &len));
    return rc < 0 ? rc : addr.ss_family;
#endif
}

int weft__sys_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    FAULT(SOCKOPT);
    return weft__result(getsockopt(fd, level, name, value, len));
}

/* Numbers from here on; a program that has closed one rarely reaches them. */
#define OUR_FDS_FROM 640

int weft__sys_move_fd(int fd)
{
    int moved = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, OUR_FDS_FROM) : -1;
    if (moved < 0) {
        return fd; /* an error, or the limit of descriptors is low */
    }
    close(fd);
    return moved;
}

int weft__sys_copy_fd(int fd)
{
    int copy = weft__result(fcntl(fd, F_DUPFD_CLOEXEC, OUR_FDS_FROM));
    return copy >= 0 ? copy : weft__result(fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

ssize_t weft__sys_readv(int fd, const struct iovec *iov, int count)
{
    struct iovec part;
    FAULT_OR_SHORT_VECTOR(READ, iov, count, part);
    ssize_t n;
    do {
        n = weft__result_long(readv(fd, iov, count));
    } while (n == -EINTR);
    return n;
}

ssize_t weft__sys_writev(int fd, const struct iovec *iov, int count)
{
    struct iovec part;
    FAULT_OR_SHORT_VECTOR(WRITE, iov, count, part);
    ssize_t n;
    do {
        n = weft__result_long(writev(fd, iov, count));
    } while (n == -EINTR);
    return n;
}

bool weft__sys_is_file(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

bool weft__sys_close_takes_long(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return false;
    }
    return st.st_nlink == 0 || (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
}

int weft__sys_set_nonblock(int fd, bool nonblock)
{
    int flags = weft__result(fcntl(fd, F_GETFL));
    if (flags < 0) {
        return flags;
    }
    int wanted = nonblock ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    return wanted == flags ? 0 : weft__result(fcntl(fd, F_SETFL, wanted));
}
