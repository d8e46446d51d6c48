/* SPDX-License-Identifier: MIT */
/*
 * limit.c - a limit on coroutines: who is refused, who waits and in which order, what ends such a
 * wait, and that no place is lost or made.
 *
 * matrix: short
 */
#include "co_test.h"

#include <pthread.h>

static void run_limited(int (*app)(void *), int max, enum weft_at_max at_max)
{
    struct weft_config config = WEFT_CONFIG_INIT;

    config.coroutines_max = max;
    config.at_max = at_max;
    CHECK_EQ(weft_run_config(app, NULL, &config), 0);
}

/* The body is the first of `max` coroutines. */
#define LIMIT_TEST(id, max, at_max)                                                                \
    static int in_##id(void *unused);                                                              \
    TEST(id)                                                                                       \
    {                                                                                              \
        run_limited(in_##id, max, at_max);                                                         \
    }                                                                                              \
    static int in_##id(void *unused __attribute__((unused)))

static struct weft_stats stats_of(struct weft_runtime *rt)
{
    struct weft_stats s = {.size = sizeof s};

    CHECK_EQ(weft_runtime_stats(rt, &s), 0);
    return s;
}

/* Until n wait for a place. */
static void wait_for_line(struct weft_runtime *rt, uint64_t n)
{
    while (stats_of(rt).spawns_waiting != n)
        if (weft_in_coroutine())
            (void)weft_sleep(100 * WEFT_US);
        else
            usleep(100);
}

static chan *gate; /* closed: those who stay leave */

static void open_gate(void)
{
    gate = chan_make(0, 0);
    CHECK(gate != NULL);
}

static int stay(void *arg)
{
    (void)arg;
    return chan_recv(gate, NULL) == -EPIPE ? 0 : -1;
}

static void stay_plainly(void *arg)
{
    (void)stay(arg);
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void do_plainly_nothing(void *arg)
{
    (void)arg;
}

/* At a limit that waits: without waiting. */
static int try_go(void (*fn)(void *), void *arg)
{
    int rc = -1;

    WEFT_DEADLINE (s, -1)
        rc = weft_go(fn, arg);
    return rc;
}

/* How many more there may be. */
static int count_free(void)
{
    struct weft_co *co[100];
    int n = 0, error = 0;

    open_gate();
    WEFT_DEADLINE (s, -1)
        while (n < COUNT(co) && (co[n] = weft_go_with(stay, NULL, .error = &error)) != NULL)
            n++;
    CHECK(error == -ETIMEDOUT || error == -EAGAIN);
    chan_close(gate);
    for (int i = 0; i < n; i++)
        join(co[i]);
    chan_unref(gate);
    return n;
}

/* ---- refused ---- */

LIMIT_TEST(at_the_limit_every_form_of_go_is_refused, 3, WEFT_AT_MAX_REFUSE)
{
    struct weft_co *co[2];
    int error = 0;

    open_gate();
    for (int i = 0; i < 2; i++)
        co[i] = weft_go_with(stay, NULL);
    CHECK_EQ(weft_go(do_plainly_nothing, NULL), -EAGAIN);
    CHECK(weft_go_with(do_nothing, NULL, .error = &error) == NULL);
    CHECK_EQ(error, -EAGAIN);
    CHECK(weft_go_with(do_nothing, NULL) == NULL);
    CHECK_EQ(weft_runtime_go(weft_runtime_current(), do_plainly_nothing, NULL), -EAGAIN);
    WEFT_GROUP (g) {
        struct weft_co *handle;
        CHECK_EQ(weft_group_go(&g, do_nothing, NULL), -EAGAIN);
        CHECK_EQ(weft_group_go(&g, do_nothing, NULL, .handle = &handle), -EAGAIN);
        CHECK_EQ(weft_group_try_go(&g, do_nothing, NULL), -EAGAIN);
        CHECK_EQ(weft_group_count(&g), 0);
    }
    CHECK_EQ(stats_of(NULL).coroutines_max, 3);
    CHECK_EQ(stats_of(NULL).live, 3);
    CHECK_EQ(stats_of(NULL).spawns_waiting, 0);
    chan_close(gate);
    for (int i = 0; i < 2; i++)
        join(co[i]);
    chan_unref(gate);
    CHECK_EQ(count_free(), 2);
    return 0;
}

static int leave_early(void *arg)
{
    weft_exit(arg == NULL ? 0 : 1);
}

/* Goal: whoever knows of an end, by a join or by a group, finds the place free: also of one that
 * was pinned, or left by weft_exit(). */
LIMIT_TEST(the_place_of_one_that_has_ended_is_free, 2, WEFT_AT_MAX_REFUSE)
{
    for (int i = 0; i < scaled(500); i++) {
        int (*fn)(void *) = i % 2 ? leave_early : do_nothing;
        struct weft_co *co = weft_go_with(fn, NULL, .pinned = i % 3 == 0);
        CHECK(co != NULL);
        join(co);
        WEFT_GROUP (g)
            CHECK_EQ(weft_group_go(&g, fn, NULL), 0);
    }
    CHECK_EQ(count_free(), 1);
    return 0;
}

static int fail_twice(void *n)
{
    CHECK_EQ(weft_go(do_plainly_nothing, NULL), -EAGAIN);
    return ++*(int *)n < 3 ? -EIO : 0;
}

LIMIT_TEST(a_child_keeps_its_place_over_its_restarts, 2, WEFT_AT_MAX_REFUSE)
{
    int n = 0;

    WEFT_GROUP (g)
        CHECK_EQ(weft_group_go(&g, fail_twice, &n, .restarts = 5, .backoff_ns = 1), 0);
    CHECK_EQ(n, 3);
    CHECK_EQ(count_free(), 1);
    return 0;
}

/* ---- in line ---- */

#define N_IN_LINE 6

static atomic_int n_coming, n_came, turn;
static int came[N_IN_LINE];

static void come(void *k)
{
    came[atomic_fetch_add(&n_coming, 1)] = (int)(intptr_t)k;
    atomic_fetch_add(&n_came, 1);
}

static int start_one(void *k)
{
    while (atomic_load(&turn) != (int)(intptr_t)k)
        weft_yield();
    CHECK_EQ(weft_go(come, k), 0);
    return stay(NULL);
}

static int hold(void *held)
{
    return chan_recv(held, NULL) == -EPIPE ? 0 : -1;
}

/* Goal: those who wait get their places in the order in which they came.
 * Method: there is one place, which goes from hand to hand: each that has it tells who it is. */
LIMIT_TEST(the_oldest_who_waits_gets_the_place, N_IN_LINE + 2, WEFT_AT_MAX_WAIT)
{
    struct weft_co *co[N_IN_LINE];
    chan *held = chan_make(0, 0);

    open_gate();
    struct weft_co *holder = weft_go_with(hold, held);
    atomic_store(&turn, -1);
    for (int i = 0; i < N_IN_LINE; i++)
        co[i] = weft_go_with(start_one, (void *)(intptr_t)i);
    for (int i = 0; i < N_IN_LINE; i++) {
        atomic_store(&turn, i);
        wait_for_line(NULL, (uint64_t)i + 1);
    }
    CHECK_EQ(atomic_load(&n_came), 0);
    chan_close(held);
    join(holder);
    while (atomic_load(&n_came) < N_IN_LINE)
        (void)weft_sleep(100 * WEFT_US);
    for (int i = 0; i < N_IN_LINE; i++)
        CHECK_EQ(came[i], i);
    chan_close(gate);
    for (int i = 0; i < N_IN_LINE; i++)
        join(co[i]);
    chan_unref(gate);
    chan_unref(held);
    while (stats_of(NULL).live > 1) /* the last who came may still be there */
        (void)weft_sleep(100 * WEFT_US);
    CHECK_EQ(count_free(), N_IN_LINE + 1);
    return 0;
}

static int start_and_tell(void *rc)
{
    struct weft_co *co = weft_go_with(do_nothing, NULL, .error = rc);

    WEFT_SHIELD (s, WEFT_NEVER)
        if (co != NULL)
            join(co);
    return 0;
}

LIMIT_TEST(a_deadline_or_a_cancel_ends_the_wait_for_a_place, 3, WEFT_AT_MAX_WAIT)
{
    int rc = 0;

    open_gate();
    struct weft_co *holder = weft_go_with(stay, NULL);
    struct weft_co *starter = weft_go_with(start_and_tell, &rc);
    wait_for_line(NULL, 1);
    CHECK_EQ(try_go(do_plainly_nothing, NULL), -ETIMEDOUT);
    WEFT_DEADLINE (s, WEFT_MS) {
        CHECK_EQ(weft_go(do_plainly_nothing, NULL), -ETIMEDOUT);
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
    }
    WEFT_GROUP (g) {
        CHECK_EQ(weft_group_try_go(&g, do_nothing, NULL), -EAGAIN);
        WEFT_DEADLINE (s, WEFT_MS)
            CHECK_EQ(weft_group_go(&g, do_nothing, NULL), -ETIMEDOUT);
        WEFT_DEADLINE (s, WEFT_MS)
            CHECK_EQ(weft_group_go(&g, do_nothing, NULL, .name = "child"), -ETIMEDOUT);
    }
    WEFT_DEADLINE (s, WEFT_MS)
        CHECK_EQ(weft_runtime_go(weft_runtime_current(), do_plainly_nothing, NULL), -ETIMEDOUT);
    weft_cancel(starter);
    join(starter);
    CHECK_EQ(rc, -ECANCELED);
    chan_close(gate);
    join(holder);
    chan_unref(gate);
    CHECK_EQ(stats_of(NULL).spawns_waiting, 0);
    CHECK_EQ(count_free(), 2);
    return 0;
}

static int start_in_turn(void *rc)
{
    while (atomic_load(&turn) == 0)
        weft_yield();
    return start_and_tell(rc);
}

static int cancel_and_end(void *starter)
{
    while (stats_of(NULL).spawns_waiting == 0)
        weft_yield();
    weft_cancel(starter);
    return 0;
}

/* Goal: a place is free where the only one who waits for it is on his way out.
 * Method: whoever cancels him ends at once: both are on one processor, so that the other one waits
 * by then, and has not run again. */
LIMIT_TEST(a_place_is_not_given_to_one_who_was_cancelled, 3, WEFT_AT_MAX_WAIT)
{
    int rc = 0;

    atomic_store(&turn, 0);
    struct weft_co *starter = weft_go_with(start_in_turn, &rc, .pinned = 1, .on_p = WEFT_ON_P(0));
    struct weft_co *canceller =
        weft_go_with(cancel_and_end, starter, .pinned = 1, .on_p = WEFT_ON_P(0));
    atomic_store(&turn, 1);
    join(canceller);
    join(starter);
    CHECK_EQ(rc, -ECANCELED);
    CHECK_EQ(count_free(), 2);
    return 0;
}

static int start_another(void *group)
{
    return weft_group_go(group, do_nothing, NULL);
}

/* Goal: the cancel of a group reaches a child that waits for a place to start another one in there:
 * it is in two scopes of the group's. */
LIMIT_TEST(a_cancel_reaches_a_child_that_waits_for_a_place, 2, WEFT_AT_MAX_WAIT)
{
    WEFT_GROUP (g) {
        CHECK_EQ(weft_group_go(&g, start_another, &g), 0);
        wait_for_line(NULL, 1);
        weft_group_cancel(&g);
        CHECK_EQ(weft_group_wait(&g), -ECANCELED);
    }
    CHECK_EQ(stats_of(NULL).spawns_waiting, 0);
    CHECK_EQ(count_free(), 1);
    return 0;
}

static void *cancel_on_a_thread(void *co)
{
    weft_cancel(co);
    return NULL;
}

/* Goal: a place comes and a cancel at the same moment: whoever wins, the place is not lost. */
LIMIT_TEST(of_a_place_and_a_cancel_at_once_one_wins_and_no_place_is_lost, 3, WEFT_AT_MAX_WAIT)
{
    for (int i = 0; i < scaled(200); i++) {
        int rc = 0;
        pthread_t th;
        open_gate();
        struct weft_co *holder = weft_go_with(stay, NULL);
        struct weft_co *starter = weft_go_with(start_and_tell, &rc);
        wait_for_line(NULL, 1);
        CHECK_EQ(pthread_create(&th, NULL, cancel_on_a_thread, starter), 0);
        chan_close(gate);
        CHECK_EQ(pthread_join(th, NULL), 0);
        join(holder);
        join(starter);
        CHECK(rc == 0 || rc == -ECANCELED);
        chan_unref(gate);
        CHECK_EQ(count_free(), 2);
    }
    return 0;
}

#define N_STRESS_MAX 10

static atomic_int n_running, n_done;

static void grow(void *levels)
{
    int n = atomic_fetch_add(&n_running, 1) + 1;

    CHECK_LE(n, N_STRESS_MAX - 1); /* and the first one */
    atomic_fetch_add(&n_done, 1);
    for (int i = 0; i < 2 && (intptr_t)levels > 0; i++) {
        int rc = -1;
        WEFT_DEADLINE (s, i == 0 ? 20 * WEFT_US : -1)
            rc = weft_go(grow, (void *)((intptr_t)levels - 1));
        CHECK(rc == 0 || rc == -ETIMEDOUT);
    }
    atomic_fetch_sub(&n_running, 1);
}

/* Goal: never more run than may, whoever waits, gives up or gets a place; and all come back. */
LIMIT_TEST(many_who_start_many_keep_the_limit, N_STRESS_MAX, WEFT_AT_MAX_WAIT)
{
    for (int i = 0; i < scaled(2000); i++) {
        CHECK_EQ(weft_go(grow, (void *)6), 0);
        if (i % 100 == 0)
            weft_yield();
    }
    while (stats_of(NULL).live > 1)
        (void)weft_sleep(WEFT_MS);
    CHECK_GE(atomic_load(&n_done), scaled(2000));
    CHECK_EQ(count_free(), N_STRESS_MAX - 1);
    return 0;
}

/* ---- from outside ---- */

static struct weft_runtime *start_limited(int max, enum weft_at_max at_max)
{
    struct weft_config config = WEFT_CONFIG_INIT;
    struct weft_runtime *rt;

    config.coroutines_max = max;
    config.at_max = at_max;
    CHECK_EQ(weft_runtime_start(&rt, &config), 0);
    return rt;
}

TEST(a_plain_thread_is_refused)
{
    struct weft_runtime *rt = start_limited(1, WEFT_AT_MAX_REFUSE);

    open_gate();
    CHECK_EQ(weft_runtime_go(rt, stay_plainly, NULL), 0);
    CHECK_EQ(weft_runtime_go(rt, stay_plainly, NULL), -EAGAIN);
    CHECK_EQ(weft_block_on(rt, do_nothing, NULL, NULL), -EAGAIN);
    chan_close(gate);
    while (stats_of(rt).live > 0)
        usleep(100);
    CHECK_EQ(weft_block_on(rt, do_nothing, NULL, NULL), 0);
    CHECK_EQ(weft_runtime_stop(rt), 0);
    chan_unref(gate);
}

struct outside {
    struct weft_runtime *rt;
    bool blocks_on;
    int rc;
};

static void *start_outside(void *arg)
{
    struct outside *o = arg;

    o->rc = o->blocks_on ? weft_block_on(o->rt, do_nothing, NULL, NULL)
                         : weft_runtime_go(o->rt, do_plainly_nothing, NULL);
    return NULL;
}

/* Both calls of plain threads wait; `end` ends that. */
static void wait_outside(struct outside o[2], pthread_t th[2])
{
    struct weft_runtime *rt = start_limited(1, WEFT_AT_MAX_WAIT);

    open_gate();
    CHECK_EQ(weft_runtime_go(rt, stay_plainly, NULL), 0);
    for (int i = 0; i < 2; i++) {
        o[i] = (struct outside){.rt = rt, .blocks_on = i == 1, .rc = 1};
        CHECK_EQ(pthread_create(&th[i], NULL, start_outside, &o[i]), 0);
        wait_for_line(rt, (uint64_t)i + 1);
    }
}

TEST(plain_threads_wait_for_a_place)
{
    struct outside o[2];
    pthread_t th[2];

    wait_outside(o, th);
    chan_close(gate);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_join(th[i], NULL), 0);
        CHECK_EQ(o[i].rc, 0);
    }
    CHECK_EQ(weft_block_on(o[0].rt, do_nothing, NULL, NULL), 0);
    while (stats_of(o[0].rt).live > 0)
        usleep(100);
    CHECK_EQ(weft_runtime_stop(o[0].rt), 0);
    chan_unref(gate);
}

