/* SPDX-License-Identifier: MIT */
/*
 * outside.c - weft_blocking_enter() and leave, as include/weft/blocking.h promises them.
 *
 * matrix: short
 */
#include <fenv.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "co_test.h"
#include "sched/lookout.h"

/* Never inlined: a coroutine may be on another thread after each call that can switch. */
__attribute__((noinline)) static long this_thread(void)
{
    return syscall(SYS_gettid);
}

static struct weft_stats stats_now(void)
{
    struct weft_stats s = {.size = sizeof s};

    CHECK_EQ(weft_runtime_stats(NULL, &s), 0);
    return s;
}

static int set_flag(void *flag)
{
    atomic_store((atomic_bool *)flag, true);
    return 0;
}

static void await_flag(atomic_bool *flag)
{
    while (!atomic_load(flag))
        usleep(100);
}

static int wait_outside(void *unused)
{
    atomic_bool is_set = false;
    struct weft_co *co = weft_go_with(set_flag, &is_set);

    (void)unused;
    WEFT_BLOCKING
    await_flag(&is_set);
    CHECK(weft_in_coroutine());
    join(co);
    return 0;
}

/* Goal: the processor of one who is outside goes on with others.
 * Method: there is one, and what is waited for without a call of Weft is done by a coroutine that
 * has not begun. */
TEST(others_go_on_while_one_is_outside)
{
    atomic_store(&weft__lookout_serves, false); /* a relief processor would do it as well */
    CHECK_EQ(weft_run_with(wait_outside, NULL, .procs = 1), 0);
    CHECK_EQ(weft_run_with(wait_outside, NULL, .procs = 2), 0);
}

static int check_all_is_as_before(void *unused)
{
    const uint64_t id = weft_id();

    (void)unused;
    for (int i = 0; i < 20; i++) {
        const long thread = this_thread();
        struct weft_g *self = weft_self();
        weft_blocking_enter();
        CHECK_EQ(this_thread(), thread);
        usleep(100);
        CHECK_EQ(this_thread(), thread);
        weft_blocking_leave();
        CHECK_EQ(weft_id(), id);
        CHECK_EQ(weft_self(), self);
        CHECK_GE(weft_thread_index(), 0);
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
        weft_yield();
    }
    return 0;
}

CO_TEST(back_inside_it_is_the_coroutine_that_it_was)
{
    struct weft_co *co[5];

    for (int i = 0; i < COUNT(co); i++)
        co[i] = weft_go_with(check_all_is_as_before, NULL);
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
    return 0;
}

/* Goal: one who comes back queues for its turn: that is one more switch. */
CO_TEST_ON_ONE(each_return_is_a_switch)
{
    const struct weft_stats a = stats_now();

    for (int i = 0; i < 10; i++)
        WEFT_BLOCKING
        usleep(100);
    const struct weft_stats b = stats_now();
    CHECK_EQ((b.switches - b.parks) - (a.switches - a.parks), 10);
    return 0;
}

static int return_one(void *arg)
{
    (void)arg;
    return 1;
}

static void be_a_plain_thread(struct weft_runtime *rt, struct weft_wait_group *wg, chan *ch)
{
    struct weft_stats s = {.size = sizeof s};
    const long thread = this_thread();
    int result = 0, v = 5;

    CHECK(!weft_in_coroutine());
    CHECK_EQ(weft_id(), 0);
    CHECK(weft_self() == NULL);
    CHECK_EQ(weft_thread_index(), -1);
    CHECK_EQ(weft_runtime_stats(NULL, &s), -EINVAL);
    CHECK_EQ(weft_runtime_stats(rt, &s), 0);
    CHECK_EQ(s.outside, 1);
    CHECK_EQ(weft_runtime_stop(rt), -EDEADLK);
    CHECK_EQ(weft_chan_send_foreign(ch, &v, WEFT_NEVER), 0);
    CHECK_EQ(weft_blocking(return_one, NULL, &result), 0);
    CHECK_EQ(result, 1);
    result = 0;
    CHECK_EQ(weft_block_on(rt, return_one, NULL, &result), 0);
    CHECK_EQ(result, 1);
    weft_wg_done(wg);
    CHECK_EQ(weft_wg_wait(wg), 0);
    CHECK_EQ(this_thread(), thread);
}

static int receive_five(void *ch)
{
    int v = 0;

    CHECK_EQ(chan_recv(ch, &v), 0);
    CHECK_EQ(v, 5);
    return 0;
}

