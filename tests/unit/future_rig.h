/* SPDX-License-Identifier: MIT */
/* future_rig.h - what the tests of futures share: who waits in one, and threads to wait for. */
#ifndef WEFT_FUTURE_RIG_H
#define WEFT_FUTURE_RIG_H

#include <pthread.h>
#include <sched.h>

#include "co_test.h"
#include "future/future.h"

/* How many wait in f at this moment. */
TEST_FN int n_waiting(struct weft_future *f)
{
    int n = 0;

    weft__lock(&f->lock);
    for (struct weft__waiter *w = f->waiters.first; w != NULL; w = w->next)
        n++;
    weft__unlock(&f->lock);
    return n;
}

TEST_FN void wait_for_waiters(struct weft_future *f, int n)
{
    while (n_waiting(f) < n) {
        if (weft_in_coroutine())
            weft_yield();
        else
            sched_yield();
    }
}

/* A promise of an int, and its future. */
struct pair {
    struct weft_promise *p;
    struct weft_future *f;
};

TEST_FN struct pair pair_make(void)
{
    struct pair pair;

    pair.p = weft_promise_make(sizeof(int));
    CHECK(pair.p != NULL);
    pair.f = weft_promise_future(pair.p);
    return pair;
}

TEST_FN void pair_free(struct pair *pair)
{
    weft_promise_unref(pair->p);
    weft_future_unref(pair->f);
}

TEST_FN void resolve_with(struct weft_promise *p, int value)
{
    CHECK_EQ(weft_promise_resolve(p, &value), 0);
}

/* What f says now, which must be a value. */
TEST_FN int value_of(struct weft_future *f)
{
    int value = -1;

    CHECK_EQ(weft_future_try_await(f, &value), 0);
    return value;
}

TEST_FN pthread_t thread_start(void *(*fn)(void *), void *arg)
{
    pthread_t th;

    CHECK_EQ(pthread_create(&th, NULL, fn, arg), 0);
    return th;
}

/* A coroutine joins a thread only when that is about to end. */
TEST_FN void thread_join(pthread_t th)
{
    CHECK_EQ(pthread_join(th, NULL), 0);
}

#endif
