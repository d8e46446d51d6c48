/* SPDX-License-Identifier: MIT */
/* conformance_socket.h - of conformance.c: connections come, go and are waited for. */
#ifndef WEFT_TESTS_CONFORMANCE_SOCKET_H
#define WEFT_TESTS_CONFORMANCE_SOCKET_H

#include "conformance_stream.h"

#define NO_SIZE NONE("a connection has no size")

/* A connection: its number says nothing. */
static ssize_t close_fd(int fd)
{
    if (fd < 0)
        return fd;
    CHECK_EQ(weft_close(fd), 0);
    return AN_FD;
}

static void listen_as(struct scene *s)
{
    static int n;
    char where[64] = "127.0.0.1:0";

    if (!s->flavour->is_tcp)
        snprintf(where, sizeof where, "unix:@weft-conformance-%d-%d", getpid(), n++);
    s->fd = weft_listen(where);
    CHECK_GE(s->fd, 0);
    CHECK_EQ(weft_local_addr(s->fd, &s->at), 0);
}

/* ---- accept ---- */

static ssize_t call_accept(struct scene *s)
{
    return close_fd(weft_accept(s->fd, NULL));
}

static void somebody_comes(struct scene *s)
{
    shut(&s->peer);
    s->peer = weft_dial_addr(&s->at);
    CHECK_GE(s->peer, 0);
}

static void somebody_comes_and_is_reset(struct scene *s)
{
    somebody_comes(s);
    set_reset_on_close(s->peer);
    shut(&s->peer);
}

/* It is given all the same, and says so when it is read. */
static ssize_t accept_and_read(struct scene *s)
{
    char byte;
    int fd = weft_accept(s->fd, NULL);

    CHECK_GE(fd, 0);
    CHECK_EQ(weft_read(fd, &byte, 1), s->flavour->is_tcp ? -ECONNRESET : 0);
    return close_fd(fd);
}

static ssize_t reset_in_the_queue(struct scene *s)
{
    return meet_with(s, accept_and_read, somebody_comes_and_is_reset);
}

static void listen_as_a_stranger(struct scene *s)
{
    listen_as(s);
    shut(&s->fd);
    s->fd = socket(s->at.storage.ss_family, SOCK_STREAM, 0);
    CHECK_EQ(bind(s->fd, (struct sockaddr *)&s->at.storage, s->at.len), 0);
    CHECK_EQ(listen(s->fd, 8), 0);
}

static ssize_t foreign_listener(struct scene *s)
{
    struct row other = *s->row;
    struct scene strange = {.flavour = s->flavour, .row = &other};

    other.make = listen_as_a_stranger;
    begin(&strange);
    ssize_t rc = would_block(&strange);
    end(&strange);
    return rc;
}

static ssize_t bad_accept(struct scene *s)
{
    int fds[2];

    CHECK_EQ(weft_accept(-1, NULL), -EBADF);
    CHECK_EQ(weft_accept(9999, NULL), -EBADF);
    pipe_pair(fds);
    CHECK_EQ(weft_accept(fds[0], NULL), -ENOTSOCK);
    close_both(fds);
    s->flavour->pair(fds);
    int rc = weft_accept(fds[0], NULL);
    close_both(fds);
    return rc;
}

#define ACCEPT_CELLS                                                                               \
    {                                                                                              \
        [WOULD_BLOCK] = GIVES(would_block, AN_FD), [PARTIAL] = NONE("a connection comes whole"),   \
        [END] = NONE("a listener has no end"), [RESET] = GIVES(reset_in_the_queue, AN_FD),         \
        [INTERRUPTED] = GIVES(interrupted, AN_FD), [CLOSED] = GIVES(closed, -EBADF),               \
        [REUSED] = GIVES(reused, -EBADF), [DEADLINE] = GIVES(deadline, -ETIMEDOUT),                \
        [CANCEL] = GIVES(cancel, -ECANCELED), [TWO_WAITERS] = GIVES(two_waiters, AN_FD),           \
        [FOREIGN] = GIVES(foreign_listener, AN_FD), [HUGE] = NO_SIZE, [ZERO] = NO_SIZE,            \
        [BAD] = GIVES(bad_accept, -EINVAL),                                                        \
    }

/* ---- connect ---- */

/*
 * s->fd is a listener at which a connection has to wait, since there is one in its queue that
 * nobody takes.  TCP's is in the kernel then, which tries once more after a second: no test waits
 * for that.
 */
