/* SPDX-License-Identifier: MIT */
/*
 * group.c - groups: children never outlive them, errors and cancels reach all, limits hold, ends
 * come in their order, failed children come back.
 *
 * matrix: short
 */
#include <pthread.h>

#include "co_test.h"

static atomic_int n_running, n_most, n_ended, n_runs;

static void reset(void)
{
    atomic_store(&n_running, 0);
    atomic_store(&n_most, 0);
    atomic_store(&n_ended, 0);
    atomic_store(&n_runs, 0);
}

static void come_in(void)
{
    int now = atomic_fetch_add(&n_running, 1) + 1;
    int most = atomic_load(&n_most);

    while (most < now && !atomic_compare_exchange_weak(&n_most, &most, now))
        ;
}

static int go_out(int rc)
{
    atomic_fetch_sub(&n_running, 1);
    atomic_fetch_add(&n_ended, 1);
    return rc;
}

static void *turns(int n)
{
    return (void *)(intptr_t)n;
}

static int take_some_turns(void *arg)
{
    come_in();
    for (intptr_t i = 0; i < (intptr_t)arg; i++)
        weft_yield();
    return go_out(0);
}

static int wait_for_ever(void *arg)
{
    (void)arg;
    come_in();
    return go_out(weft_sleep(WEFT_NEVER));
}

CO_TEST(the_block_waits_for_all_children)
{
    reset();
    WEFT_GROUP (g) {
        for (int i = 0; i < 100; i++)
            CHECK_EQ(weft_group_go(&g, take_some_turns, turns(i % 7)), 0);
        CHECK_LE(weft_group_count(&g), 100);
    }
    CHECK_EQ(atomic_load(&n_ended), 100);
    return 0;
}

static int leave_in_the_middle(void)
{
    WEFT_GROUP (g) {
        for (int i = 0; i < 10; i++)
            CHECK_EQ(weft_group_go(&g, wait_for_ever, NULL), 0);
        return 3;
    }
    return 4;
}

CO_TEST(a_block_left_early_cancels_and_still_waits)
{
    reset();
    CHECK_EQ(leave_in_the_middle(), 3);
    CHECK_EQ(atomic_load(&n_ended), 10);
    WEFT_GROUP (g) {
        CHECK_EQ(weft_group_go(&g, wait_for_ever, NULL), 0);
        break;
    }
    CHECK_EQ(atomic_load(&n_ended), 11);
    return 0;
}

static int fail_with(void *arg)
{
    return *(int *)arg;
}

CO_TEST(the_first_error_cancels_the_rest_and_is_the_result)
{
    int error = -EIO;

    reset();
    WEFT_GROUP (g) {
        for (int i = 0; i < 20; i++)
            CHECK_EQ(weft_group_go(&g, wait_for_ever, NULL), 0);
        weft_yield();
        CHECK_EQ(weft_group_go(&g, fail_with, &error), 0);
        CHECK_EQ(weft_group_wait(&g), -EIO);
        CHECK_EQ(atomic_load(&n_ended), 20);
        CHECK_EQ(weft_group_go(&g, fail_with, &error), -ECANCELED);
    }
    return 0;
}

CO_TEST(where_errors_cancel_nothing_all_run_to_their_end)
{
    int error = -EIO, good = 0;

    reset();
    WEFT_GROUP (g, .on_error = WEFT_GROUP_RUNS_ON) {
        CHECK_EQ(weft_group_go(&g, fail_with, &error), 0);
        for (int i = 0; i < 20; i++)
            CHECK_EQ(weft_group_go(&g, take_some_turns, turns(i)), 0);
        CHECK_EQ(weft_group_go(&g, fail_with, &good), 0);
        CHECK_EQ(weft_group_wait(&g), -EIO);
        CHECK_EQ(weft_group_count(&g), 0);
        CHECK_EQ(atomic_load(&n_ended), 20);
    }
    return 0;
}

