/* SPDX-License-Identifier: MIT */
/* crowd.h - the same work by coroutines and plain threads at once. */
#ifndef WEFT_CROWD_H
#define WEFT_CROWD_H

#include <pthread.h>
#include <sched.h>

#include "co_test.h"

enum { CROWD_THREADS_MAX = 4 };

struct crowd {
    void (*work)(void *arg, uint64_t *random);
    void *arg;
    struct weft_wait_group *left;
    atomic_uint next;
};

TEST_FN void crowd_work(void *arg)
{
    struct crowd *c = arg;
    uint64_t random = test_seed() ^ (uint64_t)(atomic_fetch_add(&c->next, 1) + 1) << 24;

    c->work(c->arg, &random);
    weft_wg_done(c->left);
}

TEST_FN void *crowd_work_on_a_thread(void *arg)
{
    crowd_work(arg);
    return NULL;
}

/* In a coroutine: so many of each do the work, each with random numbers of its own; returns when
 * all have done it.  The threads are waited for by parking: they may need this very processor. */
TEST_FN void crowd(int n_coroutines, int n_threads, void (*work)(void *, uint64_t *), void *arg)
{
    struct crowd c = {.work = work, .arg = arg, .left = weft_wg_make()};
    pthread_t th[CROWD_THREADS_MAX];

    CHECK_LE(n_threads, CROWD_THREADS_MAX);
    weft_wg_add(c.left, n_coroutines + n_threads);
    for (int i = 0; i < n_threads; i++)
        CHECK_EQ(pthread_create(&th[i], NULL, crowd_work_on_a_thread, &c), 0);
    for (int i = 0; i < n_coroutines; i++)
        CHECK_EQ(go(crowd_work, &c), 0);
    CHECK_EQ(weft_wg_wait(c.left), 0);
    for (int i = 0; i < n_threads; i++)
        CHECK_EQ(pthread_join(th[i], NULL), 0);
    weft_wg_free(c.left);
}

/* Runs the rest of a turn somewhere else, or later. */
TEST_FN void crowd_pause(void)
{
    if (weft_in_coroutine())
        weft_yield();
    else
        sched_yield();
}

#endif
