/* SPDX-License-Identifier: MIT */
/*
 * select_fd.c - fds in a select: with channels, timers and each other, ready, waited for, closed.
 *
 * After each select nothing of it may be left in flight: whatever lost leaves no trace.
 */
#define _GNU_SOURCE
#include "net_test.h"

static void (*const makers[])(int fds[2]) = {tcp_pair, unix_pair, pipe_pair, foreign_pair};

/* A second coroutine that does one thing once the select waits. */
enum thing { WRITE_TO_FD, DRAIN_FD, SEND_TO_CHAN, CLOSE_CHAN, CLOSE_FD };

struct later {
    enum thing thing;
    int fd, n_in_flight;
    size_t n_filled;
    chan *ch;
};

/* Reads all of it, by plain calls: no operation of ours is in flight.  What the sender's side still
 * holds comes when the kernel gets round to it. */
static void drain(int fd, size_t n_bytes)
{
    static char sink[1 << 16];
    struct pollfd wanted = {.fd = fd, .events = POLLIN};

    CHECK_EQ(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
    while (n_bytes > 0) {
        ssize_t n = read(fd, sink, sizeof sink);
        CHECK(n > 0 || errno == EAGAIN);
        if (n < 0)
            CHECK_EQ(poll(&wanted, 1, -1), 1);
        else
            n_bytes -= (size_t)n;
    }
}

static int do_later(void *arg)
{
    struct later *l = arg;
    int v = 42;

    await_in_flight(l->n_in_flight);
    switch (l->thing) {
    case WRITE_TO_FD: CHECK_EQ(weft_write(l->fd, "x", 1), 1); break;
    case DRAIN_FD: drain(l->fd, l->n_filled); break;
    case SEND_TO_CHAN: CHECK_EQ(chan_send(l->ch, &v), 0); break;
    case CLOSE_CHAN: chan_close(l->ch); break;
    case CLOSE_FD: CHECK_EQ(weft_close(l->fd), 0); break;
    }
    return 0;
}

/* Goal: of an fd to read, an fd to write, a channel and a timer, whichever comes first is chosen,
 * with its rc, and nothing is left in flight. */
CO_TEST(an_fd_waits_beside_channels_and_timers)
{
    for (int m = 0; m < COUNT(makers); m++) {
        for (int what = 0; what < 5; what++) {
            int in[2], out[2], v = 0;
            makers[m](in);
            makers[m](out);
            const size_t n_filled = fill(out[1]);
            chan *ch = chan_make(sizeof(int), 0);
            struct weft_case cases[] = {
                weft_case_readable(in[0]),
                weft_case_recv(ch, &v),
                weft_case_writable(out[1]),
                weft_case_after(what == 4 ? 5 * WEFT_MS : LONG_NS),
            };
            struct later l = {.n_in_flight = 2, .n_filled = n_filled, .ch = ch};
            struct weft_co *co = NULL;
            l.thing = (enum thing[]){WRITE_TO_FD, SEND_TO_CHAN, DRAIN_FD, CLOSE_CHAN, 0}[what];
            l.fd = what == 0 ? in[1] : out[0];
            if (what < 4)
                co = weft_go_with(do_later, &l);

            int chosen = weft_select(cases, 4);
            CHECK_EQ(in_flight(), 0);
            CHECK_EQ(chosen, ((int[]){0, 1, 2, 1, 3})[what]);
            CHECK_EQ(cases[chosen].rc, ((int[]){POLLIN, 0, POLLOUT, -EPIPE, 0})[what]);
            CHECK_EQ(v, what == 1 ? 42 : 0);
            if (co != NULL)
                join(co);
            chan_unref(ch);
            close_both(in);
            close_both(out);
        }
    }
    return 0;
}

/* Goal: what is ready at once is chosen without a wait; a default is taken if nothing is. */
CO_TEST(a_ready_fd_is_chosen_at_once)
{
    for (int m = 0; m < COUNT(makers); m++) {
        int fds[2];
        makers[m](fds);
        struct weft_case cases[] = {weft_case_readable(fds[0]), weft_case_default()};
        struct weft_case room[] = {weft_case_readable(fds[0]), weft_case_writable(fds[1]),
                                   weft_case_after(LONG_NS)};

        CHECK_EQ(weft_select(cases, 2), 1);
        CHECK_EQ(weft_select(room, 3), 1);
        CHECK_EQ(room[1].rc, POLLOUT);
        CHECK_EQ(weft_write(fds[1], "x", 1), 1);
        CHECK_EQ(weft_select(cases, 2), 0);
        CHECK_EQ(cases[0].rc, POLLIN);
        CHECK_EQ(in_flight(), 0);
        close_both(fds);
    }
    return 0;
}

/* Goal: among fds and channels that are all ready, each is chosen about as often. */
CO_TEST(ready_fds_and_channels_are_chosen_fairly)
{
    int a[2], b[2], v = 1, n[4] = {0}, times = scaled(2000);
    chan *ch = chan_make(sizeof(int), 1);

    unix_pair(a);
    pipe_pair(b);
    CHECK_EQ(weft_write(a[1], "x", 1), 1);
    for (int i = 0; i < times; i++) {
        struct weft_case cases[] = {weft_case_readable(a[0]), weft_case_writable(b[1]),
                                    weft_case_send(ch, &v), weft_case_after(0)};
        int chosen = weft_select(cases, 4);
        CHECK_GE(chosen, 0);
        n[chosen]++;
        if (chosen == 2)
            CHECK_EQ(chan_recv(ch, &v), 0);
    }
    for (int i = 0; i < 4; i++)
        CHECK_GT(n[i], times / 8);
    chan_unref(ch);
    close_both(a);
    close_both(b);
    return 0;
}

/* Goal: the same fd may stand in two cases, for both directions and twice for one. */
CO_TEST(one_fd_stands_in_several_cases)
{
    for (int m = 0; m < 2; m++) {
        int fds[2];
        makers[m](fds);
        fill(fds[0]);
        struct weft_case cases[] = {weft_case_readable(fds[0]), weft_case_writable(fds[0]),
                                    weft_case_readable(fds[0])};
        struct later l = {.thing = WRITE_TO_FD, .fd = fds[1], .n_in_flight = 3};
        struct weft_co *co = weft_go_with(do_later, &l);
        int chosen = weft_select(cases, 3);

        CHECK(chosen == 0 || chosen == 2);
        CHECK_EQ(cases[chosen].rc, POLLIN);
        CHECK_EQ(in_flight(), 0);
        join(co);
        close_both(fds);
    }
    return 0;
}

/* Goal: an fd that is closed meanwhile is chosen with -EBADF, one that is not open at once. */
CO_TEST(a_closed_fd_is_chosen_with_ebadf)
{
    for (int m = 0; m < COUNT(makers); m++) {
        int fds[2];
        makers[m](fds);
        chan *ch = chan_make(sizeof(int), 0);
        struct later l = {.thing = CLOSE_FD, .fd = fds[0], .n_in_flight = 1};
        struct weft_co *co = weft_go_with(do_later, &l);
        struct weft_case cases[] = {weft_case_recv(ch, NULL), weft_case_readable(fds[0])};

        CHECK_EQ(weft_select(cases, 2), 1);
        CHECK_EQ(cases[1].rc, -EBADF);
        join(co);
        CHECK_EQ(weft_select(cases, 2), 1);
        CHECK_EQ(cases[1].rc, -EBADF);
        cases[1] = weft_case_writable(-1);
        CHECK(weft_select((struct weft_case[]){weft_case_writable(1 << 20)}, 1) == 0);
        CHECK_EQ(in_flight(), 0);
        CHECK_EQ(weft_close(fds[1]), 0);
        chan_unref(ch);
    }
    return 0;
}

/* Goal: the end of the stream makes an fd readable. */
CO_TEST(the_end_of_the_stream_is_readable)
{
    for (int m = 0; m < COUNT(makers); m++) {
        int fds[2];
        makers[m](fds);
        struct later l = {.thing = CLOSE_FD, .fd = fds[1], .n_in_flight = 1};
        struct weft_co *co = weft_go_with(do_later, &l);
        struct weft_case cases[] = {weft_case_readable(fds[0])};

        CHECK_EQ(weft_select(cases, 1), 0);
        CHECK((cases[0].rc & (POLLIN | POLLHUP)) != 0);
        join(co);
        CHECK_EQ(weft_close(fds[0]), 0);
    }
    return 0;
}

/* Goal: the deadline of a scope ends a select of fds, which leaves nothing in flight; the bytes
 * that come later are still read. */
CO_TEST(a_deadline_ends_a_select_of_fds)
{
    for (int m = 0; m < COUNT(makers); m++) {
        int fds[2];
        makers[m](fds);
        struct weft_case cases[] = {weft_case_readable(fds[0]), weft_case_readable(fds[0])};
        char byte = 0;

        WEFT_DEADLINE(s, 3 * WEFT_MS) {
            CHECK_EQ(weft_select(cases, 2), -ETIMEDOUT);
            CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
        }
        CHECK_EQ(in_flight(), 0);
        CHECK_EQ(weft_write(fds[1], "z", 1), 1);
        CHECK_EQ(weft_read(fds[0], &byte, 1), 1);
        CHECK_EQ(byte, 'z');
        close_both(fds);
    }
    return 0;
}

/* Goal: more fds than fit anywhere without an allocation; each of them can be the one. */
CO_TEST(a_select_of_100_fds_finds_the_one)
{
    enum { FDS = 100 };
    static int fds[FDS][2];
    static struct weft_case cases[FDS];

    for (int i = 0; i < FDS; i++)
        makers[1 + i % 3](fds[i]);
    for (int i = 0; i < FDS; i += 7) {
        char byte;
        for (int k = 0; k < FDS; k++)
            cases[k] = weft_case_readable(fds[k][0]);
        struct later l = {.thing = WRITE_TO_FD, .fd = fds[i][1], .n_in_flight = FDS};
        struct weft_co *co = weft_go_with(do_later, &l);
        CHECK_EQ(weft_select(cases, FDS), i);
        CHECK_EQ(cases[i].rc, POLLIN);
        CHECK_EQ(in_flight(), 0);
        CHECK_EQ(weft_read(fds[i][0], &byte, 1), 1);
        join(co);
    }
    for (int i = 0; i < FDS; i++)
        close_both(fds[i]);
    return 0;
}

/* ---- races ---- */

struct source {
    int fd, n;
    chan *ch;
    uint64_t random;
};

/* Sends n tokens, each by the fd or by the channel. */
static int send_tokens(void *arg)
{
    struct source *s = arg;

    for (int i = 0; i < s->n; i++) {
        int v = i;
        if (test_random(&s->random) % 2)
            CHECK_EQ(weft_write(s->fd, "t", 1), 1);
        else
            CHECK_EQ(chan_send(s->ch, &v), 0);
        if (test_random(&s->random) % 8 == 0)
            weft_yield();
    }
    return 0;
}

/* Goal: two selects over the same fd and channel, raced by two senders: every token is taken once,
 * whichever way it came, none is lost with the case that lost. */
CO_TEST(no_token_is_lost_between_an_fd_and_a_channel)
{
    for (int m = 0; m < COUNT(makers); m++) {
        int fds[2], n = scaled(600), n_fd = 0, n_ch = 0;
        makers[m](fds);
        chan *ch = chan_make(sizeof(int), 0);
        struct source a = {.fd = fds[1], .n = n, .ch = ch, .random = test_seed()};
        struct source b = a;
        b.random ^= 0x9e3779b97f4a7c15;
        struct weft_co *one = weft_go_with(send_tokens, &a), *other = weft_go_with(send_tokens, &b);

        while (n_fd + n_ch < 2 * n) {
            int v;
            char buf[64];
            struct weft_case cases[] = {weft_case_readable(fds[0]), weft_case_recv(ch, &v),
                                        weft_case_after(LONG_NS)};
            int chosen = weft_select(cases, 3);
            CHECK(chosen == 0 || chosen == 1);
            CHECK_EQ(in_flight(), 0); /* of this one: nobody else waits on an fd */
            if (chosen == 0) {
                ssize_t got = weft_read(fds[0], buf, sizeof buf);
                CHECK_GT(got, 0);
                n_fd += (int)got;
            } else {
                n_ch++;
            }
        }
        join(one);
        join(other);
        CHECK_EQ(n_fd + n_ch, 2 * n);
        close_both(fds);
        chan_unref(ch);
    }
    return 0;
}
