/* SPDX-License-Identifier: MIT */
/* ticker.c - a ticker is only a period and the time of its next tick: who waits sleeps until it. */
#include "ticker.h"

#include <errno.h>

#include "../base/clock.h"
#include "../base/fatal.h"
#include "../base/sys.h"
#include "../park/park.h"

struct weft_ticker {
    int64_t period_ns;
    int64_t due_ns;
    enum weft_tick_policy policy;
};

struct weft_ticker *weft_ticker_make(int64_t period_ns, enum weft_tick_policy policy)
{
    if (period_ns < 1) {
        weft__fatal("weft_ticker_make: the period is smaller than 1 ns");
    }
    struct weft_ticker *t = weft__alloc(sizeof *t);
    if (t != NULL) {
        t->period_ns = period_ns;
        t->policy = policy;
        t->due_ns = weft__clock_after(weft__clock_ns(), period_ns);
    }
    return t;
}

void weft_ticker_free(struct weft_ticker *t)
{
    weft__free(t);
}

int64_t weft__ticker_due_ns(const struct weft_ticker *t)
{
    return t->due_ns;
}

int64_t weft__ticker_take(struct weft_ticker *t)
{
    int64_t now_ns = weft__clock_ns();
    int64_t periods = 1;
    if (t->policy == WEFT_TICK_DELAY) {
        t->due_ns = weft__clock_after(now_ns, t->period_ns);
        return 1;
    }
    if (t->policy == WEFT_TICK_SKIP && now_ns > t->due_ns) {
        periods += (now_ns - t->due_ns) / t->period_ns;
    }
    int64_t step_ns;
    if (__builtin_mul_overflow(periods, t->period_ns, &step_ns)) {
        step_ns = INT64_MAX;
    }
    t->due_ns = weft__clock_after(t->due_ns, step_ns);
    return periods;
}

int64_t weft_ticker_wait(struct weft_ticker *t)
{
    (void)weft__park_self("weft_ticker_wait()");
    if (t->due_ns > weft__clock_ns()) {
        int rc = weft__park_sleep(t->due_ns, WAIT_TICK, t, __builtin_return_address(0));
        if (rc != 0) {
            return rc;
        }
    }
    return weft__ticker_take(t);
}
