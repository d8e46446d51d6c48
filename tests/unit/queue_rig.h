/* SPDX-License-Identifier: MIT */
/*
 * queue_rig.h - what the tests of a processor's two queues share: the gate inside which items are
 * taken, and thieves that run beside an owner.
 */
#ifndef WEFT_TESTS_QUEUE_RIG_H
#define WEFT_TESTS_QUEUE_RIG_H

#include <base/gate.h>
#include <pthread.h>
#include <sched.h>

#include "test.h"

enum { N_THIEVES = 3 };

static struct weft__gate *gate;
static atomic_int race_left, n_started; /* items that nobody has taken, thieves that run */

TEST_FN void spin(int n)
{
    for (int i = 0; i < n; i++)
        weft__cpu_relax();
}

/* In the i-th turn of a wait.  A nap now and then, since the kernel lets those who yield often wait
 * for long where others are busy. */
TEST_FN void pause_for(int i)
{
    if (i % 1000 == 0)
        usleep(20);
    else
        weft__cpu_relax();
}

/* The owner gets a CPU of its own, if there are two: left to the kernel, all of them may be on one
 * for as long as the race lasts.  A thief counts itself in n_started. */
TEST_FN void start_thieves(pthread_t *th, void *(*thief)(void *))
{
    const int cpu = sched_getcpu();
    cpu_set_t mine, others;

    CHECK_GE(cpu, 0);
    CHECK_EQ(sched_getaffinity(0, sizeof others, &others), 0);
    CPU_CLR(cpu, &others);
    if (CPU_COUNT(&others) != 0)
        CHECK_EQ(sched_setaffinity(0, sizeof others, &others), 0);
    atomic_init(&n_started, 0);
    for (int i = 0; i < N_THIEVES; i++)
        CHECK_EQ(pthread_create(&th[i], NULL, thief, NULL), 0);
    for (int i = 1; atomic_load(&n_started) < N_THIEVES; i++)
        pause_for(i);
    CPU_ZERO(&mine);
    CPU_SET(cpu, &mine);
    CHECK_EQ(sched_setaffinity(0, sizeof mine, &mine), 0);
}

#endif
