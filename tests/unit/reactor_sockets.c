/* SPDX-License-Identifier: MIT */
/* reactor_sockets.c - the conformance suite of the drivers, second part: connections and their end.
 *
 * matrix: once
 */
#define _GNU_SOURCE
#include "reactor_rig.h"

/* ---- Connections. ---- */

static int listen_unix(struct sockaddr_storage *addr, socklen_t *len)
{
    struct sockaddr_un *un = (struct sockaddr_un *)addr;
    memset(addr, 0, sizeof *addr);
    un->sun_family = AF_UNIX;
    /* An abstract name: nothing is left in the file system. */
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                       (size_t)snprintf(un->sun_path + 1, 64, "weft-reactor-%d", getpid()));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)addr, *len), 0);
    CHECK_EQ(listen(fd, 1), 0);
    return fd;
}

static int listen_on(int family, struct sockaddr_storage *addr, socklen_t *len)
{
    int fd = family == AF_UNIX ? listen_unix(addr, len) : listen_tcp(family, addr, len);
    CHECK_EQ(weft__fd_adopt(&group.fds, fd), 0);
    return fd;
}

static int own_socket(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_GE(fd, 0);
    CHECK_EQ(weft__fd_adopt(&group.fds, fd), 0);
    return fd;
}

static ssize_t connect_by_op(int fd, struct sockaddr_storage *addr, socklen_t len)
{
    struct task t;
    prepare(&t, WEFT__OP_CONNECT, fd);
    t.op.addr = (struct sockaddr *)addr;
    t.op.addr_len = &len;
    int rc = submit(0, &t);
    return rc == 0 ? await(0, &t) : rc == 1 ? t.op.result : rc;
}

static const int families[] = {AF_INET, AF_INET6, AF_UNIX};

/* Goal: an accept waits for a connection, tells who it is, and gives a blocking close-on-exec fd;
 * a connect gives a connection on a socket that blocks as before. */
