/* SPDX-License-Identifier: MIT */
/*
 * sync.c - mutex, wait group and once as include/weft/sync.h promises them.
 *
 * matrix: short
 */
#include <pthread.h>

#include "co_test.h"
#include "no_lookout.h"

/* ---- mutex ---- */

struct counter {
    struct weft_mutex *m;
    int plain; /* guarded by m alone, so that a race detector watches it too */
    int n;
};

static int count_under_lock(void *arg)
{
    struct counter *c = arg;

    for (int i = 0; i < c->n; i++) {
        int before;

        CHECK_EQ(weft_mutex_lock(c->m), 0);
        before = c->plain;
        if (i % 16 == 0)
            weft_yield(); /* holding a mutex across a switch is allowed */
        c->plain = before + 1;
        weft_mutex_unlock(c->m);
    }
    return 0;
}

static int count_with_many(void *unused)
{
    enum { N = 20 };
    struct counter c = {weft_mutex_make(), 0, scaled(2000)};
    struct weft_co *co[N];

    (void)unused;
    for (int i = 0; i < N; i++)
        co[i] = weft_go_with(count_under_lock, &c);
    for (int i = 0; i < N; i++)
        join(co[i]);
    CHECK_EQ(c.plain, N * c.n);
    weft_mutex_free(c.m);
    return 0;
}

/* Goal: one coroutine at a time holds a mutex, whatever the number of processors.
 * Method: a counter that is read, held across a yield and written loses counts otherwise. */
TEST(a_mutex_excludes_on_any_number_of_processors)
{
    CHECK_EQ(weft_run(count_with_many, NULL), 0);
    CHECK_EQ(weft_run_with(count_with_many, NULL, .procs = 1), 0);
    CHECK_EQ(weft_run_with(count_with_many, NULL, .procs = 2), 0);
    CHECK_EQ(weft_run_with(count_with_many, NULL, .procs = 8), 0);
}

static int try_to_lock(void *arg)
{
    int rc = weft_mutex_try_lock(arg);

    if (rc == 0)
        weft_mutex_unlock(arg);
    return -rc;
}

static int lock_and_unlock(void *arg)
{
    CHECK_EQ(weft_mutex_lock(arg), 0);
    weft_mutex_unlock(arg);
    return 0;
}

/* Goal: try_lock takes a free mutex and says -EAGAIN for one that is held. */
CO_TEST(try_lock_never_waits)
{
    struct weft_mutex *m = weft_mutex_make();
    int rc = 0;

    CHECK_EQ(weft_mutex_try_lock(m), 0);
    CHECK_EQ(weft_join(weft_go_with(try_to_lock, m), &rc), 0);
    CHECK_EQ(rc, EAGAIN);
    weft_mutex_unlock(m);
    CHECK_EQ(weft_join(weft_go_with(try_to_lock, m), &rc), 0);
    CHECK_EQ(rc, 0);
    weft_mutex_free(m);
    weft_mutex_free(NULL);
    return 0;
}

struct line {
    struct weft_mutex *m;
    int order[8], n;
    atomic_int started;
};

static int stand_in_line(void *arg)
{
    struct line *l = arg;
    int me = atomic_fetch_add(&l->started, 1);

    CHECK_EQ(weft_mutex_lock(l->m), 0);
    l->order[l->n++] = me;
    weft_mutex_unlock(l->m);
    return 0;
}

static int stand_in_line_eight_times(void *unused)
{
    struct line l = {.m = weft_mutex_make()};
    struct weft_co *co[8];

    (void)unused;
    CHECK_EQ(weft_mutex_lock(l.m), 0);
    for (int i = 0; i < 8; i++) {
        co[i] = weft_go_with(stand_in_line, &l);
        while (atomic_load(&l.started) <= i)
            weft_yield();
    }
    weft_mutex_unlock(l.m);
    for (int i = 0; i < 8; i++)
        join(co[i]);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(l.order[i], i);
    weft_mutex_free(l.m);
    return 0;
}

/* Goal: waiters get a mutex in the order in which they came.
 * Method: with one processor a coroutine that has started has also parked. */
TEST(waiters_of_a_mutex_are_served_in_order)
{
    CHECK_EQ(weft_run_with(stand_in_line_eight_times, NULL, .procs = 1), 0);
}

