/* SPDX-License-Identifier: MIT */
/*
 * verdict.c - what the look at a deadlock goes by, while threads that could still end the wait come
 * and go.
 *
 * matrix: short
 */
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "base/sys.h"
#include "co_test.h"
#include "sched/away.h"
#include "sched/sched.h"

enum { LEAVING = 40, PAUSES_MAX = 3000 };

struct street {
    chan *ch;
    uint64_t random;
    atomic_bool may_leave, is_over;
    atomic_int n_left;
};

static void *leave(void *arg)
{
    struct street *s = arg;

    while (!atomic_load(&s->may_leave))
        sched_yield();
    atomic_fetch_add(&s->n_left, 1);
    return NULL;
}

static void *stay(void *arg)
{
    struct street *s = arg;

    while (!atomic_load(&s->is_over))
        sched_yield();
    return NULL;
}

static void start(pthread_t *th, int n, void *(*fn)(void *), struct street *s)
{
    for (int i = 0; i < n; i++)
        CHECK_EQ(pthread_create(&th[i], NULL, fn, s), 0);
}

static void join_threads(const pthread_t *th, int n)
{
    for (int i = 0; i < n; i++)
        CHECK_EQ(pthread_join(th[i], NULL), 0);
}

/* Goal: a thread that stays is counted, whoever exits meanwhile.
 * Method: those who exit are older, so that a list has not come to the one that stays. */
TEST(a_thread_that_stays_is_counted)
{
    const int64_t until = test_now_ms() + test_stress_ms();
    const int before = weft__sys_thread_count();

    CHECK_GE(before, 1);
    do {
        pthread_t th[LEAVING], last;
        struct street s = {.ch = NULL};

        start(th, LEAVING, leave, &s);
        start(&last, 1, stay, &s);
        atomic_store(&s.may_leave, true);
        for (int after = 0; after < 3; after += atomic_load(&s.n_left) == LEAVING)
            CHECK_GE(weft__sys_thread_count(), before + 1);
        atomic_store(&s.is_over, true);
        join_threads(th, LEAVING);
        join_threads(&last, 1);
    } while (test_now_ms() < until);
}

/* Lets the others go, and sends a little later. */
static void *send_when_they_leave(void *arg)
{
    struct street *s = arg;

    atomic_store(&s->may_leave, true);
    for (uint64_t i = test_random(&s->random) % PAUSES_MAX; i > 0; i--)
        __asm__ volatile("" ::: "memory");
    CHECK_EQ(weft_chan_send_foreign(s->ch, NULL, WEFT_NEVER), 0);
    return NULL;
}

/* Goal: a thread that can still send is never overlooked, and a program that goes on is not said to
 * stall.
 * Method: the runtime looks when its only coroutine waits; at that moment threads exit that are
 * older than the one that will send. */
STRESS_TEST(a_thread_that_can_still_send_is_never_overlooked)
{
    const int64_t until = test_now_ms() + test_stress_ms();
    struct street s = {.ch = chan_make(0, 0), .random = test_seed()};

    do {
        pthread_t th[LEAVING], sender;
        atomic_store(&s.may_leave, false);
        start(th, LEAVING, leave, &s);
        start(&sender, 1, send_when_they_leave, &s);
        CHECK_EQ(chan_recv(s.ch, NULL), 0);
        join_threads(th, LEAVING);
        join_threads(&sender, 1);
    } while (test_now_ms() < until);
    chan_unref(s.ch);
    return 0;
}

/* Goal: an operation is under way until its coroutine is runnable, not only until a driver has
 * reported it: the P that took it from its reactor is not awake yet then.
 * Method: the counts of two Ps, as they are in between; the moment itself is too short to meet. */
TEST(what_was_reported_but_not_delivered_is_still_under_way)
{
    static struct weft__p p[2];
    static struct weft__reactor reactors[2];
    static struct weft_runtime rt = {
        .p = p, .procs = 2, .n_ps = 2, .reactors = {.count = 2, .reactors = reactors}};

    CHECK(!weft__has_undelivered(&rt));
    reactors[0].n_submitted = 3;
    CHECK(weft__has_undelivered(&rt));
    reactors[1].n_completed = 3;
    CHECK(weft__has_undelivered(&rt));
    p[0].counts.delivered = 1;
    CHECK(weft__has_undelivered(&rt));
    p[1].counts.delivered = 2;
    CHECK(!weft__has_undelivered(&rt));
}

/* Goal: a blocking call is under way until its coroutine was made runnable; and should that one
 * have waited again, its P be asleep, and no look have been asked for because of the call, then the
 * end of the call asks for it.
 * Method: as above. */
