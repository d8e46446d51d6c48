/* SPDX-License-Identifier: MIT */
/*
 * quiet.c - a runtime whose connections have nothing to say costs nothing.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include <sys/resource.h>

#include "net_test.h"

#define PARKED 1000

static int read_nothing(void *arg)
{
    char byte;

    CHECK_EQ(weft_read((int)(intptr_t)arg, &byte, 1), 0);
    return 0;
}

static int64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * WEFT_SEC + t.tv_nsec;
}

static struct weft_stats stats_now(void)
{
    struct weft_stats stats = {.size = sizeof stats};

    CHECK_EQ(weft_runtime_stats(NULL, &stats), 0);
    return stats;
}

/* Whether 2 s of silence are silent: little CPU, and nobody goes to sleep or is woken but for the
 * one timer of this sleep.  That may wake a thread for us, in a slow build each of them once; and
 * an idle one looks again while it sees us busy. */
static bool is_silent(void)
{
    const uint64_t looks = test_scale() > 1 ? (uint64_t)weft_runtime_procs(NULL) : 0;
    const struct weft_stats before = stats_now();
    const int64_t cpu = cpu_ns();
    CHECK_EQ(weft_sleep(2 * WEFT_SEC), 0);
    const int64_t used = cpu_ns() - cpu;
    const struct weft_stats after = stats_now();

    CHECK_EQ(after.parks - before.parks, 1); /* our own sleep */
    CHECK_EQ(after.timers - before.timers, 1);
    CHECK_EQ(after.ops, before.ops);
    printf("%lld us of CPU, %d sleeps, %d wakes\n", (long long)used / 1000,
           (int)(after.sleeps - before.sleeps), (int)(after.wakes - before.wakes));
    return used <= 10 * WEFT_MS * test_scale() && after.wakes - before.wakes <= 2 + looks &&
           after.sleeps - before.sleeps <= 5 + looks;
}

/* Goal: 1,000 parked connections and 2 s of silence: at most 10 ms of CPU, and no thread of the
 * runtime goes to sleep or is woken but for the one timer of this test.
 * Method: half are TCP, half UNIX; two turns of the timer settle what their set-up left behind.
 * Who gets no CPU for some ms looks busy to the others, so one of three times must be silent: what
 * wakes up by itself does so in each. */
CO_TEST(a_thousand_parked_connections_cost_nothing)
{
    static int fds[PARKED][2];
    static struct weft_co *readers[PARKED];
    struct rlimit limit;

    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 2 * PARKED + 100) {
        limit.rlim_cur = 2 * PARKED + 100;
        if (limit.rlim_max < limit.rlim_cur || setrlimit(RLIMIT_NOFILE, &limit) != 0)
            SKIP("not enough descriptors");
    }
    for (int i = 0; i < PARKED; i++) {
        (i % 2 ? tcp_pair : unix_pair)(fds[i]);
        readers[i] = weft_go_with(read_nothing, (void *)(intptr_t)fds[i][0]);
    }
    await_in_flight(PARKED);
    struct weft_stats settled;
    do { /* until all processors have gone to sleep, however slow the machine is */
        settled = stats_now();
        CHECK_EQ(weft_sleep(50 * WEFT_MS), 0);
    } while (stats_now().sleeps - settled.sleeps > 5 || stats_now().wakes - settled.wakes > 2);
    CHECK(is_silent() || is_silent() || is_silent());
    for (int i = 0; i < PARKED; i++)
        CHECK_EQ(weft_close(fds[i][1]), 0);
    for (int i = 0; i < PARKED; i++) {
        join(readers[i]);
        CHECK_EQ(weft_close(fds[i][0]), 0);
    }
    return 0;
}