/* Goal: a runner that takes the mutex again at once cannot starve a waiter: one that has waited for
 * more than 1 ms gets it by hand-over.
 * Method: unlock and try_lock without a switch between, after holding it for 2 ms, until the waiter
 * has had it; that must be soon. */
CO_TEST(a_barging_runner_does_not_starve_a_waiter)
{
    struct weft_mutex *m = weft_mutex_make();
    struct weft_co *co;
    bool is_ours = true;

    CHECK_EQ(weft_mutex_lock(m), 0);
    co = weft_go_with(lock_and_unlock, m);
    for (int rounds = 0; is_ours && !weft_done(co); rounds++) {
        CHECK_LT(rounds, 500);
        CHECK_EQ(weft_sleep(2 * WEFT_MS), 0);
        weft_mutex_unlock(m);
        is_ours = weft_mutex_try_lock(m) == 0;
    }
    if (is_ours)
        weft_mutex_unlock(m);
    join(co);
    CHECK_EQ(weft_mutex_try_lock(m), 0);
    weft_mutex_unlock(m);
    weft_mutex_free(m);
    return 0;
}

static int lock_in_vain(void *arg)
{
    int64_t start = weft_now();

    WEFT_DEADLINE(s, 2 * WEFT_MS) {
        CHECK_EQ(weft_mutex_lock(arg), -ETIMEDOUT);
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
    }
    CHECK_GE(weft_now() - start, 2 * WEFT_MS);
    return 0;
}

/* Goal: a deadline ends the wait for a mutex; a waiter that gave up is passed over. */
CO_TEST(a_deadline_ends_the_wait_for_a_mutex)
{
    struct weft_mutex *m = weft_mutex_make();
    struct weft_co *vain, *patient;

    CHECK_EQ(weft_mutex_lock(m), 0);
    vain = weft_go_with(lock_in_vain, m);
    patient = weft_go_with(lock_and_unlock, m);
    join(vain);
    weft_mutex_unlock(m);
    join(patient);
    WEFT_DEADLINE(s, 0) { /* a free one is taken though the deadline has passed */
        CHECK_EQ(weft_mutex_lock(m), 0);
        weft_mutex_unlock(m);
    }
    weft_mutex_free(m);
    return 0;
}

static atomic_int n_held, n_timeouts;

static int lock_in_a_hurry(void *arg)
{
    struct counter *c = arg;

    for (int i = 0; i < c->n; i++) {
        int rc = -1;

        WEFT_DEADLINE(s, (i % 8) * 10 * WEFT_US)
            rc = weft_mutex_lock(c->m);
        CHECK(rc == 0 || rc == -ETIMEDOUT);
        if (rc == 0) {
            c->plain++;
            if (i % 4 == 0)
                weft_yield();
            weft_mutex_unlock(c->m);
        }
        atomic_fetch_add(rc == 0 ? &n_held : &n_timeouts, 1);
    }
    return 0;
}

/* Goal: deadlines that race with hand-overs lose no lock: nobody waits for a free mutex, and who
 * was told 0 held it alone. */
CO_TEST(deadlines_racing_with_unlocks_lose_no_lock)
{
    struct counter c = {weft_mutex_make(), 0, scaled(1000)};
    struct weft_co *co[10];

    for (int i = 0; i < 10; i++)
        co[i] = weft_go_with(lock_in_a_hurry, &c);
    for (int i = 0; i < 10; i++)
        join(co[i]);
    CHECK_EQ(c.plain, atomic_load(&n_held));
    CHECK_EQ(atomic_load(&n_held) + atomic_load(&n_timeouts), 10 * c.n);
    CHECK_EQ(weft_mutex_try_lock(c.m), 0);
    weft_mutex_unlock(c.m);
    weft_mutex_free(c.m);
    return 0;
}

struct guest {
    struct weft_runtime *rt;
    int (*fn)(void *);
    void *arg;
};

static void *visit(void *arg)
{
    struct guest *g = arg;
    int result = -1;

    CHECK_EQ(weft_block_on(g->rt, g->fn, g->arg, &result), 0);
    CHECK_EQ(result, 0);
    return NULL;
}

