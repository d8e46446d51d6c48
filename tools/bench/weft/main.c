/* SPDX-License-Identifier: MIT */
/*
 * main.c - weft-bench: the benchmark of Weft.
 *
 *     weft-bench [--procs N] [--reactor R] [--json] [--runs N] [NAME...]
 *
 * ../README.md says what the workloads are and what is printed.
 */
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

struct bench_options bench_options = {
    .procs = 1, .runs = 7, .reactor = WEFT_REACTOR_DEFAULT, .reactor_name = "default"};

static const char help[] =
    "usage: weft-bench [--procs N] [--reactor R] [--json] [--runs N] [NAME...]\n"
    "\n"
    "A NAME selects the workload of that name and all whose names begin with \"NAME.\";\n"
    "without names, all run.\n"
    "\n"
    "  --procs N       processors of the runtime (1)\n"
    "  --reactor R     io_uring, epoll, auto (what WEFT_REACTOR says, else auto)\n"
    "  --runs N        measured runs after a warm-up (7); parked, timers, mixed: 3 at most\n"
    "  --json          one object a line\n"
    "  --list          names and units\n"
    "  --help          this text\n"
    "\n"
    "for count.py:\n"
    "  --count N NAME  does N operations of NAME once, without a warm-up, and prints nothing;\n"
    "                  for skynet N is the number of leaves, for fib the n of fib(n)\n"
    "\n"
    "for itself:\n"
    "  --child NAME    what NAME does in a process of its own; prints the bare values\n"
    "\n"
    "fair.pair and fair.oldest always run on 1 processor; with --procs of more, only by name.\n"
    "fair.pair must be within 0.5 and 2.\n";

static __attribute__((noreturn)) void refuse(const char *what, const char *text)
{
    fprintf(stderr, "weft-bench: %s '%s'; see --help and --list\n", what, text);
    exit(2);
}

static long number_from(const char *what, const char *text, long low, long high)
{
    char *end;
    const long value = strtol(text, &end, 10);

    if (end == text || *end != '\0' || value < low || value > high)
        refuse(what, text);
    return value;
}

static enum weft_reactor reactor_from(const char *text)
{
    static const char *const names[] = {"default", "auto", "io_uring", "epoll"};
    static const enum weft_reactor reactors[] = {WEFT_REACTOR_DEFAULT, WEFT_REACTOR_AUTO,
                                                 WEFT_REACTOR_IO_URING, WEFT_REACTOR_EPOLL};

    for (int i = 0; i < 4; i++) {
        if (strcmp(text, names[i]) == 0)
            return reactors[i];
    }
    refuse("bad --reactor", text);
}

static void list(void)
{
    for (const struct bench *b = bench_table; b->name != NULL; b++) {
        for (const struct bench_row *r = b->rows; r->name != NULL; r++)
            printf("%-16s %s\n", r->name, r->unit);
    }
}

/* Does this word of the command line mean this row? */
static bool names_row(const char *word, const struct bench_row *row)
{
    const size_t bytes = strlen(word);

    return strncmp(row->name, word, bytes) == 0 &&
           (row->name[bytes] == '\0' || row->name[bytes] == '.');
}

/* The rows of a workload that are to be printed, as bits. */
static unsigned selected_rows(const struct bench *bench, char **words, int n_words)
{
    unsigned bits = 0;

    if (n_words == 0 && bench->procs > 0 && bench->procs != bench_options.procs)
        return 0;
    for (int i = 0; bench->rows[i].name != NULL; i++) {
        bool is_selected = n_words == 0;
        for (int k = 0; k < n_words; k++)
            is_selected |= names_row(words[k], &bench->rows[i]);
        bits |= (unsigned)is_selected << i;
    }
    return bits;
}

static void check_words(char **words, int n_words)
{
    for (int k = 0; k < n_words; k++) {
        unsigned bits = 0;
        for (const struct bench *b = bench_table; b->name != NULL; b++)
            bits |= selected_rows(b, &words[k], 1);
        if (bits == 0)
            refuse("unknown workload", words[k]);
    }
}

static const struct bench *bench_by_name(const char *name)
{
    for (const struct bench *b = bench_table; b->name != NULL; b++) {
        if (strcmp(b->name, name) == 0)
            return b;
    }
    refuse("unknown workload", name);
}

static void run_selected(char **words, int n_words)
{
    check_words(words, n_words);
    for (const struct bench *b = bench_table; b->name != NULL; b++) {
        const unsigned bits = selected_rows(b, words, n_words);
        if (bits != 0)
            bench_run(b, bits);
    }
}

static void count(long n, char **words, int n_words)
{
    if (n_words != 1)
        refuse("--count wants one NAME, not", n_words > 1 ? words[1] : "");
    const struct bench *bench = bench_by_name(words[0]);
    if (bench->pass == NULL)
        refuse("no operations to count in", words[0]);
    bench_run_count(bench, n);
}

static void be_child(const char *name)
{
    const struct bench *bench = bench_by_name(name);

    if (bench->measure == NULL)
        refuse("no child does", name);
    bench_run_child(bench);
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"procs", required_argument, NULL, 'p'},
        {"reactor", required_argument, NULL, 'R'},
        {"runs", required_argument, NULL, 'r'},
        {"json", no_argument, NULL, 'j'},
        {"list", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {"count", required_argument, NULL, 'c'},
        {"child", required_argument, NULL, 'C'},
        {NULL, 0, NULL, 0},
    };
    const char *child = NULL;
    long n_count = 0;
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (c == 'p') {
            bench_options.procs = (int)number_from("bad --procs", optarg, 1, WEFT_PROCS_MAX);
        } else if (c == 'R') {
            bench_options.reactor = reactor_from(optarg);
            bench_options.reactor_name = optarg;
        } else if (c == 'r') {
            bench_options.runs = (int)number_from("bad --runs", optarg, 1, 1000);
        } else if (c == 'c') {
            n_count = number_from("bad --count", optarg, 1, LONG_MAX);
        } else if (c == 'C') {
            child = optarg;
        } else if (c == 'j') {
            bench_options.is_json = true;
        } else if (c == 'l') {
            list();
            return 0;
        } else {
            fputs(help, c == 'h' ? stdout : stderr);
            return c == 'h' ? 0 : 2;
        }
    }
    if (child != NULL)
        be_child(child);
    else if (n_count > 0)
        count(n_count, argv + optind, argc - optind);
    else
        run_selected(argv + optind, argc - optind);
    return 0;
}
