/* SPDX-License-Identifier: MIT */
/*
 * future.c - futures that threads complete, reject and cancel against each other, while those who
 * wait for them give up, are cancelled, and come again; and wakers under the same.
 *
 * matrix: short
 */
#include <pthread.h>

#include "co_test.h"

enum { FUTURES = 14, WAITERS = 10, THREADS = 3, THREAD_WAITERS = 2 };

struct round {
    struct weft_promise *p[FUTURES];
    struct weft_future *f[FUTURES];
    atomic_int n_wins[FUTURES];
    atomic_int outcome[FUTURES]; /* as the winner knows it: a value > 0, or -errno */
    atomic_int n_cancel_calls[FUTURES];
    uint64_t seed;
    atomic_int n_waiters;
};

struct slot { /* what an on_cancel gets */
    struct round *r;
    int i;
};

static struct slot slots[FUTURES];

static void note_cancel(void *arg)
{
    struct slot *s = arg;
    atomic_fetch_add(&s->r->n_cancel_calls[s->i], 1);
}

static void pause_for(uint64_t n)
{
    for (; n > 0; n--)
        __asm__ volatile("" ::: "memory");
}

/* One way to complete future i; 0 or -EALREADY. */
static int complete_somehow(struct round *r, int i, int me, uint64_t *x)
{
    int value = 1000 * me + i + 1, rc, outcome;

    switch (test_random(x) % 4) {
    case 0:
        outcome = -EIO - me;
        rc = weft_promise_reject(r->p[i], outcome);
        break;
    case 1:
        outcome = -ECANCELED;
        rc = weft_future_cancel(r->f[i]);
        break;
    default:
        outcome = value;
        rc = weft_promise_resolve(r->p[i], &value);
    }
    if (rc == 0) {
        atomic_fetch_add(&r->n_wins[i], 1);
        atomic_store(&r->outcome[i], outcome);
    }
    return rc;
}

static atomic_int n_threads;

static void *complete_all(void *arg)
{
    struct round *r = arg;
    int me = atomic_fetch_add(&n_threads, 1) % THREADS;
    uint64_t x = r->seed ^ (uint64_t)(me + 1) << 32;
    int first = (int)(test_random(&x) % FUTURES);

    for (int k = 0; k < FUTURES; k++) {
        int i = (first + (me % 2 ? k : FUTURES - k)) % FUTURES;
        pause_for(test_random(&x) % 3000);
        int rc = complete_somehow(r, i, me, &x);
        CHECK(rc == 0 || rc == -EALREADY);
        weft_promise_unref(r->p[i]);
    }
    return NULL;
}

/* What one waiter has heard of each future; 0: nothing. */
struct ear {
    struct round *r;
    int heard[FUTURES];
    int n_heard;
};

static void hear(struct ear *e, int i, int rc, int value)
{
    CHECK_EQ(e->heard[i], 0);
    e->heard[i] = rc == 0 ? value : rc;
    e->n_heard++;
}

/* Ask one that answered -errno: was it a scope?  Hears it if not. */
static void hear_if_done(struct ear *e, int i)
{
    int value = 0;

    if (weft_future_is_done(e->r->f[i])) {
        int rc = weft_future_try_await(e->r->f[i], &value);
        hear(e, i, rc, value);
    }
}

static void await_next(struct ear *e)
{
    int i = 0, value = 0;

    while (e->heard[i] != 0)
        i++;
    int rc = weft_future_await(e->r->f[i], &value);
    if (rc == 0)
        hear(e, i, rc, value);
    else
        hear_if_done(e, i);
}

static void await_any(struct ear *e)
{
    struct weft_future *left[FUTURES];

    for (int i = 0; i < FUTURES; i++)
        left[i] = e->heard[i] == 0 ? e->r->f[i] : NULL;
    int chosen = weft_future_await_any(left, FUTURES);
    if (chosen >= 0) {
        CHECK(weft_future_is_done(left[chosen]));
        hear_if_done(e, chosen);
    } else {
        CHECK(chosen == -ETIMEDOUT || chosen == -ECANCELED);
    }
}

static void select_one(struct ear *e)
{
    struct weft_case cases[FUTURES];
    int value[FUTURES] = {0};

    for (int i = 0; i < FUTURES; i++)
        cases[i] = weft_case_future(e->heard[i] == 0 ? e->r->f[i] : NULL, &value[i]);
    int chosen = weft_select(cases, FUTURES);
    if (chosen >= 0)
        hear(e, chosen, (int)cases[chosen].rc, value[chosen]);
    else
        CHECK(chosen == -ETIMEDOUT || chosen == -ECANCELED);
}

static void listen_by(int way, struct ear *e)
{
    if (way % 3 == 0)
        await_next(e);
    else if (way % 3 == 1)
        await_any(e);
    else
        select_one(e);
}

static int listen_in_a_child(void *arg)
{
    struct ear *e = arg;
    listen_by(e->n_heard, e);
    return 0;
}

/* In a coroutine that is cancelled about when it hears something. */
static void listen_until_cancelled(struct ear *e, uint64_t *x)
{
    struct weft_co *co = weft_go_with(listen_in_a_child, e);

    yield_often((int)(test_random(x) % 4));
    pause_for(test_random(x) % 3000);
    weft_cancel(co);
    WEFT_SHIELD (t, WEFT_NEVER)
        join(co);
}

static void check_ear(const struct ear *e)
{
    for (int i = 0; i < FUTURES; i++) {
        int value = 0, rc = weft_future_try_await(e->r->f[i], &value);
        CHECK_EQ(e->heard[i], rc == 0 ? value : rc);
    }
}

