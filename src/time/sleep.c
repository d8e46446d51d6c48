/* SPDX-License-Identifier: MIT */
/* sleep.c - the clock for users, and waiting for a time. */
#include <weft/time.h>

#include "../base/clock.h"
#include "../park/park.h"

int64_t weft_now(void)
{
    return weft__clock_ns();
}

int64_t weft_deadline_in(int64_t timeout_ns)
{
    return weft__clock_after(weft__clock_ns(), timeout_ns);
}

static int sleep_until(int64_t deadline_ns, const void *caller)
{
    struct weft__wait w;
    weft__park_init(&w);
    weft__park_until(&w, deadline_ns, 0);
    weft__park_begin(&w, WAIT_SLEEP, NULL, caller);
    return weft__park_wait(&w);
}

int weft_sleep(int64_t duration_ns)
{
    (void)weft__park_self("weft_sleep()");
    if (duration_ns <= 0) {
        return 0;
    }
    return sleep_until(weft__clock_after(weft__clock_ns(), duration_ns),
                       __builtin_return_address(0));
}

int weft_sleep_until(int64_t deadline_ns)
{
    (void)weft__park_self("weft_sleep_until()");
    if (deadline_ns <= weft__clock_ns()) {
        return 0;
    }
    return sleep_until(deadline_ns, __builtin_return_address(0));
}
