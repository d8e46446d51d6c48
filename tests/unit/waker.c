/* SPDX-License-Identifier: MIT */
/*
 * waker.c - a waker as include/weft/future.h promises it.
 *
 * matrix: short
 */
#include "future_rig.h"

/* Goal: a wake that comes before the wait is remembered, several of them as one. */
CO_TEST(wakes_before_the_wait_are_remembered_as_one)
{
    struct weft_waker *w = weft_waker_make();

    weft_waker_wake(w);
    CHECK_EQ(weft_waker_wait(w), 0);
    weft_waker_wake(w);
    weft_waker_wake(w);
    weft_waker_wake(w);
    WEFT_DEADLINE(s, 0) /* what is there is taken though the deadline has passed */
        CHECK_EQ(weft_waker_wait(w), 0);
    WEFT_DEADLINE(s, WEFT_MS) {
        CHECK_EQ(weft_waker_wait(w), -ETIMEDOUT);
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
    }
    weft_waker_wake(w); /* a wait that was given up uses up no wake */
    CHECK_EQ(weft_waker_wait(w), 0);
    weft_waker_unref(w);
    weft_waker_unref(NULL);
    return 0;
}

/* The queue of a library whose callback says that there is something in it. */
struct mailbox {
    struct weft_waker *w;
    atomic_int n_there;
    int n_each, n_producers;
    atomic_int n_left; /* producers */
};

static void *fill(void *arg)
{
    struct mailbox *box = arg;

    for (int i = 0; i < box->n_each; i++) {
        atomic_fetch_add_explicit(&box->n_there, 1, memory_order_relaxed);
        weft_waker_wake(box->w);
        if (i % 64 == 0)
            sched_yield();
    }
    atomic_fetch_sub_explicit(&box->n_left, 1, memory_order_relaxed);
    weft_waker_wake(box->w);
    weft_waker_unref(box->w);
    return NULL;
}

static int empty(void *arg)
{
    struct mailbox *box = arg;
    int n = 0;

    while (n < box->n_each * box->n_producers ||
           atomic_load_explicit(&box->n_left, memory_order_relaxed) != 0) {
        CHECK_EQ(weft_waker_wait(box->w), 0);
        n += atomic_exchange_explicit(&box->n_there, 0, memory_order_relaxed);
    }
    CHECK_EQ(n, box->n_each * box->n_producers);
    weft_waker_unref(box->w);
    return 0;
}

static void fill_and_empty(int (*run)(int (*)(void *), void *))
{
    struct mailbox box = {weft_waker_make(), 0, scaled(20000), 3, 3};
    pthread_t th[3];

    for (int i = 0; i < 3; i++) {
        weft_waker_ref(box.w);
        th[i] = thread_start(fill, &box);
    }
    CHECK_EQ(run(empty, &box), 0);
    for (int i = 0; i < 3; i++)
        thread_join(th[i]);
}

static int call(int (*fn)(void *), void *arg)
{
    return fn(arg);
}

/* Goal: what was done before a wake is seen after the wait that it ends, and no wake is lost, by a
 * coroutine or a plain thread.
 * Method: three threads fill a mailbox and wake; who empties it looks only when he is woken, and a
 * lost wake would leave something in it for ever. */
TEST(no_wake_is_lost)
{
    fill_and_empty(weft_run);
    fill_and_empty(call);
}

struct ball {
    struct weft_waker *to_thread, *to_coroutine;
    int plain, n;
};

static void *hit_back(void *arg)
{
    struct ball *ball = arg;

    for (int i = 0; i < ball->n; i++) {
        CHECK_EQ(weft_waker_wait(ball->to_thread), 0);
        CHECK_EQ(ball->plain, 2 * i + 1);
        ball->plain++;
        weft_waker_wake(ball->to_coroutine);
    }
    return NULL;
}

/* Goal: what was written before a wake is visible after the wait, both ways.
 * Method: the count is a plain int, which a race detector watches too. */
