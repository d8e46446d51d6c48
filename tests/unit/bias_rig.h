/* SPDX-License-Identifier: MIT */
/*
 * bias_rig.h - what the tests of biased locks share: coroutines that stay on one P, the others who
 * take their objects away from them, and a look at whom an object is biased to.
 */
#ifndef WEFT_TESTS_BIAS_RIG_H
#define WEFT_TESTS_BIAS_RIG_H

#include <base/lock.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>

#include "co_test.h"

/* ---- who runs where ---- */

/* Starts a coroutine that stays on one P. */
TEST_FN struct weft_co *start_on(int p, int (*fn)(void *), void *arg)
{
    struct weft_co *co = weft_go_with(fn, arg, .pinned = 1, .on_p = WEFT_ON_P(p));

    CHECK(co != NULL);
    return co;
}

TEST_FN void run_on(int p, int (*fn)(void *), void *arg)
{
    join(start_on(p, fn, arg));
}

/* The same on a plain thread, and in a runtime of its own. */
struct task {
    int (*fn)(void *);
    void *arg;
    pthread_t thread;
    atomic_int is_over;
};

TEST_FN void *run_task(void *arg)
{
    struct task *t = arg;

    CHECK_EQ(t->fn(t->arg), 0);
    atomic_store(&t->is_over, 1);
    return NULL;
}

TEST_FN void *run_task_in_a_runtime(void *arg)
{
    struct task *t = arg;

    CHECK_EQ(weft_run_with(t->fn, t->arg, .procs = 1), 0);
    atomic_store(&t->is_over, 1);
    return NULL;
}

enum place { ON_A_THREAD, IN_A_RUNTIME, ON_ANOTHER_P, PLACES };

/* One of the three, from a coroutine on P0; end_at() waits for it.  `co` is NULL for a thread. */
TEST_FN struct weft_co *begin_at(enum place place, struct task *t, int (*fn)(void *), void *arg)
{
    t->fn = fn;
    t->arg = arg;
    atomic_init(&t->is_over, 0);
    if (place == ON_ANOTHER_P)
        return start_on(1, fn, arg);
    CHECK_EQ(pthread_create(&t->thread, NULL,
                            place == ON_A_THREAD ? run_task : run_task_in_a_runtime, t),
             0);
    return NULL;
}

TEST_FN void end_at(struct task *t, struct weft_co *co)
{
    if (co != NULL)
        join(co);
    while (co == NULL && weft_in_coroutine() && !atomic_load(&t->is_over))
        weft_yield(); /* it may wait for others on this P */
    if (co == NULL)
        CHECK_EQ(pthread_join(t->thread, NULL), 0);
}

/* The body of a test runs pinned on P0 of a runtime with two. */
#define BIAS_TEST(id)                                                                              \
    static int on_p0_##id(void *unused);                                                           \
    static int in_##id(void *unused __attribute__((unused)))                                       \
    {                                                                                              \
        run_on(0, on_p0_##id, NULL);                                                               \
        return 0;                                                                                  \
    }                                                                                              \
    TEST(id)                                                                                       \
    {                                                                                              \
        CHECK_EQ(weft_run_with(in_##id, NULL, .procs = 2), 0);                                     \
    }                                                                                              \
    static int on_p0_##id(void *unused __attribute__((unused)))

/* ---- what is biased ---- */

/* However many biases had to be ended: the next objects are biased. */
TEST_FN void trust(void)
{
    atomic_store(&weft__gate_self()->balance, WEFT__GATE_BALANCE_MAX);
}

/* Does the object name the gate?  Its type is its own file's affair. */
TEST_FN bool names_gate(void *object, struct weft__gate *gate)
{
    _Atomic(struct weft__gate *) *word = object;

    for (size_t i = 0; i < malloc_usable_size(object) / sizeof *word; i++)
        if (atomic_load_explicit(&word[i], memory_order_relaxed) == gate)
            return true;
    return false;
}

#endif
