/* SPDX-License-Identifier: MIT */
/*
 * scope.c - deadline scopes: nesting, who is to blame, leaving the block form by every way, and
 * every call that can block inside one whose deadline has passed.
 */
#include <poll.h>
#include <sys/socket.h>

#include "co_test.h"

static int wait_for_ever(void)
{
    return weft_sleep(WEFT_NEVER);
}

CO_TEST(a_deadline_ends_a_wait_and_not_before_its_time)
{
    const int64_t began = weft_now();

    WEFT_DEADLINE (s, 3 * WEFT_MS) {
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_NONE);
        CHECK_EQ(wait_for_ever(), -ETIMEDOUT);
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
    }
    CHECK_GE(weft_now() - began, 3 * WEFT_MS);
    return 0;
}

CO_TEST(the_scope_that_passed_is_told_apart)
{
    struct weft_scope outer, middle, inner;

    weft_scope_begin(&outer, 10 * WEFT_SEC);
    weft_scope_begin(&middle, WEFT_MS);
    weft_scope_begin(&inner, 10 * WEFT_SEC);
    CHECK_EQ(wait_for_ever(), -ETIMEDOUT);
    CHECK_EQ(weft_scope_cause(&inner), WEFT_CAUSE_OUTER);
    CHECK_EQ(weft_scope_cause(&middle), WEFT_CAUSE_THIS);
    CHECK_EQ(weft_scope_cause(&outer), WEFT_CAUSE_INNER);
    CHECK(!weft_scope_end(&inner));
    CHECK(weft_scope_end(&middle));
    CHECK_EQ(weft_scope_cause(&outer), WEFT_CAUSE_INNER);
    CHECK_EQ(weft_sleep(1000), 0); /* the outer one has time left */
    CHECK(!weft_scope_end(&outer));
    return 0;
}

CO_TEST(of_several_that_have_passed_the_innermost_answers)
{
    struct weft_scope outer, inner;

    weft_scope_begin(&outer, -1);
    weft_scope_begin(&inner, -1);
    CHECK_EQ(wait_for_ever(), -ETIMEDOUT);
    CHECK_EQ(weft_scope_cause(&inner), WEFT_CAUSE_THIS);
    CHECK_EQ(weft_scope_cause(&outer), WEFT_CAUSE_INNER);
    CHECK(weft_scope_end(&inner));
    CHECK_EQ(wait_for_ever(), -ETIMEDOUT);
    CHECK_EQ(weft_scope_cause(&outer), WEFT_CAUSE_THIS);
    CHECK(weft_scope_end(&outer));
    return 0;
}

CO_TEST(an_outer_deadline_holds_inside_a_longer_inner_one)
{
    WEFT_DEADLINE (outer, WEFT_MS) {
        WEFT_DEADLINE (inner, WEFT_NEVER) {
            CHECK_LE(weft_scope_remaining(), WEFT_MS);
            CHECK_EQ(wait_for_ever(), -ETIMEDOUT);
            CHECK_EQ(weft_scope_remaining(), 0);
            CHECK_EQ(weft_scope_cause(&inner), WEFT_CAUSE_OUTER);
        }
        CHECK_EQ(weft_scope_cause(&outer), WEFT_CAUSE_THIS);
    }
    CHECK_EQ(weft_scope_remaining(), WEFT_NEVER);
    return 0;
}

TEST(a_plain_thread_has_no_deadline)
{
    CHECK_EQ(weft_scope_remaining(), WEFT_NEVER);
}

static int leave_by_return(void)
{
    WEFT_DEADLINE (s, WEFT_SEC) {
        WEFT_DEADLINE (t, WEFT_SEC)
            return 5;
    }
    return 6;
}

/* Goal: however the block is left, its scope is closed: else the next end of one would be fatal,
 * and so would be the end of the coroutine. */
CO_TEST(the_block_form_closes_its_scope_however_it_is_left)
{
    int laps = 0;

    CHECK_EQ(leave_by_return(), 5);
    CHECK_EQ(weft_scope_remaining(), WEFT_NEVER);
    for (int i = 0; i < 3; i++) {
        WEFT_DEADLINE (s, WEFT_SEC) {
            if (i == 1)
                break; /* leaves the block, not the loop */
            if (i == 2)
                continue;
            laps++;
        }
        CHECK_EQ(weft_scope_remaining(), WEFT_NEVER);
        laps += 10;
    }
    CHECK_EQ(laps, 31);
    WEFT_DEADLINE (s, WEFT_SEC)
        goto out;
    CHECK(false);
out:
    CHECK_EQ(weft_scope_remaining(), WEFT_NEVER);
    return 0;
}