CO_TEST(what_was_written_before_a_wake_is_seen_after_it)
{
    struct ball ball = {weft_waker_make(), weft_waker_make(), 0, scaled(3000)};
    pthread_t th = thread_start(hit_back, &ball);

    for (int i = 0; i < ball.n; i++) {
        ball.plain++;
        weft_waker_wake(ball.to_thread);
        CHECK_EQ(weft_waker_wait(ball.to_coroutine), 0);
        CHECK_EQ(ball.plain, 2 * i + 2);
    }
    thread_join(th);
    weft_waker_unref(ball.to_thread);
    weft_waker_unref(ball.to_coroutine);
    return 0;
}

static void *wake_and_leave(void *arg)
{
    weft_waker_wake(arg); /* by a reference that is not ours */
    return NULL;
}

/* Goal: a waker is freed as soon as its wait has returned.
 * Method: the sanitizers see a touch that comes too late. */
CO_TEST(a_waker_is_freed_right_after_its_wait)
{
    for (int i = 0; i < scaled(2000); i++) {
        struct weft_waker *w = weft_waker_make();
        pthread_t th = thread_start(wake_and_leave, w);

        CHECK_EQ(weft_waker_wait(w), 0);
        weft_waker_unref(w);
        thread_join(th);
    }
    return 0;
}

static int wait_once(void *arg)
{
    CHECK_EQ(weft_waker_wait(arg), 0);
    return 0;
}

/* Goal: where several wait, each wake ends one wait, and none more. */
CO_TEST(each_wake_ends_one_wait)
{
    enum { N = 5 };
    struct weft_waker *w = weft_waker_make();
    struct weft_co *co[N];
    struct weft_stats before = {.size = sizeof before}, now = {.size = sizeof now};

    CHECK_EQ(weft_runtime_stats(NULL, &before), 0);
    for (int i = 0; i < N; i++)
        co[i] = weft_go_with(wait_once, w);
    do { /* until all of them have parked */
        weft_yield();
        CHECK_EQ(weft_runtime_stats(NULL, &now), 0);
    } while (now.parks < before.parks + N);
    for (int n = 1; n <= N; n++) {
        int n_done = 0;

        weft_waker_wake(w);
        while (n_done < n) {
            weft_yield();
            n_done = 0;
            for (int i = 0; i < N; i++)
                n_done += weft_done(co[i]);
        }
        CHECK_EQ(n_done, n);
    }
    for (int i = 0; i < N; i++)
        join(co[i]);
    WEFT_DEADLINE(s, WEFT_MS) /* and no wake is left over */
        CHECK_EQ(weft_waker_wait(w), -ETIMEDOUT);
    weft_waker_unref(w);
    return 0;
}

/* ---- a producer that wants to hear of the answer and of the cancel ---- */

struct work {
    struct weft_promise *p;
    struct weft_waker *w;
};

static void wake_worker(void *arg)
{
    weft_waker_wake(arg);
}

static int work_until_cancelled(void *arg)
{
    struct work *work = arg;

    while (!weft_promise_is_cancelled(work->p))
        CHECK_EQ(weft_waker_wait(work->w), 0);
    CHECK_EQ(weft_promise_resolve(work->p, &(int){1}), -EALREADY);
    weft_promise_unref(work->p);
    return 0;
}

/* Goal: a producer that waits hears of the cancel by its waker. */
CO_TEST(a_producer_is_woken_by_the_cancel)
{
    struct pair pair = pair_make();
    struct work work = {pair.p, weft_waker_make()};
    struct weft_co *co;

    CHECK_EQ(weft_promise_on_cancel(work.p, wake_worker, work.w), 0);
    co = weft_go_with(work_until_cancelled, &work);
    yield_often(3);
    weft_waker_wake(work.w); /* for nothing */
    yield_often(3);
    CHECK_EQ(weft_future_cancel(pair.f), 0);
    join(co);
    CHECK_EQ(weft_future_await(pair.f, NULL), -ECANCELED);
    weft_future_unref(pair.f);
    weft_waker_unref(work.w);
    return 0;
}
