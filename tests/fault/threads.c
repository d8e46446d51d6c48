/* SPDX-License-Identifier: MIT */
/*
 * threads.c - no thread can be had for a blocking call: at the first, at a later one, for a while;
 * and a stop meets one that is being started.
 *
 * Method: the file that holds the fault door for threads is compiled into this program with the
 * door open, as in calls.c.
 *
 * cflags: -DWEFT_FAULT
 * matrix: once
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <semaphore.h>

/* No C library need bear that there is no such thread. */
static int n_no_threads;

static int detach(pthread_t th)
{
    n_no_threads += th == 0;
    return pthread_detach(th);
}

#define pthread_detach detach
#include "base/sys.c"
#include "base/sys_fd.c"

#include <sched/sched.h>
#include <sched/watch.h>

#include "co_test.h"

static atomic_int n_allowed; /* threads that can still be had */
static atomic_int n_refused;

static int refuse_threads(enum weft__call call)
{
    if (call != WEFT__CALL_THREAD || atomic_fetch_sub(&n_allowed, 1) > 0)
        return 0;
    atomic_fetch_add(&n_allowed, 1);
    atomic_fetch_add(&n_refused, 1);
    return -EAGAIN;
}

/* From now on; in a coroutine, of those that it asks for: the one that watches is there before. */
static void allow(int n)
{
    if (weft_in_coroutine())
        CHECK_EQ(weft__watch_now(), 0);
    atomic_store(&n_allowed, n);
    weft__sys_fault = refuse_threads;
}

static struct weft_stats stats_now(void)
{
    struct weft_stats s = {.size = sizeof s};

    CHECK_EQ(weft_runtime_stats(NULL, &s), 0);
    return s;
}

static int count_call(void *n)
{
    return atomic_fetch_add((atomic_int *)n, 1);
}

/* Goal: without any thread the call says so and nothing is called; when there are threads again it
 * works. */
CO_TEST(the_first_thread_is_refused)
{
    atomic_int n = 0;

    allow(0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_blocking(count_call, &n, NULL), -EAGAIN);
    CHECK_EQ(atomic_load(&n), 0);
    CHECK_EQ(stats_now().blocking_threads, 0);
    CHECK_EQ(stats_now().blocking_queued, 0);
    allow(1);
    CHECK_EQ(weft_blocking(count_call, &n, NULL), 0);
    CHECK_EQ(atomic_load(&n), 1);
    return 0;
}

static int call(void *n)
{
    CHECK_EQ(weft_blocking(count_call, n, NULL), 0);
    return 0;
}

static int call_or_be_refused(void *n)
{
    int rc = weft_blocking(count_call, n, NULL);

    CHECK(rc == 0 || rc == -EAGAIN);
    return rc;
}

/* Goal: the k-th thread is refused: the calls go through those that there are. */
CO_TEST(a_later_thread_is_refused)
{
    enum { CALLERS = 40 };
    struct weft_co *co[CALLERS];

    for (int k = 1; k < 5; k++) {
        atomic_int n = 0;
        allow(k == 1);
        CHECK_EQ(weft_blocking(count_call, &n, NULL), 0);
        allow(k == 1 ? 0 : 1);
        for (int i = 0; i < CALLERS; i++)
            co[i] = weft_go_with(call, &n);
        for (int i = 0; i < CALLERS; i++)
            join(co[i]);
        CHECK_EQ(atomic_load(&n), CALLERS + 1);
        CHECK_LE(stats_now().blocking_peak, k + 1);
        CHECK_LE(stats_now().blocking_threads, k);
        CHECK_EQ(stats_now().blocking_queued, 0);
    }
    return 0;
}

/* Goal: many ask at once, and threads leave meanwhile: each call is made once or refused, and none
 * is forgotten in the queue of a pool that has no thread. */