static void make_crowd(struct scene *s)
{
    listen_as(s);
    CHECK_EQ(listen(s->fd, 0), 0);
    s->peer = weft_dial_addr(&s->at);
    CHECK_GE(s->peer, 0);
    s->is_tried_anew = !s->flavour->is_tcp;
}

static ssize_t call_dial(struct scene *s)
{
    return close_fd(weft_dial_addr(&s->at));
}

static void take_one(struct scene *s)
{
    CHECK_EQ(close_fd(weft_accept(s->fd, NULL)), AN_FD);
}

static ssize_t dial_a_crowd(struct scene *s)
{
    if (!s->flavour->is_tcp)
        return would_block(s);
    take_one(s);
    return s->call(s);
}

static ssize_t dial_nobody(struct scene *s)
{
    shut(&s->fd);
    return s->call(s);
}

static ssize_t dial_under_signals(struct scene *s)
{
    take_one(s);
    pid_t pid = start_signals();
    ssize_t rc = AN_FD;
    int status;

    while (rc == AN_FD && waitpid(pid, &status, WNOHANG) != pid) {
        rc = s->call(s);
        take_one(s);
    }
    return rc;
}

static ssize_t bad_dial(struct scene *s)
{
    struct weft_addr none = {.len = 0}, strange = {.len = sizeof strange.storage};

    none.storage.ss_family = s->at.storage.ss_family;
    CHECK_EQ(weft_dial_addr(&none), -EINVAL);
    strange.storage.ss_family = 200;
    return weft_dial_addr(&strange);
}

#define UNKNOWN_FD NONE("nobody knows its fd before the call returns")
#define CONNECT_CELLS                                                                              \
    {                                                                                              \
        [WOULD_BLOCK] = GIVES(dial_a_crowd, AN_FD), [PARTIAL] = NONE("a connection comes whole"),  \
        [END] = NONE("nothing is read"), [RESET] = GIVES(dial_nobody, -ECONNREFUSED),              \
        [INTERRUPTED] = GIVES(dial_under_signals, AN_FD), [CLOSED] = UNKNOWN_FD,                   \
        [REUSED] = UNKNOWN_FD, [DEADLINE] = GIVES(deadline, -ETIMEDOUT),                           \
        [CANCEL] = GIVES(cancel, -ECANCELED), [TWO_WAITERS] = NONE("each has an fd of its own"),   \
        [FOREIGN] = NONE("its fd is ours"), [HUGE] = NO_SIZE, [ZERO] = NO_SIZE,                    \
        [BAD] = GIVES(bad_dial, -EAFNOSUPPORT),                                                    \
    }

/* ---- poll ---- */

static ssize_t call_wait_fd(struct scene *s)
{
    return weft_wait_fd(s->fd, POLLIN);
}

static ssize_t wait_for_either(struct scene *s)
{
    return weft_wait_fd(s->fd, POLLIN | POLLOUT);
}

static ssize_t foreign_wait(struct scene *s)
{
    return of_each_foreign_kind(s, POLLIN, false);
}

static ssize_t bad_wait(struct scene *s)
{
    CHECK_EQ(weft_wait_fd(-1, POLLIN), -EBADF);
    CHECK_EQ(weft_wait_fd(9999, POLLIN), -EBADF);
    CHECK_EQ(weft_wait_fd(s->fd, POLLIN | POLLPRI), -EINVAL);
    return weft_wait_fd(s->fd, 0);
}

#define NO_BYTES NONE("no bytes are moved")
#define POLL_CELLS                                                                                 \
    {                                                                                              \
        [WOULD_BLOCK] = GIVES(would_block, POLLIN), [PARTIAL] = GIVES(wait_for_either, POLLOUT),   \
        [END] = GIVES_EACH(at_end, POLLIN, POLLIN | POLLHUP),                                      \
        [RESET] = GIVES(was_reset, POLLIN | POLLERR | POLLHUP),                                    \
        [INTERRUPTED] = GIVES(interrupted, POLLIN), [CLOSED] = GIVES(closed, -EBADF),              \
        [REUSED] = GIVES(reused, -EBADF), [DEADLINE] = GIVES(deadline, -ETIMEDOUT),                \
        [CANCEL] = GIVES(cancel, -ECANCELED), [TWO_WAITERS] = GIVES(two_waiters, POLLIN),          \
        [FOREIGN] = GIVES(foreign_wait, POLLIN), [HUGE] = NO_BYTES, [ZERO] = NO_BYTES,             \
        [BAD] = GIVES(bad_wait, -EINVAL),                                                          \
    }

