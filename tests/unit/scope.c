/* SPDX-License-Identifier: MIT */
/*
 * scope.c - deadline scopes: nesting, who is to blame, leaving the block form by every way.  What
 * they do to each call that can block: waits.c.
 *
 * matrix: short
 */
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
