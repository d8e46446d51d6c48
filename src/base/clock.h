/* SPDX-License-Identifier: MIT */
/* clock.h - the one clock, and time arithmetic that saturates. */
#ifndef WEFT_BASE_CLOCK_H
#define WEFT_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds of CLOCK_MONOTONIC: about 20 ns; once a scheduling round, never per yield. */
static inline int64_t weft__clock_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* now_ns + duration_ns; a negative duration counts as 0, an overflow as never. */
static inline int64_t weft__clock_after(int64_t now_ns, int64_t duration_ns)
{
    if (duration_ns <= 0) {
        return now_ns;
    }
    return duration_ns > INT64_MAX - now_ns ? INT64_MAX : now_ns + duration_ns;
}

/* The timespec of a duration; a negative one gives 0. */
static inline struct timespec weft__clock_timespec(int64_t duration_ns)
{
    if (duration_ns < 0) {
        duration_ns = 0;
    }
    struct timespec ts;
    ts.tv_sec = (time_t)(duration_ns / 1000000000);
    ts.tv_nsec = (long)(duration_ns % 1000000000);
    return ts;
}

#endif