static int ask_at_once(void *unused)
{
    enum { CALLERS = 16 };
    struct weft_co *co[CALLERS];

    (void)unused;
    for (int round = 0; round < scaled(300); round++) {
        atomic_int n = 0;
        int n_called = 0;
        allow(round % 3);
        for (int i = 0; i < CALLERS; i++)
            co[i] = weft_go_with(call_or_be_refused, &n);
        for (int i = 0; i < CALLERS; i++) {
            int rc = -1;
            CHECK_EQ(weft_join(co[i], &rc), 0);
            n_called += rc == 0;
        }
        CHECK_EQ(atomic_load(&n), n_called);
        CHECK_EQ(stats_now().blocking_queued, 0);
        while (round % 7 == 0 && stats_now().blocking_threads != 0)
            CHECK_EQ(weft_sleep(100 * WEFT_US), 0);
    }
    return 0;
}

TEST(many_ask_at_once_and_some_are_refused)
{
    CHECK_EQ(weft_run_with(ask_at_once, NULL, .procs = 4, .blocking_idle_ns = 200 * WEFT_US), 0);
}

static int outside_without_a_thread(void *unused)
{
    int n = 0;

    (void)unused;
    allow(0);
    for (int i = 0; i < 10; i++) {
        WEFT_BLOCKING
        {
            CHECK(!weft_in_coroutine());
            n++;
        }
        CHECK(weft_in_coroutine());
        CHECK_EQ(weft_sleep(100 * WEFT_US), 0);
    }
    CHECK_EQ(n, 10);
    CHECK_EQ(stats_now().outside, 0);
    return 0;
}

TEST(outside_without_a_thread_the_processor_stays)
{
    CHECK_EQ(weft_run_with(outside_without_a_thread, NULL, .procs = 1), 0);
}

/* ---- a stop meets a thread that is being started ---- */

static atomic_int has_come;
static _Atomic pthread_t starter; /* who starts it; whoever starts the watch thread asks too */

static sem_t came; /* posted after it */

static void expect_it(void)
{
    atomic_store(&has_come, 0);
    CHECK_EQ(sem_init(&came, 0, 0), 0);
}

static void it_has_come(void)
{
    atomic_store(&has_come, 1);
    CHECK_EQ(sem_post(&came), 0);
}

static void wait_for_it(void)
{
    while (sem_wait(&came) != 0)
        CHECK_EQ(errno, EINTR);
}

/* Until the process is over: what it would start then, it would start beside exit(). */
static int hold_up_the_starter(enum weft__call call)
{
    if (call == WEFT__CALL_THREAD && pthread_equal(pthread_self(), atomic_load(&starter))) {
        it_has_come();
        for (;;)
            (void)pause();
    }
    return 0;
}

static int go_outside(void *unused)
{
    (void)unused;
    atomic_store(&starter, pthread_self());
    weft__sys_fault = hold_up_the_starter;
    weft_blocking_enter();
    weft_blocking_leave();
    return 0;
}

/* On the other processor, whose thread is held up; this one stays where it is meanwhile. */
static int leave_one_behind(void *unused)
{
    const int other = 1 - weft_thread_index();

    (void)unused;
    weft_detach(weft_go_with(go_outside, NULL, .on_p = WEFT_ON_P(other)));
    wait_for_it();
    return 0;
}

/* Goal: the end of a program does not wait for long, nor for a thread that has yet to be. */
TEST(a_thread_that_is_being_started_is_left_behind)
{
    expect_it();
    CHECK_EQ(weft_run_with(leave_one_behind, NULL, .procs = 2), 0);
    CHECK_EQ(n_no_threads, 0);
}

static int note(void *n)
{
    return atomic_fetch_add((atomic_int *)n, 1);
}

/* Goal: a program whose runtime cannot have all its threads is told so, and has not begun. */
TEST(nothing_begins_before_all_threads_are_there)
{
    for (int procs = 1; procs <= 2; procs++)
        for (int n = 0; n <= procs + 1; n++) { /* the one that watches comes later */
            atomic_int n_runs = 0;
            allow(n);
            CHECK_EQ(weft_run_with(note, &n_runs, .procs = procs), n >= procs ? 0 : 125);
            CHECK_EQ(atomic_load(&n_runs), n >= procs);
        }
}

