/* SPDX-License-Identifier: MIT */
/*
 * hangup.c - the other ways to close a connection: lingering and aborting.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include "io_kinds.h"

#define MUCH 300000

struct peer {
    int fd;
    ssize_t got;
};

/* Reads all, slowly, and closes. */
static int read_all(void *arg)
{
    struct peer *p = arg;
    char buf[5000];
    ssize_t n;

    p->got = 0;
    while ((n = weft_read(p->fd, buf, sizeof buf)) > 0) {
        p->got += n;
        weft_yield();
    }
    p->got = n < 0 ? n : p->got;
    CHECK_EQ(weft_close(p->fd), 0);
    return 0;
}

/* Goal: what was written before a lingering close arrives, although the peer had sent something
 * that nobody has read: a plain close would reset the connection. */
CO_TEST(a_lingering_close_loses_nothing)
{
    static char text[MUCH];

    for (int k = 0; k < 2; k++) {
        int fds[2];
        kinds[k].make(fds);
        struct peer peer = {.fd = fds[1]};
        CHECK_EQ(weft_write_full(fds[1], text, 1000), 1000);
        struct weft_co *reader = weft_go_with(read_all, &peer);
        CHECK_EQ(weft_write_full(fds[0], text, MUCH), MUCH);
        CHECK_EQ(weft_close_linger(fds[0], WEFT_NEVER), 0);
        join(reader);
        CHECK_EQ(peer.got, MUCH);
        CHECK_EQ(weft_close(fds[0]), -EBADF);
    }
    return 0;
}

static int close_lingering(void *fd)
{
    return weft_close_linger((int)(intptr_t)fd, WEFT_NEVER) == -ECANCELED ? 0 : 1;
}

/* Goal: it waits for the peer as long as it may, by its limit, a deadline around it or a cancel,
 * and closes whatever ends it. */
CO_TEST(a_lingering_close_ends_in_time_and_has_closed)
{
    int before = open_fds(), fds[2];

    tcp_pair(fds);
    CHECK_EQ(weft_close_linger(fds[0], WEFT_MS), -ETIMEDOUT);
    CHECK_EQ(weft_close(fds[0]), -EBADF);
    CHECK_EQ(weft_close(fds[1]), 0);
    tcp_pair(fds);
    WEFT_DEADLINE (soon, WEFT_MS) {
        CHECK_EQ(weft_close_linger(fds[0], WEFT_NEVER), -ETIMEDOUT);
        CHECK_EQ(weft_scope_cause(&soon), WEFT_CAUSE_THIS);
    }
    CHECK_EQ(weft_close(fds[0]), -EBADF);
    CHECK_EQ(weft_close(fds[1]), 0);
    tcp_pair(fds);
    struct weft_co *co = weft_go_with(close_lingering, (void *)(intptr_t)fds[0]);
    await_in_flight(1);
    weft_cancel(co);
    join(co);
    CHECK_EQ(weft_close(fds[0]), -EBADF);
    CHECK_EQ(weft_close(fds[1]), 0);
    pipe_pair(fds);
    CHECK_EQ(weft_close_linger(fds[0], WEFT_NEVER), -ENOTSOCK);
    CHECK_EQ(weft_close(fds[1]), 0);
    CHECK_EQ(weft_close_linger(-1, 0), -EBADF);
    CHECK_EQ(open_fds(), before);
    return 0;
}

/* Goal: a peer that never stops sending does not keep it: when the time is over it reads no more,
 * although there is something.  Method: what is unread at a close resets a UNIX connection. */
CO_TEST(a_lingering_close_is_not_kept_by_a_flood)
{
    static char text[20000];
    int fds[2];

    unix_pair(fds);
    CHECK_EQ(weft_write_full(fds[1], text, sizeof text), sizeof text);
    CHECK_EQ(weft_close_linger(fds[0], 0), -ETIMEDOUT);
    CHECK_EQ(weft_read(fds[1], text, 1), -ECONNRESET);
    CHECK_EQ(weft_close(fds[1]), 0);
    return 0;
}

/* Goal: an aborting close resets the connection: the peer gets no end, and what it has not been
 * given is gone.  It also ends the calls that wait. */
CO_TEST(an_aborting_close_resets_the_connection)
{
    int fds[2];

    tcp_pair(fds);
    struct peer reader = {.fd = fds[1]};
    struct weft_co *co = weft_go_with(read_all, &reader);
    await_in_flight(1);
    CHECK_EQ(weft_close_abort(fds[0]), 0);
    join(co);
    CHECK_EQ(reader.got, -ECONNRESET);
    CHECK_EQ(weft_close(fds[0]), -EBADF);
    CHECK_EQ(weft_close_abort(-1), -EBADF);
    return 0;
}

static int wait_for_a_byte(void *fd)
{
    char byte;
    return weft_read((int)(intptr_t)fd, &byte, 1) == -EBADF ? 0 : 1;
}

CO_TEST(an_aborting_close_ends_those_who_wait)
{
    int fds[2];
    char byte;

    tcp_pair(fds);
    struct weft_co *co = weft_go_with(wait_for_a_byte, (void *)(intptr_t)fds[0]);
    await_in_flight(1);
    CHECK_EQ(weft_close_abort(fds[0]), 0);
    join(co);
    CHECK_EQ(weft_read(fds[1], &byte, 1), -ECONNRESET);
    CHECK_EQ(weft_close(fds[1]), 0);
    return 0;
}

CO_TEST(what_is_no_tcp_is_just_closed)
{
    int fds[2];
    char byte;

    for (int k = 1; k < 3; k++) {
        kinds[k].make(fds);
        CHECK_EQ(weft_close_abort(fds[1]), 0);
        CHECK_EQ(weft_read(fds[0], &byte, 1), 0);
        CHECK_EQ(weft_close(fds[0]), 0);
    }
    return 0;
}