TEST(the_end_of_a_blocking_call_asks_for_the_look_that_it_has_prevented)
{
    static struct weft__p p[2];
    static struct weft__reactor reactors[2];
    static struct weft_runtime rt = {
        .p = p, .procs = 2, .n_ps = 2, .reactors = {.count = 2, .reactors = reactors}};

    weft__away_begin(&rt);
    CHECK(weft__has_undelivered(&rt));
    rt.n_idle = 1;
    weft__away_end(&rt);
    CHECK(!weft__has_undelivered(&rt));
    CHECK(!rt.wants_look);
    rt.n_idle = 2;
    weft__away_begin(&rt);
    weft__away_begin(&rt);
    weft__away_end(&rt);
    CHECK(weft__has_undelivered(&rt));
    CHECK(!rt.wants_look);
    weft__away_end(&rt);
    CHECK(rt.wants_look);
}

static int return_at_once(void *arg)
{
    for (uintptr_t i = 0; i < (uintptr_t)arg; i++)
        __asm__ volatile("" ::: "memory");
    return 0;
}

static int block_and_wait_for_ever(void *arg)
{
    CHECK_EQ(weft_blocking(return_at_once, arg, NULL), 0);
    WEFT_BLOCKING
    return_at_once(arg);
    CHECK_EQ(weft_blocking(return_at_once, arg, NULL), 0);
    return chan_recv(NULL, NULL);
}

/* Goal: a deadlock that comes right after blocking calls is found each time, none is found before,
 * and the threads that they leave behind are nobody's that could still wake somebody. */
TEST_PROLONG(a_deadlock_after_blocking_calls_is_found_each_time)
TEST(a_deadlock_after_blocking_calls_is_found_each_time)
{
    const int64_t until = test_now_ms() + test_stress_ms();
    uint64_t x = test_seed();

    CHECK(freopen("/dev/null", "w", stderr) != NULL); /* each is reported */
    do {
        struct weft_runtime *rt;
        const uintptr_t pauses = test_random(&x) % 30000;
        CHECK_EQ(weft_runtime_start(&rt, NULL), 0);
        CHECK_EQ(weft_block_on(rt, block_and_wait_for_ever, (void *)pauses, NULL), -EDEADLK);
        CHECK_EQ(weft_runtime_stop(rt), 1);
    } while (test_now_ms() < until);
}

static int block_often(void *unused)
{
    const int64_t until = test_now_ms() + test_stress_ms();
    uint64_t x = test_seed();

    (void)unused;
    do {
        CHECK_EQ(weft_blocking(return_at_once, (void *)(test_random(&x) % 30000), NULL), 0);
        WEFT_BLOCKING
        return_at_once((void *)(test_random(&x) % 30000));
    } while (test_now_ms() < until);
    return 0;
}

/* Goal: no look finds a deadlock while one is away, or on his way back.
 * Method: the only coroutine of a plain weft_run(), which would exit. */
STRESS_TEST(nobody_who_is_away_is_taken_for_lost)
{
    return block_often(NULL);
}

/* Another runtime, over and over, by a thread that this one knows nothing of. */
static int return_0(void *unused)
{
    (void)unused;
    return 0;
}

static void *come_and_go(void *is_over)
{
    while (!atomic_load((atomic_bool *)is_over))
        CHECK_EQ(weft_run_with(return_0, NULL, .procs = 8), 0);
    return NULL;
}

static int receive_all(void *ch)
{
    int value;

    while (chan_recv(ch, &value) == 0)
        ;
    return 0;
}

static void *receive_in_a_runtime(void *ch)
{
    CHECK_EQ(weft_run(receive_all, ch), 0);
    return NULL;
}

/* Goal: a runtime that waits for this thread is not taken for dead because threads of others end
 * while those that are not the runtimes' are counted. */
TEST_PROLONG(runtimes_that_end_beside_hide_no_thread)
TEST(runtimes_that_end_beside_hide_no_thread)
{
    const int64_t until = test_now_ms() + test_stress_ms();
    chan *ch = weft_chan_make_shared(sizeof(int), 0);
    atomic_bool is_over = false;
    pthread_t waits, beside[2];

    CHECK_EQ(pthread_create(&waits, NULL, receive_in_a_runtime, ch), 0);
    for (int i = 0; i < COUNT(beside); i++)
        CHECK_EQ(pthread_create(&beside[i], NULL, come_and_go, &is_over), 0);
    for (int value = 0; test_now_ms() < until; value++) {
        CHECK_EQ(weft_chan_send_foreign(ch, &value, 100 * WEFT_SEC), 0);
        usleep(50); /* so that it comes to rest, which is when it is looked at */
    }
    atomic_store(&is_over, true);
    weft_chan_close(ch);
    CHECK_EQ(pthread_join(waits, NULL), 0);
    for (int i = 0; i < COUNT(beside); i++)
        CHECK_EQ(pthread_join(beside[i], NULL), 0);
    chan_unref(ch);
}
