/* SPDX-License-Identifier: MIT */
/*
 * once.c - those who wait for a once: each for its own, and no longer than their runtime lives.
 *
 * matrix: short
 */
#include <pthread.h>
#include <sched.h>

#include "co_test.h"

/* What takes until somebody says that it is over. */
struct work {
    weft_once once;
    chan *end;
    atomic_int n_runs;
    int plain; /* what fn writes is visible after once_do */
};

static void work_init(struct work *w)
{
    *w = (struct work){.once = WEFT_ONCE_INIT, .end = weft_chan_make_shared(0, 0)};
    CHECK(w->end != NULL);
}

static void do_until_told(void *arg)
{
    struct work *w = arg;

    atomic_fetch_add(&w->n_runs, 1);
    CHECK_EQ(weft_chan_recv(w->end, NULL), 0);
    w->plain = 42;
}

static int do_once(void *arg)
{
    struct work *w = arg;

    weft_once_do(&w->once, do_until_told, w);
    CHECK_EQ(w->plain, 42);
    return 0;
}

static void wait_for_ever(void *arg)
{
    (void)do_once(arg);
    TEST_FAIL("it was discarded");
}

static uint64_t n_parks(struct weft_runtime *rt)
{
    struct weft_stats s = {.size = sizeof s};

    CHECK_EQ(weft_runtime_stats(rt, &s), 0);
    return s.parks;
}

static void *run_once(void *arg)
{
    CHECK_EQ(weft_run(do_once, arg), 0);
    return NULL;
}

/* Goal: the end of the work touches none of those who waited for it in a runtime that is gone. */
TEST(those_who_are_discarded_are_forgotten)
{
    enum { N = 10 };
    struct weft_runtime *rt;
    struct work w;
    pthread_t th;

    work_init(&w);
    CHECK_EQ(pthread_create(&th, NULL, run_once, &w), 0);
    while (atomic_load(&w.n_runs) == 0)
        sched_yield();
    CHECK_EQ(weft_runtime_start(&rt, NULL), 0);
    for (int i = 0; i < N; i++)
        CHECK_EQ(weft_runtime_go(rt, wait_for_ever, &w), 0);
    while (n_parks(rt) < N)
        sched_yield();
    CHECK_EQ(weft_runtime_stop(rt), N);
    CHECK_EQ(weft_chan_send_foreign(w.end, NULL, WEFT_NEVER), 0);
    CHECK_EQ(pthread_join(th, NULL), 0);
    chan_unref(w.end);
}

/* Goal: who waits for one once is not told of the end of another. */
CO_TEST(each_waits_for_its_own)
{
    enum { N = 3 };
    struct work w[2];
    struct weft_co *co[2 * N];

    for (int round = 0; round < 10; round++) {
        uint64_t parks = n_parks(NULL);
        for (int k = 0; k < 2; k++)
            work_init(&w[k]);
        for (int i = 0; i < 2 * N; i++)
            co[i] = weft_go_with(do_once, &w[i % 2]);
        while (n_parks(NULL) < parks + 2 * N)
            weft_yield();
        for (int k = 0; k < 2; k++) {
            CHECK_EQ(chan_send(w[k].end, NULL), 0);
            for (int i = k; i < 2 * N; i += 2)
                join(co[i]);
            for (int i = 1; i < 2 * N && k == 0; i += 2)
                CHECK(!weft_done(co[i]));
        }
        for (int k = 0; k < 2; k++) {
            CHECK_EQ(atomic_load(&w[k].n_runs), 1);
            chan_unref(w[k].end);
        }
    }
    return 0;
}
