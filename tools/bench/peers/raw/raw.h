/* SPDX-License-Identifier: MIT */
/*
 * raw.h - the workloads of the benchmark in plain C: what the machine and the kernel take for them
 * when there is no runtime at all.
 */
#ifndef RAW_H
#define RAW_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_S 1000000000
#define ROWS_MAX 4
#define RUNS_MAX 1000

/*
 * A workload has rows, each of which has a name and a unit, and one of two functions:
 *   loop    does n operations and returns how many ns they took; its one row is ns an operation;
 *   sample  makes one run and fills in a value a row; 0, or -1 after a message.
 */
struct workload {
    struct {
        const char *name, *unit;
    } rows[ROWS_MAX];
    double (*loop)(int procs, uint64_t n);
    int (*sample)(double *values);
    int runs_max;              /* 0: as many as asked for */
    bool is_warmed;            /* a sample that is not counted comes first */
    const char *(*note)(void); /* stands behind the version; may be NULL */
};

static inline int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* Says what failed and ends the program. */
_Noreturn void raw_die(const char *what, int error);

#if defined(__x86_64__) || defined(__aarch64__)
#define RAW_HAS_SWITCH 1
double raw_yield(int procs, uint64_t n); /* yield.c */
#endif

/* threads.c */
double raw_spawn_one(int procs, uint64_t n);
double raw_chan_unbuf(int procs, uint64_t n);
double raw_mutex(int procs, uint64_t n);

/* parked.c: bytes, bytes of page tables, ms to create */
int raw_parked(double *values);
const char *raw_parked_note(void);

/* sleep.c: p50 and p99 of the lateness of both sleeps, in us */
int raw_sleep(double *values);

/* process.c */
int raw_startup(double *values);
int raw_idle_rss(double *values);
int raw_child(const char *role);                  /* what the processes do that it starts */
double raw_status_kb(int pid, const char *field); /* of /proc/PID/status; pid 0: our own */

/* ---- rows.c ---- */

struct selection {
    char **names; /* of the command line; none: all */
    int n_names;
    int procs, runs;
    bool is_json;
};

typedef double raw_values[ROWS_MAX][RUNS_MAX];

/* Whether each name is one of the benchmark's, or says which one is not. */
bool rows_are_known(const struct selection *s);
bool rows_are_selected(const struct selection *s, const struct workload *w);

/* Prints the selected rows of a workload from the values of its runs, which it sorts. */
void rows_print(const struct selection *s, const struct workload *w, raw_values values, int runs);

#endif
