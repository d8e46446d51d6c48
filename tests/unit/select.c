/* SPDX-License-Identifier: MIT */
/*
 * select.c - the array form of select: every kind of case, alone and mixed, ready and waited for.
 *
 * The races are in select_race.c, the block form in select_block.c.
 *
 * matrix: short
 */
#define _GNU_SOURCE /* pipe2 */

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "co_test.h"

static int return_arg(void *arg)
{
    return (int)(intptr_t)arg;
}

/* ---- ready at once ---- */

/* Goal: a receive and a send that need no waiting are carried out, and rc is 0. */
CO_TEST(a_ready_receive_or_send_is_carried_out)
{
    chan *ch = chan_make(sizeof(int), 1);
    int in = 0, out = 7;
    struct weft_case cases[2] = {weft_case_recv(ch, &in), weft_case_send(ch, &out)};

    CHECK_EQ(weft_select(cases, 2), 1); /* empty: only the send can go on */
    CHECK_EQ(cases[1].rc, 0);
    CHECK_EQ(weft_chan_len(ch), 1);
    CHECK_EQ(weft_select(cases, 2), 0); /* full: only the receive */
    CHECK_EQ(cases[0].rc, 0);
    CHECK_EQ(in, 7);
    CHECK_EQ(weft_chan_len(ch), 0);
    CHECK_EQ(chan_send(ch, &out), 0);
    CHECK_EQ(weft_select(&(struct weft_case){.kind = WEFT_CASE_RECV, .object = ch}, 1), 0);
    CHECK_EQ(weft_chan_len(ch), 0); /* received into NULL */
    chan_unref(ch);
    return 0;
}

/* Goal: a closed channel makes its cases ready: what is buffered first, then -EPIPE in rc. */
CO_TEST(a_closed_channel_is_ready_with_epipe)
{
    chan *ch = chan_make(sizeof(int), 1);
    int v = 3;
    struct weft_case recv[] = {weft_case_recv(ch, &v)}, send[] = {weft_case_send(ch, &v)};

    CHECK_EQ(chan_send(ch, &v), 0);
    chan_close(ch);
    v = 0;
    CHECK_EQ(weft_select(recv, 1), 0);
    CHECK_EQ(recv[0].rc, 0);
    CHECK_EQ(v, 3);
    v = 99;
    CHECK_EQ(weft_select(recv, 1), 0);
    CHECK_EQ(recv[0].rc, -EPIPE);
    CHECK_EQ(v, 99);
    CHECK_EQ(weft_select(send, 1), 0);
    CHECK_EQ(send[0].rc, -EPIPE);
    chan_unref(ch);
    return 0;
}

/* Goal: the default case is taken exactly when no other can go on at once. */
CO_TEST(a_default_is_taken_only_if_nothing_is_ready)
{
    chan *ch = chan_make(sizeof(int), 1), *full = chan_make(sizeof(int), 1);
    int v = 1;

    CHECK_EQ(chan_send(full, &v), 0);
    for (int i = 0; i < 100; i++) {
        struct weft_case cases[] = {weft_case_default(), weft_case_recv(ch, &v),
                                    weft_case_send(full, &v), weft_case_after(WEFT_SEC)};

        CHECK_EQ(weft_select(cases, 4), 0);
        CHECK_EQ(cases[0].rc, 0);
        CHECK_EQ(chan_send(ch, &i), 0);
        CHECK_EQ(weft_select(cases, 4), 1);
        CHECK_EQ(v, i);
    }
    CHECK_EQ(weft_chan_len(full), 1);
    chan_unref(ch);
    chan_unref(full);
    return 0;
}

static void check_share(int count, int of, int percent_min, int percent_max)
{
    CHECK_GE(count * 100, of * percent_min);
    CHECK_LE(count * 100, of * percent_max);
}

/* Goal: among cases that are ready each has the same chance, wherever it stands.
 * Method: closed and buffered channels are always ready; the bounds are ten times the deviation
 * that chance would give. */
CO_TEST(ready_cases_have_the_same_chance)
{
    enum { N = 10000 };
    chan *closed = chan_make(sizeof(int), 0), *buffer = chan_make(sizeof(int), 2);
    int two[2] = {0}, three[3] = {0}, v = 0;

    chan_close(closed);
    CHECK_EQ(chan_send(buffer, &v), 0);
    for (int i = 0; i < N; i++) {
        struct weft_case a[] = {weft_case_recv(closed, &v), weft_case_recv(closed, &v)};
        struct weft_case b[] = {weft_case_recv(NULL, &v), weft_case_recv(closed, &v),
                                weft_case_recv(buffer, &v), weft_case_after(0)};
        int chosen = weft_select(a, 2);

        two[chosen]++;
        chosen = weft_select(b, 4);
        CHECK_GE(chosen, 1);
        three[chosen - 1]++;
        if (chosen == 2)
            CHECK_EQ(chan_send(buffer, &v), 0);
    }
    check_share(two[0], N, 40, 60);
    for (int i = 0; i < 3; i++)
        check_share(three[i], N, 25, 42);
    chan_unref(closed);
    chan_unref(buffer);
    return 0;
}

