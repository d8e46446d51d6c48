/* SPDX-License-Identifier: MIT */
/*
 * wake.c - the one wake that everything depends on.
 *
 * In each test a plain thread or a computing coroutine does one thing, then waits for the answer
 * without doing anything that could help: no second wake, no timer, no operation comes to hide a
 * lost one.  The pause before each thing is random within the time that a processor takes to find
 * nothing and fall asleep, so that it meets every step on that way.
 *
 * matrix: short
 */
#include <pthread.h>
#include <sched.h>

#include "co_test.h"
#include "no_lookout.h" /* it would find in a moment what nobody was told of */
#include "sched/sched.h"

/* A processor searches for some 20 us before it sleeps. */
#define PAUSE_NS_MAX 40000

/* Spins: a pause that sleeps would be far too long. */
static void pause_randomly(uint64_t *x)
{
    const int64_t until = weft_now() + (int64_t)(test_random(x) % PAUSE_NS_MAX);

    while (weft_now() < until)
        ;
}

static atomic_uint_fast64_t answered;

/* The answer must come although this thread only looks. */
static void await_answer(uint64_t i, const char *what)
{
    const int64_t until = test_now_ms() + 4000 * test_scale();

    for (unsigned looks = 1; atomic_load(&answered) != i; looks++) {
        if (looks % 1024 == 0)
            sched_yield(); /* on a machine of one CPU the other needs it */
        if (looks % 65536 == 0 && test_now_ms() > until)
            TEST_FAIL("%s: nobody answers number %llu", what, (unsigned long long)i);
    }
}

static void answer(void *arg)
{
    atomic_store(&answered, (uint64_t)(uintptr_t)arg);
}

/* --- from a plain thread into a runtime that falls asleep */

static struct weft_runtime *start(void)
{
    struct weft_runtime *rt;

    atomic_store(&answered, 0);
    CHECK_EQ(weft_runtime_start(&rt, NULL), 0);
    return rt;
}

/* Goal: a coroutine that a plain thread starts is run, whatever the processors are about to do. */
TEST(a_spawn_from_a_thread_is_never_slept_over)
{
    const int64_t until = test_now_ms() + test_stress_ms() / 2;
    struct weft_runtime *rt = start();
    uint64_t x = test_seed();

    for (uint64_t i = 1; test_now_ms() < until; i++) {
        CHECK_EQ(weft_runtime_go(rt, answer, (void *)(uintptr_t)i), 0);
        await_answer(i, "weft_runtime_go()");
        pause_randomly(&x);
    }
    CHECK_EQ(weft_runtime_stop(rt), 0);
}

static void answer_all(void *ch)
{
    uint64_t i;

    while (chan_recv(ch, &i) == 0)
        atomic_store(&answered, i);
    atomic_store(&answered, UINT64_MAX);
}

/* Goal: a parked coroutine that a plain thread wakes goes on, whatever the processors are about to
 * do. */
TEST(a_send_from_a_thread_is_never_slept_over)
{
    const int64_t until = test_now_ms() + test_stress_ms() / 2;
    struct weft_runtime *rt = start();
    chan *ch = weft_chan_make_shared(sizeof(uint64_t), 1);
    uint64_t x = test_seed();

    CHECK_EQ(weft_runtime_go(rt, answer_all, ch), 0);
    for (uint64_t i = 1; test_now_ms() < until; i++) {
        CHECK_EQ(weft_chan_try_send(ch, &i), 0);
        await_answer(i, "weft_chan_try_send()");
        pause_randomly(&x);
    }
    CHECK_EQ(weft_chan_close(ch), 0);
    await_answer(UINT64_MAX, "weft_chan_close()");
    CHECK_EQ(weft_runtime_stop(rt), 0);
    weft_chan_unref(ch);
}

/* All processors sleep and are counted so, and none counts as searching. */
static bool is_at_rest(struct weft_runtime *rt)
{
    return atomic_load(&rt->n_idle) == (uint32_t)rt->procs && atomic_load(&rt->n_spinning) == 0;
}

static void await_rest(struct weft_runtime *rt)
{
    const int64_t until = test_now_ms() + 4000 * test_scale();

    while (!is_at_rest(rt) && test_now_ms() < until)
        sched_yield();
    CHECK_EQ(atomic_load(&rt->n_idle), rt->procs);
    CHECK_EQ(atomic_load(&rt->n_spinning), 0);
}

