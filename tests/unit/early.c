/* SPDX-License-Identifier: MIT */
/*
 * Goal: a P that sleeps for a timer asks for as much less as the kernel mostly is late, and never
 * for so much less that it would be awake for long.
 * Method: the estimate alone, with a clock and a kernel of the test's.
 *
 * matrix: once
 */
#include "sched/early.h"
#include "test.h"

#define TIMER_NS INT64_C(1000000000)
#define SLEEP_NS 1000000

/* A sleep for the timer, of sleep_ns, that ends late_ns after the time it was asked for; returns
 * how much less than that it asked for. */
static int64_t sleep_once(struct weft__early *e, int64_t sleep_ns, int64_t late_ns)
{
    int64_t asked_ns = weft__early_ask(e, TIMER_NS, TIMER_NS - sleep_ns);
    CHECK_LE(asked_ns, TIMER_NS);
    weft__early_learn(e, asked_ns, asked_ns + late_ns);
    return TIMER_NS - asked_ns;
}

static void learn(struct weft__early *e, int64_t late_ns)
{
    for (int i = 0; i < 300; i++)
        sleep_once(e, SLEEP_NS, late_ns);
}

TEST(a_kernel_that_is_always_as_late_is_anticipated)
{
    static const int64_t late_ns[] = {20000, 3000, 49000, 0, 31000};
    struct weft__early e = {0};

    for (size_t i = 0; i < sizeof(late_ns) / sizeof(*late_ns); i++) {
        learn(&e, late_ns[i]);
        int64_t early_ns = sleep_once(&e, SLEEP_NS, late_ns[i]);
        CHECK_LE(early_ns, late_ns[i] + 2 * WEFT__EARLY_STEP_NS);
        CHECK_GE(early_ns, late_ns[i] - WEFT__EARLY_STEP_NS);
    }
}

/* Goal: of sleeps that are late by as much as it happens, about two of three end in time. */
TEST(two_of_three_sleeps_end_in_time)
{
    struct weft__early e = {0};
    uint64_t x = test_seed();
    int n_in_time = 0;

    learn(&e, 20000);
    for (int i = 0; i < 3000; i++) {
        int64_t late_ns = 10000 + (int64_t)(test_random(&x) % 20000);
        n_in_time += late_ns <= sleep_once(&e, SLEEP_NS, late_ns);
    }
    CHECK_GE(n_in_time, 1800);
    CHECK_LE(n_in_time, 2200);
}

/* Goal: where others have the CPU for milliseconds, that is not taken for the kernel's own time. */
TEST(what_is_later_than_any_kernel_teaches_nothing)
{
    struct weft__early e = {0};

    learn(&e, 20000);
    const int64_t known_ns = e.late_ns;
    learn(&e, WEFT__EARLY_MAX_NS + 1);
    learn(&e, INT64_C(30000000000));
    CHECK_EQ(e.late_ns, known_ns);
    learn(&e, WEFT__EARLY_MAX_NS);
    CHECK_LE(e.late_ns, WEFT__EARLY_MAX_NS);
    CHECK_GT(e.late_ns, known_ns);
}

TEST(a_short_sleep_is_no_more_than_a_quarter_shorter)
{
    struct weft__early e = {0};

    learn(&e, 40000);
    for (int64_t sleep_ns = 1; sleep_ns < 200000; sleep_ns = sleep_ns * 3 + 1)
        CHECK_LE(sleep_once(&e, sleep_ns, 40000), sleep_ns / 4);
}

TEST(what_ended_otherwise_teaches_nothing)
{
    struct weft__early e = {0};

    learn(&e, 20000);
    const int64_t known_ns = e.late_ns;
    const int64_t asked_ns = weft__early_ask(&e, TIMER_NS, TIMER_NS - SLEEP_NS);
    weft__early_learn(&e, asked_ns, asked_ns - 1);         /* woken before */
    weft__early_learn(&e, asked_ns - 5000, asked_ns + 90); /* it slept for something else */
    CHECK_EQ(weft__early_ask(&e, INT64_MAX, TIMER_NS), INT64_MAX);
    weft__early_learn(&e, INT64_MAX, INT64_MAX); /* it had no timer */
    CHECK_EQ(weft__early_ask(&e, TIMER_NS, TIMER_NS + 7), TIMER_NS);
    weft__early_learn(&e, TIMER_NS, TIMER_NS + 7); /* nor a sleep */
    CHECK_EQ(e.late_ns, known_ns);
}

/* Goal: it stays awake for the timer that it was woken for, from then on and not longer. */
TEST(only_the_timer_that_it_was_woken_for_is_near)
{
    struct weft__early e = {0};

    learn(&e, 20000);
    const int64_t asked_ns = weft__early_ask(&e, TIMER_NS, TIMER_NS - SLEEP_NS);
    CHECK(!weft__early_is_near(&e, TIMER_NS, asked_ns - 1));
    CHECK(weft__early_is_near(&e, TIMER_NS, asked_ns));
    CHECK(weft__early_is_near(&e, TIMER_NS, TIMER_NS - 1));
    CHECK(!weft__early_is_near(&e, TIMER_NS, TIMER_NS));
    CHECK(!weft__early_is_near(&e, TIMER_NS + 1, asked_ns));
    CHECK(!weft__early_is_near(&e, INT64_MAX, asked_ns));
    (void)weft__early_ask(&e, INT64_MAX, asked_ns);
    CHECK(!weft__early_is_near(&e, INT64_MAX, asked_ns));
}