/* ---- nothing can ever be ready ---- */

/* Goal: no cases, NULL channels and empty kinds wait for ever, which is until a scope ends. */
CO_TEST(what_can_never_be_ready_waits_until_a_scope_ends)
{
    int v;
    struct weft_case never[] = {weft_case_recv(NULL, &v), weft_case_send(NULL, &v),
                                weft_case_after(WEFT_NEVER), {.kind = WEFT_CASE_NONE}};

    for (int n = 0; n <= 4; n++) {
        int64_t start = weft_now();

        WEFT_DEADLINE(s, 2 * WEFT_MS) {
            CHECK_EQ(weft_select(never, n), -ETIMEDOUT);
            CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
        }
        CHECK_GE(weft_now() - start, 2 * WEFT_MS);
    }
    return 0;
}

/* Goal: a scope's deadline ends a select that waits, and its cases leave no trace: nothing was
 * received or sent, and nobody finds a partner there later. */
CO_TEST(a_deadline_ends_a_select_without_a_trace)
{
    chan *a = chan_make(sizeof(int), 0), *b = chan_make(sizeof(int), 0);
    int in = 1, out = 2;

    for (int i = 0; i < 20; i++) {
        struct weft_case cases[] = {weft_case_recv(a, &in), weft_case_send(b, &out),
                                    weft_case_recv(a, &in), weft_case_after(WEFT_SEC)};

        WEFT_DEADLINE(s, i * 100 * WEFT_US)
            CHECK_EQ(weft_select(cases, 4), -ETIMEDOUT);
        CHECK_EQ(chan_try_send(a, &out), -EAGAIN);
        CHECK_EQ(chan_try_recv(b, &in), -EAGAIN);
        CHECK_EQ(in, 1);
    }
    chan_unref(a);
    chan_unref(b);
    return 0;
}

/* Goal: a case that is ready wins over a deadline that has passed. */
CO_TEST(a_ready_case_wins_over_a_passed_deadline)
{
    chan *ch = chan_make(sizeof(int), 1);
    int v = 5;
    struct weft_case recv[] = {weft_case_recv(ch, &v)}, wait[] = {weft_case_recv(ch, &v)};

    CHECK_EQ(chan_send(ch, &v), 0);
    WEFT_DEADLINE(s, 0) {
        CHECK_EQ(weft_select(recv, 1), 0);
        CHECK_EQ(weft_select(wait, 1), -ETIMEDOUT);
    }
    chan_unref(ch);
    return 0;
}

/* ---- timeouts, ticks, joins ---- */

/* Goal: a timeout is not early; one that is over is ready at once; the nearest of several wins. */
CO_TEST(a_timeout_case_is_never_early)
{
    int64_t start = weft_now();
    struct weft_case cases[] = {weft_case_after(10 * WEFT_SEC), weft_case_after(4 * WEFT_MS),
                                weft_case_until(WEFT_NEVER), weft_case_recv(NULL, NULL)};
    struct weft_case past[] = {weft_case_until(start - 1)}, zero[] = {weft_case_after(INT64_MIN)};

    CHECK_EQ(weft_select(cases, 4), 1);
    CHECK_GE(weft_now() - start, 4 * WEFT_MS);
    CHECK_EQ(cases[1].rc, 0);
    WEFT_DEADLINE(s, 0) { /* they are ready at once, so the deadline does not matter */
        CHECK_EQ(weft_select(past, 1), 0);
        CHECK_EQ(weft_select(zero, 1), 0);
    }
    return 0;
}

