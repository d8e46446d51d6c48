/* SPDX-License-Identifier: MIT */
/* time.h - the clock, sleeping, tickers.  Everything is CLOCK_MONOTONIC nanoseconds. */
#ifndef WEFT_TIME_H
#define WEFT_TIME_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

/**
 * weft_now - the time now.
 *
 * Returns    nanoseconds of CLOCK_MONOTONIC.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere, also in a signal handler.
 */
WEFT_API int64_t weft_now(void);

/**
 * weft_deadline_in - the absolute time that is timeout_ns away.
 *
 * @timeout_ns  a duration; negative counts as 0.
 *
 * Returns    now + timeout_ns, saturated at WEFT_NEVER.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere, also in a signal handler.
 */
WEFT_API int64_t weft_deadline_in(int64_t timeout_ns);

/**
 * weft_sleep - wait for a time.
 *
 * @duration_ns  how long; <= 0 returns at once (use weft_yield() to let others run), WEFT_NEVER
 *               sleeps until a scope ends it.
 *
 * It never ends too early.  A processor that has nothing else to do lets the kernel wake it a
 * little before, by what the kernel mostly is late but no more than a quarter of the sleep, and
 * stays awake for the rest: half of the sleeps of 0.1 ms and more are late by a microsecond or two.
 * Where more than 32 timers fire on a processor in a millisecond, they may gather for 0.1 ms.
 *
 * Returns    0: the whole time has passed.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine.
 */
WEFT_API int weft_sleep(int64_t duration_ns);

/**
 * weft_sleep_until - wait until an absolute time.
 *
 * @deadline_ns  the time, on the clock of weft_now(); one that has passed returns at once.
 *
 * Returns    0.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine.
 */
WEFT_API int weft_sleep_until(int64_t deadline_ns);

/* What a ticker does about ticks that came while nobody waited. */
enum weft_tick_policy {
    WEFT_TICK_SKIP = 0, /* drop them; the next tick is on the original grid */
    WEFT_TICK_BURST,    /* deliver each of them, one wait a tick, until it has caught up */
    WEFT_TICK_DELAY,    /* start a new period at the late tick */
};

struct weft_ticker;

/**
 * weft_ticker_make - make a ticker; the first tick is one period from now.
 *
 * @period_ns  at least 1; a smaller one is fatal.
 * @policy     what to do about missed ticks.
 *
 * A ticker is passive: it costs nothing while nobody waits for it.
 *
 * Returns    the ticker, to be given to weft_ticker_free(); NULL for lack of memory.
 * Errors     none as a code.
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST struct weft_ticker *weft_ticker_make(int64_t period_ns, enum weft_tick_policy policy);

/**
 * weft_ticker_wait - wait for the next tick.
 *
 * @t  the ticker.
 *
 * Returns    how many periods this tick stands for: 1, or with WEFT_TICK_SKIP 1 + those dropped.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine, one at a time.
 */
WEFT_API int64_t weft_ticker_wait(struct weft_ticker *t);

/**
 * weft_ticker_free - free a ticker that nobody waits for.
 *
 * @t  the ticker; NULL is allowed.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_ticker_free(struct weft_ticker *t);

WEFT_END_DECLS
#endif
