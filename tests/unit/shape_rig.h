/* SPDX-License-Identifier: MIT */
/* shape_rig.h - what the tests of oneshot, broadcast and watch share: who waits, threads, and
 * runtimes that come and go. */
#ifndef WEFT_SHAPE_RIG_H
#define WEFT_SHAPE_RIG_H

#include <pthread.h>

#include "co_test.h"

/* How often a coroutine of a runtime (NULL: this one) has waited so far. */
TEST_FN uint64_t parks(struct weft_runtime *rt)
{
    struct weft_stats stats = {.size = sizeof stats};

    CHECK_EQ(weft_runtime_stats(rt, &stats), 0);
    return stats.parks;
}

/* Until as many coroutines have parked since; nobody else may wait meanwhile. */
TEST_FN void until_parked(uint64_t since, int n)
{
    while (parks(NULL) < since + (uint64_t)n)
        weft_yield();
}

/* Starts a coroutine and returns when it waits. */
TEST_FN struct weft_co *go_and_park(int (*fn)(void *), void *arg)
{
    const uint64_t since = parks(NULL);
    struct weft_co *co = weft_go_with(fn, arg);

    until_parked(since, 1);
    return co;
}

TEST_FN pthread_t start(void *(*fn)(void *), void *arg)
{
    pthread_t th;

    CHECK_EQ(pthread_create(&th, NULL, fn, arg), 0);
    return th;
}

/* A runtime in which n coroutines wait is stopped. */
TEST_FN void stop_while_they_wait(void (*fn)(void *), void *arg, int n)
{
    struct weft_runtime *rt;

    CHECK_EQ(weft_runtime_start(&rt, NULL), 0);
    for (int i = 0; i < n; i++)
        CHECK_EQ(weft_runtime_go(rt, fn, arg), 0);
    while (parks(rt) < (uint64_t)n)
        ;
    CHECK_EQ(weft_runtime_stop(rt), n);
}

struct visit {
    struct weft_runtime *rt;
    int (*fn)(void *);
    void *arg;
};

TEST_FN void *visit_runtime(void *arg)
{
    struct visit *v = arg;
    int result = -1;

    CHECK_EQ(weft_block_on(v->rt, v->fn, v->arg, &result), 0);
    CHECK_EQ(result, 0);
    return NULL;
}

/* One function in a coroutine of one runtime, the other in one of another. */
TEST_FN void run_in_two_runtimes(int (*first)(void *), int (*second)(void *), void *arg)
{
    struct weft_runtime *rt[2];

    CHECK_EQ(weft_runtime_start(&rt[0], NULL), 0);
    CHECK_EQ(weft_runtime_start(&rt[1], NULL), 0);
    struct visit a = {rt[0], first, arg}, b = {rt[1], second, arg};
    pthread_t ta = start(visit_runtime, &a), tb = start(visit_runtime, &b);

    CHECK_EQ(pthread_join(ta, NULL), 0);
    CHECK_EQ(pthread_join(tb, NULL), 0);
    CHECK_EQ(weft_runtime_stop(rt[0]), 0);
    CHECK_EQ(weft_runtime_stop(rt[1]), 0);
}

#endif