CO_TEST(no_more_run_than_the_limit_says)
{
    reset();
    WEFT_GROUP (g, .limit = 3) {
        for (int i = 0; i < 50; i++)
            CHECK_EQ(weft_group_go(&g, take_some_turns, turns(i % 5)), 0);
        int n = 0;
        while (weft_group_try_go(&g, wait_for_ever, NULL) == 0)
            n++;
        CHECK_LE(n, 3);
        weft_group_cancel(&g);
    }
    CHECK_LE(atomic_load(&n_most), 3);
    CHECK_GE(atomic_load(&n_ended), 50);
    return 0;
}

CO_TEST(who_waits_for_room_obeys_scopes_and_cancels)
{
    reset();
    WEFT_GROUP (g, .limit = 1) {
        CHECK_EQ(weft_group_go(&g, wait_for_ever, NULL), 0);
        CHECK_EQ(weft_group_try_go(&g, wait_for_ever, NULL), -EAGAIN);
        WEFT_DEADLINE (s, WEFT_MS)
            CHECK_EQ(weft_group_go(&g, wait_for_ever, NULL), -ETIMEDOUT);
        CHECK_EQ(weft_group_count(&g), 1);
        weft_group_cancel(&g);
        CHECK_EQ(weft_group_go(&g, wait_for_ever, NULL), -ECANCELED);
        CHECK_EQ(weft_group_wait(&g), -ECANCELED);
    }
    return 0;
}

static void *cancel_on_a_thread(void *g)
{
    weft_group_cancel(g);
    return NULL;
}

/* Goal: a cancel from a plain thread reaches those that run, those that have not begun, and the one
 * who waits for room. */
CO_TEST(a_plain_thread_cancels_a_group)
{
    pthread_t th;

    reset();
    WEFT_GROUP (g, .limit = 30) {
        int rc = 0;
        CHECK_EQ(pthread_create(&th, NULL, cancel_on_a_thread, &g), 0);
        while (rc == 0)
            rc = weft_group_go(&g, wait_for_ever, NULL);
        CHECK_EQ(rc, -ECANCELED);
        CHECK_EQ(pthread_join(th, NULL), 0);
    }
    CHECK_EQ(atomic_load(&n_running), 0);
    return 0;
}

CO_TEST(a_child_that_begins_after_the_cancel_is_told)
{
    reset();
    WEFT_GROUP (g) {
        for (int i = 0; i < 10; i++)
            CHECK_EQ(weft_group_go(&g, wait_for_ever, NULL), 0);
        weft_group_cancel(&g); /* with one processor, none has begun */
        CHECK_EQ(weft_group_wait(&g), -ECANCELED);
    }
    CHECK_EQ(atomic_load(&n_ended), 10);
    return 0;
}

/* Goal: the end of a scope around the one who waits is passed on to the children, who are waited
 * for all the same. */
CO_TEST(the_end_of_a_scope_reaches_the_children)
{
    reset();
    WEFT_DEADLINE (s, WEFT_MS) {
        WEFT_GROUP (g) {
            for (int i = 0; i < 5; i++)
                CHECK_EQ(weft_group_go(&g, wait_for_ever, NULL), 0);
            CHECK_EQ(weft_group_wait(&g), -ETIMEDOUT);
            CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
            CHECK_EQ(atomic_load(&n_ended), 5);
        }
    }
    return 0;
}

static int hold_out(void *arg)
{
    WEFT_SHIELD (s, WEFT_NEVER)
        CHECK_EQ(chan_recv(arg, NULL), 0);
    return go_out(weft_scope_status());
}