ON_BOTH(accept_and_connect_meet)
{
    start(uring, 1);
    for (size_t i = 0; i < 3; i++) {
        struct sockaddr_storage addr, peer;
        socklen_t len, peer_len = sizeof peer;
        struct task t;
        int listener = listen_on(families[i], &addr, &len);
        int client = own_socket(families[i]);
        prepare(&t, WEFT__OP_ACCEPT, listener);
        t.op.addr = (struct sockaddr *)&peer;
        t.op.addr_len = &peer_len;
        CHECK_EQ(weft__op_try(&t.op, true), -EAGAIN);
        CHECK_EQ(submit(0, &t), 0);
        expect_quiet(0);
        CHECK_EQ(connect_by_op(client, &addr, len), 0);
        int served = (int)await(0, &t);
        CHECK_GE(served, 0);
        CHECK_EQ(peer.ss_family, families[i]);
        CHECK_EQ(fcntl(served, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        CHECK_EQ(fcntl(served, F_GETFL) & O_NONBLOCK, 0);
        CHECK_EQ(fcntl(client, F_GETFL) & O_NONBLOCK, 0);
        CHECK_EQ(weft__fd_adopt(&group.fds, served), 0);
        put(client, "hi");
        drain(served, 2);
        int all[] = {listener, client, served};
        for (int k = 0; k < 3; k++) {
            CHECK_EQ(close_by_op(0, all[k]), 0);
        }
    }
    stop();
}

/* Goal: a connect that fails says why, and one that gets no answer can be cancelled.
 * Method: a closed port; a listener whose queue is full, to which the kernel does not answer. */
ON_BOTH(connect_tells_what_became_of_it)
{
    start(uring, 1);
    for (size_t i = 0; i < 2; i++) {
        struct sockaddr_storage addr;
        socklen_t len;
        int listener = listen_on(families[i], &addr, &len);
        CHECK_EQ(listen(listener, 0), 0);
        struct task t;
        int clients[8];
        int n = 0;
        for (;; n++) {
            CHECK_LT(n, 8);
            clients[n] = own_socket(families[i]);
            prepare(&t, WEFT__OP_CONNECT, clients[n]);
            t.op.addr = (struct sockaddr *)&addr;
            t.op.addr_len = &len;
            CHECK_GE(submit(0, &t), 0);
            for (int k = 0; k < 20 && t.op.fd_prev != NULL; k++) {
                wait_once(0, after_ms(1));
            }
            if (t.op.fd_prev != NULL) {
                break;
            }
            CHECK_EQ(t.op.result, 0);
        }
        CHECK_GT(n, 0);
        driver->cancel(&group.reactors[0], &t.op, -ETIMEDOUT);
        CHECK_EQ(await(0, &t), -ETIMEDOUT);
        for (; n >= 0; n--) {
            CHECK_EQ(close_by_op(0, clients[n]), 0);
        }
        CHECK_EQ(close_by_op(0, listener), 0);
        int late = own_socket(families[i]);
        CHECK_EQ(connect_by_op(late, &addr, len), -ECONNREFUSED);
        CHECK_EQ(close_by_op(0, late), 0);
    }
    stop();
}

/* Goal: a UNIX listener that is full is reported, not waited for in vain, and nothing has begun. */
ON_BOTH(a_full_unix_listener_says_try_again)
{
    struct sockaddr_storage addr;
    socklen_t len;
    start(uring, 1);
    int listener = listen_on(AF_UNIX, &addr, &len);
    int clients[8];
    int n = 0;
    ssize_t rc = 0;
    while (rc == 0) {
        CHECK_LT(n, 8);
        clients[n] = own_socket(AF_UNIX);
        rc = connect_by_op(clients[n++], &addr, len);
    }
    CHECK_EQ(rc, -EAGAIN);
    int served = accept(listener, NULL, NULL);
    CHECK_GE(served, 0);
    CHECK_EQ(close(served), 0);
    CHECK_EQ(connect_by_op(clients[n - 1], &addr, len), 0);
    while (n > 0) {
        CHECK_EQ(close_by_op(0, clients[--n]), 0);
    }
    CHECK_EQ(close_by_op(0, listener), 0);
    CHECK_EQ(connect_by_op(listener, &addr, len), -EBADF);
    stop();
}

/* Goal: no connection is lost by the cancel of an accept: it is accepted, or still in the queue. */
ON_BOTH(cancel_of_an_accept_loses_no_connection)
{
    struct sockaddr_storage addr;
    socklen_t len;
    start(uring, 1);
    int listener = listen_on(AF_INET, &addr, &len);
    for (int i = 0; i < 300; i++) {
        struct task t;
        int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        prepare(&t, WEFT__OP_ACCEPT, listener);
        CHECK_EQ(submit(0, &t), 0);
        if (i % 3 > 0) {
            wait_once(0, 0);
        }
        CHECK_EQ(connect(client, (struct sockaddr *)&addr, len), 0);
        if (i % 3 > 1) {
            wait_once(0, 0);
        }
        driver->cancel(&group.reactors[0], &t.op, -ECANCELED);
        int served = (int)await(0, &t);
        if (served == -ECANCELED) {
            prepare(&t, WEFT__OP_ACCEPT, listener);
            served = (int)carry_out(0, &t);
        }
        CHECK_GE(served, 0);
        CHECK_EQ(close(served), 0);
        CHECK_EQ(close(client), 0);
        prepare(&t, WEFT__OP_ACCEPT, listener);
        CHECK_EQ(weft__op_try(&t.op, true), -EAGAIN);
    }
    CHECK_EQ(close_by_op(0, listener), 0);
    stop();
}

/* Goal: a reset is -ECONNRESET for a waiting read; a write after it is -EPIPE, and no signal. */
ON_BOTH(a_reset_is_an_error_and_no_signal)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    start(uring, 1);
    for (size_t i = 0; i < 2; i++) {
        int fds[2];
        struct task t;
        make_pair(&pair_kinds[i], fds);
        prepare(&t, WEFT__OP_READ, fds[0]);
        CHECK_EQ(submit(0, &t), 0);
        expect_quiet(0);
        CHECK_EQ(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
        CHECK_EQ(close_by_op(0, fds[1]), 0);
        CHECK_EQ(await(0, &t), -ECONNRESET);
        prepare(&t, WEFT__OP_WRITE, fds[0]);
        int rc = submit(0, &t); /* without a try, so that the driver makes the call */
        CHECK_EQ(rc == 0 ? await(0, &t) : rc == 1 ? t.op.result : rc, -EPIPE);
        prepare(&t, WEFT__OP_WRITEV, fds[0]);
        struct iovec one = {"x", 1};
        t.op.iov = &one;
        t.op.iov_count = 1;
        CHECK_EQ(carry_out(0, &t), -EPIPE);
        CHECK_EQ(close_by_op(0, fds[0]), 0);
    }
    stop();
}

/* ---- Close. ---- */

/* Goal: a close ends all that is in flight, from whichever reactor, each reported once with
 * -EBADF; the peer sees the end within 100 ms; the number is free for another life.
 * Method: reads, polls and a cancelled read wait at two reactors; the first closes. */
ON_BOTH(close_ends_what_is_in_flight_and_the_peer_sees_it)
{
    start(uring, 2);
    for (size_t k = 0; k < sizeof pair_kinds / sizeof pair_kinds[0]; k++) {
        for (int sent = 0; sent < 2; sent++) {
            int fds[2];
            struct task t[8], closing, late;
            make_pair(&pair_kinds[k], fds);
            for (int i = 0; i < 8; i++) {
                prepare(&t[i], i < 4 ? WEFT__OP_READ : WEFT__OP_POLL, fds[0]);
                if (i >= 4) {
                    t[i].op.events = POLLIN;
                }
                CHECK_EQ(submit(i & 1, &t[i]), 0);
            }
            if (sent) {
                expect_quiet(0);
                expect_quiet(1);
            }
            driver->cancel(&group.reactors[0], &t[1].op, -ETIMEDOUT);
            int64_t begin = weft__clock_ns();
            prepare(&closing, WEFT__OP_CLOSE, fds[0]);
            int rc = submit(0, &closing);
            CHECK_GE(rc, 0);
            if (rc == 0) {
                prepare(&late, WEFT__OP_READ, fds[0]);
                CHECK_EQ(submit(0, &late), -EBADF);
                prepare(&late, WEFT__OP_CLOSE, fds[0]);
                CHECK_EQ(submit(1, &late), -EBADF);
            }
            for (int i = 0; i < 8; i++) {
                while (!is_done(&t[i])) {
                    wait_once(0, after_ms(1));
                    wait_once(1, after_ms(1));
                }
                CHECK_EQ(await(0, &t[i]), i == 1 ? -ETIMEDOUT : -EBADF);
            }
            CHECK_EQ(rc == 1 ? closing.op.result : await(0, &closing), 0);
            CHECK_EQ(fcntl(fds[0], F_GETFD), -1);
            CHECK(!weft__fd_is_own(&group.fds, fds[0]));
            struct pollfd p = {.fd = fds[1], .events = POLLIN};
            CHECK_EQ(poll(&p, 1, 1000 * (int)test_scale()), 1);
            CHECK_LT(weft__clock_ns() - begin, INT64_C(10000000000) * test_scale());
            CHECK_EQ(close_by_op(0, fds[1]), 0);
            for (int i = 0; i < 8; i++) {
                CHECK_EQ(t[i].n_reports, 1);
            }
        }
    }
    stop();
}

/* Goal: a closed fd troubles nobody any more, even if a dup keeps the connection open.
 * Method: let it be registered, dup it, close it, and let the peer send: the wait that follows
 * lasts until its deadline. */
ON_BOTH(a_closed_fd_wakes_nobody_though_a_dup_lives)
{
    start(uring, 1);
    for (size_t k = 0; k < 5; k++) {
        int fds[2];
        struct task t;
        make_pair(&pair_kinds[k], fds);
        prepare(&t, WEFT__OP_READ, fds[0]);
        CHECK_EQ(submit(0, &t), 0);
        expect_quiet(0);
        int dup = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
        CHECK_EQ(close_by_op(0, fds[0]), 0);
        while (!is_done(&t)) {
            wait_once(0, after_ms(1000));
        }
        put(fds[1], "x");
        int64_t deadline = after_ms(5);
        CHECK_EQ(wait_once(0, deadline), 0);
        CHECK_GE(weft__clock_ns(), deadline);
        CHECK_EQ(close(dup), 0);
        CHECK_EQ(close_by_op(0, fds[1]), 0);
    }
    stop();
}
