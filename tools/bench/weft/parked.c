/* SPDX-License-Identifier: MIT */
/* parked.c - a million coroutines that wait in one channel: memory, creating, waking. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define COUNT 1000000
#define NEEDED_KIB (6L << 20) /* so much must be free: 5 KiB each, and a margin */

struct crowd {
    struct weft_chan *gate; /* nobody ever sends: closing it wakes everybody */
    struct weft_wait_group *arrived, *left;
};

static void wait_at_gate(void *arg)
{
    const struct crowd *crowd = arg;

    weft_wg_done(crowd->arrived);
    const int rc = weft_chan_recv(crowd->gate, NULL);
    if (rc != -EPIPE)
        bench_die("weft_chan_recv", rc);
    weft_wg_done(crowd->left);
}

/* Ends the program where a million stacks do not fit; a killed process would say less. */
static void check_memory(void)
{
    char line[128];
    long kib = -1;
    FILE *file = fopen("/proc/meminfo", "r");

    while (file != NULL && kib < 0 && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "MemAvailable:", 13) == 0)
            kib = strtol(line + 13, NULL, 10);
    }
    if (file != NULL)
        fclose(file);
    if (kib >= 0 && kib < NEEDED_KIB) {
        fprintf(stderr, "skip parked: %ld MB are free, %ld MB are needed\n", kib / 1024,
                NEEDED_KIB / 1024);
        _exit(BENCH_SKIP);
    }
}

static double ms_since(int64_t start_ns)
{
    return (double)(weft_now() - start_ns) / 1e6;
}

void bench_parked(double *values)
{
    check_memory();
    struct crowd crowd = {bench_chan(0, 0), bench_wg(COUNT), bench_wg(COUNT)};
    const long rss_kib = bench_status_kib("VmRSS"), pte_kib = bench_status_kib("VmPTE");
    int64_t start_ns = weft_now();

    for (long i = 0; i < COUNT; i++)
        MUST(weft_go(wait_at_gate, &crowd));
    MUST(weft_wg_wait(crowd.arrived));
    weft_yield(); /* the last one has arrived, but may not have parked yet */
    values[2] = ms_since(start_ns);
    values[0] = (double)(bench_status_kib("VmRSS") - rss_kib) * 1024 / COUNT;
    values[1] = (double)(bench_status_kib("VmPTE") - pte_kib) * 1024 / COUNT;

    start_ns = weft_now();
    weft_chan_close(crowd.gate);
    MUST(weft_wg_wait(crowd.left));
    values[3] = ms_since(start_ns);

    weft_chan_unref(crowd.gate);
    weft_wg_free(crowd.arrived);
    weft_wg_free(crowd.left);
}