static atomic_bool is_storm;

/* Its timers end the sleep of its processor just when others do so. */
static void sleep_and_wake(void *unused)
{
    uint64_t x = test_seed() ^ weft_id() << 20;

    (void)unused;
    while (atomic_load(&is_storm))
        CHECK_EQ(weft_sleep((int64_t)(test_random(&x) % 50) * WEFT_US), 0);
}

static void count(void *unused)
{
    (void)unused;
    atomic_fetch_add(&answered, 1);
}

static void *spawn_many(void *rt)
{
    uint64_t x = test_seed() ^ (uintptr_t)&x;

    for (int i = 0; i < scaled(1000); i++) {
        CHECK_EQ(weft_runtime_go(rt, count, NULL), 0);
        if (i % 8 == 0)
            pause_randomly(&x);
    }
    return NULL;
}

/* Goal: whatever wakes a processor at the same moment as something else (threads, its own timers,
 * its own last look), all counts are right when all is quiet again: one too many in the count of
 * the searching, and nobody would ever be woken again.
 * Method: storms, and after each a look at the counts. */
TEST(after_a_storm_of_wakes_all_are_asleep_and_counted_so)
{
    const int64_t until = test_now_ms() + test_stress_ms() / 2;
    struct weft_runtime *rt = start();
    uint64_t n = 0;

    do {
        pthread_t th[3];
        atomic_store(&is_storm, true);
        for (int i = 0; i < 4; i++)
            CHECK_EQ(weft_runtime_go(rt, sleep_and_wake, NULL), 0);
        for (int i = 0; i < COUNT(th); i++)
            CHECK_EQ(pthread_create(&th[i], NULL, spawn_many, rt), 0);
        for (int i = 0; i < COUNT(th); i++)
            CHECK_EQ(pthread_join(th[i], NULL), 0);
        n += (uint64_t)(COUNT(th) * scaled(1000));
        await_answer(n, "a storm of weft_runtime_go()");
        atomic_store(&is_storm, false);
        while (weft__live_count(rt) != 0)
            sched_yield();
        await_rest(rt);
        CHECK_EQ(weft_runtime_go(rt, count, NULL), 0);
        await_answer(++n, "weft_runtime_go() after a storm");
    } while (test_now_ms() < until);
    CHECK_EQ(weft_runtime_stop(rt), 0);
}

/* Goal: a stop ends processors that are about to fall asleep as well as those that sleep. */
TEST_LIMIT(a_stop_is_never_slept_over, 10)
{
    const int64_t until = test_now_ms() + test_stress_ms() / 2;
    uint64_t x = test_seed();

    do {
        struct weft_runtime *rt = start();
        CHECK_EQ(weft_runtime_go(rt, answer, (void *)(uintptr_t)1), 0);
        await_answer(1, "weft_runtime_go()");
        pause_randomly(&x);
        CHECK_EQ(weft_runtime_stop(rt), 0);
    } while (test_now_ms() < until);
}

/* --- from a coroutine that computes to the processors beside it */

/* Goal: what a coroutine starts and then computes without a pause is taken by another processor. */
STRESS_TEST_ON_TWO(what_a_busy_processor_queues_is_never_slept_over)
{
    const int64_t until = test_now_ms() + test_stress_ms() / 2;
    uint64_t x = test_seed();

    for (uint64_t i = 1; test_now_ms() < until; i++) {
        CHECK_EQ(go(answer, (void *)(uintptr_t)i), 0);
        await_answer(i, "go()");
        pause_randomly(&x);
    }
    return 0;
}

static int answer_there(void *arg)
{
    answer(arg);
    return 0;
}

/* Goal: what is placed on a processor is run there, although only that one may take it. */
STRESS_TEST_ON_TWO(what_is_placed_on_a_processor_is_never_slept_over)
{
    const int64_t until = test_now_ms() + test_stress_ms() / 2;
    const int n = weft_runtime_procs(NULL);
    uint64_t x = test_seed();

    for (uint64_t i = 1; test_now_ms() < until; i++) {
        int here = weft_thread_index();
        struct weft_co *co =
            weft_go_with(answer_there, (void *)(uintptr_t)i, .on_p = WEFT_ON_P((here + 1) % n));
        CHECK(co != NULL);
        await_answer(i, "on_p");
        weft_detach(co);
        pause_randomly(&x);
    }
    return 0;
}
