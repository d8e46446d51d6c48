/* SPDX-License-Identifier: MIT */
/*
 * runtime.c - starting, entering and stopping a runtime: what it leaves behind (nothing), plain
 * threads that enter it, and what is told to those who ask for the impossible.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <sys/socket.h>

#include "co_test.h"
#include "sched/lookout.h"

enum { CYCLES = 1000, CYCLES_SLOW = 60, CYCLES_WARM = 500 };

static int count_dir(const char *path)
{
    DIR *dir = opendir(path);
    int n = 0;

    CHECK(dir != NULL);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

/* The process comes to have at most `n` threads: a joined one counts until the kernel is done
 * with it. */
static void expect_threads(int n)
{
    const int64_t until = test_now_ms() + 10000;
    int now;

    while ((now = count_dir("/proc/self/task")) > n && test_now_ms() < until)
        usleep(100);
    CHECK_LE(now, n);
}

static int count_maps(void)
{
    FILE *f = fopen("/proc/self/maps", "r");
    int n = 0, c;

    CHECK(f != NULL);
    while ((c = getc(f)) != EOF)
        n += c == '\n';
    fclose(f);
    return n;
}

static long rss_kib(void)
{
    FILE *f = fopen("/proc/self/smaps_rollup", "r"); /* statm is behind by some pages a thread */
    char line[256];
    long kib = -1;

    CHECK(f != NULL);
    while (kib < 0 && fgets(line, sizeof line, f) != NULL)
        (void)sscanf(line, "Rss: %ld", &kib);
    fclose(f);
    CHECK_GE(kib, 0);
    return kib;
}

static atomic_int counter;

static void count_one(void *arg)
{
    (void)arg;
    atomic_fetch_add(&counter, 1);
}

static int sleep_for_ever(void *arg)
{
    (void)arg;
    return weft_sleep(WEFT_NEVER);
}