/* ---- close ---- */

static ssize_t call_close(struct scene *s)
{
    int rc = weft_close(s->fd);

    if (rc == 0)
        s->fd = -1;
    return rc;
}

static int read_till_closed(void *fd)
{
    char byte;

    return (int)weft_read(*(int *)fd, &byte, 1);
}

/* A reader of the fd, which the close must end. */
static struct weft_co *start_reader(struct scene *s)
{
    struct weft_co *co = weft_go_with(read_till_closed, &s->fd);

    await_in_flight(1);
    return co;
}

static ssize_t close_in_use(struct scene *s)
{
    struct weft_co *co = start_reader(s);
    ssize_t rc = s->call(s);

    CHECK_EQ(join_call(co), -EBADF);
    return rc;
}

static ssize_t close_after_end(struct scene *s)
{
    peer_closes(s);
    return s->call(s);
}

static ssize_t close_after_reset(struct scene *s)
{
    peer_resets(s);
    return s->call(s);
}

static ssize_t close_under_signals(struct scene *s)
{
    pid_t pid = start_signals();
    ssize_t rc = close_in_use(s);

    await_signals(pid);
    return rc;
}

static ssize_t close_twice(struct scene *s)
{
    int fd = s->fd;

    CHECK_EQ(close_in_use(s), 0);
    return weft_close(fd);
}

static ssize_t close_the_next_file(struct scene *s)
{
    int fds[2], fd = s->fd;

    pipe_pair(fds);
    CHECK_EQ(close_in_use(s), 0);
    CHECK_EQ(dup2(fds[0], fd), fd);
    int rc = weft_close(fd);
    CHECK_EQ(fcntl(fd, F_GETFD), -1);
    close_both(fds);
    return rc;
}

static ssize_t close_past_the_deadline(struct scene *s)
{
    struct weft_co *reader = start_reader(s);
    ssize_t rc = -1;

    WEFT_DEADLINE (d, -1)
        rc = s->call(s);
    CHECK_EQ(join_call(reader), -EBADF);
    return rc;
}

static ssize_t close_cancelled(struct scene *s)
{
    struct weft_co *reader = start_reader(s);
    ssize_t rc = -1;

    WEFT_SCOPE (scope) {
        weft_scope_cancel(&scope);
        rc = s->call(s);
    }
    CHECK_EQ(join_call(reader), -EBADF);
    return rc;
}

static ssize_t close_by_two(struct scene *s)
{
    int fd = s->fd;
    struct weft_co *reader = start_reader(s), *a = start_call(s);
    int rc = weft_close(fd);
    ssize_t other = join_call(a);

    CHECK_EQ(join_call(reader), -EBADF);
    s->fd = -1;
    CHECK_EQ(rc + other, -EBADF); /* one of them has closed it */
    return rc + other;
}

static ssize_t close_foreign(struct scene *s)
{
    (void)s;
    for (int i = 0; i < COUNT(kinds); i++) {
        int fds[2];
        if (kinds[i].make == pty_pair && access("/dev/ptmx", R_OK | W_OK) != 0)
            continue;
        kinds[i].make(fds);
        close_both(fds);
    }
    return 0;
}

static ssize_t bad_close(struct scene *s)
{
    (void)s;
    CHECK_EQ(weft_close(9999), -EBADF);
    return weft_close(-1);
}

#define CLOSE_CELLS                                                                                \
    {                                                                                              \
        [WOULD_BLOCK] = GIVES(close_in_use, 0), [PARTIAL] = NO_BYTES,                              \
        [END] = GIVES(close_after_end, 0), [RESET] = GIVES(close_after_reset, 0),                  \
        [INTERRUPTED] = GIVES(close_under_signals, 0), [CLOSED] = GIVES(close_twice, -EBADF),      \
        [REUSED] = GIVES(close_the_next_file, 0), [DEADLINE] = GIVES(close_past_the_deadline, 0),  \
        [CANCEL] = GIVES(close_cancelled, 0), [TWO_WAITERS] = GIVES(close_by_two, -EBADF),         \
        [FOREIGN] = GIVES(close_foreign, 0), [HUGE] = NO_BYTES, [ZERO] = NO_BYTES,                 \
        [BAD] = GIVES(bad_close, -EBADF),                                                          \
    }

#endif