/* Goal: a tick case waits for the next tick and says how many periods it stands for. */
CO_TEST(a_tick_case_tells_the_number_of_periods)
{
    int64_t start = weft_now(), periods = 0; /* before the ticker's own start */
    struct weft_ticker *t = weft_ticker_make(2 * WEFT_MS, WEFT_TICK_SKIP);

    for (int i = 0; i < 5; i++) {
        struct weft_case cases[] = {weft_case_recv(NULL, NULL), weft_case_tick(t),
                                    weft_case_after(100 * WEFT_SEC)};

        if (i == 3)
            CHECK_EQ(weft_sleep(7 * WEFT_MS), 0); /* three ticks are missed, and counted */
        CHECK_EQ(weft_select(cases, 3), 1);
        CHECK_GE(cases[1].rc, i == 3 ? 3 : 1);
        periods += cases[1].rc;
        CHECK_GE(weft_now() - start, periods * 2 * WEFT_MS);
    }
    weft_ticker_free(t);
    return 0;
}

/* Goal: a join case takes the value and releases the handle; one that was not chosen leaves the
 * handle to be joined. */
CO_TEST(a_join_case_is_a_join)
{
    chan *ch = chan_make(sizeof(int), 0);
    int result = 0, v;
    struct weft_co *co = weft_go_with(return_arg, (void *)42);
    struct weft_case first[] = {weft_case_recv(ch, &v), weft_case_join(co, &result)};

    CHECK_EQ(weft_select(first, 2), 1);
    CHECK_EQ(first[1].rc, 0);
    CHECK_EQ(result, 42);

    co = weft_go_with(return_arg, (void *)43);
    while (!weft_done(co))
        weft_yield();
    struct weft_case second[] = {weft_case_join(co, NULL), weft_case_default()};
    CHECK_EQ(weft_select(second, 2), 0);

    chan_close(ch);
    co = weft_go_with(return_arg, (void *)44);
    struct weft_case third[] = {weft_case_recv(ch, &v), weft_case_recv(ch, &v),
                                weft_case_join(co, &result)};
    if (weft_select(third, 3) != 2)
        CHECK_EQ(weft_join(co, &result), 0);
    CHECK_EQ(result, 44);
    chan_unref(ch);
    return 0;
}

/* ---- waiting ---- */

static atomic_int is_asleep;

static int send_5(void *arg)
{
    CHECK_EQ(chan_send(arg, &(int){5}), 0);
    return 0;
}

static int recv_6(void *arg)
{
    int v = 0;

    CHECK_EQ(chan_recv(arg, &v), 0);
    CHECK_EQ(v, 6);
    return 0;
}

static int close_it(void *arg)
{
    yield_often(20);
    chan_close(arg);
    return 0;
}

/* Goal: a select that waits is woken by a sender, a receiver, a close; the rest leaves no trace. */
CO_TEST(a_waiting_select_is_woken_by_any_of_its_channels)
{
    chan *a = chan_make(sizeof(int), 0), *b = chan_make(sizeof(int), 0);
    int in = 0, out = 6;

    for (int i = 0; i < 300; i++) {
        struct weft_case cases[] = {weft_case_recv(a, &in), weft_case_send(b, &out)};
        struct weft_co *co = i % 2 == 0 ? weft_go_with(send_5, a) : weft_go_with(recv_6, b);

        in = 0;
        CHECK_EQ(weft_select(cases, 2), i % 2);
        CHECK_EQ(cases[i % 2].rc, 0);
        CHECK_EQ(in, i % 2 == 0 ? 5 : 0);
        join(co);
        CHECK_EQ(chan_try_send(a, &out), -EAGAIN);
        CHECK_EQ(chan_try_recv(b, &in), -EAGAIN);
    }
    for (int i = 0; i < 2; i++) {
        chan *ch = chan_make(sizeof(int), 0);
        struct weft_case cases[] = {weft_case_recv(i == 0 ? ch : a, &in),
                                    weft_case_send(i == 0 ? b : ch, &out)};
        struct weft_co *co = weft_go_with(close_it, ch);

        CHECK_EQ(weft_select(cases, 2), i);
        CHECK_EQ(cases[i].rc, -EPIPE);
        join(co);
        chan_unref(ch);
    }
    chan_unref(a);
    chan_unref(b);
    return 0;
}

struct late_value {
    chan *ch;
    int value;
};

static int change_and_recv(void *arg)
{
    struct late_value *l = arg;
    int v = 0;

    yield_often(20);
    l->value = 2;
    CHECK_EQ(chan_recv(l->ch, &v), 0);
    CHECK_EQ(v, 2);
    return 0;
}

/* Goal: what is sent is read when the case is carried out, not when the select begins. */
CO_TEST(a_sent_value_is_read_when_the_case_is_carried_out)
{
    struct late_value l = {chan_make(sizeof(int), 0), 1};
    struct weft_co *co = weft_go_with(change_and_recv, &l);
    struct weft_case cases[] = {weft_case_send(l.ch, &l.value), weft_case_recv(NULL, NULL)};

    CHECK_EQ(weft_select(cases, 2), 0);
    join(co);
    chan_unref(l.ch);
    return 0;
}

