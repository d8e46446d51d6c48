/* SPDX-License-Identifier: MIT */
/*
 * lifetime.c - what may be freed at once is freed at once, while the one who let it go is still on
 * his way out; and what lives on keeps nothing of those who are gone.
 *
 * The sanitizers see a touch that comes too late.
 *
 * matrix: short
 */
#include <pthread.h>
#include <sched.h>

#include "co_test.h"

enum { ROUNDS = 4000 };

static atomic_bool is_free;

/* Keeps its processor for a while, so that who is woken runs on another one. */
static int done_with(void *wg)
{
    weft_wg_done(wg);
    for (int looks = 1; !atomic_load(&is_free); looks++)
        if (looks % 4096 == 0 || weft_runtime_procs(NULL) == 1)
            weft_yield();
    return 0;
}

/* Goal: a wait group is freed as soon as it was waited for. */
CO_TEST(a_wait_group_is_freed_right_after_its_wait)
{
    for (int i = 0; i < scaled(ROUNDS); i++) {
        struct weft_wait_group *wg = weft_wg_make();
        weft_wg_add(wg, 1);
        atomic_store(&is_free, false);
        struct weft_co *co = weft_go_with(done_with, wg);
        CHECK_EQ(weft_wg_wait(wg), 0);
        weft_wg_free(wg);
        atomic_store(&is_free, true);
        join(co);
    }
    return 0;
}

static atomic_bool has_locked, may_unlock;

static int lock_for_a_while(void *mutex)
{
    CHECK_EQ(weft_mutex_lock(mutex), 0);
    atomic_store(&has_locked, true);
    while (!atomic_load(&may_unlock))
        weft_yield();
    weft_mutex_unlock(mutex);
    return 0;
}

/* Goal: a mutex is freed by the one who has it last, as soon as he has let it go.
 * Method: somebody has given up waiting for it, so that the unlock before looks for waiters, and is
 * still looking when the mutex is free. */
CO_TEST(a_mutex_is_freed_right_after_its_last_unlock)
{
    for (int i = 0; i < scaled(ROUNDS); i++) {
        struct weft_mutex *m = weft_mutex_make();
        atomic_store(&has_locked, false);
        atomic_store(&may_unlock, false);
        struct weft_co *co = weft_go_with(lock_for_a_while, m);
        while (!atomic_load(&has_locked))
            weft_yield();
        WEFT_DEADLINE (s, 0)
            CHECK_EQ(weft_mutex_lock(m), -ETIMEDOUT);
        atomic_store(&may_unlock, true);
        for (int tries = 1; weft_mutex_try_lock(m) != 0; tries++)
            if (tries % 64 == 0)
                weft_yield(); /* it may be on this processor */
        weft_mutex_unlock(m);
        weft_mutex_free(m);
        join(co);
    }
    return 0;
}

static int receive_one(void *ch)
{
    int v;
    int rc = chan_recv(ch, &v);

    chan_unref(ch);
    return rc;
}

/* Goal: the last of those who refer to a channel frees it, whoever that is. */
CO_TEST(a_channel_is_freed_right_after_its_last_use)
{
    for (int i = 0; i < scaled(ROUNDS); i++) {
        chan *ch = chan_make(sizeof(int), (size_t)(i % 2));
        struct weft_co *co = weft_go_with(receive_one, chan_ref(ch));
        if (i % 4 < 2)
            weft_yield();
        CHECK_EQ(chan_send(ch, &i), 0);
        chan_unref(ch);
        join(co);
    }
    return 0;
}

/* --- a shared channel outlives a runtime whose coroutines waited in it */

static atomic_int n_about_to_wait;

static void wait_to_receive(void *ch)
{
    int v;

    atomic_fetch_add(&n_about_to_wait, 1);
    (void)chan_recv(ch, &v);
}

static void wait_to_select(void *ch)
{
    int v;
    struct weft_case cases[] = {weft_case_recv(ch, &v), weft_case_recv(ch, &v)};

    atomic_fetch_add(&n_about_to_wait, 1);
    CHECK_LT(weft_select(cases, 2), 2); /* it does not return: it is discarded */
}

/* Goal: a coroutine that is discarded while it waits in a shared channel is gone from it: nobody
 * gives it a value, or looks at the stack on which it waited.
 * Method: the stacks are unmapped by the stop; what is sent afterwards must stay in the channel. */
TEST(a_stopped_runtime_leaves_nobody_in_a_shared_channel)
{
    static void (*const waits[])(void *) = {wait_to_receive, wait_to_select};

    for (int round = 0; round < 20; round++) {
        chan *ch = weft_chan_make_shared(sizeof(int), 4);
        struct weft_runtime *rt;
        struct weft_stats stats = {.size = sizeof stats};
        int v = 7;
        atomic_store(&n_about_to_wait, 0);
        CHECK_EQ(weft_runtime_start(&rt, NULL), 0);
        for (int i = 0; i < 4; i++)
            CHECK_EQ(weft_runtime_go(rt, waits[i % 2], ch), 0);
        do /* until each has parked, or is about to */
            CHECK_EQ(weft_runtime_stats(rt, &stats), 0);
        while (atomic_load(&n_about_to_wait) < 4 || stats.parks < 4);
        CHECK_EQ(weft_runtime_stop(rt), 4);
        CHECK_EQ(weft_chan_try_send(ch, &v), 0);
        CHECK_EQ(weft_chan_len(ch), 1);
        v = 0;
        CHECK_EQ(weft_chan_try_recv(ch, &v), 0);
        CHECK_EQ(v, 7);
        weft_chan_unref(ch);
    }
}

