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

int weft_sleep(int64_t duration_ns)
{
    (void)weft__park_self("weft_sleep()");
    if (duration_ns <= 0) {
        return 0;
    }
    return weft__park_sleep(weft__clock_after(weft__clock_ns(), duration_ns), WAIT_SLEEP, NULL,
                            __builtin_return_address(0));
}

int weft_sleep_until(int64_t deadline_ns)
{
    (void)weft__park_self("weft_sleep_until()");
    if (deadline_ns <= weft__clock_ns()) {
        return 0;
    }
    return weft__park_sleep(deadline_ns, WAIT_SLEEP, NULL, __builtin_return_address(0));
}
