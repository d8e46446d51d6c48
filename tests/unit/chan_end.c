/* SPDX-License-Identifier: MIT */
/*
 * chan_end.c - how waits in a channel end: by close and by deadlines, without losing a value.
 *
 * matrix: short
 */
#include "co_test.h"

/* ---- close ---- */

/* Goal: after close nothing can be sent, and what was buffered can be received, then -EPIPE. */
CO_TEST(a_closed_channel_is_drained_and_then_ends)
{
    static const size_t caps[] = {0, 4, WEFT_CHAN_UNBOUNDED};

    for (int c = 0; c < COUNT(caps); c++) {
        chan *ch = chan_make(sizeof(int), caps[c]);
        int n = caps[c] == 0 ? 0 : 4, v;

        for (int i = 0; i < n; i++)
            CHECK_EQ(chan_send(ch, &i), 0);
        CHECK(!weft_chan_is_closed(ch));
        CHECK_EQ(chan_close(ch), 0);
        CHECK(weft_chan_is_closed(ch));
        CHECK_EQ(chan_close(ch), 1);
        CHECK_EQ(chan_close(ch), 1);
        v = 9;
        CHECK_EQ(chan_send(ch, &v), -EPIPE);
        CHECK_EQ(chan_try_send(ch, &v), -EPIPE);
        for (int i = 0; i < n; i++) {
            CHECK_EQ(i % 2 == 0 ? chan_recv(ch, &v) : chan_try_recv(ch, &v), 0);
            CHECK_EQ(v, i);
        }
        v = 1234;
        CHECK_EQ(chan_recv(ch, &v), -EPIPE);
        CHECK_EQ(chan_try_recv(ch, &v), -EPIPE);
        CHECK_EQ(v, 1234);
        CHECK_EQ(chan_send(ch, &v), -EPIPE);
        chan_unref(ch);
    }
    return 0;
}

static atomic_int n_started, n_received;

static int recv_until_closed(void *arg)
{
    int v, rc;

    atomic_fetch_add(&n_started, 1);
    while ((rc = chan_recv(arg, &v)) == 0)
        atomic_fetch_add(&n_received, 1);
    CHECK_EQ(rc, -EPIPE);
    return 0;
}

static int send_after_close(void *arg)
{
    int v = 1;

    atomic_fetch_add(&n_started, 1);
    CHECK_EQ(chan_send(arg, &v), -EPIPE);
    return 0;
}

static void spawn_and_settle(struct weft_co **co, int n, int (*fn)(void *), void *arg)
{
    atomic_store(&n_started, 0);
    for (int i = 0; i < n; i++)
        co[i] = weft_go_with(fn, arg);
    while (atomic_load(&n_started) < n)
        weft_yield();
    yield_often(50); /* most of them have parked by now; the others may race */
}

/* Goal: close wakes every waiter: receivers and senders alike get -EPIPE, and no value of a sender
 * that was told so arrives. */
CO_TEST(close_wakes_all_who_wait)
{
    enum { N = 100 };
    struct weft_co *co[N];

    for (size_t cap = 0; cap < 2; cap++) {
        chan *ch = chan_make(sizeof(int), cap);
        int v = 5;

        spawn_and_settle(co, N, recv_until_closed, ch);
        CHECK_EQ(chan_close(ch), 0);
        for (int i = 0; i < N; i++)
            join(co[i]);
        CHECK_EQ(atomic_load(&n_received), 0);
        chan_unref(ch);

        ch = chan_make(sizeof(int), cap);
        if (cap > 0)
            CHECK_EQ(chan_send(ch, &v), 0);
        spawn_and_settle(co, N, send_after_close, ch);
        CHECK_EQ(chan_close(ch), 0);
        for (int i = 0; i < N; i++)
            join(co[i]);
        if (cap > 0) {
            CHECK_EQ(chan_recv(ch, &v), 0);
            CHECK_EQ(v, 5);
        }
        CHECK_EQ(chan_recv(ch, &v), -EPIPE);
        chan_unref(ch);
    }
    return 0;
}

static int recv_one(void *ch)
{
    int v = 0;

    CHECK_EQ(chan_recv(ch, &v), 0);
    return v;
}

static void join_many(int n)
{
    chan *ch = chan_make(sizeof(int), 0);
    struct weft_co *co[200];
    const int zero = 0;

    CHECK_LE(n, COUNT(co));
    for (int i = 0; i < n; i++)
        co[i] = weft_go_with(recv_one, ch);
    for (int i = 0; i < n; i++)
        CHECK_EQ(chan_send(ch, &zero), 0);
    for (int i = 0; i < n; i++)
        join(co[i]);
    chan_unref(ch);
}