CO_TEST(deadlines_that_overflow_saturate)
{
    static const int64_t never[] = {WEFT_NEVER, WEFT_NEVER - 1, INT64_MAX / 2 + 1};
    static const int64_t past[] = {0, -1, INT64_MIN, INT64_MIN + 1};

    for (int i = 0; i < COUNT(never); i++)
        WEFT_DEADLINE (s, never[i]) {
            CHECK_EQ(weft_sleep(1000), 0);
            CHECK_GT(weft_scope_remaining(), WEFT_SEC);
        }
    for (int i = 0; i < COUNT(past); i++)
        WEFT_DEADLINE (s, past[i]) {
            CHECK_EQ(weft_scope_remaining(), 0);
            CHECK_EQ(wait_for_ever(), -ETIMEDOUT);
        }
    struct weft_scope s;
    weft_scope_begin_until(&s, INT64_MIN);
    CHECK_EQ(weft_scope_remaining(), 0);
    CHECK(!weft_scope_end(&s));
    return 0;
}

static int end_with(void *arg)
{
    return *(int *)arg;
}

/* Goal: what can be done at once is done, though the deadline has passed: nothing that happened, or
 * could without waiting, is lost. */
CO_TEST(success_wins_over_a_deadline_that_has_passed)
{
    int value = 7, nine = 9, result = 0, fd[2];
    char byte = 0;
    chan *ch = chan_make(sizeof value, 1);
    struct weft_mutex *m = weft_mutex_make();
    struct weft_wait_group *wg = weft_wg_make();
    struct weft_co *co = weft_go_with(end_with, &nine);

    while (!weft_done(co))
        weft_yield();
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
    WEFT_DEADLINE (s, -1) {
        CHECK_EQ(chan_send(ch, &value), 0);
        CHECK_EQ(chan_recv(ch, &value), 0);
        CHECK_EQ(weft_mutex_lock(m), 0);
        weft_mutex_unlock(m);
        CHECK_EQ(weft_wg_wait(wg), 0);
        CHECK_EQ(weft_join(co, &result), 0);
        CHECK_EQ(result, 9);
        CHECK_EQ(weft_sleep(0), 0);
        CHECK_EQ(weft_sleep_until(weft_now()), 0);
        CHECK_EQ(weft_write(fd[0], "x", 1), 1);
        CHECK_EQ(weft_read(fd[1], &byte, 1), 1);
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_NONE);
    }
    chan_unref(ch);
    weft_mutex_free(m);
    weft_wg_free(wg);
    CHECK_EQ(weft_close(fd[0]), 0);
    CHECK_EQ(weft_close(fd[1]), 0);
    return 0;
}

struct world {
    chan *empty, *full;
    struct weft_mutex *held;
    struct weft_wait_group *wg;
    struct weft_co *sleeper;
    struct weft_ticker *slow;
    int fd[2], listener, full_fd;
};

static int hold_mutex(void *arg)
{
    struct world *w = arg;

    CHECK_EQ(weft_mutex_lock(w->held), 0);
    CHECK_EQ(chan_recv(w->empty, NULL), -EPIPE);
    weft_mutex_unlock(w->held);
    return 0;
}

static int select_nothing(struct world *w)
{
    struct weft_case cases[] = {weft_case_recv(w->empty, NULL), weft_case_send(w->full, NULL),
                                weft_case_readable(w->fd[1]), weft_case_join(w->sleeper, NULL)};
    return chan_select(cases, COUNT(cases));
}

/* Every call of this library that can block, where it would for ever; its result. */
static ssize_t block_in(struct world *w, int call)
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

static void build(struct world *w)
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
    w->sleeper = weft_go_with(hold_mutex, w, .name = "holder");
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

static void destroy(struct world *w)
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

/* Goal: every call that can block obeys a scope: one that passes while it waits, and one that had
 * passed before.  It tells the scope, and it leaves nothing behind: afterwards all of them still
 * work the same way. */
CO_TEST(every_blocking_call_obeys_the_scope)
{
    struct world w;
    int n_calls = 0;

    build(&w);
    for (int round = 0; round < 4; round++) {
        const int64_t timeout = round % 2 == 0 ? WEFT_MS : -1;
        for (int call = 0;; call++) {
            struct weft_scope s;
            weft_scope_begin(&s, timeout);
            const ssize_t rc = block_in(&w, call);
            if (rc == 1) {
                CHECK(!weft_scope_end(&s));
                n_calls = call;
                break;
            }
            if (rc != -ETIMEDOUT || weft_scope_cause(&s) != WEFT_CAUSE_THIS)
                TEST_FAIL("call %d in round %d: %zd, cause %d", call, round, rc,
                          weft_scope_cause(&s));
            CHECK(weft_scope_end(&s));
        }
    }
    CHECK_EQ(n_calls, 17);
    chan_close(w.empty);
    join(w.sleeper);
    weft_wg_done(w.wg);
    CHECK_EQ(weft_wg_wait(w.wg), 0);
    destroy(&w);
    return 0;
}

static int scope_of_its_own(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_scope_remaining(), WEFT_NEVER);
    CHECK_EQ(weft_sleep(5 * WEFT_MS), 0);
    return 0;
}

CO_TEST(a_coroutine_does_not_inherit_the_scopes_of_its_spawner)
{
    struct weft_co *co = NULL;

    WEFT_DEADLINE (s, WEFT_MS)
        co = weft_go_with(scope_of_its_own, NULL);
    join(co);
    return 0;
}
