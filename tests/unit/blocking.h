/* SPDX-License-Identifier: MIT */
/*
 * blocking.h - every call of the library that can block, where it would for ever: for the tests
 * that end those waits.
 */
#ifndef WEFT_TESTS_BLOCKING_H
#define WEFT_TESTS_BLOCKING_H

#include <poll.h>
#include <sys/socket.h>

#include "co_test.h"

struct world {
    chan *empty, *full;
    struct weft_mutex *held;
    struct weft_wait_group *wg;
    struct weft_co *sleeper;
    struct weft_ticker *slow;
    int fd[2], listener, full_fd;
};

TEST_FN int blocking_hold(void *arg)
{
    struct world *w = arg;

    CHECK_EQ(weft_mutex_lock(w->held), 0);
    CHECK_EQ(chan_recv(w->empty, NULL), -EPIPE);
    weft_mutex_unlock(w->held);
    return 0;
}

TEST_FN int select_nothing(struct world *w)
{
    struct weft_case cases[] = {weft_case_recv(w->empty, NULL), weft_case_send(w->full, NULL),
                                weft_case_readable(w->fd[1]), weft_case_join(w->sleeper, NULL)};
    return chan_select(cases, COUNT(cases));
}

/* Every call of this library that can block, where it would for ever; its result. */
TEST_FN ssize_t block_in(struct world *w, int call)
{
    char buf[16] = "";
    struct iovec iov = {buf, sizeof buf};

    switch (call) {
    case 0:
        return chan_recv(w->empty, NULL);
    case 1:
        return chan_send(w->full, NULL);
    case 2:
        return chan_recv(NULL, NULL);
    case 3:
        return weft_sleep(WEFT_SEC * 1000);
    case 4:
        return weft_sleep_until(WEFT_NEVER);
    case 5:
        return weft_ticker_wait(w->slow);
    case 6:
        return weft_join(w->sleeper, NULL);
    case 7:
        return weft_mutex_lock(w->held);
    case 8:
        return weft_wg_wait(w->wg);
    case 9:
        return weft_read(w->fd[1], buf, sizeof buf);
    case 10:
        return weft_read_full(w->fd[1], buf, sizeof buf);
    case 11:
        return weft_readv(w->fd[1], &iov, 1);
    case 12:
        return weft_write(w->full_fd, buf, sizeof buf);
    case 13:
        return weft_write_full(w->full_fd, buf, sizeof buf);
    case 14:
        return weft_wait_fd(w->fd[1], POLLIN);
    case 15:
        return weft_accept(w->listener, NULL);
    case 16:
        return select_nothing(w);
    default:
        return 1;
    }
}

TEST_FN void build(struct world *w)
{
    char block[4096] = "";
    int pair[2];

    w->empty = chan_make(0, 0);
    w->full = chan_make(0, 1);
    CHECK_EQ(chan_send(w->full, NULL), 0);
    w->held = weft_mutex_make();
    w->wg = weft_wg_make();
    weft_wg_add(w->wg, 1);
    w->slow = weft_ticker_make(WEFT_SEC * 1000, WEFT_TICK_SKIP);
    w->sleeper = weft_go_with(blocking_hold, w, .name = "holder");
    while (weft_mutex_try_lock(w->held) == 0) {
        weft_mutex_unlock(w->held);
        weft_yield();
    }
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, w->fd), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    w->full_fd = pair[0];
    while (write(w->full_fd, block, sizeof block) > 0)
        ;
    w->listener = weft_listen("127.0.0.1:0");
    CHECK_GE(w->listener, 0);
}

TEST_FN void destroy(struct world *w)
{
    chan_unref(w->empty);
    chan_unref(w->full);
    weft_mutex_free(w->held);
    weft_wg_free(w->wg);
    weft_ticker_free(w->slow);
    CHECK_EQ(weft_close(w->fd[0]), 0);
    CHECK_EQ(weft_close(w->fd[1]), 0);
    CHECK_EQ(weft_close(w->full_fd), 0);
    CHECK_EQ(weft_close(w->listener), 0);
}

#endif
