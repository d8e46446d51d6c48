/* SPDX-License-Identifier: MIT */
/*
 * sleep.c - how late clock_nanosleep() is, with the timer slack that a process has by itself.
 */
#include <errno.h>
#include <stdlib.h>

#include "raw.h"

#define SLEEPS 500

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Sleeps many times in a row: the lateness that 50 and 99 % of the sleeps do not exceed. */
static int sleep_often(int64_t ns, double *values)
{
    const struct timespec wanted = {.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
    int64_t late[SLEEPS];

    for (int i = 0; i < SLEEPS; i++) {
        const int64_t start = now_ns();

        if (clock_nanosleep(CLOCK_MONOTONIC, 0, &wanted, NULL) != 0)
            return -1;
        late[i] = now_ns() - start - ns;
    }
    qsort(late, SLEEPS, sizeof(late[0]), compare);
    values[0] = (double)late[SLEEPS / 2] / 1e3;
    values[1] = (double)late[SLEEPS * 99 / 100 - 1] / 1e3;
    return 0;
}

int raw_sleep(double *values)
{
    if (sleep_often(100000, values) != 0)
        return -1;
    return sleep_often(1000000, values + 2);
}
