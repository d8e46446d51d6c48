/* SPDX-License-Identifier: MIT */
/* net_options.c - what sockets can be told: no delay, keep-alive, buffers, several listeners. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

#include "net_test.h"
#include "no_lookout.h" /* which makes reactors, and so fds */

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;

    CHECK_EQ(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

CO_TEST(options_reach_the_socket)
{
    int tcp[2], local[2];

    tcp_pair(tcp);
    unix_pair(local);
    CHECK_EQ(weft_set_nodelay(tcp[0], true), 0);
    CHECK_EQ(option(tcp[0], IPPROTO_TCP, TCP_NODELAY), 1);
    CHECK_EQ(weft_set_nodelay(tcp[0], false), 0);
    CHECK_EQ(option(tcp[0], IPPROTO_TCP, TCP_NODELAY), 0);
    CHECK_EQ(weft_set_nodelay(local[0], true), -EOPNOTSUPP);

    CHECK_EQ(weft_set_keepalive(tcp[0], 1, 2 * WEFT_SEC + 1, 5), 0); /* rounded up */
    CHECK_EQ(option(tcp[0], SOL_SOCKET, SO_KEEPALIVE), 1);
    CHECK_EQ(option(tcp[0], IPPROTO_TCP, TCP_KEEPIDLE), 1);
    CHECK_EQ(option(tcp[0], IPPROTO_TCP, TCP_KEEPINTVL), 3);
    CHECK_EQ(option(tcp[0], IPPROTO_TCP, TCP_KEEPCNT), 5);
    CHECK_EQ(weft_set_keepalive(tcp[0], 7 * WEFT_SEC, 0, 0), 0); /* the rest stays */
    CHECK_EQ(option(tcp[0], IPPROTO_TCP, TCP_KEEPIDLE), 7);
    CHECK_EQ(option(tcp[0], IPPROTO_TCP, TCP_KEEPINTVL), 3);
    CHECK_EQ(option(tcp[0], IPPROTO_TCP, TCP_KEEPCNT), 5);
    CHECK_EQ(weft_set_keepalive(tcp[0], 0, 0, 0), 0);
    CHECK_EQ(option(tcp[0], SOL_SOCKET, SO_KEEPALIVE), 0);
    CHECK_EQ(weft_set_keepalive(tcp[0], -1, 0, 0), -EINVAL);
    CHECK_EQ(weft_set_keepalive(tcp[0], WEFT_SEC, -1, 0), -EINVAL);
    CHECK_EQ(weft_set_keepalive(tcp[0], WEFT_SEC, 0, -1), -EINVAL);
    CHECK_EQ(weft_set_keepalive(tcp[0], WEFT_NEVER, 0, 0), -EINVAL);
    CHECK_EQ(weft_set_keepalive(local[0], WEFT_SEC, 0, 0), -EOPNOTSUPP);
    CHECK_EQ(weft_set_keepalive(local[0], 0, 0, 0), -EOPNOTSUPP);

    int send_bytes = option(tcp[1], SOL_SOCKET, SO_SNDBUF);
    CHECK_EQ(weft_set_buffers(tcp[1], 10000, 0), 0);
    CHECK_GE(option(tcp[1], SOL_SOCKET, SO_RCVBUF), 10000);
    CHECK_LE(option(tcp[1], SOL_SOCKET, SO_RCVBUF), 40000);
    CHECK_EQ(option(tcp[1], SOL_SOCKET, SO_SNDBUF), send_bytes);
    CHECK_EQ(weft_set_buffers(tcp[1], 0, 9000), 0);
    CHECK_LE(option(tcp[1], SOL_SOCKET, SO_SNDBUF), 36000);
    CHECK_EQ(weft_set_buffers(tcp[1], SIZE_MAX, 0), -EINVAL);
    CHECK_EQ(weft_set_buffers(tcp[1], 0, SIZE_MAX), -EINVAL);
    close_both(tcp);
    close_both(local);
    return 0;
}

/* Goal: what must be set before the first packet is set by the options of the two that begin. */
CO_TEST(options_of_listen_and_dial_reach_the_connection)
{
    struct weft_addr addr;

    CHECK_EQ(weft_addr_parse(&addr, "127.0.0.1:0"), 0);
    int listener =
        weft_listen_with(&addr, .recv_bytes = 10000, .send_bytes = 9000, .defer_accept_ns = 1);
    CHECK_GE(listener, 0);
    CHECK_GT(option(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
    CHECK_EQ(weft_local_addr(listener, &addr), 0);
    char text[WEFT_ADDR_TEXT_MAX];
    int fd = weft_dial_with(weft_addr_format(&addr, text, sizeof text), .recv_bytes = 10000);
    CHECK_GE(fd, 0);
    CHECK_EQ(weft_write(fd, "x", 1), 1);
    int peer = weft_accept(listener, NULL);
    CHECK_GE(peer, 0);
    CHECK_LE(option(peer, SOL_SOCKET, SO_RCVBUF), 40000);
    CHECK_LE(option(peer, SOL_SOCKET, SO_SNDBUF), 36000);
    CHECK_LE(option(fd, SOL_SOCKET, SO_RCVBUF), 40000);
    close_both((int[]){fd, peer});
    CHECK_EQ(weft_close(listener), 0);
    return 0;
}

CO_TEST(options_that_make_no_sense_are_refused)
{
    int before = open_fds();
    struct weft_addr tcp, local;

    CHECK_EQ(weft_addr_parse(&tcp, "127.0.0.1:0"), 0);
    CHECK_EQ(weft_addr_parse(&local, "unix:@weft-options"), 0);
    CHECK_EQ(weft_listen_with(&tcp, .defer_accept_ns = -1), -EINVAL);
    CHECK_EQ(weft_listen_with(&tcp, .recv_bytes = SIZE_MAX), -EINVAL);
    CHECK_EQ(weft_listen_with(&local, .defer_accept_ns = 1), -EOPNOTSUPP);
    CHECK_EQ(weft_dial_with("127.0.0.1:1", .send_bytes = SIZE_MAX), -EINVAL);
    CHECK_EQ(open_fds(), before);
    return 0;
}

/* Goal: a connection that sends nothing is not accepted before its time. */
CO_TEST(a_deferred_connection_is_accepted_with_its_first_bytes)
{
    struct weft_addr addr;

    CHECK_EQ(weft_addr_parse(&addr, "127.0.0.1:0"), 0);
    int listener = weft_listen_with(&addr, .defer_accept_ns = 600 * WEFT_SEC);
    CHECK_GE(listener, 0);
    CHECK_EQ(weft_local_addr(listener, &addr), 0);
    int fd = weft_dial_addr(&addr);
    CHECK_GE(fd, 0);
    WEFT_DEADLINE (soon, 20 * WEFT_MS)
        CHECK_EQ(weft_accept(listener, NULL), -ETIMEDOUT);
    CHECK_EQ(weft_write(fd, "x", 1), 1);
    int peer = weft_accept(listener, NULL);
    CHECK_GE(peer, 0);
    close_both((int[]){fd, peer});
    CHECK_EQ(weft_close(listener), 0);
    return 0;
}

struct acceptor {
    int listener;
    atomic_int *n_accepted;
    atomic_int where; /* the processor on which it began */
};

static int accept_until_closed(void *arg)
{
    struct acceptor *a = arg;
    int fd;

    a->where = weft_thread_index();
    while ((fd = weft_accept(a->listener, NULL)) >= 0) {
        atomic_fetch_add(a->n_accepted, 1);
        CHECK_EQ(weft_close(fd), 0);
    }
    CHECK_EQ(fd, -EBADF);
    return 0;
}

/* Goal: as many listeners as processors at one port, each with an acceptor of its own, take all
 * connections between them. */
CO_TEST(a_listener_for_each_processor)
{
    enum { N = 32, MOST = 16 };
    int procs = weft_runtime_procs(NULL), n = procs < MOST ? procs : MOST;
    int fds[MOST], clients[N];
    struct acceptor acceptors[MOST];
    struct weft_co *co[MOST];
    struct weft_addr addr, one;
    atomic_int n_accepted = 0;
    char byte;

    CHECK_EQ(weft_addr_parse(&addr, "127.0.0.1:0"), 0);
    CHECK_EQ(weft_listen_each(&addr, NULL, fds, n), 0);
    CHECK_EQ(weft_local_addr(fds[0], &addr), 0);
    for (int k = 0; k < n; k++) {
        CHECK_EQ(weft_local_addr(fds[k], &one), 0);
        CHECK_EQ(weft_addr_port(&one), weft_addr_port(&addr));
        acceptors[k] = (struct acceptor){.listener = fds[k], .n_accepted = &n_accepted};
        co[k] = weft_go_with(accept_until_closed, &acceptors[k], .on_p = WEFT_ON_P(k), .pinned = 1);
    }
    for (int i = 0; i < N; i++) {
        clients[i] = weft_dial_addr(&addr);
        CHECK_GE(clients[i], 0);
    }
    for (int i = 0; i < N; i++) {
        CHECK_EQ(weft_read(clients[i], &byte, 1), 0);
        CHECK_EQ(weft_close(clients[i]), 0);
    }
    CHECK_EQ(atomic_load(&n_accepted), N);
    for (int k = 0; k < n; k++) {
        CHECK_EQ(weft_close(fds[k]), 0);
        join(co[k]);
    }
    return 0;
}

CO_TEST(of_several_listeners_all_are_open_or_none)
{
    struct weft_addr addr, local;
    int fds[3], before = open_fds();

    CHECK_EQ(weft_addr_parse(&local, "unix:@weft-each"), 0);
    CHECK_EQ(weft_listen_each(&local, NULL, fds, 2), -EOPNOTSUPP);
    CHECK_EQ(weft_listen_each(&local, NULL, fds, 0), -EINVAL);
    int taken = listen_tcp(&addr);
    CHECK_EQ(weft_listen_each(&addr, NULL, fds, 3), -EADDRINUSE);
    CHECK_EQ(weft_close(taken), 0);
    CHECK_EQ(open_fds(), before);
    struct rlimit all, two;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &all), 0);
    two = all;
    two.rlim_cur = (rlim_t)dup(0);
    CHECK_EQ(close((int)two.rlim_cur), 0);
    two.rlim_cur += 2;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &two), 0);
    CHECK_EQ(weft_listen_each(&addr, NULL, fds, 3), -EMFILE);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &all), 0);
    CHECK_EQ(open_fds(), before);
    CHECK_EQ(weft_listen_each(&local, NULL, fds, 1), 0);
    CHECK_EQ(weft_close(fds[0]), 0);
    return 0;
}