enum { WAITING = 300 };

static void *send_some(void *ch)
{
    const int v = 7;

    for (int i = 0; i < WAITING; i++)
        CHECK_EQ(weft_chan_try_send(ch, &v), 0); /* to one who waits, or it stays in the channel */
    return NULL;
}

/* Goal: a thread that is about to wake a coroutine may go on while its runtime is stopped: what it
 * touches is there until it is done.
 * Method: it sends to those who wait in a shared channel at the moment of the stop; the sanitizers
 * see what it touches. */
TEST(a_wake_from_a_thread_races_with_a_stop)
{
    for (int round = 0; round < scaled(100); round++) {
        chan *ch = weft_chan_make_shared(sizeof(int), WAITING);
        struct weft_config config = WEFT_CONFIG_INIT;
        struct weft_runtime *rt;
        pthread_t th;

        config.procs = 1;
        atomic_store(&n_about_to_wait, 0);
        CHECK_EQ(weft_runtime_start(&rt, &config), 0);
        for (int i = 0; i < WAITING; i++)
            CHECK_EQ(weft_runtime_go(rt, wait_to_receive, ch), 0);
        while (atomic_load(&n_about_to_wait) < WAITING)
            sched_yield();
        CHECK_EQ(pthread_create(&th, NULL, send_some, ch), 0);
        CHECK_GE(weft_runtime_stop(rt), 0);
        CHECK_EQ(pthread_join(th, NULL), 0);
        weft_chan_unref(ch);
    }
}

/* --- who was woken, and never ran because his runtime was stopped */

struct two {
    chan *a, *b;
};

static void select_from_two(void *arg)
{
    struct two *t = arg;
    int v;
    struct weft_case cases[] = {weft_case_recv(t->b, &v), weft_case_recv(t->a, &v)};

    atomic_fetch_add(&n_about_to_wait, 1);
    (void)!weft_select(cases, 2);
}

static void receive_for_a_while(void *arg)
{
    struct two *t = arg;
    int v;

    atomic_fetch_add(&n_about_to_wait, 1);
    WEFT_DEADLINE (s, WEFT_MS) {
        (void)!chan_recv(t->b, &v);
    }
}

/* Goal: a select that was decided, and a wait whose deadline has passed, are gone from the channels
 * that did not end them, though they never ran again.
 * Method: many are woken right before the stop, and what is sent afterwards must stay. */
TEST(who_was_woken_and_never_ran_is_left_in_no_channel)
{
    for (int round = 0; round < scaled(100); round++) {
        struct two t = {weft_chan_make_shared(sizeof(int), WAITING),
                        weft_chan_make_shared(sizeof(int), WAITING)};
        struct weft_config config = WEFT_CONFIG_INIT;
        struct weft_runtime *rt;
        int v = 7;

        config.procs = 1 + round % 2;
        atomic_store(&n_about_to_wait, 0);
        CHECK_EQ(weft_runtime_start(&rt, &config), 0);
        for (int i = 0; i < WAITING; i++)
            CHECK_EQ(weft_runtime_go(rt, i % 4 ? select_from_two : receive_for_a_while, &t), 0);
        while (atomic_load(&n_about_to_wait) < WAITING)
            sched_yield();
        (void)send_some(t.a);
        CHECK_GE(weft_runtime_stop(rt), 0);
        for (int i = 0; i < WAITING; i++)
            CHECK_EQ(weft_chan_try_send(t.b, &v), 0);
        CHECK_EQ(weft_chan_len(t.b), WAITING);
        weft_chan_unref(t.a);
        weft_chan_unref(t.b);
    }
}

static struct weft_oneshot *answers[WAITING][2];

/* Made by a coroutine, they may be used by its processor without a lock until somebody comes. */
static void select_from_oneshots(void *arg)
{
    struct weft_oneshot **mine = arg;
    struct weft_case cases[2];
    int v;

    for (int i = 0; i < 2; i++) {
        mine[i] = weft_oneshot_make(sizeof(int));
        cases[i] = weft_case_oneshot(mine[i], &v);
    }
    atomic_fetch_add(&n_about_to_wait, 1);
    (void)!weft_select(cases, 2);
}

/* Goal: the same where nobody else but the processor of the select had used its channels. */
TEST(who_was_woken_and_never_ran_is_left_in_no_channel_of_his_processor)
{
    for (int round = 0; round < scaled(100); round++) {
        struct weft_config config = WEFT_CONFIG_INIT;
        struct weft_stats stats = {.size = sizeof stats};
        struct weft_runtime *rt;
        const int v = 7;

        config.procs = 1;
        atomic_store(&n_about_to_wait, 0);
        CHECK_EQ(weft_runtime_start(&rt, &config), 0);
        for (int i = 0; i < WAITING; i++)
            CHECK_EQ(weft_runtime_go(rt, select_from_oneshots, answers[i]), 0);
        do
            CHECK_EQ(weft_runtime_stats(rt, &stats), 0);
        while (atomic_load(&n_about_to_wait) < WAITING || stats.parks < WAITING);
        for (int i = 0; i < WAITING; i++)
            CHECK_EQ(weft_oneshot_send(answers[i][0], &v), 0);
        CHECK_GE(weft_runtime_stop(rt), 0);
        for (int i = 0; i < WAITING; i++)
            CHECK_EQ(weft_oneshot_send(answers[i][1], &v), 0);
        for (int i = 0; i < 2 * WAITING; i++) {
            weft_oneshot_close_send(answers[i / 2][i % 2]);
            weft_oneshot_close_recv(answers[i / 2][i % 2]);
        }
    }
}
