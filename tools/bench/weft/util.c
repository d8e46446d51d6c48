/* SPDX-License-Identifier: MIT */
/* util.c - what the workloads share: errors, figures, memory and CPU of the process, computing. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"

#define STATUS_BYTES 8192
#define BURN_SAMPLES 40
#define BURN_SAMPLE_LOOPS 400000 /* about a millisecond */

/* --- Errors --------------------------------------------------------------------------------- */

void bench_die(const char *what, ssize_t rc)
{
    fflush(stdout);
    if (rc == 0)
        fprintf(stderr, "weft-bench: %s does not hold\n", what);
    else
        fprintf(stderr, "weft-bench: %s gave %zd: %s\n", what, rc, weft_strerror(rc));
    _exit(1); /* other threads may be anywhere */
}

long bench_system(const char *what, long rc)
{
    if (rc == -1)
        bench_die(what, -errno);
    return rc;
}

struct weft_chan *bench_chan(size_t elem_bytes, size_t capacity)
{
    struct weft_chan *ch = weft_chan_make(elem_bytes, capacity);

    if (ch == NULL)
        bench_die("weft_chan_make", -ENOMEM);
    return ch;
}

struct weft_wait_group *bench_wg(int64_t count)
{
    struct weft_wait_group *wg = weft_wg_make();

    if (wg == NULL)
        bench_die("weft_wg_make", -ENOMEM);
    weft_wg_add(wg, count);
    return wg;
}

void bench_wg_finish(struct weft_wait_group *wg)
{
    MUST(weft_wg_wait(wg));
    weft_wg_free(wg);
}

/* --- Figures -------------------------------------------------------------------------------- */

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static int compare_times(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

double bench_median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof(*values), compare_doubles);
    return n % 2 != 0 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

double bench_percentile(int64_t *values, long n, int q)
{
    qsort(values, (size_t)n, sizeof(*values), compare_times);
    return (double)values[(n * q + 99) / 100 - 1];
}

/* Without stdio, whose buffers would be part of what is measured. */
long bench_status_kib(const char *field)
{
    char text[STATUS_BYTES], *line;
    const size_t field_bytes = strlen(field);
    const int fd = (int)SYSTEM(open("/proc/self/status", O_RDONLY | O_CLOEXEC));
    const long n = SYSTEM(read(fd, text, sizeof(text) - 1));

    close(fd);
    text[n] = '\0';
    for (line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, field, field_bytes) == 0 && line[field_bytes] == ':')
            return strtol(line + field_bytes + 1, NULL, 10);
    }
    bench_die(field, -ENOENT);
}

double bench_cpu_ms(void)
{
    struct rusage use;

    SYSTEM(getrusage(RUSAGE_SELF, &use));
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e3 +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e3;
}

/* --- Computing ------------------------------------------------------------------------------ */

static double burn_loops_per_us;

static __attribute__((noinline)) void burn_loops(long n)
{
    uint64_t x = 88172645463325252u;

    for (long i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        __asm__ volatile("" : "+r"(x)); /* each step needs the one before, and none is left out */
    }
}

void bench_burn_prepare(void)
{
    int64_t best_ns = INT64_MAX;

    if (burn_loops_per_us > 0)
        return;
    for (int i = 0; i < BURN_SAMPLES; i++) {
        const int64_t start_ns = weft_now();
        burn_loops(BURN_SAMPLE_LOOPS);
        const int64_t ns = weft_now() - start_ns;
        best_ns = ns < best_ns ? ns : best_ns;
    }
    burn_loops_per_us = BURN_SAMPLE_LOOPS / ((double)best_ns / 1e3);
}

void bench_burn(long us)
{
    burn_loops((long)(burn_loops_per_us * (double)us));
}
