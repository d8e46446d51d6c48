/* SPDX-License-Identifier: MIT */
/*
 * sem.c - the semaphore as include/weft/sem.h promises it.
 *
 * matrix: short
 */
#include "crowd.h"
#include "no_lookout.h"

enum { PERMITS = 7 };

struct store {
    struct weft_sem *sem;
    atomic_int in_use;
};

static void use_some(void *arg, uint64_t *random)
{
    struct store *s = arg;

    for (int i = 0; i < scaled(1000); i++) {
        int n = 1 + (int)(test_random(random) % PERMITS);
        CHECK_EQ(weft_sem_acquire(s->sem, n), 0);
        CHECK_LE(atomic_fetch_add(&s->in_use, n) + n, PERMITS);
        if (i % 16 == 0)
            crowd_pause();
        atomic_fetch_sub(&s->in_use, n);
        weft_sem_release(s->sem, n);
    }
}

static int use_a_store(void *n_threads)
{
    struct store s = {.sem = weft_sem_make(PERMITS)};

    crowd(12, *(const int *)n_threads, use_some, &s);
    CHECK_EQ(weft_sem_try_acquire(s.sem, PERMITS), 0);
    CHECK_EQ(weft_sem_try_acquire(s.sem, 1), -EAGAIN);
    weft_sem_free(s.sem);
    weft_sem_free(NULL);
    return 0;
}

/* Goal: never are more permits in use than there are, whatever the number of processors, and none
 * is lost. */
TEST(permits_are_neither_lost_nor_given_twice)
{
    int none = 0;

    CHECK_EQ(weft_run(use_a_store, &none), 0);
    CHECK_EQ(weft_run_with(use_a_store, &none, .procs = 1), 0);
    CHECK_EQ(weft_run_with(use_a_store, &none, .procs = 2), 0);
    CHECK_EQ(weft_run_with(use_a_store, &none, .procs = 8), 0);
}

/* Goal: plain threads take and give permits beside coroutines. */
TEST(plain_threads_share_a_semaphore)
{
    int some = 3;

    CHECK_EQ(weft_run(use_a_store, &some), 0);
    CHECK_EQ(weft_run_with(use_a_store, &some, .procs = 1), 0);
}

/* Goal: try_acquire takes what is there, all at once or nothing; release adds to what there was. */
CO_TEST(try_acquire_takes_all_or_nothing)
{
    struct weft_sem *s = weft_sem_make(3);

    CHECK_EQ(weft_sem_try_acquire(s, 4), -EAGAIN);
    CHECK_EQ(weft_sem_try_acquire(s, 3), 0);
    CHECK_EQ(weft_sem_try_acquire(s, 1), -EAGAIN);
    weft_sem_release(s, 5);
    CHECK_EQ(weft_sem_try_acquire(s, 5), 0);
    weft_sem_release(s, INT64_MAX);
    CHECK_EQ(weft_sem_try_acquire(s, INT64_MAX), 0);
    weft_sem_free(s);
    return 0;
}

struct line {
    struct weft_sem *sem;
    char order[16];
    int n;
    atomic_int started;
    struct weft_scope *in_vain; /* of who shall give up */
};

static void take(struct line *l, int n)
{
    atomic_fetch_add(&l->started, 1);
    CHECK_EQ(weft_sem_acquire(l->sem, n), 0);
    l->order[l->n++] = (char)('0' + n);
}

static void take_one(void *l)
{
    take(l, 1);
}

static void take_four(void *l)
{
    take(l, 4);
}

static void take_four_in_vain(void *arg)
{
    struct line *l = arg;

    WEFT_SCOPE(s) {
        l->in_vain = &s;
        atomic_fetch_add(&l->started, 1);
        CHECK_EQ(weft_sem_acquire(l->sem, 4), -ECANCELED);
    }
    l->order[l->n++] = '-';
}

/* One that stands in the line when this returns, there being one processor. */
static void stand(struct line *l, void (*fn)(void *))
{
    int n = atomic_load(&l->started);

    CHECK_EQ(go(fn, l), 0);
    while (atomic_load(&l->started) == n)
        weft_yield();
}

static int wait_behind_a_big_one(void *unused)
{
    struct line l = {.sem = weft_sem_make(2)};

    (void)unused;
    stand(&l, take_four);
    stand(&l, take_one);
    stand(&l, take_one);
    CHECK_EQ(weft_sem_try_acquire(l.sem, 1), -EAGAIN); /* two are free, but not for us */
    weft_sem_release(l.sem, 1);
    yield_often(5);
    CHECK_STR(l.order, "");
    weft_sem_release(l.sem, 2); /* enough for the first two */
    yield_often(5);
    CHECK_EQ(l.n, 2);
    CHECK(strchr(l.order, '4') != NULL);
    weft_sem_release(l.sem, 1);
    yield_often(5);
    CHECK_EQ(l.n, 3);
    CHECK_EQ(weft_sem_try_acquire(l.sem, 1), -EAGAIN);
    weft_sem_free(l.sem);
    return 0;
}

/* Goal: a request for many is not passed by those for few; a release serves as many as it can.
 * Method: with one processor a coroutine that has started has also parked. */
TEST(a_big_request_is_not_passed_by_small_ones)
{
    CHECK_EQ(weft_run_with(wait_behind_a_big_one, NULL, .procs = 1), 0);
}

static int wait_behind_one_who_gives_up(void *unused)
{
    struct line l = {.sem = weft_sem_make(2)};

    (void)unused;
    stand(&l, take_four_in_vain);
    stand(&l, take_one);
    stand(&l, take_one);
    CHECK_STR(l.order, "");
    weft_scope_cancel(l.in_vain);
    while (l.n < 3)
        weft_yield();
    CHECK_STR(l.order, "-11");
    weft_sem_free(l.sem);
    return 0;
}

/* Goal: the first in the queue that gives up lets those behind it pass, without any release. */
TEST(those_behind_a_request_that_gives_up_go_on)
{
    CHECK_EQ(weft_run_with(wait_behind_one_who_gives_up, NULL, .procs = 1), 0);
}

/* Goal: a deadline ends the wait, no permit is gone; what is free is taken though it has passed. */
CO_TEST(a_deadline_ends_the_wait_for_permits)
{
    struct weft_sem *s = weft_sem_make(2);
    int64_t start = weft_now();

    WEFT_DEADLINE(scope, 2 * WEFT_MS) {
        CHECK_EQ(weft_sem_acquire(s, 3), -ETIMEDOUT);
        CHECK_EQ(weft_scope_cause(&scope), WEFT_CAUSE_THIS);
    }
    CHECK_GE(weft_now() - start, 2 * WEFT_MS);
    WEFT_DEADLINE(scope, 0)
        CHECK_EQ(weft_sem_acquire(s, 2), 0);
    weft_sem_free(s);
    return 0;
}