/* Runs fn(arg) in two runtimes at once. */
static void visit_both(int (*fn)(void *), void *arg)
{
    struct guest g[2];
    pthread_t th[2];

    for (int i = 0; i < 2; i++) {
        g[i] = (struct guest){NULL, fn, arg};
        CHECK_EQ(weft_runtime_start(&g[i].rt, NULL), 0);
    }
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&th[i], NULL, visit, &g[i]), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_join(th[i], NULL), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(weft_runtime_stop(g[i].rt), 0);
}

/* Goal: coroutines of two runtimes exclude each other by one mutex. */
TEST(a_mutex_excludes_across_runtimes)
{
    struct counter c = {weft_mutex_make(), 0, scaled(3000)};

    visit_both(count_under_lock, &c);
    CHECK_EQ(c.plain, 2 * c.n);
    weft_mutex_free(c.m);
}

/* ---- wait group ---- */

struct crew {
    struct weft_wait_group *wg;
    int work[50]; /* plain: what was written before done is visible to those who wake */
    atomic_int next, n_woken;
};

static void work_and_be_done(void *arg)
{
    struct crew *c = arg;
    int me = atomic_fetch_add(&c->next, 1);

    yield_often(me % 7);
    c->work[me] = me + 1;
    weft_wg_done(c->wg);
}

static int wait_for_crew(void *arg)
{
    struct crew *c = arg;

    CHECK_EQ(weft_wg_wait(c->wg), 0);
    for (int i = 0; i < 50; i++)
        CHECK_EQ(c->work[i], i + 1);
    atomic_fetch_add(&c->n_woken, 1);
    return 0;
}

/* Goal: wait returns when the count is 0, to all who wait, and shows what was written before. */
CO_TEST(a_wait_group_wakes_all_at_zero)
{
    struct crew c = {.wg = weft_wg_make()};

    CHECK_EQ(weft_wg_wait(c.wg), 0); /* nothing to wait for */
    for (int round = 0; round < 20; round++) { /* it can be used again and again */
        struct weft_co *waiter[10];

        memset(c.work, 0, sizeof c.work);
        atomic_store(&c.next, 0);
        weft_wg_add(c.wg, 60);
        for (int i = 0; i < 10; i++)
            waiter[i] = weft_go_with(wait_for_crew, &c);
        for (int i = 0; i < 50; i++)
            CHECK_EQ(go(work_and_be_done, &c), 0);
        yield_often(20);
        CHECK_EQ(atomic_load(&c.n_woken), 10 * round); /* ten are still missing */
        weft_wg_add(c.wg, -9);
        weft_wg_done(c.wg);
        for (int i = 0; i < 10; i++)
            join(waiter[i]);
    }
    weft_wg_free(c.wg);
    weft_wg_free(NULL);
    return 0;
}

/* Goal: a deadline ends the wait; the group is as before. */
CO_TEST(a_deadline_ends_the_wait_for_a_group)
{
    struct weft_wait_group *wg = weft_wg_make();
    int64_t start = weft_now();

    weft_wg_add(wg, 2);
    WEFT_DEADLINE(s, 2 * WEFT_MS)
        CHECK_EQ(weft_wg_wait(wg), -ETIMEDOUT);
    CHECK_GE(weft_now() - start, 2 * WEFT_MS);
    weft_wg_add(wg, -2);
    WEFT_DEADLINE(s, 0) /* at 0 there is nothing to wait for */
        CHECK_EQ(weft_wg_wait(wg), 0);
    weft_wg_free(wg);
    return 0;
}

static void *wait_on_a_thread(void *arg)
{
    CHECK_EQ(wait_for_crew(arg), 0);
    return NULL;
}

static void *be_done_on_a_thread(void *arg)
{
    for (int i = 0; i < 10; i++)
        weft_wg_done(arg);
    return NULL;
}

static int be_fifty(void *arg)
{
    struct crew *c = arg;

    for (int i = 0; i < 50; i++)
        CHECK_EQ(go(work_and_be_done, c), 0);
    return weft_wg_wait(c->wg);
}

