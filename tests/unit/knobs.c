/* SPDX-License-Identifier: MIT */
/*
 * knobs.c - what can be set of the reactor and of processors without work shows in what they do.
 *
 * matrix: short
 */
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include "net_test.h"
#include "no_lookout.h"

static struct weft_config config_of(enum weft_reactor reactor)
{
    struct weft_config config = WEFT_CONFIG_INIT;

    config.procs = 2;
    config.reactor = reactor;
    return config;
}

/* Whatever the row of the matrix says: these are the knobs of one driver. */
static bool has_uring(void)
{
    struct weft_config config = config_of(WEFT_REACTOR_AUTO);
    struct weft_runtime *rt;

    unsetenv("WEFT_REACTOR");
    CHECK_EQ(weft_runtime_start(&rt, &config), 0);
    bool has = strcmp(weft_runtime_reactor(rt), "io_uring") == 0;
    CHECK_EQ(weft_runtime_stop(rt), 0);
    return has;
}

/* Bytes there and back, by several coroutines, some of them waiting. */
static int talk(void *fds)
{
    const int *fd = fds;
    char byte;

    for (int i = 0; i < 200; i++) {
        CHECK_EQ(weft_read(fd[0], &byte, 1), 1);
        CHECK_EQ(weft_write(fd[0], &byte, 1), 1);
    }
    return 0;
}

static int talk_in_crowds(void *unused)
{
    enum { PAIRS = 40 };
    static int fds[PAIRS][2];
    struct weft_co *co[PAIRS];
    char byte = 'a';

    (void)unused;
    for (int i = 0; i < PAIRS; i++) {
        CHECK_EQ(weft_socket_pair(fds[i]), 0);
        co[i] = weft_go_with(talk, fds[i]);
    }
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < PAIRS; i++)
            CHECK_EQ(weft_write(fds[i][1], &byte, 1), 1);
        for (int i = 0; i < PAIRS; i++)
            CHECK_EQ(weft_read(fds[i][1], &byte, 1), 1);
    }
    for (int i = 0; i < PAIRS; i++) {
        join(co[i]);
        CHECK_EQ(weft_close(fds[i][0]), 0);
        CHECK_EQ(weft_close(fds[i][1]), 0);
    }
    return 0;
}

/* What the kernel tells of the rings of the process. */
struct rings {
    int found;   /* how many have a submission queue of `entries` */
    int waiting; /* submissions in all of them that the kernel has not been told to take */
};

static struct rings look_at_rings(unsigned entries)
{
    struct rings rings = {0};
    char path[64], line[256];
    unsigned n;

    for (int fd = 0; fd < 1024; fd++) {
        snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
        FILE *f = fopen(path, "re");
        if (f == NULL)
            continue;
        while (fgets(line, sizeof line, f) != NULL) {
            rings.found += sscanf(line, "SqMask: %x", &n) == 1 && n == entries - 1;
            rings.waiting += sscanf(line, "SqTail: %u", &n) == 1 ? (int)n : 0;
            rings.waiting -= sscanf(line, "SqHead: %u", &n) == 1 ? (int)n : 0;
        }
        fclose(f);
    }
    return rings;
}

TEST(rings_have_the_entries_that_were_asked_for)
{
    static const int sizes[] = {16, 64, 512};

    if (!has_uring())
        SKIP("without io_uring");
    for (int i = 0; i < COUNT(sizes); i++) {
        struct weft_config config = config_of(WEFT_REACTOR_IO_URING);
        struct weft_runtime *rt;
        int result = -1;
        config.ring_entries = sizes[i];
        CHECK_EQ(weft_runtime_start(&rt, &config), 0);
        CHECK_EQ(look_at_rings((unsigned)sizes[i]).found, 2);
        CHECK_EQ(weft_block_on(rt, talk_in_crowds, NULL, &result), 0);
        CHECK_EQ(result, 0);
        CHECK_EQ(weft_runtime_stop(rt), 0);
    }
}

