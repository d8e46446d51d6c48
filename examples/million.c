/* SPDX-License-Identifier: MIT */
/*
 * million.c - what a million parked coroutines cost.
 *
 *     million [N] [--overflow]
 *
 * Starts N coroutines (1,000,000 if not said) that wait in one channel, each on its own stack with
 * its own guard; prints the memory of each and the times; wakes and joins them all.  Where memory
 * is short it takes as many as fit, and says so.
 *
 * With --overflow one of them, chosen at random, is woken alone and overflows its stack: the
 * runtime's report names it, and the process dies by SIGSEGV.
 */
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft.h>

#define PARKED_BYTES 4700         /* a descriptor and a page of stack, and some more */
#define TABLE_BYTES 512           /* of page tables: a table of 4 KiB serves 8 stacks of 256 KiB */
#define MARGIN_BYTES (256L << 20) /* left to everything else */
#define STACK_BYTES (256 * 1024)

struct crowd {
    long count;   /* how many were asked for, then how many there are */
    long victim;  /* the number of the coroutine that is to overflow; -1: none */
    chan *gate;   /* nobody ever sends: closing it wakes everybody */
    chan *strike; /* wakes the victim */
    struct weft_wait_group *arrived, *left;
    atomic_long n_arrived;
};

/* The value in kB of a line such as "VmRSS:   1234 kB", in bytes; -1 if there is none. */
static long proc_bytes(const char *path, const char *field)
{
    const size_t field_bytes = strlen(field);
    char line[256];
    long kib = -1;
    FILE *file = fopen(path, "r");

    while (file != NULL && kib < 0 && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, field, field_bytes) == 0 && line[field_bytes] == ':')
            kib = strtol(line + field_bytes + 1, NULL, 10);
    }
    if (file != NULL)
        fclose(file);
    return kib < 0 ? -1 : kib * 1024;
}

/* A file that holds one number, such as the limits of a control group; -1 if it does not. */
static long number_in(const char *path)
{
    FILE *file = fopen(path, "r");
    long value = -1;

    if (file != NULL && fscanf(file, "%ld", &value) != 1)
        value = -1;
    if (file != NULL)
        fclose(file);
    return value;
}

/* How many coroutines fit into the memory that is free, here and in this control group. */
static long count_that_fits(void)
{
    const long group_max = number_in("/sys/fs/cgroup/memory.max");
    const long group_now = number_in("/sys/fs/cgroup/memory.current");
    long free_bytes = proc_bytes("/proc/meminfo", "MemAvailable");

    if (free_bytes < 0)
        return LONG_MAX;
    if (group_max >= 0 && group_now >= 0 && group_max - group_now < free_bytes)
        free_bytes = group_max - group_now;
    if (free_bytes < MARGIN_BYTES)
        return 0;
    return (free_bytes - MARGIN_BYTES) / (PARKED_BYTES + TABLE_BYTES);
}

/* Writes to `bytes` of stack and more, every one of them, so that it cannot miss the guard. */
static __attribute__((noinline)) int use_stack(long bytes)
{
    volatile char frame[1024];

    for (size_t i = 0; i < sizeof(frame); i++)
        frame[i] = (char)bytes;
    if (bytes <= 0) {
        weft_yield(); /* a canary, the guard of last resort, is looked at when we switch */
        return frame[0];
    }
    return use_stack(bytes - (long)sizeof(frame)) + frame[0];
}

/* What the victim does instead of waiting with the others. */
static void wait_and_overflow(struct crowd *crowd, long number)
{
    char name[32];

    snprintf(name, sizeof(name), "victim-%ld", number);
    if (weft_set_name(name) != 0 || chan_recv(crowd->strike, NULL) != 0)
        return;
    (void)use_stack(STACK_BYTES);
}

