/* SPDX-License-Identifier: MIT */
/*
 * verdict.c - the look at a deadlock (sched/deadlock.c) beside a P that sleeps, is woken and sleeps
 * again, and plain threads that come and go: none of these runtimes is dead.
 */
#include <base/census.h>
#include <sched/sched.h>

#define ITEMS 2
#include "items.h"

static _Atomic int n_foreign; /* plain threads that neither are ours nor wait for us */
static struct weft_runtime beside; /* another one, without a coroutine */
static _Atomic int n_beside;       /* its thread, while there is one */
static struct model_event second_begins;
static struct weft__wait wait_of_caller;
static struct weft__block_wait caller;

int weft__sys_thread_count(void)
{
    return 3 + atomic_load_explicit(&n_foreign, memory_order_acquire) + /* watch, M, caller */
           atomic_load_explicit(&n_beside, memory_order_acquire);
}

uint64_t weft__live_count(const struct weft_runtime *rt)
{
    return rt == &procs_rt;
}

void weft__report_deadlock(struct weft_runtime *rt, bool is_certain)
{
    (void)rt;
    MODEL_CHECK(!is_certain);
}

void weft__report_no_stack(struct weft_runtime *rt)
{
    (void)rt;
    MODEL_CHECK(false);
}

static void begin(void)
{
    procs_begin(1);
    procs_p[0].is_alone = true;
    memset(items, 0, sizeof items);
    for (int i = 0; i < ITEMS; i++)
        items[i].g.rt = &procs_rt;
    atomic_init(&n_foreign, 1);
    model_event_init(&second_begins);
    memset(&wait_of_caller, 0, sizeof wait_of_caller);
    caller = (struct weft__block_wait){.wait = &wait_of_caller, .is_at_rest = true};
    procs_rt.block_waits = &caller;
    weft__lock_init(&procs_rt.waits_lock, RANK_START);
    atomic_init(&procs_rt.n_threads, 1);
    atomic_init(&procs_rt.n_blocked_on, 1);
    weft__runtimes = &procs_rt;
    atomic_init(&n_beside, 0);
}

static void begin_beside(void)
{
    begin();
    memset(&beside, 0, sizeof beside);
    weft__lock_init(&beside.waits_lock, RANK_START);
    atomic_init(&beside.n_threads, 1);
    atomic_init(&n_beside, 1);
    beside.next = &procs_rt;
    weft__runtimes = &beside;
}

static void leave(void)
{
    (void)atomic_fetch_sub_explicit(&n_foreign, 1, memory_order_release);
}

/* What it finds first starts a thread, and waits for that. */
static void find_start_and_find(void)
{
    struct weft__m *m = procs_run(0);

    MODEL_CHECK(take(procs_find(m)) == 0);
    (void)atomic_fetch_add_explicit(&n_foreign, 1, memory_order_relaxed);
    model_event_set(&second_begins);
    MODEL_CHECK(take(procs_find(m)) == 1);
}

static void first_wakes_and_leaves(void)
{
    weft__queue_woken(make(0), true);
    leave();
}

static void second_wakes_and_leaves(void)
{
    model_event_wait(&second_begins);
    weft__queue_woken(make(1), true);
    leave();
}

static void look(void)
{
    (void)weft__deadlock_look(&procs_rt, false);
}

static void caller_waits_on(void)
{
    MODEL_CHECK(!weft__wait_is_claimed(&wait_of_caller));
}

/* Goal: no look takes a runtime for dead in which a P was woken by a thread that has left, and
 * sleeps again until another one that was started meanwhile wakes it. */
MODEL_TEST(who_rests_again_is_not_taken_for_dead, .begin = begin,
           .thread = {look, find_start_and_find, first_wakes_and_leaves, second_wakes_and_leaves},
           .end = caller_waits_on, .preemptions = 3, .late = 1)

static void find_one(void)
{
    MODEL_CHECK(take(procs_find(procs_run(0))) == 0);
}

static void end_beside(void)
{
    weft__census_leave(&beside.n_threads);
    (void)atomic_fetch_sub_explicit(&n_beside, 1, memory_order_release); /* the thread ends */
}

/* Goal: threads of another runtime that end while the look counts do not hide a plain one. */
MODEL_TEST(threads_that_end_meanwhile_hide_nobody, .begin = begin_beside,
           .thread = {look, find_one, first_wakes_and_leaves, end_beside}, .end = caller_waits_on,
           .preemptions = 3, .late = 1)
