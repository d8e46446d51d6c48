/* SPDX-License-Identifier: MIT */
/* timers.c - timers: a million sleeps at once; sleep: how late one is on an idle runtime. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define COUNT 1000000
#define SLEEPS 500

/* --- timers --------------------------------------------------------------------------------- */

static struct {
    struct weft_chan *gate;
    struct weft_wait_group *arrived, *left;
    int64_t start_ns; /* T0 */
    int64_t *late_ns; /* of each */
} crowd;

/* From 1 to 1,000 ms, the same in each run for the same number. */
static int64_t random_ns(uint64_t number)
{
    uint64_t x = number * 0x9e3779b97f4a7c15u + 0x9e3779b97f4a7c15u;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    x ^= x >> 31;
    return WEFT_MS + (int64_t)(x % (uint64_t)(999 * WEFT_MS));
}

static void sleep_once(void *arg)
{
    const uintptr_t number = (uintptr_t)arg;

    weft_wg_done(crowd.arrived);
    const int rc = weft_chan_recv(crowd.gate, NULL);
    if (rc != -EPIPE)
        bench_die("weft_chan_recv", rc);
    const int64_t until_ns = crowd.start_ns + WEFT_SEC + random_ns(number);
    MUST(weft_sleep_until(until_ns));
    crowd.late_ns[number] = weft_now() - until_ns;
    weft_wg_done(crowd.left);
}

void bench_timers(double *values)
{
    crowd.gate = bench_chan(0, 0);
    crowd.arrived = bench_wg(COUNT);
    crowd.left = bench_wg(COUNT);
    crowd.late_ns = malloc(COUNT * sizeof(int64_t));
    EXPECT(crowd.late_ns != NULL);
    memset(crowd.late_ns, 1, COUNT * sizeof(int64_t)); /* no page faults later */
    for (uintptr_t i = 0; i < COUNT; i++)
        MUST(weft_go(sleep_once, (void *)i));
    MUST(weft_wg_wait(crowd.arrived));
    weft_yield(); /* the last one has arrived, but may not have parked yet */

    const double cpu_ms = bench_cpu_ms();
    crowd.start_ns = weft_now();
    weft_chan_close(crowd.gate);
    MUST(weft_wg_wait(crowd.left));
    values[0] = bench_cpu_ms() - cpu_ms;
    values[1] = bench_percentile(crowd.late_ns, COUNT, 50) / 1e3;
    values[2] = bench_percentile(crowd.late_ns, COUNT, 99) / 1e3;

    free(crowd.late_ns);
    weft_chan_unref(crowd.gate);
    weft_wg_free(crowd.arrived);
    weft_wg_free(crowd.left);
}

/* --- sleep ---------------------------------------------------------------------------------- */

/* p50 and p99 of the lateness, in us. */
static void sleep_in_a_row(int64_t duration_ns, double *values)
{
    int64_t late_ns[SLEEPS];

    for (int i = 0; i < SLEEPS; i++) {
        const int64_t start_ns = weft_now();
        MUST(weft_sleep(duration_ns));
        late_ns[i] = weft_now() - start_ns - duration_ns;
    }
    values[0] = bench_percentile(late_ns, SLEEPS, 50) / 1e3;
    values[1] = bench_percentile(late_ns, SLEEPS, 99) / 1e3;
}

void bench_sleep(double *values)
{
    sleep_in_a_row(100 * WEFT_US, &values[0]);
    sleep_in_a_row(WEFT_MS, &values[2]);
}
