/* SPDX-License-Identifier: MIT */
/*
 * blocking.c - weft_blocking() and the pool behind it, as include/weft/blocking.h promises them.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/sys.h"
#include "net_test.h"

static struct weft_stats stats_of(const struct weft_runtime *rt)
{
    struct weft_stats s = {.size = sizeof s};

    CHECK_EQ(weft_runtime_stats(rt, &s), 0);
    return s;
}

/* A gate in front of calls that shall block for as long as a test wants. */
struct gate {
    atomic_bool is_open;
    atomic_int n_inside;
};

static int stand(void *arg)
{
    struct gate *gate = arg;

    atomic_fetch_add(&gate->n_inside, 1);
    while (!atomic_load(&gate->is_open))
        usleep(200);
    return atomic_fetch_sub(&gate->n_inside, 1);
}

static int stand_in_pool(void *gate)
{
    CHECK_EQ(weft_blocking(stand, gate, NULL), 0);
    return 0;
}

static void await_inside(struct gate *gate, int n)
{
    while (atomic_load(&gate->n_inside) != n)
        CHECK_EQ(weft_sleep(100 * WEFT_US), 0);
}

static void await_queued(uint64_t n)
{
    while (stats_of(NULL).blocking_queued != n)
        CHECK_EQ(weft_sleep(100 * WEFT_US), 0);
}

static int thread_id(void *arg)
{
    (void)arg;
    return (int)syscall(SYS_gettid);
}

/* ---- the call ---- */

static int twice(void *arg)
{
    return 2 * *(int *)arg;
}

CO_TEST(the_result_comes_back)
{
    int v = 21, result = 0;

    CHECK_EQ(weft_blocking(twice, &v, &result), 0);
    CHECK_EQ(result, 42);
    CHECK_EQ(weft_blocking(twice, &v, NULL), 0);
    return 0;
}

CO_TEST(it_runs_on_a_thread_that_runs_no_coroutines)
{
    int result = 0;

    CHECK_EQ(weft_blocking(thread_id, NULL, &result), 0);
    CHECK_NE(result, thread_id(NULL));
    return 0;
}

static int signals_that_can_come(void *arg)
{
    sigset_t set;
    int n = 0;

    (void)arg;
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
    static const int asynchronous[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGALRM, SIGCHLD, SIGPROF};
    for (int i = 0; i < COUNT(asynchronous); i++)
        n += !sigismember(&set, asynchronous[i]);
    return n;
}

static int name_of_thread(void *name)
{
    return pthread_getname_np(pthread_self(), name, 16);
}

CO_TEST(its_threads_have_a_name_and_no_signals)
{
    char name[16] = "";
    int result = -1;

    CHECK_EQ(weft_blocking(signals_that_can_come, NULL, &result), 0);
    CHECK_EQ(result, 0);
    do /* the name is given from outside, right after the thread was started */
        CHECK_EQ(weft_blocking(name_of_thread, name, &result), 0);
    while (strcmp(name, "weft-job") != 0);
    return 0;
}

TEST(a_plain_thread_calls_by_itself)
{
    int result = 0;

    CHECK_EQ(weft_blocking(thread_id, NULL, &result), 0);
    CHECK_EQ(result, thread_id(NULL));
}

static int call_again(void *arg)
{
    int result = 0;

    CHECK(!weft_in_coroutine());
    CHECK_EQ(weft_blocking(thread_id, arg, &result), 0);
    return result == thread_id(NULL);
}

CO_TEST(a_call_from_inside_a_call_is_one_of_a_plain_thread)
{
    int result = 0;

    CHECK_EQ(weft_blocking(call_again, NULL, &result), 0);
    CHECK_EQ(result, 1);
    return 0;
}

/* ---- how many threads ---- */

enum { JOBS = 10000 };

static struct {
    atomic_int n_now, n_most, n_done;
} crowd;

static int work_a_little(void *arg)
{
    int n = atomic_fetch_add(&crowd.n_now, 1) + 1;

    for (int most = atomic_load(&crowd.n_most); n > most;)
        if (atomic_compare_exchange_weak(&crowd.n_most, &most, n))
            break;
    if ((intptr_t)arg % 64 == 0)
        sched_yield();
    atomic_fetch_sub(&crowd.n_now, 1);
    return (int)(intptr_t)arg;
}

static int call_and_compare(void *arg)
{
    int result = -1;

    CHECK_EQ(weft_blocking(work_a_little, arg, &result), 0);
    CHECK_EQ(result, (intptr_t)arg);
    atomic_fetch_add(&crowd.n_done, 1);
    return 0;
}