/* Threads of the process with such a name. */
static int count_threads(const char *prefix)
{
    DIR *dir = opendir("/proc/self/task");
    int n = 0;

    CHECK(dir != NULL);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char path[300], comm[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", e->d_name);
        FILE *f = fopen(path, "re");
        if (f == NULL)
            continue;
        if (fgets(comm, sizeof comm, f) != NULL)
            n += strncmp(comm, prefix, strlen(prefix)) == 0;
        fclose(f);
    }
    closedir(dir);
    return n;
}

static int look_for_the_poller(void *unused)
{
    (void)unused;
    CHECK_EQ(count_threads("iou-sqp"), 1);
    return talk_in_crowds(NULL);
}

static int wait_for_ever(void *channel)
{
    return chan_recv(channel, NULL);
}

/* Goal: one thread of the kernel sends for all rings; all goes on as without, and a deadlock is
 * still found, though there is a thread that Weft did not start. */
TEST(a_thread_of_the_kernel_sends_what_is_submitted)
{
    struct weft_config config = config_of(WEFT_REACTOR_IO_URING);
    struct weft_runtime *rt;
    int result = -1;

    if (!has_uring())
        SKIP("without io_uring");
    config.ring_poll_ms = 5;
    CHECK_EQ(weft_runtime_start(&rt, &config), 0);
    CHECK_EQ(weft_block_on(rt, look_for_the_poller, NULL, &result), 0);
    CHECK_EQ(result, 0);
    chan *never = weft_chan_make_shared(0, 0);
    if (!test_is_emulated())
        CHECK_EQ(weft_block_on(rt, wait_for_ever, never, NULL), -EDEADLK);
    CHECK_GE(weft_runtime_stop(rt), 0);
    weft_chan_unref(never);
}

static int read_one(void *fds)
{
    char byte;
    ssize_t n = weft_read(((const int *)fds)[0], &byte, 1);

    return n == 1 ? 0 : (int)n;
}

static int wait_on_one_fd(void *unused)
{
    struct weft_co *co[3];
    int fds[2], result;

    (void)unused;
    CHECK_EQ(weft_socket_pair(fds), 0);
    for (int i = 0; i < 2; i++)
        co[i] = weft_go_with(read_one, fds);
    await_in_flight(2);
    co[2] = weft_go_with(read_one, fds);
    CHECK_EQ(weft_join(co[2], &result), 0);
    CHECK_EQ(result, -EBUSY);
    CHECK_EQ(weft_write(fds[1], "ab", 2), 2);
    join(co[0]);
    join(co[1]);
    CHECK_EQ(weft_write(fds[1], "c", 1), 1);
    CHECK_EQ(read_one(fds), 0);
    CHECK_EQ(weft_close(fds[0]), 0);
    CHECK_EQ(weft_close(fds[1]), 0);
    return 0;
}

TEST(one_call_too_many_on_an_fd_is_refused)
{
    struct weft_config config = config_of(WEFT_REACTOR_DEFAULT);

    config.fd_ops_max = 2;
    CHECK_EQ(weft_run_config(wait_on_one_fd, NULL, &config), 0);
}

static int look_and_write(void *fds)
{
    const int waiting = look_at_rings(1).waiting;

    CHECK_EQ(weft_write(((const int *)fds)[1], "a", 1), 1);
    return waiting;
}

/* How many submissions waited at most while a coroutine ran after one that had begun to wait. */
static int most_that_waited(void *unused)
{
    int fds[2], most = 0;

    (void)unused;
    CHECK_EQ(weft_socket_pair(fds), 0);
    for (int i = 0; i < 100; i++) {
        struct weft_co *reader = weft_go_with(read_one, fds);
        struct weft_co *looker = weft_go_with(look_and_write, fds);
        int waited;
        join(reader);
        CHECK_EQ(weft_join(looker, &waited), 0);
        most = waited > most ? waited : most;
    }
    CHECK_EQ(weft_close(fds[0]), 0);
    CHECK_EQ(weft_close(fds[1]), 0);
    return most;
}