/* The same of one that is started for others, which has a thread that watches from the start. */
TEST(nothing_is_started_before_all_threads_are_there)
{
    for (int procs = 1; procs <= 2; procs++)
        for (int n = 0; n <= procs + 1; n++) {
            struct weft_config config = WEFT_CONFIG_INIT;
            struct weft_runtime *rt;
            config.procs = procs;
            allow(n);
            CHECK_EQ(weft_runtime_start(&rt, &config), n > procs ? 0 : -EAGAIN);
            if (n > procs)
                CHECK_EQ(weft_runtime_stop(rt), 0);
        }
}

static bool has_thread(const char *name)
{
    bool is_there = false;
    struct dirent *entry;
    DIR *dir = opendir("/proc/self/task");

    CHECK(dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        char path[300], comm[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *f = fopen(path, "r");
        if (f == NULL)
            continue;
        is_there |= fgets(comm, sizeof comm, f) != NULL && strcmp(comm, name) == 0;
        CHECK_EQ(fclose(f), 0);
    }
    CHECK_EQ(closedir(dir), 0);
    return is_there;
}

static int wait_until_watched(void *unused)
{
    (void)unused;
    while (atomic_load(&n_refused) < 3)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK(!has_thread("weft-watch\n"));
    atomic_store(&n_allowed, 1);
    while (!has_thread("weft-watch\n"))
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    return 0;
}

/* Goal: weft_run() that can have no thread to watch asks for it until it can. */
TEST(a_thread_that_watches_is_asked_for_again)
{
    atomic_store(&n_refused, 0);
    allow(1);
    CHECK_EQ(weft_run_with(wait_until_watched, NULL, .procs = 1), 0);
}

static _Atomic(struct weft_runtime *) to_be_stopped; /* the watch thread looks at it, too */

/* That of a relief processor, when all others have left and it is waited for alone. */
static int refuse_at_the_end(enum weft__call call)
{
    if (call != WEFT__CALL_THREAD)
        return 0;
    struct weft_runtime *rt = atomic_load(&to_be_stopped);
    uint32_t n;

    it_has_come();
    while ((n = atomic_load(&rt->n_running_ms)) != 1) /* who leaves wakes those who wait for that */
        (void)(weft__sys_futex_wait)(&rt->n_running_ms, n, INT64_MAX);
    usleep(20000); /* room to begin to wait for the last: nothing tells of it */
    return -EAGAIN;
}

static void compute(void *unused)
{
    (void)unused;
    while (atomic_load(&has_come) == 0)
        weft__cpu_relax();
}

static void do_nothing(void *unused)
{
    (void)unused;
}

/* Stops a runtime whose last thread is refused: was that named as one that keeps us waiting? */
static bool is_refusal_named(void)
{
    static char text[65536];
    int keep = dup(2), fd = memfd_create("stderr", 0);
    struct weft_runtime *rt;

    expect_it();
    weft__sys_fault = NULL;
    CHECK_EQ(weft_runtime_start(
                 &rt, &(struct weft_config){.size = sizeof(struct weft_config), .procs = 1}), 0);
    atomic_store(&to_be_stopped, rt);
    weft__sys_fault = refuse_at_the_end;
    for (int i = 0; i < 2; i++)
        CHECK_EQ(weft_runtime_go(rt, i == 0 ? compute : do_nothing, NULL), 0);
    wait_for_it();
    CHECK(keep >= 0 && fd >= 0 && dup2(fd, 2) == 2);
    CHECK_GE(weft_runtime_stop(rt), 0);
    CHECK_EQ(dup2(keep, 2), 2);
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    CHECK_GE(n, 0);
    text[n] = 0;
    close(fd);
    close(keep);
    return strstr(text, "is being stopped and waits") != NULL;
}

/* Goal: a stop that waits for a thread which then cannot be had goes on at once, and not when it
 * looks around, after a second.
 * Method: it says that it looks around.  On a machine that is busy it may have reason to. */
TEST(a_thread_that_is_refused_at_the_end_keeps_no_stop)
{
    int n_named = 0;

    while (n_named < 5 && is_refusal_named())
        n_named++;
    CHECK_LT(n_named, 5);
}