static int wait_for_group(void *wg)
{
    return weft_wg_wait(wg);
}

/* Goal: outside, the caller is a plain thread: what those may do works, on objects that were biased
 * to the processor, too. */
CO_TEST(outside_is_a_plain_thread)
{
    chan *ch = chan_make(sizeof(int), 0);
    struct weft_wait_group *wg = weft_wg_make();
    struct weft_co *receiver = weft_go_with(receive_five, ch);
    struct weft_co *waiter = weft_go_with(wait_for_group, wg);
    struct weft_runtime *rt = weft_runtime_current();

    weft_wg_add(wg, 1);
    yield_often(4);
    WEFT_BLOCKING
    be_a_plain_thread(rt, wg, ch);
    join(receiver);
    join(waiter);
    chan_unref(ch);
    weft_wg_free(wg);
    return 0;
}

static int leave_by_return(void)
{
    WEFT_BLOCKING
    return weft_in_coroutine();
    return -1;
}

CO_TEST(the_block_is_left_however_it_is_left)
{
    int n = 0;

    CHECK_EQ(leave_by_return(), 0);
    CHECK(weft_in_coroutine());
    WEFT_BLOCKING
    {
        if (!weft_in_coroutine())
            break;
        n = -1;
    }
    CHECK(weft_in_coroutine());
    WEFT_BLOCKING
    {
        n++;
        goto out;
    }
out:
    CHECK(weft_in_coroutine());
    WEFT_BLOCKING
    n++;
    CHECK_EQ(n, 2);
    CHECK(weft_in_coroutine());
    return 0;
}

CO_TEST(of_nested_pairs_the_outermost_counts)
{
    weft_blocking_enter();
    weft_blocking_enter();
    CHECK(!weft_in_coroutine());
    weft_blocking_leave();
    CHECK(!weft_in_coroutine());
    weft_blocking_leave();
    CHECK(weft_in_coroutine());
    return 0;
}

TEST(on_a_plain_thread_nothing_happens)
{
    int n = 0;

    WEFT_BLOCKING
    n++;
    weft_blocking_leave();
    CHECK_EQ(n, 1);
}

static int stay_on_thread(void *unused)
{
    const long thread = this_thread();

    (void)unused;
    for (int i = 0; i < 20; i++) {
        WEFT_BLOCKING
        {
            CHECK(!weft_in_coroutine());
            usleep(100);
        }
        CHECK_EQ(this_thread(), thread);
        CHECK_EQ(weft_sleep(100 * WEFT_US), 0);
        CHECK_EQ(this_thread(), thread);
    }
    return 0;
}

static int come_and_go(void *unused)
{
    (void)unused;
    for (int i = 0; i < 20; i++) {
        WEFT_BLOCKING
        usleep(100);
        weft_yield();
    }
    return 0;
}

/* Goal: a pinned coroutine keeps its thread, whether it goes outside or others on its processor do;
 * the processor waits then, and goes on. */
CO_TEST(a_pinned_coroutine_keeps_its_thread)
{
    struct weft_co *co[8];

    for (int i = 0; i < COUNT(co); i++)
        co[i] = weft_go_with(i % 2 ? come_and_go : stay_on_thread, NULL, .pinned = i % 2 == 0,
                             .on_p = WEFT_ON_P(i / 2 % weft_runtime_procs(NULL)));
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
    return 0;
}

static int tell_rounding(void *unused)
{
    (void)unused;
    return fegetround();
}

static int round_up(void *unused)
{
    int result = -1;

    (void)unused;
    CHECK_EQ(fesetround(FE_UPWARD), 0);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(fegetround(), FE_UPWARD);
        WEFT_BLOCKING
        {
            CHECK_EQ(fegetround(), FE_UPWARD);
            usleep(50);
        }
        CHECK_EQ(fegetround(), FE_UPWARD);
        CHECK_EQ(weft_blocking(tell_rounding, NULL, &result), 0);
        CHECK_EQ(result, FE_TONEAREST); /* the threads are everybody's */
    }
    return 0;
}

static int round_as_ever(void *unused)
{
    (void)unused;
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(fegetround(), FE_TONEAREST);
        WEFT_BLOCKING
        usleep(50);
        CHECK_EQ(fegetround(), FE_TONEAREST);
    }
    return 0;
}

