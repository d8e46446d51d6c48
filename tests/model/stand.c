/* SPDX-License-Identifier: MIT */
/*
 * stand.c - Ps that are told to stand down or to stand again while others make work visible:
 * [IDLE-DEKKER] of sched/idle.c, and what one that stands down owes to the others (sched/aside.c).
 *
 * Of three Ps the first one computes for ever, where it is not said what it does; the second stands
 * all the time, the third is told.
 */
#include "procs.h"

#include <sched/stand.h>

#define ITEMS 3
#include "items.h"

/* What the third finds in the end, being bound to it; and what the second finds at the least. */
#define BOUND_TO_THIRD 1
#define BOUND_TO_SECOND 2

/* Nobody looks at quotas here. */
void weft__watch_post(uint32_t what)
{
    (void)what;
}

static void begin_with(uint32_t standing)
{
    procs_begin(3);
    atomic_init(&procs_rt.n_standing, standing);
    memset(items, 0, sizeof items);
    for (int i = 0; i < ITEMS; i++)
        items[i].g.rt = &procs_rt;
}

static void begin_standing(void)
{
    begin_with(3);
}

static void begin_down(void)
{
    begin_with(2);
}

static void place(int i, int p)
{
    struct weft__g *g = make(i);

    g->flags = G_FLAG_PINNED;
    g->p_home = (uint16_t)p;
    weft__queue_bound(&procs_p[p], g);
}

static void each_was_taken_once(void)
{
    for (int i = 0; i < ITEMS; i++)
        MODEL_CHECK(items[i].taken == 1 || model_get(&items[i].content) == 0);
}

static void second(void)
{
    MODEL_CHECK(take(procs_find(procs_run(1))) != BOUND_TO_THIRD);
}

/* If it gets what it would have to leave to the second, standing still, that one gets another. */
static void third(void)
{
    struct weft__m *m = procs_run(2);

    if (take(procs_find(m)) != BOUND_TO_THIRD) {
        place(BOUND_TO_SECOND, 1);
        MODEL_CHECK(take(procs_find(m)) == BOUND_TO_THIRD);
    }
}

/* A plain thread. */
static void work_then_lower(void)
{
    weft__queue_woken(make(0), false);
    weft__stand_set(&procs_rt, 2);
    place(BOUND_TO_THIRD, 2);
}

static void lower_then_work(void)
{
    weft__stand_set(&procs_rt, 2);
    weft__queue_woken(make(0), false);
    place(BOUND_TO_THIRD, 2);
}

/* It has slept since before it was to stand down, and was woken for work. */
static void third_is_woken(void)
{
    struct weft__m *m = procs_run(2);

    weft__idle_announce(m->p);
    if (!weft__queue_has_bound(m->p))
        procs_wait(m->p->reactor, INT64_MAX, NULL);
    weft__idle_end(m->p);
    MODEL_CHECK(take(procs_find(m)) == BOUND_TO_THIRD);
}

/* Of two it tells of the first alone: whom it has woken for that looks for the other, too. */
static void work_twice_and_bound(void)
{
    weft__queue_woken(make(0), false);
    weft__queue_woken(make(BOUND_TO_SECOND), false);
    place(BOUND_TO_THIRD, 2);
}

static void second_twice(void)
{
    second();
    second();
}

/* What it has queued is not for itself. */
static void third_hands_over(void)
{
    struct weft__m *m = procs_run(2);

    weft__queue_unstarted(m->p, make(0));
    place(BOUND_TO_THIRD, 2);
    MODEL_CHECK(take(procs_find(m)) == BOUND_TO_THIRD);
}

static void third_hands_next_over(void)
{
    struct weft__m *m = procs_run(2);

    weft__queue_woken_here(m->p, make(0));
    place(BOUND_TO_THIRD, 2);
    MODEL_CHECK(take(procs_find(m)) == BOUND_TO_THIRD);
}

static void third_takes_any(void)
{
    MODEL_CHECK(take(procs_find(procs_run(2))) == 0);
}

static void work_then_raise(void)
{
    weft__queue_woken(make(0), false);
    weft__stand_set(&procs_rt, 3);
}

static void raise_then_work(void)
{
    weft__stand_set(&procs_rt, 3);
    weft__queue_woken(make(0), false);
}

static void lower_and_raise(void)
{
    weft__stand_set(&procs_rt, 2);
    weft__stand_set(&procs_rt, 3);
    weft__queue_woken(make(0), false);
}

static void bind_to_third(void)
{
    place(BOUND_TO_THIRD, 2);
}

static void third_takes_bound(void)
{
    MODEL_CHECK(take(procs_find(procs_run(2))) == BOUND_TO_THIRD);
}

static void third_is_stopped(void)
{
    MODEL_CHECK(procs_find(procs_run(2)) == NULL);
}

/* Goal: no P sleeps for ever while there is work for it, whoever was told of it first and has to
 * stand down instead.
 * Method: as in idle.c; a wake-up that is lost leaves the second or the third asleep. */
MODEL_TEST(work_is_found_when_the_number_falls, .begin = begin_standing,
           .thread = {work_then_lower, second, third}, .end = each_was_taken_once, .preemptions = 2,
           .late = 1)

MODEL_TEST(work_that_comes_after_the_fall_is_found, .begin = begin_standing,
           .thread = {lower_then_work, second, third}, .end = each_was_taken_once, .preemptions = 2,
           .late = 1)

MODEL_TEST(who_was_woken_and_stands_down_wakes_another, .begin = begin_down,
           .thread = {work_twice_and_bound, second_twice, third_is_woken},
           .end = each_was_taken_once, .preemptions = 2, .late = 1)

MODEL_TEST(what_is_handed_over_is_found, .begin = begin_down, .thread = {third_hands_over, second},
           .end = each_was_taken_once, .preemptions = 3, .late = 2)

MODEL_TEST(what_is_next_is_handed_over, .begin = begin_down,
           .thread = {third_hands_next_over, second}, .end = each_was_taken_once, .preemptions = 3,
           .late = 2)

/* The second computes, too. */
MODEL_TEST(who_is_to_stand_again_finds_what_was_there, .begin = begin_down,
           .thread = {work_then_raise, third_takes_any}, .end = each_was_taken_once,
           .preemptions = 6, .late = 4)

MODEL_TEST(who_is_to_stand_again_is_told, .begin = begin_down,
           .thread = {raise_then_work, third_takes_any}, .end = each_was_taken_once,
           .preemptions = 4, .late = 3)

MODEL_TEST(who_goes_to_and_fro_is_told, .begin = begin_standing,
           .thread = {lower_and_raise, third_takes_any}, .end = each_was_taken_once,
           .preemptions = 4, .late = 3)

MODEL_TEST(who_stands_down_finds_what_is_bound_to_it, .begin = begin_down,
           .thread = {bind_to_third, third_takes_bound}, .end = each_was_taken_once,
           .preemptions = 6, .late = 4)

MODEL_TEST(who_stands_down_is_stopped, .begin = begin_down,
           .thread = {procs_stop, third_is_stopped},
           .preemptions = 6, .late = 4)