CO_TEST(a_child_that_shields_itself_is_waited_for)
{
    chan *gate = chan_make(0, 1);

    reset();
    WEFT_GROUP (g) {
        CHECK_EQ(weft_group_go(&g, hold_out, gate), 0);
        weft_yield();
        weft_group_cancel(&g);
        WEFT_DEADLINE (s, WEFT_MS)
            CHECK_EQ(weft_sleep(10 * WEFT_MS), -ETIMEDOUT);
        CHECK_EQ(weft_group_count(&g), 1);
        CHECK_EQ(chan_send(gate, NULL), 0);
        CHECK_EQ(weft_group_wait(&g), -ECANCELED);
    }
    CHECK_EQ(atomic_load(&n_ended), 1);
    chan_unref(gate);
    return 0;
}

static int end_when_told(void *arg)
{
    CHECK_EQ(chan_recv(arg, NULL), 0);
    return 0;
}

CO_TEST(ends_are_taken_in_the_order_in_which_they_come)
{
    enum { CHILDREN = 6 };
    chan *told[CHILDREN];
    struct weft_ended end;

    WEFT_GROUP (g, .keep_ends = 1) {
        CHECK_EQ(weft_group_next(&g, NULL), -ECHILD);
        for (int i = 0; i < CHILDREN; i++) {
            told[i] = chan_make(0, 0);
            CHECK_EQ(weft_group_go(&g, end_when_told, told[i]), 0);
        }
        WEFT_DEADLINE (s, WEFT_MS)
            CHECK_EQ(weft_group_next(&g, &end), -ETIMEDOUT);
        for (int i = 0; i < CHILDREN; i++) {
            int which = (i * 5 + 2) % CHILDREN;
            CHECK_EQ(chan_send(told[which], NULL), 0);
            CHECK_EQ(weft_group_next(&g, &end), 0);
            CHECK(end.arg == told[which]);
            CHECK_EQ(end.result, 0);
            CHECK_GT((int64_t)end.id, 0);
        }
        CHECK_EQ(weft_group_next(&g, &end), -ECHILD);
    }
    for (int i = 0; i < CHILDREN; i++)
        chan_unref(told[i]);
    return 0;
}

static int fail_some_times(void *arg)
{
    return atomic_fetch_add(&n_runs, 1) < *(int *)arg ? -EIO : 0;
}

CO_TEST(a_failed_child_comes_back_as_often_as_was_said)
{
    int failures = 3;

    reset();
    WEFT_GROUP (g) {
        CHECK_EQ(weft_group_go(&g, fail_some_times, &failures, .restarts = -1,
                               .backoff_ns = 1000, .backoff_max_ns = 2000),
                 0);
        CHECK_EQ(weft_group_wait(&g), 0);
        CHECK_EQ(atomic_load(&n_runs), 4);
        reset();
        CHECK_EQ(weft_group_go(&g, fail_some_times, &failures, .restarts = 2, .backoff_ns = 1000),
                 0);
        CHECK_EQ(weft_group_wait(&g), -EIO);
        CHECK_EQ(atomic_load(&n_runs), 3);
    }
    return 0;
}

CO_TEST(a_child_in_its_pause_is_cancelled)
{
    int failures = 1000;

    reset();
    WEFT_GROUP (g) {
        CHECK_EQ(weft_group_go(&g, fail_some_times, &failures, .restarts = -1,
                               .backoff_ns = WEFT_NEVER / 4, .backoff_max_ns = WEFT_NEVER / 2),
                 0);
        while (atomic_load(&n_runs) == 0)
            weft_yield();
        weft_group_cancel(&g);
        CHECK_EQ(weft_group_wait(&g), -EIO);
    }
    CHECK_EQ(atomic_load(&n_runs), 1);
    return 0;
}

CO_TEST(a_child_with_a_handle_is_joined_and_cancelled_by_it)
{
    struct weft_co *co = NULL, *named = NULL;
    int result = 0, seven = 7;

    reset();
    WEFT_GROUP (g, .on_error = WEFT_GROUP_RUNS_ON) {
        CHECK_EQ(weft_group_go(&g, wait_for_ever, NULL, .handle = &co), 0);
        CHECK_EQ(weft_group_go(&g, fail_with, &seven, .name = "seven", .handle = &named), 0);
        weft_cancel(co);
        CHECK_EQ(weft_join(co, &result), 0);
        CHECK_EQ(result, -ECANCELED);
        CHECK_EQ(weft_join(named, &result), 0);
        CHECK_EQ(result, 7);
        CHECK_EQ(weft_group_wait(&g), -ECANCELED);
    }
    return 0;
}

