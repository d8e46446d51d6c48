/* SPDX-License-Identifier: MIT */
/*
 * ticker.c - periods on a grid, and each policy for the ticks that came while nobody waited.
 *
 * matrix: short
 */
#include "co_test.h"

static const int64_t period = 2 * WEFT_MS;

/* Lets n periods and a half pass, measured from `from`. */
static void pass(int64_t from, int n)
{
    CHECK_EQ(weft_sleep_until(from + n * period + period / 2), 0);
}

/* Goal: ticks come on a grid: none before its time, and lateness does not add up.
 * Method: the k-th tick may be any time late, but never before k periods. */
CO_TEST(ticks_keep_to_their_grid)
{
    const int64_t before = weft_now();
    struct weft_ticker *t = weft_ticker_make(period, WEFT_TICK_SKIP);
    const int64_t made = weft_now();
    int64_t n = 0;

    while (n < 20) {
        const int64_t periods = weft_ticker_wait(t);
        CHECK_GE(periods, 1);
        n += periods;
        CHECK_GE(weft_now(), before + n * period);
    }
    if (test_scale() == 1)
        CHECK_LE(weft_now(), made + (n + 1) * period + 50 * WEFT_MS);
    weft_ticker_free(t);
    return 0;
}

CO_TEST(skip_tells_how_many_periods_a_tick_stands_for)
{
    const int64_t before = weft_now();
    struct weft_ticker *t = weft_ticker_make(period, WEFT_TICK_SKIP);
    const int64_t made = weft_now();

    pass(made, 5);
    const int64_t low = (weft_now() - made) / period, n = weft_ticker_wait(t);
    const int64_t high = (weft_now() - before) / period;
    CHECK_GE(n, low);
    CHECK_LE(n, high);
    CHECK_GE(n, 5);
    /* The next one is on the grid: after period n + 1, counted from the start. */
    const int64_t more = weft_ticker_wait(t);
    CHECK_GE(weft_now(), before + (n + more) * period);
    weft_ticker_free(t);
    return 0;
}

CO_TEST(burst_delivers_each_missed_tick_at_once)
{
    struct weft_ticker *t = weft_ticker_make(period, WEFT_TICK_BURST);
    const int64_t made = weft_now();
    struct weft_stats before = {.size = sizeof before}, after = {.size = sizeof after};

    pass(made, 5);
    CHECK_EQ(weft_runtime_stats(NULL, &before), 0);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(weft_ticker_wait(t), 1);
    CHECK_EQ(weft_runtime_stats(NULL, &after), 0);
    CHECK_EQ(before.parks, after.parks);
    while (weft_now() < made + 9 * period)
        CHECK_EQ(weft_ticker_wait(t), 1);
    weft_ticker_free(t);
    return 0;
}

CO_TEST(delay_starts_a_new_period_at_the_late_tick)
{
    struct weft_ticker *t = weft_ticker_make(period, WEFT_TICK_DELAY);

    pass(weft_now(), 5);
    const int64_t late = weft_now();
    CHECK_EQ(weft_ticker_wait(t), 1); /* at once: it is due */
    CHECK_EQ(weft_ticker_wait(t), 1);
    CHECK_GE(weft_now() - late, period);
    weft_ticker_free(t);
    return 0;
}

CO_TEST(a_deadline_ends_the_wait_and_the_tick_is_not_lost)
{
    struct weft_ticker *t = weft_ticker_make(20 * WEFT_MS, WEFT_TICK_BURST);
    const int64_t made = weft_now();

    WEFT_DEADLINE (s, WEFT_MS)
        CHECK_EQ(weft_ticker_wait(t), -ETIMEDOUT);
    CHECK_EQ(weft_ticker_wait(t), 1);
    CHECK_GE(weft_now(), made + 19 * WEFT_MS);
    weft_ticker_free(t);
    return 0;
}

CO_TEST(the_longest_and_the_shortest_period_work)
{
    struct weft_ticker *t = weft_ticker_make(INT64_MAX, WEFT_TICK_SKIP);

    WEFT_DEADLINE (s, WEFT_MS)
        CHECK_EQ(weft_ticker_wait(t), -ETIMEDOUT);
    weft_ticker_free(t);
    t = weft_ticker_make(1, WEFT_TICK_SKIP);
    for (int i = 0; i < 100; i++)
        CHECK_GE(weft_ticker_wait(t), 1);
    weft_ticker_free(t);
    weft_ticker_free(NULL);
    return 0;
}

CO_TEST(a_ticker_is_a_case_of_select)
{
    struct weft_ticker *t = weft_ticker_make(WEFT_MS, WEFT_TICK_SKIP);
    int n_ticks = 0;

    while (n_ticks < 5)
        SELECT
        {
            ON_TICK(t)
            n_ticks++;
            ON_AFTER(20 * WEFT_SEC)
            TEST_FAIL("no tick");
        }
    weft_ticker_free(t);
    return 0;
}
