/* SPDX-License-Identifier: MIT */
/*
 * idle.c - Ps that go to sleep while others make work visible: [IDLE-DEKKER] of sched/idle.c.
 */
#include "procs.h"

#define ITEMS 3
#include "items.h"

static void begin_with(int procs)
{
    procs_begin(procs);
    memset(items, 0, sizeof items);
    for (int i = 0; i < ITEMS; i++)
        items[i].g.rt = &procs_rt;
}

static void begin_two(void)
{
    begin_with(2);
}

/* membarrier() cannot be had. */
static void begin_with_real_fences(void)
{
    begin_with(2);
    atomic_init(&weft__fence_is_asymmetric, false);
}

/* Nobody steals: each P has a queue for what others make runnable. */
static void begin_apart(void)
{
    begin_with(2);
    procs_rt.may_steal = false;
    for (int i = 0; i < 2; i++) {
        struct weft__p *p = &procs_p[i];
        weft__inject_init(&p->own_inject);
        p->own_inject.p_home = (uint16_t)i;
        p->inject = &p->own_inject;
        p->is_alone = true;
    }
}

static void begin_three(void)
{
    begin_with(3);
}

static void each_was_taken_once(void)
{
    for (int i = 0; i < ITEMS; i++)
        MODEL_CHECK(items[i].taken == 1 || model_get(&items[i].content) == 0);
}

/* It has found work, and never looks again. */
static void find_one(int i)
{
    (void)take(procs_find(procs_run(i)));
}

static void finder(void)
{
    find_one(1);
}

static void finder_of_two(void)
{
    find_one(1);
    find_one(1);
}

static void third(void)
{
    find_one(2);
}

/* A P whose coroutine computes for ever once it has made work. */
static void maker_of_unstarted(void)
{
    weft__queue_unstarted(procs_run(0)->p, make(0));
}

static void maker_of_two(void)
{
    struct weft__p *p = procs_run(0)->p;

    weft__queue_unstarted(p, make(0));
    weft__queue_unstarted(p, make(1));
}

static void maker_of_woken(void)
{
    procs_run(0);
    weft__queue_woken(make(0), false);
}

static void maker_of_next(void)
{
    weft__queue_woken_here(procs_run(0)->p, make(0));
}

/* It makes two, and takes one of them itself. */
static void maker_and_finder(void)
{
    struct weft__m *m = procs_run(0);

    weft__queue_unstarted(m->p, make(0));
    weft__queue_unstarted(m->p, make(1));
    (void)take(procs_find(m));
}

/* Of three: two are stolen at once. */
static void maker_of_three_and_finder(void)
{
    struct weft__m *m = procs_run(0);

    for (int i = 0; i < 3; i++)
        weft__queue_unstarted(m->p, make(i));
    (void)take(procs_find(m));
}

static void plain_thread(void)
{
    weft__queue_woken(make(0), false);
}

/* For the second P alone. */
static void maker_of_bound(void)
{
    struct weft__g *g = make(0);

    g->flags = G_FLAG_PINNED;
    g->p_home = 1;
    weft__queue_bound(&procs_p[1], g);
}

/* One that stays on the second P, woken by a coroutine of the first or by a plain thread. */
static void wake_one_that_stays(void)
{
    struct weft__g *g = make(0);

    g->flags = G_FLAG_STAYS;
    g->p_home = 1;
    weft__queue_woken(g, true);
}

static void waker_of_one_that_stays(void)
{
    procs_run(0);
    wake_one_that_stays();
}

static void who_is_stopped(void)
{
    MODEL_CHECK(procs_find(procs_run(1)) == NULL);
}

/* Goal: no P sleeps for ever while there is work that it may take, whoever makes it visible and
 * however late the others see that.
 * Method: a P that must find one, and others that make just as many and then do nothing: a wake-up
 * that is lost leaves the finder asleep. */
MODEL_TEST(an_unstarted_one_is_found, .begin = begin_two, .thread = {maker_of_unstarted, finder},
           .end = each_was_taken_once, .preemptions = 6, .late = 4)

MODEL_TEST(a_woken_one_is_found, .begin = begin_two, .thread = {maker_of_woken, finder},
           .end = each_was_taken_once, .preemptions = 6, .late = 4)

MODEL_TEST(one_in_run_next_is_found, .begin = begin_two, .thread = {maker_of_next, finder},
           .end = each_was_taken_once, .preemptions = 6, .late = 4)

MODEL_TEST(one_of_a_plain_thread_is_found, .begin = begin_two, .thread = {plain_thread, finder},
           .end = each_was_taken_once, .preemptions = 6, .late = 4)

MODEL_TEST(a_bound_one_is_found_by_its_own, .begin = begin_two, .thread = {maker_of_bound, finder},
           .end = each_was_taken_once, .preemptions = 6, .late = 4)

MODEL_TEST(one_that_stays_is_found_by_its_own, .begin = begin_apart,
           .thread = {waker_of_one_that_stays, finder}, .end = each_was_taken_once,
           .preemptions = 6, .late = 4)

MODEL_TEST(one_that_stays_is_found_though_a_thread_woke_it, .begin = begin_apart,
           .thread = {wake_one_that_stays, finder}, .end = each_was_taken_once, .preemptions = 6,
           .late = 4)

MODEL_TEST(each_finds_one_of_two, .begin = begin_two, .thread = {maker_and_finder, finder},
           .end = each_was_taken_once, .preemptions = 3, .late = 2)

MODEL_TEST(what_is_stolen_together_is_found, .begin = begin_two,
           .thread = {maker_of_three_and_finder, finder_of_two}, .end = each_was_taken_once,
           .preemptions = 2, .late = 1)

MODEL_TEST(two_sleepers_find_one_each, .begin = begin_three,
           .thread = {maker_of_two, finder, third}, .end = each_was_taken_once, .preemptions = 2,
           .late = 1)

MODEL_TEST(a_sleeper_is_stopped, .begin = begin_two, .thread = {procs_stop, who_is_stopped},
           .preemptions = 6, .late = 4)

/* The same where membarrier() cannot be had: the fences on both sides are real ones. */
MODEL_TEST(real_fences_find_an_unstarted_one, .begin = begin_with_real_fences,
           .thread = {maker_of_unstarted, finder}, .end = each_was_taken_once, .preemptions = 6,
           .late = 4)

MODEL_TEST(real_fences_find_one_of_a_plain_thread, .begin = begin_with_real_fences,
           .thread = {plain_thread, finder}, .end = each_was_taken_once, .preemptions = 6,
           .late = 4)