/* A little of everything: coroutines, a channel, a timer, a socket, and one that is left over. */
static int use_it(void *arg)
{
    int fd[2], value = 7;
    char byte;
    chan *ch = chan_make(sizeof(int), 1);

    (void)arg;
    CHECK_EQ(chan_send(ch, &value), 0);
    chan_unref(ch);
    go(count_one, NULL);
    weft_detach(weft_go_with(sleep_for_ever, NULL, .name = "left over"));
    weft_yield();
    CHECK_EQ(weft_sleep(1000), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
    CHECK_EQ(weft_write(fd[0], "x", 1), 1);
    CHECK_EQ(weft_read(fd[1], &byte, 1), 1);
    CHECK_EQ(weft_close(fd[0]), 0);
    CHECK_EQ(weft_close(fd[1]), 0);
    return 5;
}

static void cycle(enum weft_reactor reactor)
{
    struct weft_config config = WEFT_CONFIG_INIT;
    struct weft_runtime *rt = NULL;
    int result = 0;

    config.reactor = reactor;
    CHECK_EQ(weft_runtime_start(&rt, &config), 0);
    CHECK_EQ(weft_block_on(rt, use_it, NULL, &result), 0);
    CHECK_EQ(result, 5);
    CHECK_GE(weft_runtime_stop(rt), 1);
}

/* Goal: starting and stopping a runtime leaves nothing behind.
 * Method: descriptors, threads, mappings and resident memory after some cycles and after a thousand
 * more.  A leak of one page a cycle would be 4 MB.  With the sanitizers' own memory in the
 * process only descriptors and threads are compared. */
static void leaks_nothing(enum weft_reactor reactor)
{
    const int cycles = test_scale() > 1 ? CYCLES_SLOW : CYCLES;

    atomic_store(&weft__lookout_serves, false); /* a relief processor would have its mappings */
    for (int i = 0; i < (test_scale() > 1 ? 20 : CYCLES_WARM); i++)
        cycle(reactor); /* malloc and the C library reach their own plateau */
    int fds = count_dir("/proc/self/fd"), threads = count_dir("/proc/self/task");
    int maps = count_maps();
    long rss = rss_kib();
    for (int i = 0; i < cycles; i++)
        cycle(reactor);
    CHECK_EQ(count_dir("/proc/self/fd"), fds);
    expect_threads(threads);
    if (test_scale() == 1) {
        CHECK_LE(count_maps(), maps + 4);
        CHECK_LE(rss_kib(), rss + 2048);
    }
}

static void become_nobody(void)
{
    if (geteuid() != 0)
        SKIP("only root can become nobody");
    CHECK_EQ(setresgid(65534, 65534, 65534), 0);
    CHECK_EQ(setresuid(65534, 65534, 65534), 0);
    prctl(PR_SET_DUMPABLE, 1); /* else /proc/self belongs to root */
}

TEST_LIMIT(a_thousand_starts_and_stops_leak_nothing, 60)
{
    leaks_nothing(WEFT_REACTOR_DEFAULT);
}

/* Ring memory is charged to a user that is not root, and given back late: the driver has to bear
 * that, or step down. */
TEST_LIMIT(a_thousand_starts_and_stops_as_nobody_leak_nothing, 60)
{
    become_nobody();
    leaks_nothing(WEFT_REACTOR_AUTO);
}

static void *cycle_on_a_thread(void *arg)
{
    for (int i = 0; i < 100 / (int)test_scale() + 5; i++)
        cycle(WEFT_REACTOR_DEFAULT);
    return arg;
}

/* Goal: runtimes that start and stop at the same time do not get into each other's way.
 * Method: three threads do nothing else; often one stops the last runtime of the process while
 * another starts the first. */
TEST(threads_start_and_stop_runtimes_at_the_same_time)
{
    pthread_t th[3];

    for (int i = 0; i < COUNT(th); i++)
        CHECK_EQ(pthread_create(&th[i], NULL, cycle_on_a_thread, NULL), 0);
    for (int i = 0; i < COUNT(th); i++)
        CHECK_EQ(pthread_join(th[i], NULL), 0);
}

static struct weft_runtime *started(void)
{
    struct weft_runtime *rt = NULL;

    CHECK_EQ(weft_runtime_start(&rt, NULL), 0);
    return rt;
}

static int add_up(void *arg)
{
    int n = *(int *)arg, sum = 0;

    for (int i = 1; i <= n; i++) {
        sum += i;
        weft_yield();
    }
    return sum;
}

static void *block_on_often(void *arg)
{
    for (int n = 0; n < scaled(300); n++) {
        int result = -1;
        CHECK_EQ(weft_block_on(arg, add_up, &n, &result), 0);
        CHECK_EQ(result, n * (n + 1) / 2);
    }
    return NULL;
}

TEST(several_threads_block_on_one_runtime)
{
    struct weft_runtime *rt = started();
    pthread_t th[4];

    for (int i = 0; i < COUNT(th); i++)
        CHECK_EQ(pthread_create(&th[i], NULL, block_on_often, rt), 0);
    for (int i = 0; i < COUNT(th); i++)
        CHECK_EQ(pthread_join(th[i], NULL), 0);
    CHECK_EQ(weft_runtime_stop(rt), 0);
}

static void *spawn_often(void *arg)
{
    for (int i = 0; i < scaled(20000); i++)
        CHECK_EQ(weft_runtime_go(arg, count_one, NULL), 0);
    return NULL;
}

static int wait_for_count(void *arg)
{
    while (atomic_load(&counter) < *(int *)arg)
        CHECK_EQ(weft_sleep(100 * WEFT_US), 0);
    return 0;
}

/* Goal: each coroutine that a plain thread spawns runs once, also while the processors sleep. */
TEST(plain_threads_spawn_and_each_coroutine_runs_once)
{
    struct weft_runtime *rt = started();
    pthread_t th[3];
    int all = COUNT(th) * scaled(20000);

    for (int i = 0; i < COUNT(th); i++)
        CHECK_EQ(pthread_create(&th[i], NULL, spawn_often, rt), 0);
    for (int i = 0; i < COUNT(th); i++)
        CHECK_EQ(pthread_join(th[i], NULL), 0);
    CHECK_EQ(weft_block_on(rt, wait_for_count, &all, NULL), 0);
    CHECK_EQ(weft_runtime_stop(rt), 0);
    CHECK_EQ(atomic_load(&counter), all);
}

/* Goal: a coroutine spawned into a sleeping runtime wakes it.
 * Method: one at a time, each awaited, so that the runtime goes to sleep in between. */
TEST(a_spawn_from_outside_wakes_a_sleeping_runtime)
{
    struct weft_runtime *rt = started();

    for (int i = 1; i <= scaled(2000); i++) {
        CHECK_EQ(weft_runtime_go(rt, count_one, NULL), 0);
        while (atomic_load(&counter) < i)
            sched_yield();
    }
    CHECK_EQ(weft_runtime_stop(rt), 0);
}

static int wait_on_null(void *arg)
{
    (void)arg;
    return chan_recv(NULL, NULL);
}

TEST(block_on_a_coroutine_that_nothing_can_wake_is_edeadlk)
{
    struct weft_runtime *rt = started();
    int result = 77;

    CHECK_EQ(weft_block_on(rt, wait_on_null, NULL, &result), -EDEADLK);
    CHECK_EQ(result, 77);
    CHECK_EQ(weft_runtime_stop(rt), 1);
}

static int answer(void *arg)
{
    (void)arg;
    return 42;
}

/* Goal: a coroutine that stays parked (a service, say) does not make later calls look deadlocked,
 * not even for a moment.
 * Method: very many short calls beside one that waits for ever. */
TEST(block_on_works_beside_a_coroutine_that_waits_for_ever)
{
    struct weft_runtime *rt = started();

    CHECK_EQ(weft_block_on(rt, wait_on_null, NULL, NULL), -EDEADLK);
    for (int i = 0; i < scaled(5000); i++) {
        int result = 0;
        CHECK_EQ(weft_block_on(rt, answer, NULL, &result), 0);
        CHECK_EQ(result, 42);
    }
    CHECK_EQ(weft_runtime_stop(rt), 1);
}

static void park_for_ever(void *arg)
{
    (void)arg;
    (void)chan_recv(NULL, NULL);
    TEST_FAIL("a NULL channel gave a value");
}

static int leave_some_parked(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        go(park_for_ever, NULL);
    yield_often(5);
    return 9;
}

/* Goal: what app leaves behind is discarded, and is no deadlock: it has returned.
 * Method: often, since a report would come from the moment between app's end and weft_run's. */
TEST(an_app_that_returns_while_others_are_parked_is_no_deadlock)
{
    for (int i = 0; i < (test_scale() > 1 ? 40 : 400); i++)
        CHECK_EQ(weft_run(leave_some_parked, NULL), 9);
}

static int ask_from_inside(void *arg)
{
    struct weft_runtime *rt = arg;
    int result = 77;

    CHECK(weft_runtime_current() == rt);
    CHECK_EQ(weft_runtime_procs(NULL), weft_runtime_procs(rt));
    CHECK_EQ(weft_block_on(rt, answer, NULL, &result), -EXDEV);
    CHECK_EQ(result, 77);
    CHECK_EQ(weft_runtime_stop(rt), -EDEADLK);
    CHECK_EQ(weft_runtime_go(rt, count_one, NULL), 0);
    return wait_for_count(&(int){1});
}

TEST(a_coroutine_can_neither_block_on_nor_stop_its_runtime)
{
    struct weft_runtime *rt = started();

    CHECK(weft_runtime_current() == NULL);
    CHECK_EQ(weft_runtime_procs(NULL), 0);
    CHECK_EQ(weft_block_on(rt, ask_from_inside, rt, NULL), 0);
    CHECK_EQ(weft_runtime_stop(rt), 0);
}

static void read_for_ever(void *arg)
{
    char buf[64];

    ssize_t n = weft_read(*(int *)arg, buf, sizeof buf);
    TEST_FAIL("nobody had written, but read gave %zd", n);
}

static void yield_for_ever(void *arg)
{
    for (;;) {
        atomic_fetch_add((atomic_int *)arg, 1);
        weft_yield();
    }
}

static int spawn_all_kinds(void *arg)
{
    for (int i = 0; i < 10; i++) {
        go(park_for_ever, NULL);
        go(read_for_ever, arg);
        go(yield_for_ever, &counter);
    }
    weft_detach(weft_go_with(sleep_for_ever, NULL, .pinned = 1));
    while (atomic_load(&counter) < 1000)
        weft_yield();
    return 0;
}

/* Goal: stop discards coroutines that are parked, that run, and whose operations the kernel has;
 * it counts them, and afterwards no thread is left. */
TEST(stop_discards_what_is_parked_running_and_in_flight)
{
    int threads = 0, fd[2];

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
    for (int i = 0; i < 20; i++) {
        struct weft_runtime *rt = started();
        atomic_store(&counter, 0);
        CHECK_EQ(weft_block_on(rt, spawn_all_kinds, &fd[1], NULL), 0);
        CHECK_EQ(weft_runtime_stop(rt), 31);
        if (i == 0)
            threads = count_dir("/proc/self/task"); /* a sanitizer may have a thread by now */
        expect_threads(threads);
    }
    CHECK_EQ(write(fd[0], "y", 1), 1); /* no forgotten read takes it */
    char byte = 0;
    CHECK_EQ(read(fd[1], &byte, 1), 1);
    CHECK_EQ(byte, 'y');
}

static void *join_it(void *arg)
{
    int result = 0;

    CHECK_EQ(weft_join(arg, &result), 0);
    CHECK_EQ(result, -ECANCELED);
    return NULL;
}

static int spawn_with_handle(void *arg)
{
    *(struct weft_co **)arg = weft_go_with(sleep_for_ever, NULL, .name = "discarded");
    return 0;
}

/* A plain thread that joins a coroutine is not left behind when the runtime stops. */
TEST(a_thread_that_joins_a_discarded_coroutine_gets_ecanceled)
{
    struct weft_runtime *rt = started();
    struct weft_co *co = NULL;
    pthread_t th;

    CHECK_EQ(weft_block_on(rt, spawn_with_handle, &co, NULL), 0);
    CHECK_EQ(pthread_create(&th, NULL, join_it, co), 0);
    CHECK_EQ(weft_runtime_stop(rt), 1); /* before it joins, while it does, or after */
    CHECK_EQ(pthread_join(th, NULL), 0);
}

static int check_signals_are_blocked(void *arg)
{
    sigset_t set;

    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
    CHECK_EQ(sigismember(&set, SIGINT), 1);
    CHECK_EQ(sigismember(&set, SIGTERM), 1);
    CHECK_EQ(sigismember(&set, SIGALRM), 1);
    CHECK_EQ(sigismember(&set, SIGSEGV), 0);
    prctl(PR_GET_NAME, arg);
    return 0;
}

TEST(runtime_threads_have_names_and_block_asynchronous_signals)
{
    struct weft_config config = WEFT_CONFIG_INIT;
    struct weft_runtime *rt = NULL;
    char name[17] = "";

    config.thread_name = "fabric";
    CHECK_EQ(weft_runtime_start(&rt, &config), 0);
    CHECK_EQ(weft_block_on(rt, check_signals_are_blocked, name, NULL), 0);
    CHECK_EQ(strncmp(name, "fabric-", 7), 0);
    CHECK_EQ(weft_runtime_stop(rt), 0);
}

static int first(void *arg)
{
    int sum = 0;

    CHECK_EQ(weft_block_on(arg, answer, NULL, &sum), -EXDEV);
    /* The other runtime takes spawns from coroutines of this one. */
    CHECK_EQ(weft_runtime_go(arg, count_one, NULL), 0);
    return wait_for_count(&(int){1});
}

TEST(two_runtimes_live_side_by_side)
{
    struct weft_runtime *a = started(), *b = started();

    CHECK_EQ(weft_block_on(a, first, b, NULL), 0);
    CHECK_EQ(weft_runtime_stop(a), 0);
    int result = 0;
    CHECK_EQ(weft_block_on(b, answer, NULL, &result), 0);
    CHECK_EQ(result, 42);
    CHECK_EQ(weft_runtime_stop(b), 0);
}
