/* SPDX-License-Identifier: MIT */
/*
 * rows.c - which rows are asked for, and how a row is printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "raw.h"

/* All names of the benchmark: those that are not ours are left out, others are mistakes. */
static const char *const known[] = {
    "yield",         "spawn_one",  "spawn_batch",     "chan_unbuf",      "chan_buf",
    "chan_mpmc",     "select2",    "select8",         "mutex",           "skynet",
    "skynet.rss",    "fib",        "skynet_work",     "fib_work",        "pairs",
    "parked.bytes",  "parked.pte", "parked.create",   "parked.wake",     "timers.cpu",
    "timers.p50",    "timers.p99", "sleep.100us_p50", "sleep.100us_p99", "sleep.1ms_p50",
    "sleep.1ms_p99", "startup",    "idle_rss",        "mixed",
};

/* Whether a name of the command line selects a row: its own name, or what stands before a dot. */
static bool is_selecting(const char *name, const char *row)
{
    const size_t bytes = strlen(name);

    return strncmp(name, row, bytes) == 0 && (row[bytes] == '\0' || row[bytes] == '.');
}

bool rows_are_known(const struct selection *s)
{
    for (int i = 0; i < s->n_names; i++) {
        bool is_known = false;

        for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
            is_known |= is_selecting(s->names[i], known[k]);
        if (!is_known) {
            fprintf(stderr, "raw: there is no workload '%s'\n", s->names[i]);
            return false;
        }
    }
    return true;
}

static bool is_selected(const struct selection *s, const char *row)
{
    for (int i = 0; i < s->n_names; i++)
        if (is_selecting(s->names[i], row))
            return true;
    return s->n_names == 0;
}

bool rows_are_selected(const struct selection *s, const struct workload *w)
{
    for (int i = 0; i < ROWS_MAX && w->rows[i].name != NULL; i++)
        if (is_selected(s, w->rows[i].name))
            return true;
    return false;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The kernel is what is measured here; then, behind a comma, what the workload says of itself. */
static void format_version(const struct workload *w, char *text, size_t bytes)
{
    struct utsname system;
    const char *note = w->note != NULL ? w->note() : NULL;

    uname(&system);
    snprintf(text, bytes, "Linux %.*s%s%s", (int)strspn(system.release, "0123456789."),
             system.release, note != NULL ? ", " : "", note != NULL ? note : "");
}

void rows_print(const struct selection *s, const struct workload *w, raw_values values, int runs)
{
    char version[160];

    format_version(w, version, sizeof(version));
    for (int i = 0; i < ROWS_MAX && w->rows[i].name != NULL; i++) {
        double *sorted = values[i];
        double median;

        if (!is_selected(s, w->rows[i].name))
            continue;
        qsort(sorted, (size_t)runs, sizeof(*sorted), compare);
        median = (sorted[(runs - 1) / 2] + sorted[runs / 2]) / 2;
        if (s->is_json)
            printf("{\"peer\":\"raw\",\"version\":\"%s\",\"name\":\"%s\",\"procs\":%d,"
                   "\"unit\":\"%s\",\"median\":%.6g,\"min\":%.6g,\"max\":%.6g,\"runs\":%d}\n",
                   version, w->rows[i].name, s->procs, w->rows[i].unit, median, sorted[0],
                   sorted[runs - 1], runs);
        else
            printf("%-16s procs %d %12.6g %-3s (%.6g to %.6g, %d runs)%s%s\n", w->rows[i].name,
                   s->procs, median, w->rows[i].unit, sorted[0], sorted[runs - 1], runs,
                   w->note != NULL ? "  " : "", w->note != NULL ? w->note() : "");
    }
    fflush(stdout);
}
