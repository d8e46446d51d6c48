/* SPDX-License-Identifier: MIT */
/*
 * blocking.c - blocking calls by the pool and in place, with everything else going on beside them:
 * deadlines, channels, locks, sleeps; threads that come and go; and stops at any moment.
 *
 * matrix: short
 */
#include <pthread.h>
#include <sched.h>

#include "base/self.h"
#include "co_test.h"
#include "sched/sched.h"

enum { MIXERS = 24, THREADS = 3 };

static int64_t until;
static struct {
    atomic_ullong called, returned, outside, given_up;
    struct weft_mutex *mutex;
    chan *ch;
    int64_t plain; /* guarded by the mutex alone */
} books;

static void spin(uint64_t pauses)
{
    for (uint64_t i = 0; i < pauses; i++)
        __asm__ volatile("" ::: "memory");
}

struct job {
    uint64_t random;
    int was_called; /* plain, so that a race detector watches it too */
};

static int compute(void *arg)
{
    struct job *job = arg;
    const uint64_t x = test_random(&job->random);

    atomic_fetch_add(&books.called, 1);
    job->was_called++;
    if (x % 8 == 0)
        usleep(x / 8 % 300);
    else
        spin(x / 8 % 3000);
    return (int)(job->random % 1000);
}

static void call(uint64_t *x, int64_t within_ns)
{
    struct job job = {.random = test_random(x), .was_called = 0};
    int result = -1, rc = -1;

    WEFT_DEADLINE (s, within_ns)
        rc = weft_blocking(compute, &job, &result);
    CHECK_EQ(job.was_called, rc == 0);
    if (rc == 0) {
        CHECK_EQ(result, job.random % 1000);
        atomic_fetch_add(&books.returned, 1);
    } else {
        CHECK_EQ(rc, -ETIMEDOUT);
        atomic_fetch_add(&books.given_up, 1);
    }
}

static void go_outside(uint64_t *x)
{
    const uint64_t id = weft_id();

    WEFT_BLOCKING
    {
        if (test_random(x) % 4 == 0)
            usleep(test_random(x) % 300);
        else
            spin(test_random(x) % 3000);
        atomic_fetch_add(&books.outside, 1);
    }
    CHECK_EQ(weft_id(), id);
}

static void call_under_lock(uint64_t *x)
{
    CHECK_EQ(weft_mutex_lock(books.mutex), 0);
    const int64_t before = books.plain;
    if (test_random(x) % 2)
        call(x, WEFT_NEVER);
    else
        go_outside(x);
    books.plain = before + 1;
    weft_mutex_unlock(books.mutex);
}

static int mix(void *arg)
{
    uint64_t x = *(uint64_t *)arg | 1;
    int64_t n_locked = 0;

    do {
        int v = 0;
        switch (test_random(&x) % 8) {
        case 0:
        case 1:
            call(&x, WEFT_NEVER);
            break;
        case 2:
            call(&x, (int64_t)(test_random(&x) % 400) * WEFT_US);
            break;
        case 3:
        case 4:
            go_outside(&x);
            break;
        case 5:
            call_under_lock(&x);
            n_locked++;
            break;
        case 6:
            CHECK_EQ(weft_sleep((int64_t)(test_random(&x) % 300) * WEFT_US), 0);
            break;
        default:
            if (chan_try_send(books.ch, &v) == -EAGAIN && chan_try_recv(books.ch, &v) != 0)
                weft_yield();
        }
    } while (test_now_ms() < until);
    CHECK_EQ(weft_mutex_lock(books.mutex), 0);
    books.plain -= n_locked;
    weft_mutex_unlock(books.mutex);
    return 0;
}

