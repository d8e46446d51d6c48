/* SPDX-License-Identifier: MIT */
/*
 * hogs.c - how late 1,000 sleepers of 1 ms wake up beside a coroutine that does not come back.
 *
 *   loop   computes and never returns
 *   burst  computes 50 ms between two yields
 *   read   blocks its thread in a read() of a pipe, as a library that knows nothing of Weft
 *   none   for comparison
 *
 * usage: hogs [SECONDS]      10 if not said.  Exits with 1 if a p99.9 is above 10 ms.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weft.h>

#define SLEEPERS 1000
#define SLEEP_NS (1 * WEFT_MS)
#define BURST_NS (50 * WEFT_MS)
#define TARGET_NS (10 * WEFT_MS)

static int64_t run_ns = 10 * WEFT_SEC;
static atomic_bool is_over;
static int pipe_fds[2];

static void must(int rc, const char *what)
{
    if (rc != 0) {
        fprintf(stderr, "hogs: %s: %s\n", what, weft_strerror(rc));
        exit(2);
    }
}

static void loop(void)
{
    while (!atomic_load_explicit(&is_over, memory_order_relaxed))
        ;
}

static void burst(void)
{
    while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
        const int64_t until = weft_now() + BURST_NS;
        while (weft_now() < until)
            ;
        weft_yield();
    }
}

static void block(void)
{
    char byte;

    must(read(pipe_fds[0], &byte, 1) == 0 ? 0 : -1, "read");
}

static void nothing(void)
{
}

static const struct hog {
    const char *name;
    void (*fn)(void);
} hogs[] = {{"none", nothing}, {"loop", loop}, {"burst", burst}, {"read", block}};

static int run_hog(void *arg)
{
    ((const struct hog *)arg)->fn();
    return 0;
}

/* What all sleepers of a run have seen. */
struct lateness {
    int64_t *late_ns;
    size_t count, room;
    pthread_mutex_t lock;
};

static void note(struct lateness *all, const int64_t *late_ns, size_t n)
{
    pthread_mutex_lock(&all->lock);
    if (all->count + n <= all->room) {
        memcpy(all->late_ns + all->count, late_ns, n * sizeof *late_ns);
        all->count += n;
    }
    pthread_mutex_unlock(&all->lock);
}

static int sleep_on(void *arg)
{
    struct lateness *all = arg;
    int64_t late_ns[64];
    size_t n = 0;
    const int64_t end = weft_now() + run_ns;

    for (int64_t now = weft_now(); now < end;) {
        const int64_t due = now + SLEEP_NS;
        must(weft_sleep(SLEEP_NS), "weft_sleep");
        now = weft_now();
        late_ns[n++] = now - due;
        if (n == sizeof late_ns / sizeof *late_ns) {
            note(all, late_ns, n);
            n = 0;
        }
    }
    note(all, late_ns, n);
    return 0;
}

static int by_value(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static double part_ms(const struct lateness *all, double part)
{
    const size_t i = (size_t)(part * (double)all->count);

    return (double)all->late_ns[i < all->count ? i : all->count - 1] / 1e6;
}

/* The sleepers of one run; the hog ends when they have. */
static int sleep_beside(void *arg)
{
    const struct hog *hog = arg;
    struct lateness all = {.room = (size_t)(run_ns / WEFT_MS + 100) * SLEEPERS};
    static struct weft_co *sleepers[SLEEPERS];
    struct weft_stats stats = {.size = sizeof stats};

    pthread_mutex_init(&all.lock, NULL);
    all.late_ns = malloc(all.room * sizeof *all.late_ns);
    must(all.late_ns != NULL ? 0 : -1, "malloc");
    for (int i = 0; i < SLEEPERS; i++)
        sleepers[i] = weft_go_with(sleep_on, &all);
    struct weft_co *co = weft_go_with(run_hog, arg);
    for (int i = 0; i < SLEEPERS; i++)
        must(weft_join(sleepers[i], NULL), "weft_join");
    must(weft_runtime_stats(NULL, &stats), "weft_runtime_stats");
    atomic_store(&is_over, true);
    close(pipe_fds[1]);
    must(weft_join(co, NULL), "weft_join");

    qsort(all.late_ns, all.count, sizeof *all.late_ns, by_value);
    printf("%5d  %-6s %9zu %9.3f %9.3f %9.3f %9.3f  %7llu\n", weft_runtime_procs(NULL), hog->name,
           all.count, part_ms(&all, 0.5), part_ms(&all, 0.99), part_ms(&all, 0.999),
           part_ms(&all, 1), (unsigned long long)stats.stalls);
    fflush(stdout);
    const bool is_good = part_ms(&all, 0.999) * 1e6 <= (double)TARGET_NS;
    free(all.late_ns);
    return is_good ? 0 : 1;
}

int main(int argc, char **argv)
{
    int status = 0;

    if (argc > 1)
        run_ns = (int64_t)(atof(argv[1]) * 1e9);
    if (argc > 2 || run_ns <= 0) {
        fputs("usage: hogs [SECONDS]\n", stderr);
        return 2;
    }
    printf("lateness of %d sleepers of 1 ms, in ms\n", SLEEPERS);
    printf("procs  hog       sleeps       p50       p99     p99.9       max   stalls\n");
    for (int procs = 2; procs >= 1; procs--)
        for (size_t i = 0; i < sizeof hogs / sizeof *hogs; i++) {
            is_over = false;
            must(pipe(pipe_fds), "pipe");
            status |= weft_run_with(sleep_beside, (void *)(uintptr_t)&hogs[i], .procs = procs);
            close(pipe_fds[0]);
        }
    return status;
}