static int call_from_many(void *unused)
{
    static struct weft_co *co[JOBS];
    const int n = scaled(JOBS);

    (void)unused;
    for (int i = 0; i < n; i++)
        CHECK(co[i] = weft_go_with(call_and_compare, (void *)(intptr_t)i));
    for (int i = 0; i < n; i++)
        join(co[i]);
    CHECK_EQ(atomic_load(&crowd.n_done), n);
    CHECK_LE(atomic_load(&crowd.n_most), 4);
    const struct weft_stats s = stats_of(NULL);
    CHECK_EQ(s.blocking_calls, n);
    CHECK_EQ(s.blocking_queued, 0);
    CHECK_LE(s.blocking_peak, 4);
    CHECK_GE(s.blocking_peak, 1);
    return 0;
}

/* Goal: a pool of 4 carries out ten thousand jobs, each once, and never more than 4 at a time. */
TEST(ten_thousand_jobs_go_through_a_pool_of_four)
{
    CHECK_EQ(weft_run_with(call_from_many, NULL, .blocking_max = 4), 0);
}

static struct {
    pthread_mutex_t lock;
    pthread_cond_t all_here;
    int n;
} meeting = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};

enum { MEETING = 20 };

static int meet(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&meeting.lock);
    if (++meeting.n == MEETING)
        pthread_cond_broadcast(&meeting.all_here);
    while (meeting.n < MEETING)
        pthread_cond_wait(&meeting.all_here, &meeting.lock);
    pthread_mutex_unlock(&meeting.lock);
    return 0;
}

static int meet_in_pool(void *arg)
{
    return weft_blocking(meet, arg, NULL);
}

/* Goal: jobs that wait for each other all run, as long as the limit allows. */
CO_TEST(the_pool_grows_with_the_need)
{
    struct weft_co *co[MEETING];

    for (int i = 0; i < MEETING; i++)
        co[i] = weft_go_with(meet_in_pool, NULL);
    for (int i = 0; i < MEETING; i++)
        join(co[i]);
    CHECK_EQ(stats_of(NULL).blocking_peak, MEETING);
    return 0;
}

static int fill_up(void *expected)
{
    const int max = *(int *)expected, n = max + 5;
    struct gate gate = {.is_open = false};
    struct weft_co *co[16];

    for (int i = 0; i < n; i++)
        co[i] = weft_go_with(stand_in_pool, &gate);
    await_inside(&gate, max);
    await_queued(5);
    CHECK_EQ(stats_of(NULL).blocking_threads, max);
    atomic_store(&gate.is_open, true);
    for (int i = 0; i < n; i++)
        join(co[i]);
    CHECK_EQ(stats_of(NULL).blocking_peak, max);
    return 0;
}

TEST(the_limit_comes_from_the_environment_and_the_configuration_wins)
{
    int max = 3;

    setenv("WEFT_BLOCKING_MAX", "3", 1);
    CHECK_EQ(weft_run(fill_up, &max), 0);
    max = 2;
    CHECK_EQ(weft_run_with(fill_up, &max, .blocking_max = 2), 0);
}

static int call_seldom(void *unused)
{
    int v = 1, result;

    (void)unused;
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(weft_blocking(twice, &v, &result), 0);
        CHECK_EQ(stats_of(NULL).blocking_peak, 1);
        while (stats_of(NULL).blocking_threads != 0)
            CHECK_EQ(weft_sleep(WEFT_MS), 0);
    }
    CHECK_EQ(stats_of(NULL).blocking_calls, 3);
    return 0;
}

TEST(idle_threads_leave_and_come_back)
{
    CHECK_EQ(weft_run_with(call_seldom, NULL, .blocking_idle_ns = 20 * WEFT_MS), 0);
}

static int call_one_after_the_other(void *unused)
{
    int v = 1;

    (void)unused;
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(weft_blocking(twice, &v, NULL), 0);
    /* Mostly 1 or 2: a thread that has done its job may be on its way to the next one yet. */
    CHECK_LE(stats_of(NULL).blocking_peak, 10);
    return 0;
}

TEST(an_idle_thread_is_taken_before_a_new_one)
{
    CHECK_EQ(weft_run_with(call_one_after_the_other, NULL, .blocking_idle_ns = WEFT_NEVER), 0);
}

/* ---- scopes ---- */

static int note_call(void *was_called)
{
    atomic_store((atomic_bool *)was_called, true);
    return 0;
}

static int give_up_in_the_queue(void *unused)
{
    struct gate gate = {.is_open = false};
    struct weft_co *holder = weft_go_with(stand_in_pool, &gate);
    atomic_bool was_called = false;

    (void)unused;
    await_inside(&gate, 1);
    WEFT_DEADLINE (s, 20 * WEFT_MS) {
        CHECK_EQ(weft_blocking(note_call, &was_called, NULL), -ETIMEDOUT);
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
    }
    CHECK_EQ(stats_of(NULL).blocking_queued, 0);
    atomic_store(&gate.is_open, true);
    join(holder);
    CHECK_EQ(weft_blocking(stand, &gate, NULL), 0); /* comes after all that was queued */
    CHECK(!atomic_load(&was_called));
    return 0;
}