static int select_forever_with_self(void *arg)
{
    int in = 0, out = 1;
    struct weft_case cases[] = {weft_case_send(arg, &out), weft_case_recv(arg, &in),
                                weft_case_send(arg, &out), weft_case_recv(arg, &in)};
    int chosen = weft_select(cases, 4);

    CHECK_GE(chosen, 0);
    CHECK_EQ(in, chosen % 2 == 0 ? 0 : 2);
    return 0;
}

/* Goal: a select that would send to and receive from one channel never meets itself; somebody else
 * meets either side of it. */
CO_TEST(a_select_does_not_meet_itself)
{
    chan *ch = chan_make(sizeof(int), 0);
    int in = 0, out = 2;
    struct weft_case cases[] = {weft_case_send(ch, &out), weft_case_recv(ch, &in)};

    WEFT_DEADLINE(s, 2 * WEFT_MS)
        CHECK_EQ(weft_select(cases, 2), -ETIMEDOUT);
    CHECK_EQ(in, 0);
    for (int i = 0; i < 100; i++) {
        struct weft_co *co = weft_go_with(select_forever_with_self, ch);

        if (i % 3 == 0) {
            CHECK_EQ(chan_send(ch, &out), 0);
        } else if (i % 3 == 1) {
            CHECK_EQ(chan_recv(ch, &in), 0);
            CHECK_EQ(in, 1);
        } else { /* two such selects meet each other */
            in = 0;
            CHECK_GE(weft_select(cases, 2), 0);
            CHECK(in == 0 || in == 1);
        }
        join(co);
    }
    chan_unref(ch);
    return 0;
}

/* Goal: a thousand cases in one select work, ready or waited for, and all of them are let go. */
CO_TEST(a_select_takes_a_thousand_cases)
{
    enum { N = 1000 };
    struct weft_case *cases = calloc(N, sizeof *cases);
    chan **ch = calloc(N, sizeof *ch);
    int in = 0, out = 9, six = 6;

    for (int i = 0; i < N; i++)
        ch[i] = chan_make(sizeof(int), 0);
    for (int round = 0; round < 10; round++) {
        int k = (round * 367 + 5) % N;
        struct weft_co *co;

        for (int i = 0; i < N; i++)
            cases[i] = i % 2 == 0 ? weft_case_recv(ch[i], &in) : weft_case_send(ch[i], &six);
        co = k % 2 == 0 ? weft_go_with(send_5, ch[k]) : weft_go_with(recv_6, ch[k]);
        CHECK_EQ(weft_select(cases, N), k);
        join(co);
        for (int i = 0; i < N; i++)
            CHECK_EQ(i % 2 == 0 ? chan_try_send(ch[i], &out) : chan_try_recv(ch[i], &in), -EAGAIN);
    }
    for (int i = 0; i < N; i++)
        chan_unref(ch[i]);
    free(ch);
    free(cases);
    return 0;
}

/* ---- file descriptors ---- */

static int write_a_byte(void *arg)
{
    yield_often(20);
    CHECK_EQ(write((int)(intptr_t)arg, "x", 1), 1);
    return 0;
}

static int close_fd(void *arg)
{
    yield_often(20);
    CHECK_EQ(close((int)(intptr_t)arg), 0);
    return 0;
}

/* Goal: a readable case is ready when a byte is there or comes, and says POLLHUP when the other
 * end is gone. */
CO_TEST(a_readable_case_sees_bytes_and_hang_up)
{
    int fd[2];
    char byte;
    struct weft_co *co;

    CHECK_EQ(pipe2(fd, O_CLOEXEC | O_NONBLOCK), 0);
    struct weft_case cases[] = {weft_case_readable(fd[0]), weft_case_default()};
    CHECK_EQ(weft_select(cases, 2), 1);
    cases[1] = weft_case_recv(NULL, NULL);
    for (int i = 0; i < 20; i++) {
        co = weft_go_with(write_a_byte, (void *)(intptr_t)fd[1]);
        CHECK_EQ(weft_select(cases, 2), 0);
        CHECK_EQ(cases[0].rc & (POLLIN | POLLERR), POLLIN);
        CHECK_EQ(read(fd[0], &byte, 1), 1);
        join(co);
    }
    CHECK_EQ(write(fd[1], "y", 1), 1);
    cases[1] = weft_case_default();
    CHECK_EQ(weft_select(cases, 2), 0); /* there at once, so not the default */
    CHECK_EQ(read(fd[0], &byte, 1), 1);

    co = weft_go_with(close_fd, (void *)(intptr_t)fd[1]);
    cases[1] = weft_case_recv(NULL, NULL);
    CHECK_EQ(weft_select(cases, 2), 0);
    CHECK_EQ(cases[0].rc & POLLHUP, POLLHUP);
    join(co);
    CHECK_EQ(close(fd[0]), 0);
    return 0;
}