static int be_a_parent(void *arg)
{
    int depth = *(int *)arg - 1, rc = 0;

    WEFT_GROUP (g) {
        for (int i = 0; i < 3; i++)
            CHECK_EQ(weft_group_go(&g, depth > 0 ? be_a_parent : wait_for_ever, &depth), 0);
        rc = weft_group_wait(&g);
    }
    return rc;
}

CO_TEST(a_cancel_goes_down_a_tree_of_groups)
{
    int depth = 3;

    reset();
    WEFT_GROUP (g) {
        CHECK_EQ(weft_group_go(&g, be_a_parent, &depth), 0);
        while (atomic_load(&n_running) < 27)
            weft_yield();
        weft_group_cancel(&g);
        CHECK_EQ(weft_group_wait(&g), -ECANCELED);
    }
    CHECK_EQ(atomic_load(&n_ended), 27);
    return 0;
}

static atomic_int n_put_away;

static void put_away(void *arg)
{
    (void)arg;
    WEFT_SHIELD (s, WEFT_SEC)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    atomic_fetch_add(&n_put_away, 1);
}

static struct weft_key local = {.destroy = put_away};

/* Owes a cleanup and a local, and ends one way or the other, deep in scopes. */
static int owe(void *arg)
{
    CHECK_EQ(weft_defer(put_away, NULL), 0);
    CHECK_EQ(weft_local_set(&local, &local), 0);
    WEFT_SCOPE (s) {
        WEFT_DEADLINE (t, WEFT_SEC) {
            if (arg != NULL)
                weft_exit(-EXFULL);
        }
    }
    return -EIO;
}

/* Goal: what a child owes at its end is done before its group hears of it, also where it ends by
 * weft_exit(). */
CO_TEST(a_child_has_settled_all_when_it_has_ended)
{
    int one = 1;

    for (int i = 0; i < 4; i++) {
        struct weft_co *co = NULL;
        atomic_store(&n_put_away, 0);
        WEFT_GROUP (g) {
            if (i < 2)
                CHECK_EQ(weft_group_go(&g, owe, i % 2 ? &one : NULL), 0);
            else
                CHECK_EQ(weft_group_go(&g, owe, i % 2 ? &one : NULL, .handle = &co), 0);
            CHECK_EQ(weft_group_wait(&g), i % 2 ? -EXFULL : -EIO);
            CHECK_EQ(atomic_load(&n_put_away), 2);
        }
        if (co != NULL) {
            int result = 0;
            CHECK_EQ(weft_join(co, &result), 0);
            CHECK_EQ(result, i % 2 ? -EXFULL : -EIO);
        }
    }
    return 0;
}

static struct weft_group shared_group;

static int start_some(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++)
        CHECK_EQ(weft_group_go(&shared_group, take_some_turns, turns(0)), 0);
    return 0;
}

static void *wait_on_a_thread(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_group_wait(&shared_group), 0);
    return NULL;
}

/* Children start siblings, and a plain thread waits for all of them. */
CO_TEST(children_start_siblings_and_threads_may_wait)
{
    pthread_t th;

    reset();
    weft_group_begin(&shared_group, NULL);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(weft_group_go(&shared_group, start_some, NULL), 0);
    CHECK_EQ(pthread_create(&th, NULL, wait_on_a_thread, NULL), 0);
    CHECK_EQ(weft_group_wait(&shared_group), 0);
    CHECK_EQ(atomic_load(&n_ended), 100);
    CHECK_EQ(pthread_join(th, NULL), 0);
    CHECK_EQ(weft_group_end(&shared_group), 0);
    return 0;
}
