/* SPDX-License-Identifier: MIT */
/*
 * files.c - random reads of 4 KiB: how many a second on a processor, and how late others are then.
 *
 *   memory  the file is in the page cache; a plain thread with pread() for comparison
 *   disk    it has been put out of it, and each block is read once before that is done again
 *
 * Beside the readers, on each processor, a coroutine that cannot leave it sleeps 1 ms at a time:
 * how late it is. A plain thread that does the same shows what the machine adds: beside the
 * coroutines, and, in rows of its own, beside as many plain threads that read without Weft.
 * "waited" is what took a ring or a thread of the pool, for each read; on epoll one thread makes
 * several.
 *
 * "blocked" is the longest that a processor's thread was seen to wait in the kernel for anything
 * but its reactor: a thread with a CPU before all others asks the kernel every 0.1 ms, for which it
 * needs root.  "for P" is the longest that it waited for another processor that had no CPU, by the
 * calls of which the runtime does that, a membarrier() or a nap.
 *
 * usage: files [SECONDS [MIB [all]]]     3 s a row and 256 MiB if not said.  "all" puts everything
 * out of memory, what the file system knows of the file too: that takes root.
 *
 * Exits with 1 if there are less than 300,000 reads a second from memory, or if beside reads from
 * the disk a processor was blocked for more than 1 ms.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <weft.h>

#define BLOCK 4096
#define TICK_NS (1 * WEFT_MS)
#define READS_WANTED 300000
#define BLOCKED_NS_MAX (1 * WEFT_MS)
#define LOOK_NS (WEFT_MS / 10)
#define PROCS_MAX 16
/* A processor, and so many plain threads.  What all of them do in one turn takes less than 1 ms, or
 * the sleeper would wait for his own turn. */
#define READERS_OF_MEMORY 4
#define READERS_OF_DISK 16

static int64_t run_ns = 3 * WEFT_SEC;
static int64_t n_blocks = 256 * (1 << 20) / BLOCK;
static bool drops_all;
static int file;
static uint32_t *order; /* all blocks, shuffled */

static void must(bool is_good, const char *what, int64_t rc)
{
    if (!is_good) {
        fprintf(stderr, "files: %s: %s\n", what, rc < 0 ? weft_strerror((int)rc) : "failed");
        exit(2);
    }
}