CO_TEST(a_floating_point_environment_of_its_own_goes_with_it)
{
    struct weft_co *co[8];

    for (int i = 0; i < COUNT(co); i++)
        co[i] = weft_go_with(i % 2 ? round_up : round_as_ever, NULL, .own_fp = i % 2);
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
    return 0;
}

static int stand_outside(void *flag)
{
    WEFT_BLOCKING
    await_flag(flag);
    return 0;
}

static int sleep_often(void *unused)
{
    (void)unused;
    for (int i = 0; i < 100; i++)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    return 0;
}

static int sleep_beside_hogs(void *unused)
{
    atomic_bool is_set = false;
    struct weft_co *hogs[16], *sleepers[50];

    (void)unused;
    for (int i = 0; i < COUNT(hogs); i++)
        hogs[i] = weft_go_with(stand_outside, &is_set);
    while (stats_now().outside != COUNT(hogs))
        weft_yield();
    const int64_t start = weft_now();
    for (int i = 0; i < COUNT(sleepers); i++)
        sleepers[i] = weft_go_with(sleep_often, NULL);
    for (int i = 0; i < COUNT(sleepers); i++)
        join(sleepers[i]); /* it is not set: nobody waited for a hog */
    CHECK_LE(weft_now() - start, 10 * WEFT_SEC * test_scale());
    CHECK_EQ(stats_now().outside, COUNT(hogs));
    atomic_store(&is_set, true);
    for (int i = 0; i < COUNT(hogs); i++)
        join(hogs[i]);
    return 0;
}

/* Goal: however many are outside, sleepers sleep no longer than beside nobody. */
TEST(those_outside_do_not_delay_sleepers)
{
    CHECK_EQ(weft_run_with(sleep_beside_hogs, NULL, .procs = 1), 0);
    CHECK_EQ(weft_run_with(sleep_beside_hogs, NULL, .procs = 2), 0);
}

static int two_with_a_limit_of_one(void *unused)
{
    atomic_bool is_set = false;
    struct weft_co *first = weft_go_with(stand_outside, &is_set);

    (void)unused;
    while (stats_now().outside != 1)
        weft_yield();
    WEFT_BLOCKING
    {
        struct weft_stats s = {.size = sizeof s};
        CHECK(!weft_in_coroutine());
        CHECK_EQ(weft_runtime_stats(NULL, &s), -EINVAL);
    }
    CHECK_EQ(stats_now().outside, 1);
    atomic_store(&is_set, true);
    join(first);
    CHECK_EQ(stats_now().outside, 0);
    return 0;
}

/* Goal: no more threads are started for those outside than there may be; who is too many keeps his
 * processor, and all else is the same. */
TEST(beyond_the_limit_the_processor_stays)
{
    CHECK_EQ(weft_run_with(two_with_a_limit_of_one, NULL, .blocking_max = 1), 0);
}

/* --- the stop */

static atomic_bool may_come_back;
static atomic_int n_outside;

static void go_outside(void *arg)
{
    (void)arg;
    weft_blocking_enter();
    atomic_fetch_add(&n_outside, 1);
    await_flag(&may_come_back);
    atomic_fetch_sub(&n_outside, 1);
    weft_blocking_leave();
    CHECK(false); /* it is discarded there */
}

static void *call_back(void *unused)
{
    (void)unused;
    usleep(20000);
    atomic_store(&may_come_back, true);
    return NULL;
}

TEST(a_stop_waits_for_those_who_are_outside)
{
    for (int round = 0; round < 10; round++) {
        struct weft_config config = WEFT_CONFIG_INIT;
        struct weft_runtime *rt;
        pthread_t th;

        config.procs = 1 + round % 3;
        atomic_store(&may_come_back, false);
        CHECK_EQ(weft_runtime_start(&rt, &config), 0);
        for (int i = 0; i < 4; i++)
            CHECK_EQ(weft_runtime_go(rt, go_outside, NULL), 0);
        while (atomic_load(&n_outside) != 4)
            sched_yield();
        CHECK_EQ(pthread_create(&th, NULL, call_back, NULL), 0);
        CHECK_EQ(weft_runtime_stop(rt), 4);
        CHECK_EQ(atomic_load(&n_outside), 0);
        CHECK_EQ(pthread_join(th, NULL), 0);
    }
}

CO_TEST(a_child_can_be_forked_outside)
{
    int status = -1;

    WEFT_BLOCKING
    {
        const pid_t pid = fork();
        if (pid == 0)
            _exit(7);
        CHECK_EQ(waitpid(pid, &status, 0), pid);
    }
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    return 0;
}