static void one_of_many(void *arg)
{
    struct crowd *crowd = arg;
    const long number = atomic_fetch_add(&crowd->n_arrived, 1);

    weft_wg_done(crowd->arrived);
    if (number == crowd->victim)
        wait_and_overflow(crowd, number);
    else
        chan_recv(crowd->gate, NULL);
    weft_wg_done(crowd->left);
}

static double seconds_since(int64_t start_ns)
{
    return (double)(weft_now() - start_ns) / (double)WEFT_SEC;
}

/* Starts everybody; crowd->count becomes what was possible. */
static void create(struct crowd *crowd)
{
    const long wanted = crowd->count;
    const int64_t start_ns = weft_now();

    weft_wg_add(crowd->arrived, wanted);
    weft_wg_add(crowd->left, wanted);
    for (crowd->count = 0; crowd->count < wanted; crowd->count++) {
        if (go(one_of_many, crowd) != 0) {
            printf("no memory for more than %ld\n", crowd->count);
            weft_wg_add(crowd->arrived, crowd->count - wanted);
            weft_wg_add(crowd->left, crowd->count - wanted);
            break;
        }
    }
    printf("create     %8.3f s\n", seconds_since(start_ns));
}

static void print_bytes(const char *field, long at_start, long count)
{
    const long now = proc_bytes("/proc/self/status", field);

    printf("%-10s %8ld B a coroutine\n", field, (now - at_start) / (count > 0 ? count : 1));
}

/* Never returns: the process dies of what the victim does. */
static int overflow(struct crowd *crowd)
{
    if (crowd->victim >= crowd->count) {
        printf("the victim is one of those that did not fit\n");
        return 1;
    }
    printf("overflow   victim-%ld\n", crowd->victim);
    fflush(stdout);
    chan_send(crowd->strike, NULL);
    return weft_wg_wait(crowd->left) == 0; /* not reached: the others do not leave */
}

static int app(void *arg)
{
    struct crowd *crowd = arg;
    const long rss = proc_bytes("/proc/self/status", "VmRSS");
    const long pte = proc_bytes("/proc/self/status", "VmPTE");
    int64_t start_ns;

    crowd->gate = chan_make(0, 0);
    crowd->strike = chan_make(0, 0);
    crowd->arrived = weft_wg_make();
    crowd->left = weft_wg_make();
    printf("%ld coroutines, guard %s, %d processors\n", crowd->count, weft_runtime_guard(NULL),
           weft_runtime_procs(NULL));
    create(crowd);

    start_ns = weft_now();
    if (weft_wg_wait(crowd->arrived) != 0)
        return 1;
    printf("park       %8.3f s\n", seconds_since(start_ns));
    print_bytes("VmRSS", rss, crowd->count);
    print_bytes("VmPTE", pte, crowd->count);
    if (crowd->victim >= 0)
        return overflow(crowd);

    start_ns = weft_now();
    chan_close(crowd->gate);
    if (weft_wg_wait(crowd->left) != 0)
        return 1;
    printf("wake, join %8.3f s\n", seconds_since(start_ns));
    printf("%ld coroutines came back\n", crowd->count);
    chan_unref(crowd->gate);
    chan_unref(crowd->strike);
    weft_wg_free(crowd->arrived);
    weft_wg_free(crowd->left);
    return 0;
}

int main(int argc, char **argv)
{
    struct crowd crowd = {.count = 1000000, .victim = -1};
    const long fits = count_that_fits();
    bool is_overflow = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--overflow") == 0)
            is_overflow = true;
        else
            crowd.count = atol(argv[i]);
    }
    if (crowd.count < 1) {
        fprintf(stderr, "usage: million [N] [--overflow]\n");
        return 2;
    }
    if (crowd.count > fits) {
        printf("memory is short: %ld instead of %ld\n", fits, crowd.count);
        fflush(stdout);
        crowd.count = fits;
    }
    if (is_overflow) {
        srandom((unsigned)weft_now());
        crowd.victim = random() % (crowd.count > 0 ? crowd.count : 1);
    }
    return weft_run_with(app, &crowd, .stack_bytes = STACK_BYTES);
}
