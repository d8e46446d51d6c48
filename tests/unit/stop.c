/* SPDX-License-Identifier: MIT */
/*
 * stop.c - a stop meets a thread that is about to start a coroutine.
 *
 * matrix: short
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <sched/sched.h>

#include "co_test.h"

static struct weft_runtime *rt;
static atomic_int has_come;
static _Thread_local bool is_guest;

/* The guest is held up in the middle of its call, until the runtime has no thread any more. */
static void *hold_up(void *user, size_t bytes, size_t alignment)
{
    void *p = NULL;

    (void)user;
    if (is_guest) {
        is_guest = false;
        atomic_store(&has_come, 1);
        while (atomic_load_explicit(&rt->n_running_ms, memory_order_relaxed) != 0)
            sched_yield();
        usleep(20000); /* and as good as stopped */
    }
    if (alignment < sizeof p)
        alignment = sizeof p;
    return posix_memalign(&p, alignment, bytes) == 0 ? p : NULL;
}

static void release(void *user, void *memory)
{
    (void)user;
    free(memory);
}

static const struct weft_allocator allocator = {
    .size = sizeof allocator, .allocate = hold_up, .release = release};

static int never_called(void *arg)
{
    (void)arg;
    TEST_FAIL("there is no thread for it");
}

static void *come_in(void *rc)
{
    is_guest = true;
    *(int *)rc = weft_block_on(rt, never_called, NULL, NULL);
    return NULL;
}

/* Goal: a thread that came before the stop, and starts its coroutine when there is nobody left to
 * run it, is told so; and the stop waits for it. */
TEST(a_thread_that_is_about_to_start_a_coroutine_is_told_of_the_stop)
{
    pthread_t th;
    int rc = 1;

    CHECK_EQ(weft_set_allocator(&allocator), 0);
    CHECK_EQ(weft_runtime_start(&rt, NULL), 0);
    CHECK_EQ(pthread_create(&th, NULL, come_in, &rc), 0);
    while (atomic_load(&has_come) == 0)
        sched_yield();
    CHECK_GE(weft_runtime_stop(rt), 0);
    CHECK_EQ(pthread_join(th, NULL), 0);
    CHECK_EQ(rc, -ESHUTDOWN);
}