struct late_join {
    chan *closing, *values, *joined;
    struct weft_co *co;
    int *result;
};

static void join_after_the_close(void *arg)
{
    const struct late_join *j = arg;

    CHECK_EQ(chan_recv(j->closing, NULL), -EPIPE);
    CHECK_EQ(weft_join(j->co, j->result), 0);
    CHECK_EQ(chan_send(j->joined, NULL), 0);
}

/* The handle that is joined comes to rest behind so many others. */
static void close_then_join(int n_resting, int *result)
{
    struct late_join j = {.closing = chan_make(0, 0), .joined = chan_make(0, 0), .result = result};
    const int seven = 7;

    j.values = chan_make(sizeof(int), 0);
    j.co = weft_go_with(recv_one, j.values);
    go(join_after_the_close, &j);
    yield_often(4); /* it waits for the close, */
    chan_close(j.closing);
    yield_often(4); /* and for the end of the other */
    join_many(n_resting);
    CHECK_EQ(chan_send(j.values, &seven), 0);
    CHECK_EQ(chan_recv(j.joined, NULL), 0);
    chan_unref(j.closing);
    chan_unref(j.values);
    chan_unref(j.joined);
}

/*
 * Goal: a wait says how it ended itself, not how the one before it did: that was ended by a close.
 * Method: a join, with a result and without, where the handle finds room among those that rest, and
 * where it finds none.
 */
CO_TEST_ON_ONE(a_join_after_a_wait_that_a_close_ended_succeeds)
{
    static const int n_resting[] = {0, 200};

    for (int i = 0; i < COUNT(n_resting); i++) {
        int result = 0;
        close_then_join(n_resting[i], &result);
        CHECK_EQ(result, 7);
        close_then_join(n_resting[i], NULL);
    }
    return 0;
}

static atomic_int n_accepted;

static int send_until_closed(void *arg)
{
    int v = 0, rc;

    while ((rc = chan_send(arg, &v)) == 0)
        atomic_fetch_add(&n_accepted, 1);
    CHECK_EQ(rc, -EPIPE);
    return 0;
}

/* Goal: a close in the middle of traffic: every value whose send returned 0 is received, and no
 * other. */
CO_TEST(what_was_accepted_before_close_is_received)
{
    for (int round = 0; round < scaled(600); round++) {
        chan *ch = chan_make(sizeof(int), (size_t)(round % 4));
        struct weft_co *co[6];

        atomic_store(&n_accepted, 0);
        atomic_store(&n_received, 0);
        for (int i = 0; i < 6; i++)
            co[i] = weft_go_with(i < 3 ? send_until_closed : recv_until_closed, ch);
        yield_often(round % 13);
        CHECK_EQ(chan_close(ch), 0);
        for (int i = 0; i < 6; i++)
            join(co[i]);
        CHECK_EQ(atomic_load(&n_accepted), atomic_load(&n_received));
        CHECK_EQ(weft_chan_len(ch), 0);
        chan_unref(ch);
    }
    return 0;
}

static int try_recv_not_empty(void *arg)
{
    int v, rc = chan_try_recv(arg, &v);

    CHECK(rc == 0 || rc == -EPIPE);
    return 0;
}

/* Goal: a try that races with a receive and a close never finds the channel merely empty.
 * Method: it holds a value before it is closed and is closed before it is drained, so that -EAGAIN
 * would be a torn look at the two. */
CO_TEST(a_try_receive_racing_with_close_is_never_told_empty)
{
    for (int i = 0; i < scaled(5000); i++) {
        chan *ch = chan_make(sizeof(int), 1);
        struct weft_co *co;
        int rc;

        CHECK_EQ(chan_send(ch, &i), 0);
        co = weft_go_with(try_recv_not_empty, ch);
        CHECK_EQ(chan_close(ch), 0);
        rc = chan_recv(ch, NULL);
        CHECK(rc == 0 || rc == -EPIPE);
        join(co);
        CHECK_EQ(chan_try_recv(ch, NULL), -EPIPE);
        chan_unref(ch);
    }
    return 0;
}

/* ---- deadlines ---- */

static int send_77(void *arg)
{
    CHECK_EQ(chan_send(arg, &(int){77}), 0);
    return 0;
}

