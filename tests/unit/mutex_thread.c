/* SPDX-License-Identifier: MIT */
/*
 * mutex_thread.c - a mutex between coroutines and plain threads, and who it is that holds it.
 *
 * matrix: short
 */
#include <sys/syscall.h>

#include "crowd.h"
#include "sched/lookout.h"

struct counter {
    struct weft_mutex *m;
    int plain; /* guarded by m alone, so that a race detector watches it too */
    int n;
};

static void count(void *arg, uint64_t *random)
{
    struct counter *c = arg;

    for (int i = 0; i < c->n; i++) {
        if (test_random(random) % 8 == 0) {
            while (weft_mutex_try_lock(c->m) != 0)
                crowd_pause();
        } else {
            CHECK_EQ(weft_mutex_lock(c->m), 0);
        }
        int before = c->plain;
        if (i % 16 == 0)
            crowd_pause();
        c->plain = before + 1;
        weft_mutex_unlock(c->m);
    }
}

static int count_with_threads(void *unused)
{
    struct counter c = {weft_mutex_make(), 0, scaled(2000)};

    (void)unused;
    crowd(8, 3, count, &c);
    CHECK_EQ(c.plain, 11 * c.n);
    weft_mutex_free(c.m);
    return 0;
}

/* Goal: coroutines and plain threads exclude each other, on any number of processors. */
TEST(a_mutex_excludes_threads_and_coroutines)
{
    CHECK_EQ(weft_run(count_with_threads, NULL), 0);
    CHECK_EQ(weft_run_with(count_with_threads, NULL, .procs = 1), 0);
    CHECK_EQ(weft_run_with(count_with_threads, NULL, .procs = 2), 0);
    CHECK_EQ(weft_run_with(count_with_threads, NULL, .procs = 8), 0);
}

static void *count_on_a_thread(void *c)
{
    uint64_t random = test_seed() ^ (uintptr_t)&random;

    count(c, &random);
    return NULL;
}

/* Goal: plain threads use a mutex without any runtime. */
TEST(a_mutex_excludes_threads_without_a_runtime)
{
    struct counter c = {weft_mutex_make(), 0, scaled(4000)};
    pthread_t th[4];

    for (int i = 0; i < COUNT(th); i++)
        CHECK_EQ(pthread_create(&th[i], NULL, count_on_a_thread, &c), 0);
    for (int i = 0; i < COUNT(th); i++)
        CHECK_EQ(pthread_join(th[i], NULL), 0);
    CHECK_EQ(c.plain, COUNT(th) * c.n);
    weft_mutex_free(c.m);
}

static atomic_bool is_at_it, has_had_it;

static void *lock_once(void *m)
{
    atomic_store(&is_at_it, true);
    CHECK_EQ(weft_mutex_lock(m), 0);
    atomic_store(&has_had_it, true);
    weft_mutex_unlock(m);
    return NULL;
}

/* Goal: a coroutine that takes the mutex again at once does not starve a thread that waits: it is
 * handed over. */
CO_TEST(a_thread_that_waits_gets_the_mutex)
{
    struct weft_mutex *m = weft_mutex_make();
    bool is_ours = true;
    pthread_t th;

    CHECK_EQ(weft_mutex_lock(m), 0);
    CHECK_EQ(pthread_create(&th, NULL, lock_once, m), 0);
    while (!atomic_load(&is_at_it))
        weft_yield();
    for (int rounds = 0; !atomic_load(&has_had_it); rounds++) {
        CHECK_LT(rounds, 500);
        if (is_ours) {
            CHECK_EQ(weft_sleep(2 * WEFT_MS), 0);
            weft_mutex_unlock(m);
        }
        is_ours = weft_mutex_try_lock(m) == 0;
        if (!is_ours)
            CHECK_EQ(weft_sleep(WEFT_MS), 0);
    }
    if (is_ours)
        weft_mutex_unlock(m);
    CHECK_EQ(pthread_join(th, NULL), 0);
    weft_mutex_free(m);
    return 0;
}

static bool asks_for_it;

static int lock_and_unlock(void *m)
{
    asks_for_it = true;
    CHECK_EQ(weft_mutex_lock(m), 0);
    weft_mutex_unlock(m);
    return 0;
}

static int hand_over_and_ask_again(void *unused)
{
    struct weft_mutex *m = weft_mutex_make();

    (void)unused;
    CHECK_EQ(weft_mutex_lock(m), 0);
    struct weft_co *co = weft_go_with(lock_and_unlock, m);
    while (!asks_for_it)
        weft_yield();
    CHECK_EQ(weft_sleep(3 * WEFT_MS), 0);
    weft_mutex_unlock(m); /* he has waited for more than 1 ms, and has yet to run */
    CHECK_EQ(weft_mutex_try_lock(m), -EAGAIN);
    CHECK_EQ(weft_mutex_lock(m), 0);
    CHECK(weft_done(co));
    weft_mutex_unlock(m);
    join(co);
    weft_mutex_free(m);
    return 0;
}

/* Goal: who has handed a mutex over does not hold it any more, although the one who got it has not
 * said yet that it is his. */
TEST(who_hands_a_mutex_over_may_ask_for_it_again)
{
    atomic_store(&weft__lookout_serves, false); /* a relief processor would run him at once */
    CHECK_EQ(weft_run_with(hand_over_and_ask_again, NULL, .procs = 1), 0);
}