TEST(a_deadline_takes_a_job_out_of_the_queue)
{
    CHECK_EQ(weft_run_with(give_up_in_the_queue, NULL, .blocking_max = 1), 0);
}

static struct {
    atomic_bool has_begun, may_end;
} slow;

static int be_slow(void *arg)
{
    atomic_store(&slow.has_begun, true);
    while (!atomic_load(&slow.may_end))
        usleep(200);
    return (int)(intptr_t)arg;
}

static int let_it_end_late(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_sleep(30 * WEFT_MS), 0);
    atomic_store(&slow.may_end, true);
    return 0;
}

/* Goal: what has begun is waited for, and its result is given, however late.
 * Method: the deadline passes between the beginning and the end, unless the machine is so slow that
 * there is no beginning. */
CO_TEST(a_deadline_does_not_end_a_call_that_has_begun)
{
    struct weft_co *co = weft_go_with(let_it_end_late, NULL);
    int result = 0;

    WEFT_DEADLINE (s, 10 * WEFT_MS) {
        int rc = weft_blocking(be_slow, (void *)5, &result);
        CHECK_EQ(rc, atomic_load(&slow.has_begun) ? 0 : -ETIMEDOUT);
        CHECK_EQ(result, rc == 0 ? 5 : 0);
        CHECK_EQ(weft_scope_cause(&s), rc == 0 ? WEFT_CAUSE_NONE : WEFT_CAUSE_THIS);
    }
    join(co);
    return 0;
}

CO_TEST(nothing_is_called_in_a_scope_that_has_ended)
{
    atomic_bool was_called = false;

    WEFT_DEADLINE (s, 0)
        CHECK_EQ(weft_blocking(note_call, &was_called, NULL), -ETIMEDOUT);
    CHECK(!atomic_load(&was_called));
    CHECK_EQ(stats_of(NULL).blocking_calls, 0);
    return 0;
}

/* ---- others go on ---- */

static int sleep_often(void *unused)
{
    (void)unused;
    for (int i = 0; i < 100; i++)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    return 0;
}

static int sleep_beside_hogs(void *unused)
{
    struct gate gate = {.is_open = false};
    struct weft_co *hogs[16], *sleepers[50];

    (void)unused;
    for (int i = 0; i < COUNT(hogs); i++)
        hogs[i] = weft_go_with(stand_in_pool, &gate);
    await_inside(&gate, COUNT(hogs));
    for (int i = 0; i < COUNT(sleepers); i++)
        sleepers[i] = weft_go_with(sleep_often, NULL);
    for (int i = 0; i < COUNT(sleepers); i++)
        join(sleepers[i]); /* the gate is closed: nobody waited for a hog */
    CHECK_EQ(atomic_load(&gate.n_inside), COUNT(hogs));
    const struct weft_stats s = stats_of(NULL);
    CHECK_EQ(s.blocking_running, COUNT(hogs));
    CHECK_EQ(s.blocking_threads, COUNT(hogs));
    atomic_store(&gate.is_open, true);
    for (int i = 0; i < COUNT(hogs); i++)
        join(hogs[i]);
    return 0;
}

/* Goal: calls that block take no processor: sleepers beside them sleep as they asked to. */
TEST(calls_that_block_do_not_delay_sleepers)
{
    CHECK_EQ(weft_run_with(sleep_beside_hogs, NULL, .procs = 1), 0);
    CHECK_EQ(weft_run_with(sleep_beside_hogs, NULL, .procs = 2), 0);
}

/* ---- the stop ---- */

static void stand_plainly(void *gate)
{
    CHECK_EQ(weft_blocking(stand, gate, NULL), 1); /* does not return: it is discarded */
}

struct opener {
    struct weft_runtime *rt;
    struct gate *gate;
};

/* Once no coroutine can run any more; and a stop that does not wait has time to come back. */
static void *open_when_closed(void *arg)
{
    const struct opener *o = arg;

    while (atomic_load(&o->rt->n_running_ms) != 0)
        usleep(200);
    usleep(20000);
    atomic_store(&o->gate->is_open, true);
    return NULL;
}

