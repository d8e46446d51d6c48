/* SPDX-License-Identifier: MIT */
/* net_test.h - what tests of I/O share: connected pairs, and looking at what is in flight. */
#ifndef WEFT_NET_TEST_H
#define WEFT_NET_TEST_H

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "co_test.h"
#include "sched/sched.h"

/* No test waits longer than this for something that must happen. */
#define LONG_NS (10 * WEFT_SEC * test_scale())

/* Operations that the reactor of this runtime holds. */
TEST_FN int in_flight(void)
{
    return (int)weft__reactors_in_flight(&weft_runtime_current()->reactors);
}

/* Waits until exactly n operations are in flight: those who wait have then reached their wait. */
TEST_FN void await_in_flight(int n)
{
    const int64_t until = weft_now() + LONG_NS;

    while (in_flight() != n && weft_now() < until)
        CHECK_EQ(weft_sleep(50 * WEFT_US), 0);
    CHECK_EQ(in_flight(), n);
}

#ifdef WEFT_LIBKQUEUE
/* It has pipes and nameless things with low numbers for each queue, and closes them late. */
TEST_FN bool may_be_libkqueues(const char *number)
{
    char path[64], what[64] = "";

    snprintf(path, sizeof path, "/proc/self/fd/%.20s", number);
    (void)!readlink(path, what, sizeof what - 1);
    return strncmp(what, "pipe:", 5) == 0 || strncmp(what, "anon_inode:", 11) == 0;
}
#else
#define may_be_libkqueues(number) false
#endif

/* How many fds the process has open; beside a runtime, but for its own: relief processors come when
 * they will. */
TEST_FN int open_fds(void)
{
    enum { OURS_FROM = 640 }; /* base/sys_fd.c */
    const bool beside_a_runtime = weft_runtime_current() != NULL;
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    CHECK(dir != NULL);
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        n += (!beside_a_runtime || atoi(e->d_name) < OURS_FROM) && !may_be_libkqueues(e->d_name);
    closedir(dir);
    return n;
}

/* A listener on a free port of 127.0.0.1; *addr tells where. */
TEST_FN int listen_tcp(struct weft_addr *addr)
{
    int fd = weft_listen("127.0.0.1:0");

    CHECK_GE(fd, 0);
    CHECK_EQ(weft_local_addr(fd, addr), 0);
    return fd;
}

/* Two ends of one TCP connection. */
TEST_FN void tcp_pair(int fds[2])
{
    struct weft_addr addr;
    int listener = listen_tcp(&addr);

    fds[0] = weft_dial_addr(&addr);
    CHECK_GE(fds[0], 0);
    fds[1] = weft_accept(listener, NULL);
    CHECK_GE(fds[1], 0);
    CHECK_EQ(weft_close(listener), 0);
}

TEST_FN void unix_pair(int fds[2])
{
    CHECK_EQ(weft_socket_pair(fds), 0);
}

/* Pairs that somebody else made; fds[0] is read, fds[1] is written. */
TEST_FN void pipe_pair(int fds[2])
{
    CHECK_EQ(pipe(fds), 0);
}

TEST_FN void foreign_pair(int fds[2])
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
}

TEST_FN void close_both(const int fds[2])
{
    CHECK_EQ(weft_close(fds[0]), 0);
    CHECK_EQ(weft_close(fds[1]), 0);
}

/* The next connection will be reset by its close. */
TEST_FN void set_reset_on_close(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
}

/* Writes until the fd takes no more; returns how many bytes it took.  TCP makes room again when
 * what is under way has arrived, and after some 200 ms by what still fits the other side: so the
 * buffer of a socket is made smaller than what is in it. */
TEST_FN size_t fill(int fd)
{
    static const char zeros[4096];
    size_t sum = 0;
    int flags = fcntl(fd, F_GETFL);
    ssize_t n;

    CHECK_EQ(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
    while ((n = write(fd, zeros, sizeof zeros)) > 0)
        sum += (size_t)n;
    const int less = (int)(sum / 4); /* the kernel doubles it */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &less, sizeof less);
    while ((n = write(fd, zeros, 1)) > 0)
        sum += (size_t)n;
    CHECK_EQ(fcntl(fd, F_SETFL, flags), 0);
    return sum;
}

/* The same bytes at the same offset for everybody. */
TEST_FN unsigned char pattern(uint64_t offset)
{
    return (unsigned char)(offset ^ offset >> 8 ^ offset >> 16 ^ 0x5a);
}

#endif