static uint64_t draw(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* ---- how late ---- */

struct ticks {
    int64_t *late_ns;
    size_t n, room;
};

static struct ticks make_ticks(int n_tickers)
{
    struct ticks t = {.room = (size_t)(run_ns / TICK_NS + 10000) * (size_t)n_tickers};

    t.late_ns = malloc(t.room * sizeof *t.late_ns);
    must(t.late_ns != NULL, "malloc", -ENOMEM);
    return t;
}

static void note(struct ticks *t, int64_t late_ns)
{
    if (t->n < t->room)
        t->late_ns[t->n++] = late_ns;
}

static int by_value(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int64_t part_ns(const struct ticks *t, double part)
{
    const size_t i = (size_t)(part * (double)t->n);

    return t->n == 0 ? 0 : t->late_ns[i < t->n ? i : t->n - 1];
}

static void print_ticks(struct ticks *t)
{
    qsort(t->late_ns, t->n, sizeof *t->late_ns, by_value);
    printf("  %6.3f %6.3f %6.3f", (double)part_ns(t, 0.5) / 1e6, (double)part_ns(t, 0.999) / 1e6,
           (double)part_ns(t, 1) / 1e6);
}

/* ---- how long blocked ---- */

/* The thread of a processor, as /proc knows it. */
struct watched {
    atomic_int tid;
    int syscall, status; /* files */
    long switches;       /* its waits before the one that it is in */
    int64_t since_ns, blocked_ns, for_p_ns;
};

static int open_of(int tid, const char *name)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/task/%d/%s", tid, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* The system call that it waits in; -1 if it has a CPU, or would take one. */
static long waits_in(const struct watched *w)
{
    char text[256] = "";

    if (pread(w->syscall, text, sizeof text - 1, 0) <= 0 || text[0] < '0' || text[0] > '9')
        return -1;
    return atol(text);
}

static bool is_reactor(long call)
{
    return call == SYS_io_uring_enter || call == SYS_epoll_pwait || call == SYS_epoll_pwait2;
}

static long waits_so_far(const struct watched *w)
{
    static const char name[] = "\nvoluntary_ctxt_switches:";
    char text[4096] = "";
    const char *at = NULL;

    if (pread(w->status, text, sizeof text - 1, 0) > 0)
        at = strstr(text, name);
    return at != NULL ? atol(at + sizeof name - 1) : -1;
}

static bool is_for_p(long call)
{
    return call == SYS_membarrier || call == SYS_clock_nanosleep;
}

static void look_at(struct watched *w)
{
    const long call = waits_in(w);

    if (call < 0 || is_reactor(call))
        return;
    int64_t *longest_ns = is_for_p(call) ? &w->for_p_ns : &w->blocked_ns;
    const long switches = waits_so_far(w);
    const int64_t now = weft_now();
    if (switches != w->switches) {
        w->switches = switches;
        w->since_ns = now;
    }
    if (now - w->since_ns + LOOK_NS > *longest_ns)
        *longest_ns = now - w->since_ns + LOOK_NS;
}

/* ---- a row ---- */

struct row {
    bool is_of_disk;
    atomic_bool is_over, ticks_are_over;
    atomic_ullong n_reads;
    atomic_llong next; /* block in `order` */
    struct ticks late[PROCS_MAX], on_thread;
    struct watched watched[PROCS_MAX];
    int procs;
};

static void sleep_till(int64_t due)
{
    must(weft_sleep_until(due) == 0, "weft_sleep_until", -1);
}

static void sleep_on_thread(int64_t due)
{
    const struct timespec ts = {due / WEFT_SEC, due % WEFT_SEC};

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static void tick_by(void (*sleep_by)(int64_t), struct row *row, struct ticks *late)
{
    while (!atomic_load(&row->ticks_are_over)) {
        const int64_t due = weft_now() + TICK_NS;
        sleep_by(due);
        note(late, weft_now() - due);
    }
}

static int tick(void *arg)
{
    struct row *row = arg;
    const int p = weft_thread_index(); /* it stays there */

    atomic_store(&row->watched[p].tid, (int)syscall(SYS_gettid));
    tick_by(sleep_till, row, &row->late[p]);
    return 0;
}

static void *tick_on_thread(void *arg)
{
    struct row *row = arg;

    prctl(PR_SET_TIMERSLACK, 1UL);
    tick_by(sleep_on_thread, row, &row->on_thread);
    return NULL;
}

static void *watch(void *arg)
{
    struct row *row = arg;
    const struct sched_param first = {.sched_priority = 1};

    (void)pthread_setschedparam(pthread_self(), SCHED_FIFO, &first);
    for (int p = 0; p < row->procs; p++) {
        struct watched *w = &row->watched[p];
        while (atomic_load(&w->tid) == 0)
            sleep_on_thread(weft_now() + LOOK_NS);
        w->syscall = open_of(w->tid, "syscall");
        w->status = open_of(w->tid, "status");
        must(w->syscall >= 0 && w->status >= 0, "/proc", -errno);
    }
    while (!atomic_load(&row->ticks_are_over)) {
        for (int p = 0; p < row->procs; p++)
            look_at(&row->watched[p]);
        sleep_on_thread(weft_now() + LOOK_NS);
    }
    for (int p = 0; p < row->procs; p++) {
        close(row->watched[p].syscall);
        close(row->watched[p].status);
    }
    return NULL;
}

static void read_block(int64_t index)
{
    uint64_t block[BLOCK / sizeof(uint64_t)];
    const ssize_t n = weft_pread(file, block, BLOCK, index * BLOCK);

    must(n == BLOCK, "weft_pread", n);
    must(block[0] == (uint64_t)index, "another block was read", -EIO);
}

static int read_from_memory(void *arg)
{
    struct row *row = arg;
    uint64_t state = (uint64_t)weft_now() ^ (uintptr_t)&state, n = 0;

    for (; !atomic_load_explicit(&row->is_over, memory_order_relaxed); n++)
        read_block((int64_t)(draw(&state) % (uint64_t)n_blocks));
    atomic_fetch_add(&row->n_reads, n);
    return 0;
}

static int read_from_disk(void *arg)
{
    struct row *row = arg;
    int64_t i;

    while (!atomic_load(&row->is_over) && (i = atomic_fetch_add(&row->next, 1)) < n_blocks) {
        read_block(order[i]);
        atomic_fetch_add(&row->n_reads, 1);
    }
    return 0;
}

/* On a thread that may block. */
static int drop(void *unused)
{
    (void)unused;
    int rc = -posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    if (rc == 0 && drops_all) {
        int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
        rc = fd >= 0 && write(fd, "3", 1) == 1 ? 0 : -errno;
        if (fd >= 0)
            close(fd);
    }
    return rc;
}

static void run_readers(struct row *row, int n)
{
    struct weft_co *readers[READERS_OF_DISK * PROCS_MAX];

    for (int i = 0; i < n; i++)
        readers[i] = weft_go_with(row->is_of_disk ? read_from_disk : read_from_memory, row);
    for (int i = 0; i < n; i++)
        must(weft_join(readers[i], NULL) == 0, "weft_join", -1);
}

static int end_later(void *arg)
{
    struct row *row = arg;

    must(weft_sleep(run_ns) == 0, "weft_sleep", -1);
    atomic_store(&row->is_over, true);
    return 0;
}

/* How long the reads took; what puts the file out of memory does not count. */
static int64_t read_till_the_end(struct row *row)
{
    int64_t ns = 0;

    do {
        int rc = 0;
        if (row->is_of_disk) {
            must(weft_blocking(drop, NULL, &rc) == 0 && rc == 0, "the page cache", rc);
            atomic_store(&row->next, 0);
        }
        const int64_t begin = weft_now();
        run_readers(row, (row->is_of_disk ? READERS_OF_DISK : READERS_OF_MEMORY) *
                             weft_runtime_procs(NULL));
        ns += weft_now() - begin;
    } while (!atomic_load(&row->is_over));
    return ns;
}

static uint64_t count_waits(void)
{
    struct weft_stats stats = {.size = sizeof stats};

    must(weft_runtime_stats(NULL, &stats) == 0, "weft_runtime_stats", -1);
    return stats.ops + stats.blocking_calls;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Prints the row; 1 if it misses what is wanted. */
static int print_row(struct row *row, int64_t ns, uint64_t n_waits)
{
    const int procs = weft_runtime_procs(NULL);
    const uint64_t n = atomic_load(&row->n_reads);
    const double rate = (double)n / ((double)ns / 1e9) / procs;

    int64_t blocked_ns = 0, for_p_ns = 0;
    for (int p = 0; p < procs; p++) {
        for (size_t i = 0; p > 0 && i < row->late[p].n; i++)
            note(&row->late[0], row->late[p].late_ns[i]);
        blocked_ns = larger(blocked_ns, row->watched[p].blocked_ns);
        for_p_ns = larger(for_p_ns, row->watched[p].for_p_ns);
    }
    printf("%5d  %-8s  %-6s %10.0f  %5.1f %%", procs, weft_runtime_reactor(NULL),
           row->is_of_disk ? "disk" : "memory", rate, 100 * (double)n_waits / (double)n);
    print_ticks(&row->late[0]);
    print_ticks(&row->on_thread);
    printf("  %7.1f %5.1f\n", (double)blocked_ns / 1e6, (double)for_p_ns / 1e6);
    fflush(stdout);
    return row->is_of_disk ? blocked_ns > BLOCKED_NS_MAX : rate < READS_WANTED;
}

static int run_row(void *arg)
{
    const int procs = weft_runtime_procs(NULL);
    struct row row = {
        .is_of_disk = *(const bool *)arg, .on_thread = make_ticks(1), .procs = procs};
    struct weft_co *tickers[PROCS_MAX], *end;
    pthread_t thread, watcher;

    for (int p = 0; p < procs; p++) {
        row.late[p] = make_ticks(p == 0 ? procs : 1);
        tickers[p] = weft_go_with(tick, &row, .pinned = 1, .on_p = WEFT_ON_P(p));
    }
    must(pthread_create(&thread, NULL, tick_on_thread, &row) == 0, "pthread_create", -1);
    must(pthread_create(&watcher, NULL, watch, &row) == 0, "pthread_create", -1);
    end = weft_go_with(end_later, &row);
    const uint64_t waits = count_waits();
    const int64_t ns = read_till_the_end(&row);
    const uint64_t n_waits = count_waits() - waits;
    atomic_store(&row.ticks_are_over, true);
    must(weft_join(end, NULL) == 0, "weft_join", -1);
    for (int p = 0; p < procs; p++)
        must(weft_join(tickers[p], NULL) == 0, "weft_join", -1);
    must(pthread_join(thread, NULL) == 0, "pthread_join", -1); /* they wake within 1 ms */
    must(pthread_join(watcher, NULL) == 0, "pthread_join", -1);
    const int status = print_row(&row, ns, n_waits);
    for (int p = 0; p < procs; p++)
        free(row.late[p].late_ns);
    free(row.on_thread.late_ns);
    return status;
}

/* ---- all of them ---- */

static void make_file(void)
{
    static uint64_t block[BLOCK / sizeof(uint64_t)];
    uint64_t state = 0x77656674;

    file = weft_temp_file(NULL);
    must(file >= 0, "weft_temp_file", file);
    order = malloc((size_t)n_blocks * sizeof *order);
    must(order != NULL, "malloc", -ENOMEM);
    for (int64_t i = 0; i < n_blocks; i++) {
        const int64_t k = (int64_t)(draw(&state) % (uint64_t)(i + 1));
        order[i] = order[k];
        order[k] = (uint32_t)i;
        block[0] = (uint64_t)i;
        const ssize_t n = weft_pwrite(file, block, BLOCK, i * BLOCK);
        must(n == BLOCK, "weft_pwrite", n);
    }
    const int rc = weft_fsync(file);
    must(rc == 0, "weft_fsync", rc);
    must(posix_fadvise(file, 0, 0, POSIX_FADV_RANDOM) == 0, "posix_fadvise", -1);
}

static void bring_into_memory(void)
{
    static char block[BLOCK];

    for (int64_t i = 0; i < n_blocks; i++)
        must(pread(file, block, BLOCK, i * BLOCK) == BLOCK, "pread", -1);
}

static void read_memory_on_thread(void)
{
    static uint64_t block[BLOCK / sizeof(uint64_t)];
    uint64_t state = 0x77656674, n = 0;
    const int64_t begin = weft_now(), end = begin + run_ns;

    for (; n % 64 != 0 || weft_now() < end; n++) {
        const int64_t i = (int64_t)(draw(&state) % (uint64_t)n_blocks);
        must(pread(file, block, BLOCK, i * BLOCK) == BLOCK && block[0] == (uint64_t)i, "pread", -1);
    }
    const double seconds = (double)(weft_now() - begin) / 1e9;
    printf("    -  %-8s  memory %10.0f\n", "thread", (double)n / seconds);
    fflush(stdout);
}

static void *read_disk_on_thread(void *arg)
{
    struct row *row = arg;
    uint64_t block[BLOCK / sizeof(uint64_t)];
    int64_t i;

    while (!atomic_load(&row->is_over) && (i = atomic_fetch_add(&row->next, 1)) < n_blocks) {
        const int64_t index = order[i];
        must(pread(file, block, BLOCK, index * BLOCK) == BLOCK && block[0] == (uint64_t)index,
             "pread", -1);
        atomic_fetch_add(&row->n_reads, 1);
    }
    return NULL;
}

/* Until all blocks have been read, or it is time. */
static void read_disk_once(struct row *row, int64_t until_ns)
{
    pthread_t readers[READERS_OF_DISK];

    atomic_store(&row->next, 0);
    for (int i = 0; i < READERS_OF_DISK; i++)
        must(pthread_create(&readers[i], NULL, read_disk_on_thread, row) == 0, "a thread", -1);
    while (weft_now() < until_ns && atomic_load(&row->next) < n_blocks)
        usleep(1000);
    atomic_store(&row->is_over, weft_now() >= until_ns);
    for (int i = 0; i < READERS_OF_DISK; i++)
        must(pthread_join(readers[i], NULL) == 0, "pthread_join", -1);
}

/* What the same reads do to a thread where there is no Weft. */
static void read_disk_on_threads(void)
{
    struct row row = {.is_of_disk = true, .on_thread = make_ticks(1)};
    pthread_t ticker;
    int64_t ns = 0;

    must(pthread_create(&ticker, NULL, tick_on_thread, &row) == 0, "pthread_create", -1);
    while (ns < run_ns) {
        const int rc = drop(NULL);
        must(rc == 0, "the page cache", rc);
        const int64_t begin = weft_now();
        read_disk_once(&row, begin + run_ns - ns);
        ns += weft_now() - begin;
    }
    atomic_store(&row.ticks_are_over, true);
    must(pthread_join(ticker, NULL) == 0, "pthread_join", -1);
    printf("    -  %-8s  disk   %10.0f %28s", "threads",
           (double)atomic_load(&row.n_reads) / ((double)ns / 1e9), "");
    print_ticks(&row.on_thread);
    putchar('\n');
    fflush(stdout);
    free(row.on_thread.late_ns);
}

int main(int argc, char **argv)
{
    static const enum weft_reactor reactors[] = {WEFT_REACTOR_IO_URING, WEFT_REACTOR_EPOLL};
    const long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);
    const int most = n_cpus < PROCS_MAX ? (int)n_cpus : PROCS_MAX;
    int status = 0;

    if (argc > 1)
        run_ns = (int64_t)(atof(argv[1]) * 1e9);
    if (argc > 2)
        n_blocks = (int64_t)(atof(argv[2]) * (1 << 20)) / BLOCK;
    drops_all = argc > 3 && strcmp(argv[3], "all") == 0;
    if (argc > 4 || (argc > 3 && !drops_all) || run_ns <= 0 || n_blocks <= 0 ||
        n_blocks > UINT32_MAX) {
        fputs("usage: files [SECONDS [MIB [all]]]\n", stderr);
        return 2;
    }
    make_file();
    printf("random reads of 4 KiB from %lld MiB; lateness of sleepers of 1 ms, in ms\n",
           (long long)n_blocks * BLOCK >> 20);
    printf("                          reads a                     late          a thread late");
    printf("  blocked for P\n");
    printf("procs  reactor   from    s and P   waited     p50  p99.9    max     p50  p99.9    max");
    printf("      max   max\n");
    bring_into_memory();
    read_memory_on_thread();
    for (int is_of_disk = 0; is_of_disk <= 1; is_of_disk++) {
        if (is_of_disk != 0)
            read_disk_on_threads();
        for (int procs = 1; procs <= most; procs = procs == 1 && most > 1 ? most : most + 1)
            for (size_t i = 0; i < sizeof reactors / sizeof *reactors; i++) {
                bool of_disk = is_of_disk != 0;
                status |= weft_run_with(run_row, &of_disk, .procs = procs, .reactor = reactors[i]);
            }
    }
    return status;
}
