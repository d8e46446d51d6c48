/* SPDX-License-Identifier: MIT */
/* run.c - runs a workload: warm-up, measured runs, median, the lines that are printed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define RUN_NS_MIN (50 * WEFT_MS)
#define RUN_NS_MAX (300 * WEFT_MS)
#define RUN_NS_AIM (100 * WEFT_MS)

/* A workload that is being run. */
struct job {
    const struct bench *bench;
    int n_rows, n_runs;
    double *values[BENCH_ROWS_MAX]; /* for each row, a value for each run */
};

void bench_in_runtime(int (*app)(void *), void *arg, int procs)
{
    struct weft_config config = WEFT_CONFIG_INIT;

    config.procs = procs > 0 ? procs : bench_options.procs;
    config.reactor = bench_options.reactor;
    const int rc = weft_run_config(app, arg, &config);
    if (rc != 0) {
        fprintf(stderr, "weft-bench: weft_run_config gave %d\n", rc);
        exit(1);
    }
}

static int row_count(const struct bench *bench)
{
    int n = 0;

    while (bench->rows[n].name != NULL)
        n++;
    return n;
}

/* --- One run -------------------------------------------------------------------------------- */

/* A pass of n operations: ns an operation, or ms for a task. */
static double pass_value(const struct bench *bench, long n)
{
    const double ns = (double)bench->pass(n);

    return bench->is_whole ? ns / 1e6 : ns / (double)n;
}

/* The warm-up of a loop, and how many operations fill a run: the usual number, unless a run would
 * be too short or too long with it. */
static long warm_up(const struct bench *bench)
{
    const int64_t start_ns = weft_now();
    (void)bench->pass(bench->n);
    const int64_t ns = weft_now() - start_ns;

    if (bench->is_whole || (ns >= RUN_NS_MIN && ns <= RUN_NS_MAX))
        return bench->n;
    return (long)((double)bench->n * (double)RUN_NS_AIM / (double)(ns > 0 ? ns : 1)) + 1;
}

static void keep(struct job *job, int run, const double *values)
{
    for (int i = 0; i < job->n_rows; i++)
        job->values[i][run] = values[i];
}

/* Here, in a coroutine or outside of any. */
static int run_here(void *arg)
{
    struct job *job = arg;
    const struct bench *bench = job->bench;
    double values[BENCH_ROWS_MAX];
    long n = 0;

    if (bench->pass != NULL)
        n = warm_up(bench);
    else if (bench->runs_max == 0)
        bench->measure(values); /* the warm-up; those that have few runs are too long for one */
    for (int run = 0; run < job->n_runs; run++) {
        if (bench->pass != NULL)
            values[0] = pass_value(bench, n);
        else
            bench->measure(values);
        keep(job, run, values);
    }
    return 0;
}

/* Each run in a process of its own.  False if the workload cannot be done here. */
static bool run_in_children(struct job *job)
{
    double values[BENCH_ROWS_MAX];

    for (int run = 0; run < job->n_runs; run++) {
        struct bench_child child;
        int n_read = 0;

        bench_child_start(&child, job->bench->name);
        while (n_read < job->n_rows && fscanf(child.from, "%lf", &values[n_read]) == 1)
            n_read++;
        const int status = bench_child_end(&child);
        if (status == BENCH_SKIP)
            return false;
        if (status != 0 || n_read != job->n_rows) {
            fprintf(stderr, "weft-bench: the child for %s exited with %d after %d of %d values\n",
                    job->bench->name, status, n_read, job->n_rows);
            exit(1);
        }
        keep(job, run, values);
    }
    return true;
}

/* --- What is printed ------------------------------------------------------------------------ */

/* A number with four digits that count, and never with an exponent. */
static const char *number(char text[32], double value)
{
    const double size = fabs(value);
    const int decimals = size < 10 ? 3 : size < 100 ? 2 : size < 1000 ? 1 : 0;

    snprintf(text, 32, "%.*f", decimals, value);
    return text;
}

static void print_row(const struct job *job, int row)
{
    const struct bench_row *r = &job->bench->rows[row];
    const int procs = job->bench->procs > 0 ? job->bench->procs : bench_options.procs;
    double *values = job->values[row];
    char median[32], low[32], high[32];

    number(median, bench_median(values, job->n_runs)); /* sorted from here on */
    number(low, values[0]);
    number(high, values[job->n_runs - 1]);
    if (bench_options.is_json)
        printf("{\"peer\":\"weft\",\"version\":\"%s\",\"name\":\"%s\",\"procs\":%d,"
               "\"unit\":\"%s\",\"median\":%s,\"min\":%s,\"max\":%s,\"runs\":%d}\n",
               weft_version(), r->name, procs, r->unit, median, low, high, job->n_runs);
    else
        printf("%-16s P=%-3d %9s %-2s  (%s - %s, %d runs)\n", r->name, procs, median, r->unit, low,
               high, job->n_runs);
    fflush(stdout);
}

/* --- The ways to run a workload ------------------------------------------------------------- */

void bench_run(const struct bench *bench, unsigned is_selected)
{
    struct job job = {.bench = bench, .n_rows = row_count(bench), .n_runs = bench_options.runs};
    bool is_done = true;

    if (bench->runs_max > 0 && job.n_runs > bench->runs_max)
        job.n_runs = bench->runs_max;
    for (int i = 0; i < job.n_rows; i++) {
        job.values[i] = calloc((size_t)job.n_runs, sizeof(double));
        EXPECT(job.values[i] != NULL);
    }
    if (bench->place == IN_CHILD)
        is_done = run_in_children(&job);
    else if (bench->place == IN_RUNTIME)
        bench_in_runtime(run_here, &job, bench->procs);
    else
        (void)run_here(&job);
    for (int i = 0; i < job.n_rows; i++) {
        if (is_done && (is_selected & 1u << i) != 0)
            print_row(&job, i);
        free(job.values[i]);
    }
}

struct count {
    const struct bench *bench;
    long n;
};

static int run_counted(void *arg)
{
    const struct count *count = arg;

    (void)count->bench->pass(count->n);
    return 0;
}

void bench_run_count(const struct bench *bench, long n)
{
    struct count count = {bench, n};

    bench_in_runtime(run_counted, &count, bench->procs);
}

struct child_values {
    const struct bench *bench;
    double values[BENCH_ROWS_MAX];
};

static int run_measure(void *arg)
{
    struct child_values *child = arg;

    child->bench->measure(child->values);
    return 0;
}

void bench_run_child(const struct bench *bench)
{
    struct child_values child = {.bench = bench};

    if (bench->child != NULL) {
        bench->child();
        return;
    }
    bench_in_runtime(run_measure, &child, bench->procs);
    for (int i = 0; i < row_count(bench); i++)
        printf("%.17g\n", child.values[i]);
}