/* Goal: what is submitted goes to the kernel with the processor's next wait, or at once. */
TEST(a_submission_waits_for_others_unless_it_shall_not)
{
    struct weft_config config = config_of(WEFT_REACTOR_IO_URING);

    if (!has_uring())
        SKIP("without io_uring");
    config.procs = 1;
    if (weft_run_config(most_that_waited, NULL, &config) == 0)
        SKIP("this kernel does not tell of submissions");
    config.no_submit_wait = 1;
    CHECK_EQ(weft_run_config(most_that_waited, NULL, &config), 0);
}

struct letter {
    struct weft_runtime *rt;
    int fds[2];
    _Atomic int64_t sent_ns;
    _Atomic uint64_t sleeps; /* when the reader was about to wait; 0: it is not */
};

static uint64_t sleeps_of(const struct weft_runtime *rt)
{
    struct weft_stats stats = {.size = sizeof stats};

    CHECK_EQ(weft_runtime_stats(rt, &stats), 0);
    return stats.sleeps;
}

enum { LETTERS = 10 };

/* Each letter when the processor sleeps that waits for it. */
static void *send_letters(void *arg)
{
    struct letter *l = arg;

    for (int i = 0; i < LETTERS; i++) {
        uint64_t sleeps;
        while ((sleeps = atomic_load(&l->sleeps)) == 0 || sleeps_of(l->rt) < sleeps)
            sched_yield();
        atomic_store(&l->sleeps, 0);
        atomic_store(&l->sent_ns, weft_now());
        CHECK_EQ(write(l->fds[1], "a", 1), 1);
    }
    return NULL;
}

static int take_letters(void *arg)
{
    struct letter *l = arg;
    pthread_t sender;

    CHECK_EQ(weft_socket_pair(l->fds), 0);
    CHECK_EQ(pthread_create(&sender, NULL, send_letters, l), 0);
    for (int i = 0; i < LETTERS; i++) {
        atomic_store(&l->sleeps, sleeps_of(l->rt) + 1);
        CHECK_EQ(read_one(l->fds), 0);
        CHECK_GE(weft_now() - atomic_load(&l->sent_ns), 10 * WEFT_MS);
    }
    CHECK_EQ(pthread_join(sender, NULL), 0);
    CHECK_EQ(weft_close(l->fds[0]), 0);
    CHECK_EQ(weft_close(l->fds[1]), 0);
    return 0;
}

/* Goal: a processor that an event has woken waits for others as long as it was told to. */
TEST(a_processor_that_was_woken_gathers_events)
{
    struct weft_config config = config_of(WEFT_REACTOR_DEFAULT);
    struct letter letter = {0};
    int result = -1;

    config.procs = 1;
    config.wake_batch_ns = 10 * WEFT_MS;
    CHECK_EQ(weft_runtime_start(&letter.rt, &config), 0);
    CHECK_EQ(weft_block_on(letter.rt, take_letters, &letter, &result), 0);
    CHECK_EQ(result, 0);
    CHECK_EQ(weft_runtime_stop(letter.rt), 0);
}

static int sleep_a_while(void *unused)
{
    struct weft_stats before = {.size = sizeof before}, after = {.size = sizeof after};

    (void)unused;
    CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_EQ(weft_runtime_stats(NULL, &before), 0);
    CHECK_EQ(weft_sleep(50 * WEFT_MS), 0);
    CHECK_EQ(talk_in_crowds(NULL), 0);
    CHECK_EQ(weft_runtime_stats(NULL, &after), 0);
    CHECK_EQ(after.sleeps, before.sleeps);
    return 0;
}

/* Goal: a processor that shall never sleep does not, and does all that one that sleeps does. */
TEST(a_processor_that_always_spins_never_sleeps)
{
    struct weft_config config = config_of(WEFT_REACTOR_DEFAULT);

    config.procs = 1;
    config.spin_ns = WEFT_NEVER;
    CHECK_EQ(weft_run_config(sleep_a_while, NULL, &config), 0);
}
