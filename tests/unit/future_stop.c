/* SPDX-License-Identifier: MIT */
/*
 * future_stop.c - futures and wakers live on when a runtime whose coroutines waited in them is
 * stopped: they keep nothing of those that were discarded.
 *
 * matrix: short
 */
#include "future_rig.h"

enum { WAITING = 300 };

struct rest {
    struct pair a, b;
    struct weft_waker *w;
};

static void await_one(void *arg)
{
    struct rest *r = arg;
    (void)!weft_future_await(r->a.f, NULL);
}

static void await_any_of_two(void *arg)
{
    struct rest *r = arg;
    struct weft_future *f[2] = {r->b.f, r->a.f};
    (void)!weft_future_await_any(f, 2);
}

static void await_under_a_deadline(void *arg)
{
    struct rest *r = arg;
    WEFT_DEADLINE(s, 10 * WEFT_MS) {
        (void)!weft_future_await(r->b.f, NULL);
    }
}

static void select_two_and_a_waker(void *arg)
{
    struct rest *r = arg;
    struct weft_case cases[] = {weft_case_future(r->b.f, NULL), weft_case_future(r->a.f, NULL),
                                weft_case_waker(r->w)};
    (void)!weft_select(cases, 3);
}

static void (*const waits[])(void *) = {await_one, await_any_of_two, await_under_a_deadline,
                                        select_two_and_a_waker};

static struct weft_runtime *start_waiting(struct rest *r, int procs)
{
    struct weft_config config = WEFT_CONFIG_INIT;
    struct weft_runtime *rt;

    *r = (struct rest){pair_make(), pair_make(), weft_waker_make()};
    config.procs = procs;
    CHECK_EQ(weft_runtime_start(&rt, &config), 0);
    for (int i = 0; i < WAITING; i++)
        CHECK_EQ(weft_runtime_go(rt, waits[i % COUNT(waits)], r), 0);
    wait_for_waiters(r->a.f, WAITING / COUNT(waits) * 3);
    return rt;
}

/* Goal: after the stop nobody is left in the futures, and completing them touches no stack that is
 * gone. */
TEST(a_stopped_runtime_leaves_nobody_in_a_future)
{
    for (int round = 0; round < scaled(40); round++) {
        struct rest r;
        struct weft_runtime *rt = start_waiting(&r, 1 + round % 2);

        CHECK_GT(weft_runtime_stop(rt), 0);
        CHECK_EQ(n_waiting(r.a.f), 0);
        CHECK_EQ(n_waiting(r.b.f), 0);
        weft_waker_wake(r.w);
        CHECK_EQ(weft_waker_wait(r.w), 0);
        weft_waker_unref(r.w);
        pair_free(&r.a);
        pair_free(&r.b);
    }
}

static void *complete_one(void *arg)
{
    struct rest *r = arg;

    resolve_with(r->a.p, 1);
    weft_waker_wake(r->w);
    return NULL;
}

/* Goal: a completion, a deadline and a wake may meet with the stop: those who were woken and have
 * not run since are gone from the other things they waited for.
 * Method: most of those who are woken never run; what they have waited for besides is completed
 * when their stacks are unmapped. */
TEST(who_was_woken_and_never_ran_is_left_in_no_future)
{
    for (int round = 0; round < scaled(100); round++) {
        struct rest r;
        struct weft_runtime *rt = start_waiting(&r, 1 + round % 2);
        pthread_t th = thread_start(complete_one, &r);

        if (round % 4 == 0)
            thread_join(th);
        CHECK_GE(weft_runtime_stop(rt), 0);
        if (round % 4 != 0)
            thread_join(th);
        CHECK_EQ(n_waiting(r.a.f), 0);
        CHECK_EQ(n_waiting(r.b.f), 0);
        resolve_with(r.b.p, 2);
        weft_waker_wake(r.w);
        weft_waker_unref(r.w);
        pair_free(&r.a);
        pair_free(&r.b);
    }
}