static int wait_for_all(void *arg)
{
    struct ear e = {.r = arg};
    int me = atomic_fetch_add(&e.r->n_waiters, 1);
    uint64_t x = e.r->seed ^ (uint64_t)(me + 1) << 16;

    while (e.n_heard < FUTURES) {
        /* One in four without a deadline: a wake that is lost is not made up for. */
        int64_t limit =
            test_random(&x) % 4 == 0 ? WEFT_NEVER : (int64_t)(test_random(&x) % 40) * WEFT_US;
        WEFT_DEADLINE (s, limit) {
            if (me % 4 == 3)
                listen_until_cancelled(&e, &x);
            else
                listen_by(me, &e);
        }
    }
    CHECK_GE(weft_future_await_all(e.r->f, FUTURES), -4095);
    check_ear(&e);
    return 0;
}

static void *wait_on_a_thread(void *arg)
{
    struct ear e = {.r = arg};

    for (int i = 0; e.n_heard < FUTURES; i++) {
        if (i % 2 == 0)
            await_next(&e);
        else
            await_any(&e);
    }
    check_ear(&e);
    return NULL;
}

static void round_begin(struct round *r, uint64_t seed)
{
    *r = (struct round){.seed = seed};
    for (int i = 0; i < FUTURES; i++) {
        r->p[i] = weft_promise_make(sizeof(int));
        r->f[i] = weft_promise_future(r->p[i]);
        slots[i] = (struct slot){r, i};
        CHECK_EQ(weft_promise_on_cancel(r->p[i], note_cancel, &slots[i]), 0);
        for (int k = 1; k < THREADS; k++)
            weft_promise_ref(r->p[i]); /* each thread gives one back */
    }
}

static void round_end(struct round *r)
{
    for (int i = 0; i < FUTURES; i++) {
        int value = 0, rc = weft_future_try_await(r->f[i], &value);
        CHECK_EQ(atomic_load(&r->n_wins[i]), 1);
        CHECK_EQ(atomic_load(&r->outcome[i]), rc == 0 ? value : rc);
        CHECK_EQ(atomic_load(&r->n_cancel_calls[i]), rc == -ECANCELED);
        weft_future_unref(r->f[i]);
    }
}

/* Goal: each future is completed by exactly one; each waiter hears each of them once, and all the
 * same; no wake is lost. */
STRESS_TEST(each_completion_is_heard_once_by_all_who_wait)
{
    static struct round r;
    const int64_t until = test_now_ms() + test_stress_ms() * 2 / 3;
    uint64_t x = test_seed();

    do {
        struct weft_co *co[WAITERS];
        pthread_t th[THREADS + THREAD_WAITERS];

        round_begin(&r, test_random(&x));
        for (int i = 0; i < WAITERS; i++)
            co[i] = weft_go_with(wait_for_all, &r);
        for (int i = 0; i < COUNT(th); i++)
            CHECK_EQ(pthread_create(&th[i], NULL, i < THREADS ? complete_all : wait_on_a_thread,
                                    &r), 0);
        for (int i = 0; i < WAITERS; i++)
            join(co[i]);
        for (int i = 0; i < COUNT(th); i++)
            CHECK_EQ(pthread_join(th[i], NULL), 0);
        round_end(&r);
    } while (test_now_ms() < until);
    return 0;
}

/* ---- wakers ---- */

struct box {
    struct weft_waker *w;
    atomic_long n_there, n_made;
    atomic_int n_producing;
    int64_t until;
};

static void *produce(void *arg)
{
    struct box *box = arg;
    uint64_t x = test_seed() ^ (uintptr_t)&x;

    while (test_now_ms() < box->until) {
        atomic_fetch_add(&box->n_there, 1);
        atomic_fetch_add(&box->n_made, 1);
        weft_waker_wake(box->w);
        pause_for(test_random(&x) % 5000);
    }
    atomic_fetch_sub(&box->n_producing, 1);
    weft_waker_wake(box->w);
    return NULL;
}

/* Goal: a wake that meets a deadline either ends the wait or is there for the next one.
 * Method: what there is is taken only by a wait that was woken, so one lost wake at the end leaves
 * something in the box. */
STRESS_TEST(a_wake_that_meets_a_deadline_is_not_lost)
{
    struct box box = {.w = weft_waker_make(), .n_producing = 2};
    pthread_t th[2];
    uint64_t x = test_seed();
    long n_taken = 0;
    bool is_last = false;

    box.until = test_now_ms() + test_stress_ms() / 3;
    for (int i = 0; i < COUNT(th); i++)
        CHECK_EQ(pthread_create(&th[i], NULL, produce, &box), 0);
    while (!is_last) {
        int rc = -1;
        WEFT_DEADLINE (s, (int64_t)(test_random(&x) % 30) * WEFT_US) {
            if (test_random(&x) % 2 == 0) {
                rc = weft_waker_wait(box.w);
            } else {
                struct weft_case c[] = {weft_case_waker(box.w), weft_case_future(NULL, NULL)};
                rc = weft_select(c, 2);
            }
        }
        if (rc == 0) {
            is_last = atomic_load(&box.n_producing) == 0;
            n_taken += atomic_exchange(&box.n_there, 0);
        } else {
            CHECK_EQ(rc, -ETIMEDOUT);
        }
    }
    CHECK_EQ(n_taken, atomic_load(&box.n_made));
    for (int i = 0; i < COUNT(th); i++)
        CHECK_EQ(pthread_join(th[i], NULL), 0);
    weft_waker_unref(box.w);
    return 0;
}