/* Goal: a deadline ends a send and a receive; nothing was taken or sent, nor is it later. */
CO_TEST(a_deadline_ends_a_wait_and_nothing_is_lost)
{
    for (size_t cap = 0; cap < 3; cap++) {
        chan *ch = chan_make(sizeof(int), cap);
        struct weft_co *co;
        int64_t start = weft_now();
        int v = 1234;

        WEFT_DEADLINE(s, 3 * WEFT_MS) {
            CHECK_EQ(chan_recv(ch, &v), -ETIMEDOUT);
            CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
        }
        CHECK_GE(weft_now() - start, 3 * WEFT_MS);
        CHECK_EQ(v, 1234);
        for (size_t i = 0; i < cap; i++)
            CHECK_EQ(chan_try_send(ch, &v), 0);
        start = weft_now();
        WEFT_DEADLINE(s, 3 * WEFT_MS) {
            v = 666;
            CHECK_EQ(chan_send(ch, &v), -ETIMEDOUT);
            CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
        }
        CHECK_GE(weft_now() - start, 3 * WEFT_MS);
        for (size_t i = 0; i < cap; i++) {
            CHECK_EQ(chan_recv(ch, &v), 0);
            CHECK_EQ(v, 1234);
        }
        CHECK_EQ(chan_try_recv(ch, &v), -EAGAIN);
        co = weft_go_with(send_77, ch); /* and it is as good as new */
        CHECK_EQ(chan_recv(ch, &v), 0);
        CHECK_EQ(v, 77);
        join(co);
        chan_unref(ch);
    }
    return 0;
}

/* Goal: success wins over a deadline: what can be done at once is done, though it has passed. */
CO_TEST(what_can_be_done_at_once_ignores_a_passed_deadline)
{
    chan *ch = chan_make(sizeof(int), 1);
    int v = 3;

    WEFT_DEADLINE(s, -1) {
        CHECK_EQ(chan_send(ch, &v), 0);
        CHECK_EQ(chan_send(ch, &v), -ETIMEDOUT);
        CHECK_EQ(chan_recv(ch, &v), 0);
        CHECK_EQ(chan_recv(ch, &v), -ETIMEDOUT);
    }
    chan_unref(ch);
    return 0;
}

/* Goal: a NULL channel waits for ever, but obeys the scopes; the innermost that ended answers. */
CO_TEST(a_null_channel_waits_until_a_scope_ends)
{
    int v;

    WEFT_DEADLINE(outer, WEFT_NEVER) {
        WEFT_DEADLINE(inner, 2 * WEFT_MS) {
            CHECK_EQ(chan_recv(NULL, &v), -ETIMEDOUT);
            CHECK_EQ(weft_scope_cause(&inner), WEFT_CAUSE_THIS);
        }
        CHECK_EQ(weft_scope_cause(&outer), WEFT_CAUSE_INNER);
    }
    WEFT_DEADLINE(outer, 2 * WEFT_MS) {
        WEFT_DEADLINE(inner, 100 * WEFT_SEC) {
            CHECK_EQ(chan_send(NULL, &v), -ETIMEDOUT);
            CHECK_EQ(weft_scope_cause(&inner), WEFT_CAUSE_OUTER);
        }
    }
    return 0;
}

static int send_with_short_deadlines(void *arg)
{
    for (int i = 0; i < scaled(2000); i++) {
        int rc = -1;

        WEFT_DEADLINE(s, (i % 7) * 20 * WEFT_US)
            rc = chan_send(arg, &i);
        CHECK(rc == 0 || rc == -ETIMEDOUT);
        if (rc == 0)
            atomic_fetch_add(&n_accepted, 1);
    }
    return 0;
}

/* Goal: when deadlines and hand-overs race, a value is received if and only if its send said so. */
CO_TEST(a_send_that_timed_out_was_not_received)
{
    for (size_t cap = 0; cap < 2; cap++) {
        chan *ch = chan_make(sizeof(int), cap);
        struct weft_co *sender[3], *receiver = weft_go_with(recv_until_closed, ch);

        atomic_store(&n_accepted, 0);
        atomic_store(&n_received, 0);
        for (int i = 0; i < 3; i++)
            sender[i] = weft_go_with(send_with_short_deadlines, ch);
        for (int i = 0; i < 3; i++)
            join(sender[i]);
        CHECK_EQ(chan_close(ch), 0);
        join(receiver);
        CHECK_EQ(atomic_load(&n_accepted), atomic_load(&n_received));
        chan_unref(ch);
    }
    return 0;
}