TEST(plain_threads_that_wait_for_a_place_are_told_of_the_stop)
{
    struct outside o[2];
    pthread_t th[2];

    wait_outside(o, th);
    CHECK_EQ(weft_runtime_stop(o[0].rt), 1);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_join(th[i], NULL), 0);
        CHECK_EQ(o[i].rc, -ESHUTDOWN);
    }
    chan_unref(gate);
}

static void wait_for_ever(void *arg)
{
    (void)arg;
    (void)weft_go(do_plainly_nothing, NULL);
    TEST_FAIL("a place was found");
}

/* A runtime is stopped in which a coroutine waits for a place. */
TEST(a_coroutine_that_waits_for_a_place_is_discarded)
{
    struct weft_runtime *rt = start_limited(1, WEFT_AT_MAX_WAIT);

    CHECK_EQ(weft_runtime_go(rt, wait_for_ever, NULL), 0);
    wait_for_line(rt, 1);
    CHECK_EQ(weft_runtime_stop(rt), 1);
}

/* Goal: who waits for a place that nobody can ever give is told so: the only thread there is. */
TEST(waiting_for_a_place_that_never_comes_is_a_deadlock)
{
    if (test_is_emulated())
        SKIP("under qemu-user no deadlock is certain");
    struct weft_runtime *rt = start_limited(1, WEFT_AT_MAX_WAIT);

    open_gate();
    CHECK_EQ(weft_runtime_go(rt, stay_plainly, NULL), 0);
    CHECK_EQ(weft_runtime_go(rt, do_plainly_nothing, NULL), -EDEADLK);
    CHECK_EQ(weft_block_on(rt, do_nothing, NULL, NULL), -EDEADLK);
    CHECK_EQ(stats_of(rt).spawns_waiting, 0);
    chan_close(gate);
    CHECK_EQ(weft_block_on(rt, do_nothing, NULL, NULL), 0);
    CHECK_EQ(weft_runtime_stop(rt), 0);
    chan_unref(gate);
}

