/* SPDX-License-Identifier: MIT */
/* process.c - startup, idle_rss: what a process costs that has a runtime and does nothing. */
#include "bench.h"

#define STARTS 25
#define IDLE_NS (50 * WEFT_MS)

/* --- startup -------------------------------------------------------------------------------- */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

void bench_startup_child(void)
{
    bench_in_runtime(nothing, NULL, 0);
}

/* Interleaved, so that both see the same disturbances. */
void bench_startup(double *values)
{
    char *const other[] = {(char *)(uintptr_t) "/bin/true", NULL};
    char *own[8];
    double own_ms[STARTS], other_ms[STARTS];

    bench_child_argv(own, "startup");
    fflush(stdout);
    for (int i = 0; i < STARTS; i++) {
        own_ms[i] = (double)bench_time_process(own) / 1e6;
        other_ms[i] = (double)bench_time_process(other) / 1e6;
    }
    values[0] = bench_median(own_ms, STARTS) - bench_median(other_ms, STARTS);
}

/* --- idle_rss ------------------------------------------------------------------------------- */

void bench_idle_rss(double *values)
{
    MUST(weft_sleep(IDLE_NS));
    values[0] = (double)bench_status_kib("VmRSS");
}
