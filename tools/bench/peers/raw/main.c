/* SPDX-License-Identifier: MIT */
/*
 * main.c - raw: the benchmark's workloads in plain C, as far as that has a meaning.
 *
 *     raw [--procs N] [--json] [--runs N] [NAME...]
 *
 * Workloads of threads are held on N CPUs.  Those that plain C has nothing for are left out.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raw.h"

#define RUN_NS 100000000     /* what a run of a loop is to last */
#define TRIAL_NS 20000000    /* a trial of this length tells how many operations that are */
#define TRIAL_OPERATIONS 100 /* of the first trial */

static const struct workload workloads[] = {
#ifdef RAW_HAS_SWITCH
    {.rows = {{"yield", "ns"}}, .loop = raw_yield},
#endif
    {.rows = {{"spawn_one", "ns"}}, .loop = raw_spawn_one},
    {.rows = {{"chan_unbuf", "ns"}}, .loop = raw_chan_unbuf},
    {.rows = {{"mutex", "ns"}}, .loop = raw_mutex},
    {.rows = {{"parked.bytes", "B"}, {"parked.pte", "B"}, {"parked.create", "ms"}},
     .sample = raw_parked,
     .runs_max = 3,
     .note = raw_parked_note},
    {.rows = {{"sleep.100us_p50", "us"},
              {"sleep.100us_p99", "us"},
              {"sleep.1ms_p50", "us"},
              {"sleep.1ms_p99", "us"}},
     .sample = raw_sleep},
    {.rows = {{"startup", "ms"}}, .sample = raw_startup, .is_warmed = true},
    {.rows = {{"idle_rss", "kB"}}, .sample = raw_idle_rss, .is_warmed = true},
};

_Noreturn void raw_die(const char *what, int error)
{
    fprintf(stderr, "raw: %s: %s\n", what, strerror(error));
    exit(1);
}

/* Holds this thread, and those that it will start, on the first `procs` CPUs that we may use. */
static void hold_on(const cpu_set_t *allowed, int procs)
{
    cpu_set_t few;

    CPU_ZERO(&few);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&few) < procs; cpu++)
        if (CPU_ISSET(cpu, allowed))
            CPU_SET(cpu, &few);
    sched_setaffinity(0, sizeof(few), &few);
}

/* The trials warm up, and find how many operations a run needs. */
static uint64_t calibrate(const struct workload *w, int procs)
{
    uint64_t n = TRIAL_OPERATIONS;
    double ns;

    while ((ns = w->loop(procs, n)) < TRIAL_NS)
        n *= 4;
    return (uint64_t)((double)n * RUN_NS / ns) + 1;
}

static int run_loop(const struct workload *w, int procs, int runs, double *values)
{
    cpu_set_t allowed;
    uint64_t n;

    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        return -1;
    hold_on(&allowed, procs);
    n = calibrate(w, procs);
    for (int i = 0; i < runs; i++)
        values[i] = w->loop(procs, n) / (double)n;
    sched_setaffinity(0, sizeof(allowed), &allowed);
    return 0;
}

static int run_samples(const struct workload *w, int runs, raw_values values)
{
    double row_values[ROWS_MAX];

    for (int i = w->is_warmed ? -1 : 0; i < runs; i++) {
        if (w->sample(row_values) != 0)
            return -1;
        for (int row = 0; row < ROWS_MAX && i >= 0; row++)
            values[row][i] = row_values[row];
    }
    return 0;
}

static int run(const struct selection *s, const struct workload *w)
{
    static raw_values values;
    const int runs = w->runs_max > 0 && w->runs_max < s->runs ? w->runs_max : s->runs;
    const int rc =
        w->loop != NULL ? run_loop(w, s->procs, runs, values[0]) : run_samples(w, runs, values);

    if (rc == 0)
        rows_print(s, w, values, runs);
    return rc;
}

static int whole_number(const char *option, const char *text, int high)
{
    char *end;
    const long value = strtol(text, &end, 10);

    if (end == text || *end != '\0' || value < 1 || value > high) {
        fprintf(stderr, "raw: --%s wants a number from 1 to %d, not '%s'\n", option, high, text);
        exit(2);
    }
    return (int)value;
}

static struct selection read_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"procs", required_argument, NULL, 'P'}, {"runs", required_argument, NULL, 'r'},
        {"json", no_argument, NULL, 'j'},        {"help", no_argument, NULL, 'h'},
        {"child", required_argument, NULL, 'c'}, {NULL, 0, NULL, 0},
    };
    struct selection s = {.procs = 1, .runs = 7};
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (c == 'P') {
            s.procs = whole_number("procs", optarg, CPU_SETSIZE);
        } else if (c == 'r') {
            s.runs = whole_number("runs", optarg, RUNS_MAX);
        } else if (c == 'j') {
            s.is_json = true;
        } else if (c == 'c') {
            exit(raw_child(optarg));
        } else {
            fprintf(c == 'h' ? stdout : stderr,
                    "usage: raw [--procs N] [--json] [--runs N] [NAME...]\n");
            exit(c == 'h' ? 0 : 2);
        }
    }
    s.names = argv + optind;
    s.n_names = argc - optind;
    return s;
}

int main(int argc, char **argv)
{
    const struct selection s = read_options(argc, argv);
    int n_failed = 0;

    if (!rows_are_known(&s))
        return 2;
    for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++)
        if (rows_are_selected(&s, &workloads[i]))
            n_failed += run(&s, &workloads[i]) != 0;
    return n_failed > 0;
}