/* Goal: plain threads add, finish and wait in a group beside coroutines. */
TEST(plain_threads_use_a_wait_group)
{
    struct crew c = {.wg = weft_wg_make()};
    pthread_t waiter[3], doer;

    weft_wg_add(c.wg, 60);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&waiter[i], NULL, wait_on_a_thread, &c), 0);
    CHECK_EQ(pthread_create(&doer, NULL, be_done_on_a_thread, c.wg), 0);
    CHECK_EQ(weft_run(be_fifty, &c), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_join(waiter[i], NULL), 0);
    CHECK_EQ(pthread_join(doer, NULL), 0);
    CHECK_EQ(atomic_load(&c.n_woken), 3);
    weft_wg_free(c.wg);
}

static void *add_and_be_done(void *arg)
{
    for (int i = 0; i < scaled(100000); i++) {
        weft_wg_add(arg, 1);
        weft_wg_done(arg);
    }
    return NULL;
}

/* Goal: of counts that several change at once none is lost: the group ends at 0, and not before. */
TEST(no_count_of_a_wait_group_is_lost)
{
    struct weft_wait_group *wg = weft_wg_make();
    pthread_t th[3];

    weft_wg_add(wg, 1);
    for (int i = 0; i < COUNT(th); i++)
        CHECK_EQ(pthread_create(&th[i], NULL, add_and_be_done, wg), 0);
    for (int i = 0; i < COUNT(th); i++)
        CHECK_EQ(pthread_join(th[i], NULL), 0);
    weft_wg_done(wg);
    CHECK_EQ(weft_wg_wait(wg), 0);
    weft_wg_free(wg);
}

/* ---- once ---- */

struct work {
    weft_once once;
    int plain; /* what fn writes is visible after once_do */
};

static atomic_int n_runs;

static void do_slowly(void *arg)
{
    struct work *w = arg;

    atomic_fetch_add(&n_runs, 1);
    yield_often(10);
    CHECK_EQ(weft_sleep(WEFT_MS), 0); /* others come meanwhile, and must wait */
    w->plain = 42;
}

static int do_once(void *arg)
{
    struct work *w = arg;

    weft_once_do(&w->once, do_slowly, w);
    CHECK_EQ(w->plain, 42);
    return 0;
}

static int do_once_under_a_deadline(void *arg)
{
    WEFT_DEADLINE(s, 0)
        CHECK_EQ(do_once(arg), 0);
    return 0;
}

/* Goal: fn runs once; everybody returns after it, even under a deadline that has passed. */
CO_TEST(once_runs_once_and_all_wait_for_it)
{
    enum { N = 50 };
    struct weft_co *co[N];

    for (int round = 1; round <= 10; round++) {
        struct work w = {WEFT_ONCE_INIT, 0};

        for (int i = 0; i < N; i++) /* the first, which works, is one without a deadline */
            co[i] = weft_go_with(do_once, &w);
        while (atomic_load(&n_runs) < round)
            weft_yield();
        join(weft_go_with(do_once_under_a_deadline, &w));
        for (int i = 0; i < N; i++)
            join(co[i]);
        CHECK_EQ(do_once(&w), 0);
        CHECK_EQ(atomic_load(&n_runs), round);
    }
    return 0;
}

/* Goal: coroutines of two runtimes share one once. */
TEST(once_runs_once_across_runtimes)
{
    for (int round = 1; round <= 5; round++) {
        struct work w = {WEFT_ONCE_INIT, 0};

        visit_both(do_once, &w);
        CHECK_EQ(atomic_load(&n_runs), round);
        CHECK_EQ(w.plain, 42);
    }
}

static void do_on_any_thread(void *arg)
{
    struct work *w = arg;

    atomic_fetch_add(&n_runs, 1);
    w->plain = 42;
}

static void *do_once_on_a_thread(void *arg)
{
    struct work *w = arg;

    weft_once_do(&w->once, do_on_any_thread, w);
    CHECK_EQ(w->plain, 42);
    return NULL;
}

/* Goal: plain threads, without any runtime, share a once in static storage. */
TEST(once_works_on_plain_threads)
{
    for (int round = 1; round <= 100; round++) {
        static struct work w;
        pthread_t th[4];

        w = (struct work){WEFT_ONCE_INIT, 0};
        for (int i = 0; i < 4; i++)
            CHECK_EQ(pthread_create(&th[i], NULL, do_once_on_a_thread, &w), 0);
        for (int i = 0; i < 4; i++)
            CHECK_EQ(pthread_join(th[i], NULL), 0);
        CHECK_EQ(atomic_load(&n_runs), round);
    }
}
