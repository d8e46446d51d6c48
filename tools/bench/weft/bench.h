/* SPDX-License-Identifier: MIT */
/*
 * bench.h - the workloads of weft-bench: what one is, the list of all, and what they share.
 *
 * ../README.md says what each workload does and what is divided by what.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <weft.h>

#define BENCH_ROWS_MAX 4
#define BENCH_SKIP 77 /* a child that cannot do its workload here exits with this, after a line */

/* Where the measuring happens. */
enum bench_place {
    IN_RUNTIME, /* in the first coroutine of a runtime of this process */
    IN_CHILD,   /* the same, in a process of its own that did nothing before: no warm-up */
    OUTSIDE,    /* on the plain main thread: the workload starts processes by itself */
};

struct bench_row {
    const char *name, *unit;
};

/* A workload.  It has `pass` or `measure`. */
struct bench {
    const char *name;
    struct bench_row rows[BENCH_ROWS_MAX + 1]; /* ends with a row that has no name */
    int64_t (*pass)(long n);         /* does n operations and returns the ns that they took */
    long n;                          /* how many, for about 100 ms */
    bool is_whole;                   /* n is the size of one task, and is never changed */
    void (*measure)(double *values); /* a value for each row */
    void (*child)(void);             /* what --child does, if not `measure` in a runtime */
    enum bench_place place;
    int procs;    /* 0: as many as --procs says */
    int runs_max; /* 0: as many as --runs says */
};

/* The list ends with a workload that has no name (table.c). */
extern const struct bench bench_table[];

/* What the command line says (main.c). */
struct bench_options {
    int procs, runs;
    enum weft_reactor reactor;
    const char *reactor_name;
    bool is_json;
};
extern struct bench_options bench_options;

/* --- The ways to run a workload (run.c) ----------------------------------------------------- */

/* Runs a workload, prints those of its rows that `is_selected` names by their bits. */
void bench_run(const struct bench *bench, unsigned is_selected);
void bench_run_count(const struct bench *bench, long n); /* n operations, once */
void bench_run_child(const struct bench *bench);

/* weft_run() with that many processors, 0: as many as --procs says; app must return 0. */
void bench_in_runtime(int (*app)(void *), void *arg, int procs);

/* --- Errors (util.c): anything unexpected ends the program with exit 1 --------------------- */

__attribute__((noreturn, cold, noinline)) void bench_die(const char *what, ssize_t rc);

/* A call of Weft that can only return 0. */
#define MUST(call)                                                                                 \
    do {                                                                                           \
        const int must_rc = (call);                                                                \
        if (__builtin_expect(must_rc != 0, 0))                                                     \
            bench_die(#call, must_rc);                                                             \
    } while (0)

/* A condition that holds if Weft works. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0))                                                     \
            bench_die(#condition, 0);                                                              \
    } while (0)

/* A system call that returns -1 if it fails; its value otherwise. */
#define SYSTEM(call) bench_system(#call, call)
long bench_system(const char *what, long rc);

/* The constructors of Weft, for which lack of memory ends the program. */
struct weft_chan *bench_chan(size_t elem_bytes, size_t capacity);
struct weft_wait_group *bench_wg(int64_t count);
void bench_wg_finish(struct weft_wait_group *wg); /* waits, then frees */

/* --- Figures (util.c) ----------------------------------------------------------------------- */

/* The part of `total` that number i of `count` parties gets; the parts sum up to it. */
static inline long bench_share(long total, long i, long count)
{
    return total / count + (i < total % count);
}

double bench_median(double *values, int n);              /* sorts them */
double bench_percentile(int64_t *values, long n, int q); /* sorts them; q in percent */
long bench_status_kib(const char *field);                /* "VmRSS" of /proc/self/status */
double bench_cpu_ms(void);                               /* of this process so far */

/* --- Computing (util.c) --------------------------------------------------------------------- */

void bench_burn_prepare(void); /* measures, once, how fast it is */
void bench_burn(long us);      /* so much computing, without a look at the clock */

/* --- Processes (child.c) -------------------------------------------------------------------- */

struct bench_child {
    int pid;
    FILE *to, *from; /* its stdin and stdout */
};

/* Starts this program with --child NAME and the options that matter. */
void bench_child_start(struct bench_child *child, const char *name);
int bench_child_end(struct bench_child *child); /* closes, waits; its exit status */
/* Starts a program, waits until it exits with 0, and returns the ns that this took. */
int64_t bench_time_process(char *const argv[]);
void bench_child_argv(char *argv[8], const char *name); /* the words of bench_child_start() */

/* --- The workloads -------------------------------------------------------------------------- */

int64_t bench_yield(long n); /* switching.c */
int64_t bench_spawn_one(long n);
int64_t bench_spawn_batch(long n);

int64_t bench_chan_unbuf(long n); /* pairs.c */
int64_t bench_pairs(long n);

int64_t bench_chan_buf(long n); /* channels.c */
int64_t bench_chan_mpmc(long n);

int64_t bench_select2(long n); /* selects.c */
int64_t bench_select8(long n);

int64_t bench_mutex(long n); /* sync.c */

int64_t bench_skynet(long n_leaves); /* trees.c */
int64_t bench_skynet_work(long n_leaves);
int64_t bench_fib(long n);
int64_t bench_fib_work(long n);
void bench_skynet_rss(double *values);

void bench_parked(double *values); /* parked.c */

void bench_timers(double *values); /* timers.c */
void bench_sleep(double *values);

void bench_startup(double *values); /* process.c */
void bench_startup_child(void);
void bench_idle_rss(double *values);

void bench_mixed(double *values); /* mixed.c */
void bench_mixed_child(void);

void bench_fair_pair(double *values); /* fairness.c */
void bench_fair_oldest(double *values);

#endif