static int mix_all(void *unused)
{
    struct weft_co *co[MIXERS];
    struct weft_stats s = {.size = sizeof s};
    static uint64_t seed[MIXERS];
    uint64_t x = test_seed();

    (void)unused;
    until = test_now_ms() + test_stress_ms();
    books.mutex = weft_mutex_make();
    books.ch = chan_make(sizeof(int), 4);
    for (int i = 0; i < MIXERS; i++) {
        seed[i] = test_random(&x);
        co[i] = weft_go_with(mix, &seed[i]);
    }
    for (int i = 0; i < MIXERS; i++)
        join(co[i]);
    CHECK_EQ(books.plain, 0);
    CHECK_EQ(weft_runtime_stats(NULL, &s), 0);
    CHECK_EQ(s.blocking_calls, atomic_load(&books.returned));
    CHECK_EQ(s.blocking_calls, atomic_load(&books.called));
    CHECK_EQ(s.blocking_queued, 0);
    CHECK_LE(s.blocking_peak, THREADS);
    CHECK_EQ(s.outside, 0);
    CHECK_GT(atomic_load(&books.outside), 0);
    weft_mutex_free(books.mutex);
    chan_unref(books.ch);
    return 0;
}

/* Goal: each call is carried out once and its result given, or not at all and said so; nobody is
 * lost on his way outside or back.
 * Method: the books at the end; threads of the pool are few, and leave as soon as they are idle. */
TEST_PROLONG(calls_and_results_balance)
TEST(calls_and_results_balance)
{
    CHECK_EQ(
        weft_run_with(mix_all, NULL, .blocking_max = THREADS, .blocking_idle_ns = 300 * WEFT_US),
        0);
}

static atomic_int n_at_work;

static int work(void *arg)
{
    struct job *job = arg;

    atomic_fetch_add(&n_at_work, 1);
    spin(test_random(&job->random) % 30000);
    job->was_called++;
    atomic_fetch_sub(&n_at_work, 1);
    return 0;
}

static void call_for_ever(void *arg)
{
    struct job job = {.random = (uint64_t)(uintptr_t)arg | 1, .was_called = 0};

    for (;;) {
        if (test_random(&job.random) % 2) {
            int rc = -1;
            WEFT_DEADLINE (s, (int64_t)(test_random(&job.random) % 300) * WEFT_US)
                rc = weft_blocking(work, &job, NULL);
            CHECK(rc == 0 || rc == -ETIMEDOUT);
        } else {
            WEFT_BLOCKING
            work(&job);
        }
    }
}

/* Goal: a runtime is stopped at any moment: calls that have begun come to their end before, on
 * memory that is there; nothing hangs, and no thread remains at work.
 * Method: the sanitizers see what is touched too late. */
TEST_PROLONG(a_stop_at_any_moment)
TEST(a_stop_at_any_moment)
{
    uint64_t x = test_seed();

    until = test_now_ms() + test_stress_ms();
    do {
        struct weft_config config = WEFT_CONFIG_INIT;
        struct weft_runtime *rt;
        config.blocking_max = 1 + (int)(test_random(&x) % 4);
        config.blocking_idle_ns = test_random(&x) % 2 ? 1 : 0;
        CHECK_EQ(weft_runtime_start(&rt, &config), 0);
        for (int i = 0; i < 8; i++)
            CHECK_EQ(weft_runtime_go(rt, call_for_ever, (void *)(uintptr_t)test_random(&x)), 0);
        spin(test_random(&x) % 1000000);
        CHECK_EQ(weft_runtime_stop(rt), 8);
        CHECK_EQ(atomic_load(&n_at_work), 0);
    } while (test_now_ms() < until);
}

static int hop(void *arg)
{
    uint64_t x = *(uint64_t *)arg | 1;

    do {
        if (test_random(&x) % 2)
            weft__p_ask_hand_off(weft__m_self()->p);
        go_outside(&x);
        weft_yield();
    } while (test_now_ms() < until);
    return 0;
}

static int sleep_in_between(void *arg)
{
    uint64_t x = *(uint64_t *)arg | 1;

    do
        CHECK_EQ(weft_sleep((int64_t)(test_random(&x) % 500) * WEFT_US), 0);
    while (test_now_ms() < until);
    return 0;
}

/* Goal: those who go outside, and processors that change their threads for other reasons, do not
 * get in each other's way. */
STRESS_TEST(going_outside_and_handing_off_go_together)
{
    struct weft_co *co[16];
    static uint64_t seed[COUNT(co)];
    uint64_t x = test_seed();

    until = test_now_ms() + test_stress_ms();
    for (int i = 0; i < COUNT(co); i++) {
        seed[i] = test_random(&x);
        co[i] = weft_go_with(i % 4 ? hop : sleep_in_between, &seed[i]);
    }
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
    return 0;
}