static void hold_several(void *unused, uint64_t *random)
{
    enum { N = 5 };
    struct weft_mutex *m[N];
    struct weft_rwlock *rw = weft_rwlock_make();

    (void)unused;
    for (int i = 0; i < N; i++)
        m[i] = weft_mutex_make();
    for (int round = 0; round < 50; round++) {
        uint64_t held = 0;
        for (int i = 0; i < N; i++)
            CHECK_EQ(weft_mutex_lock(m[i]), 0);
        CHECK_EQ(weft_rwlock_write_lock(rw), 0);
        for (held = (1 << N) - 1; held != 0;) {
            int i = (int)(test_random(random) % N);
            if ((held & 1u << i) != 0) {
                crowd_pause();
                weft_mutex_unlock(m[i]);
                held &= ~(UINT64_C(1) << i);
            }
        }
        weft_rwlock_write_unlock(rw);
    }
    for (int i = 0; i < N; i++)
        weft_mutex_free(m[i]);
    weft_rwlock_free(rw);
}

/* Goal: several locks that one holds are given back in any order. */
CO_TEST(locks_are_given_back_in_any_order)
{
    crowd(8, 2, hold_several, NULL);
    return 0;
}

static char text[1 << 16];

static const char *dump(void)
{
    FILE *f = tmpfile();

    CHECK(f != NULL);
    CHECK_GT(weft_dump(fileno(f)), 0);
    rewind(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

static struct weft_mutex *wanted;
static struct weft_rwlock *to_write, *to_read;
static atomic_bool may_let_go;
static atomic_ullong holder; /* the number of the coroutine or thread */

static int hold_for_a_while(void *arg)
{
    CHECK_EQ(weft_mutex_lock(wanted), 0);
    CHECK_EQ(weft_rwlock_write_lock(to_read), 0);
    CHECK_EQ(weft_rwlock_read_lock(to_write), 0);
    atomic_store(&holder, weft_id());
    while (!atomic_load(&may_let_go))
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    weft_rwlock_read_unlock(to_write);
    weft_rwlock_write_unlock(to_read);
    weft_mutex_unlock(wanted);
    return arg != NULL;
}

static void *hold_on_a_thread(void *unused)
{
    (void)unused;
    CHECK_EQ(weft_mutex_lock(wanted), 0);
    CHECK_EQ(weft_rwlock_write_lock(to_read), 0);
    CHECK_EQ(weft_rwlock_read_lock(to_write), 0);
    atomic_store(&holder, (unsigned long long)syscall(SYS_gettid));
    while (!atomic_load(&may_let_go))
        usleep(1000);
    weft_rwlock_read_unlock(to_write);
    weft_rwlock_write_unlock(to_read);
    weft_mutex_unlock(wanted);
    return NULL;
}

static int want_mutex(void *unused)
{
    (void)unused;
    CHECK_EQ(weft_mutex_lock(wanted), 0);
    weft_mutex_unlock(wanted);
    return 0;
}

static int want_to_read(void *unused)
{
    (void)unused;
    CHECK_EQ(weft_rwlock_read_lock(to_read), 0);
    weft_rwlock_read_unlock(to_read);
    return 0;
}

static int want_to_write(void *unused)
{
    (void)unused;
    CHECK_EQ(weft_rwlock_write_lock(to_write), 0);
    weft_rwlock_write_unlock(to_write);
    return 0;
}

static unsigned long long wait_for_holder(void)
{
    while (atomic_load(&holder) == 0)
        weft_yield();
    return atomic_load(&holder);
}

/* Three that want what somebody holds; the dump must say who. */
static void check_said(const char *who)
{
    char line[3][160];
    struct weft_co *co[3];

    co[0] = weft_go_with(want_mutex, NULL);
    co[1] = weft_go_with(want_to_read, NULL);
    co[2] = weft_go_with(want_to_write, NULL);
    snprintf(line[0], sizeof line[0], "waits: mutex %p, held by %s\n", (void *)wanted, who);
    snprintf(line[1], sizeof line[1], "waits: read lock %p, held by %s\n", (void *)to_read, who);
    snprintf(line[2], sizeof line[2], "waits: write lock %p\n", (void *)to_write);
    for (int i = 0; i < COUNT(line);)
        if (strstr(dump(), line[i]) != NULL)
            i++;
        else
            weft_yield(); /* until the limit of the test, which prints a dump */
    atomic_store(&may_let_go, true);
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
}

static void make_locks(void)
{
    wanted = weft_mutex_make();
    to_write = weft_rwlock_make();
    to_read = weft_rwlock_make();
}

static void free_locks(void)
{
    weft_mutex_free(wanted);
    weft_rwlock_free(to_write);
    weft_rwlock_free(to_read);
}

/* Goal: a dump names the coroutine that holds what is waited for; of readers there may be many. */
CO_TEST(a_dump_names_the_coroutine_that_holds_a_lock)
{
    char who[64];

    make_locks();
    struct weft_co *co = weft_go_with(hold_for_a_while, NULL, .name = "holder");
    snprintf(who, sizeof who, "coroutine %llu \"holder\"", wait_for_holder());
    check_said(who);
    join(co);
    free_locks();
    return 0;
}

/* Goal: a dump says which thread it is. */
CO_TEST(a_dump_names_the_thread_that_holds_a_lock)
{
    char who[64];
    pthread_t th;

    make_locks();
    CHECK_EQ(pthread_create(&th, NULL, hold_on_a_thread, NULL), 0);
    snprintf(who, sizeof who, "thread %llu", wait_for_holder());
    check_said(who);
    CHECK_EQ(pthread_join(th, NULL), 0);
    free_locks();
    return 0;
}
