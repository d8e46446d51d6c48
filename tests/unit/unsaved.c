/* SPDX-License-Identifier: MIT */
/*
 * unsaved.c - a coroutine that was woken before it has left its processor.
 *
 * matrix: once
 */
#include <pthread.h>
#include <sched.h>

#include "net_test.h"
#include "no_lookout.h"
#include "park/park.h"

#define TICKS 5

static struct weft__wait wait_of;
static atomic_bool is_visible, is_woken, is_over;
static atomic_int n_ticks;

static int tick(void *unused)
{
    (void)unused;
    while (!atomic_load(&is_over)) {
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
        atomic_fetch_add(&n_ticks, 1);
    }
    return 0;
}

static void *wake(void *unused)
{
    (void)unused;
    while (!atomic_load(&is_visible))
        sched_yield();
    CHECK(weft__wait_claim(&wait_of, 0));
    weft__park_wake(&wait_of);
    atomic_store(&is_woken, true);
    return NULL;
}

/* As if the kernel had put this thread aside before the switch, for as long as it takes the other
 * processor to find the coroutine and to do something else. */
static void stay(const struct weft_runtime *rt)
{
    const int64_t until = weft_now() + LONG_NS;

    while (!atomic_load(&is_woken) || !weft__inject_is_empty(&rt->inject))
        sched_yield();
    const int n = atomic_load(&n_ticks);
    while (atomic_load(&n_ticks) < n + TICKS && weft_now() < until)
        sched_yield();
    CHECK_GE(atomic_load(&n_ticks), n + TICKS);
}

static int wait_and_stay(void *rt)
{
    weft__park_init(&wait_of);
    weft__park_begin(&wait_of, WAIT_BLOCKING, NULL, NULL);
    atomic_store(&is_visible, true);
    stay(rt);
    return weft__park_wait(&wait_of);
}

static int beside_a_ticker(void *unused)
{
    struct weft_runtime *rt = weft_runtime_current();
    pthread_t thread;

    (void)unused;
    struct weft_co *ticker = weft_go_with(tick, NULL, .pinned = 1, .on_p = WEFT_ON_P(1));
    CHECK_EQ(pthread_create(&thread, NULL, wake, NULL), 0);
    struct weft_co *co = weft_go_with(wait_and_stay, rt, .on_p = WEFT_ON_P(0));
    CHECK_EQ(weft_join(co, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    atomic_store(&is_over, true);
    CHECK_EQ(weft_join(ticker, NULL), 0);
    return 0;
}

/* Goal: a processor that finds a coroutine whose last one has not saved it yet serves its others
 * meanwhile: that thread may have lost its CPU for milliseconds.
 * Method: the coroutine stays where it is, visible and woken, until the other's sleeper has ticked
 * some times after it was taken out of the queue. */
TEST(a_processor_does_not_wait_for_a_coroutine_to_be_saved)
{
    CHECK_EQ(weft_run_with(beside_a_ticker, NULL, .procs = 2), 0);
}