static int drain_fd(void *arg)
{
    char buf[65536];

    yield_often(20);
    while (read((int)(intptr_t)arg, buf, sizeof buf) > 0)
        continue;
    return 0;
}

/* Goal: a writable case waits while the fd is full, and is ready when there is room again. */
CO_TEST(a_writable_case_waits_for_room)
{
    char buf[4096] = {0};
    int sv[2];
    struct weft_co *co;

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
    struct weft_case cases[] = {weft_case_writable(sv[0]), weft_case_default()};
    CHECK_EQ(weft_select(cases, 2), 0);
    CHECK_EQ(cases[0].rc & POLLOUT, POLLOUT);
    while (write(sv[0], buf, sizeof buf) > 0)
        continue;
    CHECK_EQ(weft_select(cases, 2), 1);
    co = weft_go_with(drain_fd, (void *)(intptr_t)sv[1]);
    cases[1] = weft_case_readable(sv[0]); /* the same fd twice; it never becomes readable */
    CHECK_EQ(weft_select(cases, 2), 0);
    CHECK_EQ(cases[0].rc & POLLOUT, POLLOUT);
    join(co);
    close(sv[0]);
    close(sv[1]);
    return 0;
}

/* Goal: an fd that is not open makes its case ready with -EBADF, without hurting the others. */
CO_TEST(a_bad_fd_is_an_error_of_its_case)
{
    struct weft_case cases[] = {weft_case_readable(-1), weft_case_recv(NULL, NULL)};

    CHECK_EQ(weft_select(cases, 2), 0);
    CHECK_EQ(cases[0].rc, -EBADF);
    cases[0] = weft_case_writable(987);
    CHECK_EQ(weft_select(cases, 2), 0);
    CHECK_EQ(cases[0].rc, -EBADF);
    return 0;
}

/* Goal: an fd case that was not chosen is let go: the fd works as before, also in a later wait. */
CO_TEST(an_fd_case_that_lost_leaves_no_trace)
{
    chan *ch = chan_make(sizeof(int), 0);
    int fd[2], in;
    char byte;

    CHECK_EQ(pipe2(fd, O_CLOEXEC | O_NONBLOCK), 0);
    for (int i = 0; i < 100; i++) {
        struct weft_case cases[] = {weft_case_readable(fd[0]), weft_case_recv(ch, &in),
                                    weft_case_after(i % 3 == 0 ? 100 * WEFT_US : WEFT_NEVER)};
        struct weft_co *co = NULL;

        if (i % 3 == 1)
            co = weft_go_with(send_5, ch);
        if (i % 3 == 2)
            co = weft_go_with(write_a_byte, (void *)(intptr_t)fd[1]);
        CHECK_EQ(weft_select(cases, 3), i % 3 == 0 ? 2 : i % 3 == 1 ? 1 : 0);
        if (i % 3 == 2)
            CHECK_EQ(read(fd[0], &byte, 1), 1);
        if (co != NULL)
            join(co);
    }
    close(fd[0]);
    close(fd[1]);
    chan_unref(ch);
    return 0;
}

static int wait_readable(void *arg)
{
    struct weft_case cases[] = {weft_case_readable((int)(intptr_t)arg), weft_case_recv(NULL, NULL)};

    atomic_fetch_add(&is_asleep, 1);
    CHECK_EQ(weft_select(cases, 2), 0);
    CHECK_EQ(cases[0].rc & POLLIN, POLLIN);
    return 0;
}

/* Goal: several coroutines select on one fd, and all of them see that it is readable. */
CO_TEST(several_selects_share_an_fd)
{
    struct weft_co *co[10];
    int fd[2];

    CHECK_EQ(pipe2(fd, O_CLOEXEC | O_NONBLOCK), 0);
    for (int i = 0; i < 10; i++)
        co[i] = weft_go_with(wait_readable, (void *)(intptr_t)fd[0]);
    while (atomic_load(&is_asleep) < 10)
        weft_yield();
    CHECK_EQ(write(fd[1], "z", 1), 1);
    for (int i = 0; i < 10; i++)
        join(co[i]);
    close(fd[0]);
    close(fd[1]);
    return 0;
}
