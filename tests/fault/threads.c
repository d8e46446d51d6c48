/* SPDX-License-Identifier: MIT */
/*
 * threads.c - no thread can be had for a blocking call: at the first, at a later one, for a while.
 *
 * Method: the file that holds the fault door for threads is compiled into this program with the
 * door open, as in calls.c.
 *
 * cflags: -DWEFT_FAULT
 * matrix: once
 */
#define _GNU_SOURCE
#include "base/sys.c"
#include "base/sys_fd.c"

#include "co_test.h"

static atomic_int n_allowed; /* threads that can still be had */

static int refuse_threads(enum weft__call call)
{
    if (call != WEFT__CALL_THREAD || atomic_fetch_sub(&n_allowed, 1) > 0)
        return 0;
    atomic_fetch_add(&n_allowed, 1);
    return -EAGAIN;
}

/* From now on. */
static void allow(int n)
{
    atomic_store(&n_allowed, n);
    weft__sys_fault = refuse_threads;
}

static struct weft_stats stats_now(void)
{
    struct weft_stats s = {.size = sizeof s};

    CHECK_EQ(weft_runtime_stats(NULL, &s), 0);
    return s;
}

static int count_call(void *n)
{
    return atomic_fetch_add((atomic_int *)n, 1);
}

/* Goal: without any thread the call says so and nothing is called; when there are threads again it
 * works. */
CO_TEST(the_first_thread_is_refused)
{
    atomic_int n = 0;

    allow(0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_blocking(count_call, &n, NULL), -EAGAIN);
    CHECK_EQ(atomic_load(&n), 0);
    CHECK_EQ(stats_now().blocking_threads, 0);
    CHECK_EQ(stats_now().blocking_queued, 0);
    allow(1);
    CHECK_EQ(weft_blocking(count_call, &n, NULL), 0);
    CHECK_EQ(atomic_load(&n), 1);
    return 0;
}

static int call(void *n)
{
    CHECK_EQ(weft_blocking(count_call, n, NULL), 0);
    return 0;
}

static int call_or_be_refused(void *n)
{
    int rc = weft_blocking(count_call, n, NULL);

    CHECK(rc == 0 || rc == -EAGAIN);
    return rc;
}

/* Goal: the k-th thread is refused: the calls go through those that there are. */
CO_TEST(a_later_thread_is_refused)
{
    enum { CALLERS = 40 };
    struct weft_co *co[CALLERS];

    for (int k = 1; k < 5; k++) {
        atomic_int n = 0;
        allow(k == 1);
        CHECK_EQ(weft_blocking(count_call, &n, NULL), 0);
        allow(k == 1 ? 0 : 1);
        for (int i = 0; i < CALLERS; i++)
            co[i] = weft_go_with(call, &n);
        for (int i = 0; i < CALLERS; i++)
            join(co[i]);
        CHECK_EQ(atomic_load(&n), CALLERS + 1);
        CHECK_LE(stats_now().blocking_peak, k + 1);
        CHECK_LE(stats_now().blocking_threads, k);
        CHECK_EQ(stats_now().blocking_queued, 0);
    }
    return 0;
}

/* Goal: many ask at once, and threads leave meanwhile: each call is made once or refused, and none
 * is forgotten in the queue of a pool that has no thread. */
static int ask_at_once(void *unused)
{
    enum { CALLERS = 16 };
    struct weft_co *co[CALLERS];

    (void)unused;
    for (int round = 0; round < scaled(300); round++) {
        atomic_int n = 0;
        int n_called = 0;
        allow(round % 3);
        for (int i = 0; i < CALLERS; i++)
            co[i] = weft_go_with(call_or_be_refused, &n);
        for (int i = 0; i < CALLERS; i++) {
            int rc = -1;
            CHECK_EQ(weft_join(co[i], &rc), 0);
            n_called += rc == 0;
        }
        CHECK_EQ(atomic_load(&n), n_called);
        CHECK_EQ(stats_now().blocking_queued, 0);
        while (round % 7 == 0 && stats_now().blocking_threads != 0)
            CHECK_EQ(weft_sleep(100 * WEFT_US), 0);
    }
    return 0;
}

TEST(many_ask_at_once_and_some_are_refused)
{
    CHECK_EQ(weft_run_with(ask_at_once, NULL, .procs = 4, .blocking_idle_ns = 200 * WEFT_US), 0);
}

static int outside_without_a_thread(void *unused)
{
    int n = 0;

    (void)unused;
    allow(0);
    for (int i = 0; i < 10; i++) {
        WEFT_BLOCKING
        {
            CHECK(!weft_in_coroutine());
            n++;
        }
        CHECK(weft_in_coroutine());
        CHECK_EQ(weft_sleep(100 * WEFT_US), 0);
    }
    CHECK_EQ(n, 10);
    CHECK_EQ(stats_now().outside, 0);
    return 0;
}

TEST(outside_without_a_thread_the_processor_stays)
{
    CHECK_EQ(weft_run_with(outside_without_a_thread, NULL, .procs = 1), 0);
}