static void stop_with_jobs(int n_running, int n_queued)
{
    struct weft_config config = WEFT_CONFIG_INIT;
    struct weft_runtime *rt;
    struct gate gate = {.is_open = false};
    pthread_t th;

    config.blocking_max = n_running;
    CHECK_EQ(weft_runtime_start(&rt, &config), 0);
    for (int i = 0; i < n_running + n_queued; i++)
        CHECK_EQ(weft_runtime_go(rt, stand_plainly, &gate), 0);
    while (atomic_load(&gate.n_inside) != n_running ||
           stats_of(rt).blocking_queued != (uint64_t)n_queued)
        sched_yield();
    struct opener opener = {rt, &gate};
    CHECK_EQ(pthread_create(&th, NULL, open_when_closed, &opener), 0);
    CHECK_EQ(weft_runtime_stop(rt), n_running + n_queued);
    CHECK(atomic_load(&gate.is_open)); /* it has waited for those that had begun */
    CHECK_EQ(atomic_load(&gate.n_inside), 0);
    CHECK_EQ(pthread_join(th, NULL), 0);
}

/* Goal: a stop waits for the calls that have begun, whose argument and result lie on stacks that it
 * frees; those in the queue never begin. */
TEST(a_stop_waits_for_calls_that_have_begun_and_drops_the_others)
{
    stop_with_jobs(3, 0);
    stop_with_jobs(3, 20);
    stop_with_jobs(1, 1);
}

static int call_some(void *arg)
{
    struct weft_co *co[8];

    for (int i = 0; i < COUNT(co); i++)
        co[i] = weft_go_with(call_and_compare, (void *)(intptr_t)i);
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
    (void)arg;
    return 0;
}

/* Goal: whoever starts and stops runtimes keeps no thread and no descriptor of them, whether the
 * pool's threads were idle, at work, or about to leave by themselves. */
TEST(a_hundred_lives_with_jobs_leave_nothing)
{
    struct weft_config config = WEFT_CONFIG_INIT;

    CHECK_EQ(weft_run_with(call_some, NULL, .procs = 2), 0);
    usleep(100000); /* a thread that was joined counts until the kernel has put it away */
    const int threads = weft__sys_thread_count(), fds = open_fds();
    for (int i = 0; i < scaled(100); i++) {
        struct weft_runtime *rt;
        int result;
        config.procs = 1 + i % 3;
        config.blocking_idle_ns = i % 2 ? 1 : 0;
        CHECK_EQ(weft_runtime_start(&rt, &config), 0);
        CHECK_EQ(weft_block_on(rt, call_some, NULL, &result), 0);
        CHECK_EQ(weft_runtime_stop(rt), 0);
    }
    while (weft__sys_thread_count() > threads)
        usleep(100);
    CHECK_EQ(open_fds(), fds);
}

/* ---- what is seen of it ---- */

/* Returns the dump; the caller frees it. */
static char *take_dump(void)
{
    char *text = calloc(1, 65536);
    FILE *f = tmpfile();

    CHECK(f != NULL && text != NULL);
    CHECK_GE(weft_dump(fileno(f)), 1);
    rewind(f);
    CHECK_GT(fread(text, 1, 65535, f), 0);
    fclose(f);
    return text;
}

static int look_at_the_dump(void *unused)
{
    struct gate gate = {.is_open = false};
    struct weft_co *first = weft_go_with(stand_in_pool, &gate, .name = "first");

    (void)unused;
    await_inside(&gate, 1);
    struct weft_co *second = weft_go_with(stand_in_pool, &gate, .name = "second");
    await_queued(1);
    char *text = take_dump();
    CHECK(strstr(text, "\nblocking calls: 1 running, 1 queued, 1 threads, 1 at most so far, 1 "
                       "allowed\n") != NULL);
    const char *at = strstr(text, "\"first\"");
    CHECK(at != NULL && strncmp(at, "\"first\" waits: blocking call of stand", 37) == 0);
    CHECK(strstr(at, "waits at stand_in_pool") != NULL);
    CHECK(strstr(text, "\"second\" waits: blocking call of stand") != NULL);
    free(text);
    atomic_store(&gate.is_open, true);
    join(first);
    join(second);
    return 0;
}

TEST(the_dump_shows_the_pool_and_what_is_called)
{
    CHECK_EQ(weft_run_with(look_at_the_dump, NULL, .blocking_max = 1), 0);
}

static int own_name(void *name)
{
    return prctl(PR_GET_NAME, (unsigned long)name);
}

/* Goal: a thread of the pool is started and has its name though no fd is to be had: whoever starts
 * one shall not hold a number, however shortly, that the program has just given back. */
CO_TEST(a_thread_is_started_without_an_fd)
{
    struct rlimit all, none;
    char name[16] = "";
    int rc = -1;

    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &all), 0);
    none = all;
    none.rlim_cur = 0;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    CHECK_EQ(weft_blocking(own_name, name, &rc), 0);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &all), 0);
    CHECK_EQ(rc, 0);
    CHECK_STR(name, "weft-job");
    return 0;
}
