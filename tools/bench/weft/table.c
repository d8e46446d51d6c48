/* SPDX-License-Identifier: MIT */
/* table.c - the workloads in the order in which they run. */
#include "bench.h"

/* clang-format off */
#define ROW(name, unit) {{name, unit}}
/* A loop, in ns an operation; a task of a fixed size, in ms. */
#define LOOP(name, fn, count) {name, ROW(name, "ns"), .pass = fn, .n = count}
#define TASK(name, fn, size) {name, ROW(name, "ms"), .pass = fn, .n = size, .is_whole = true}
/* clang-format on */

const struct bench bench_table[] = {
    LOOP("yield", bench_yield, 4000000),
    LOOP("spawn_one", bench_spawn_one, 1000000),
    LOOP("spawn_batch", bench_spawn_batch, 1500000),
    LOOP("chan_unbuf", bench_chan_unbuf, 800000),
    LOOP("chan_buf", bench_chan_buf, 4000000),
    LOOP("chan_mpmc", bench_chan_mpmc, 4000000),
    LOOP("select2", bench_select2, 800000),
    LOOP("select8", bench_select8, 400000),
    LOOP("mutex", bench_mutex, 6000000),
    TASK("skynet", bench_skynet, 1000000),
    {"skynet.rss", ROW("skynet.rss", "MB"), .measure = bench_skynet_rss, .place = IN_CHILD},
    TASK("fib", bench_fib, 30),
    TASK("skynet_work", bench_skynet_work, 100000),
    TASK("fib_work", bench_fib_work, 24),
    LOOP("pairs", bench_pairs, 800000),
    {"parked",
     {{"parked.bytes", "B"}, {"parked.pte", "B"}, {"parked.create", "ms"}, {"parked.wake", "ms"}},
     .measure = bench_parked,
     .place = IN_CHILD,
     .runs_max = 3},
    {"timers",
     {{"timers.cpu", "ms"}, {"timers.p50", "us"}, {"timers.p99", "us"}},
     .measure = bench_timers,
     .place = IN_CHILD,
     .runs_max = 3},
    {"sleep",
     {{"sleep.100us_p50", "us"},
      {"sleep.100us_p99", "us"},
      {"sleep.1ms_p50", "us"},
      {"sleep.1ms_p99", "us"}},
     .measure = bench_sleep},
    {"startup", ROW("startup", "ms"), .measure = bench_startup, .child = bench_startup_child,
     .place = OUTSIDE},
    {"idle_rss", ROW("idle_rss", "kB"), .measure = bench_idle_rss, .place = IN_CHILD},
    {"mixed", ROW("mixed", "us"), .measure = bench_mixed, .child = bench_mixed_child,
     .place = OUTSIDE, .runs_max = 3},
    {"fair.pair", ROW("fair.pair", "x"), .measure = bench_fair_pair, .procs = 1},
    {"fair.oldest", ROW("fair.oldest", "ms"), .measure = bench_fair_oldest, .procs = 1},
    {.name = NULL},
};