static int start_elsewhere(void *rt)
{
    CHECK_EQ(weft_runtime_go(rt, do_plainly_nothing, NULL), -EAGAIN);
    chan_close(gate);
    while (weft_runtime_go(rt, do_plainly_nothing, NULL) == -EAGAIN)
        (void)weft_sleep(100 * WEFT_US);
    return 0;
}

TEST(a_coroutine_of_another_runtime_does_not_wait)
{
    struct weft_runtime *rt = start_limited(1, WEFT_AT_MAX_WAIT);

    open_gate();
    CHECK_EQ(weft_runtime_go(rt, stay_plainly, NULL), 0);
    CHECK_EQ(weft_run(start_elsewhere, rt), 0);
    while (stats_of(rt).live > 0)
        usleep(100);
    CHECK_EQ(weft_runtime_stop(rt), 0);
    chan_unref(gate);
}

static int tell_max(void *arg)
{
    (void)arg;
    return (int)stats_of(NULL).coroutines_max;
}

static int fill_up(void *arg)
{
    (void)arg;
    CHECK_EQ(try_go(do_plainly_nothing, NULL),
             getenv("WEFT_COROUTINES_AT_MAX") ? -ETIMEDOUT : -EAGAIN);
    return 0;
}

TEST(the_environment_sets_the_limit)
{
    CHECK_EQ(weft_run(tell_max, NULL), 0);
    setenv("WEFT_COROUTINES_MAX", "1", 1);
    CHECK_EQ(weft_run(tell_max, NULL), 1);
    CHECK_EQ(weft_run(fill_up, NULL), 0);
    setenv("WEFT_COROUTINES_AT_MAX", "wait", 1);
    CHECK_EQ(weft_run(fill_up, NULL), 0);
}
