/* SPDX-License-Identifier: MIT */
/*
 * give_way.c - a coroutine that is called upon lets the others of its processor go on, by its next
 * call that may wait.
 */
#include <sched/sched.h>

#include "co_test.h"
#include "no_lookout.h" /* nobody calls, and nobody serves, but who is asked to here */

static struct weft__gate *gate(void)
{
    return weft__gate_self();
}

static void count_up(void *arg)
{
    ++*(int *)arg;
}

/* Does `call` let one that waits for its turn run?  It must not have to wait itself. */
static bool gives_way(void (*call)(void *), void *arg, bool is_called)
{
    int n_runs = 0;

    CHECK_EQ(weft_go(count_up, &n_runs), 0);
    if (is_called)
        weft__gate_call(gate());
    call(arg);
    const bool has_run = n_runs == 1;
    CHECK_EQ(weft__gate_is_called(gate()), is_called && !has_run);
    while (n_runs == 0)
        weft_yield();
    return has_run;
}

static void lock(void *m)
{
    CHECK_EQ(weft_mutex_lock(m), 0);
}

static void try_lock(void *m)
{
    CHECK_EQ(weft_mutex_try_lock(m), 0);
}

static void unlock(void *m)
{
    weft_mutex_unlock(m);
}

static void send_one(void *ch)
{
    const int64_t one = 1;

    CHECK_EQ(weft_chan_send(ch, &one), 0);
}

static void try_to_send_one(void *ch)
{
    const int64_t one = 1;

    CHECK_EQ(weft_chan_try_send(ch, &one), 0);
}

static void recv_one(void *ch)
{
    int64_t one;

    CHECK_EQ(weft_chan_recv(ch, &one), 0);
}

static void try_to_recv_one(void *ch)
{
    int64_t one;

    CHECK_EQ(weft_chan_try_recv(ch, &one), 0);
}

static void select_one(void *ch)
{
    int64_t one;
    struct weft_case cases[] = {weft_case_recv(ch, &one)};

    CHECK_EQ(weft_select(cases, COUNT(cases)), 0);
}

static void select_one_or_nothing(void *ch)
{
    int64_t one;
    struct weft_case cases[] = {weft_case_recv(ch, &one), weft_case_default()};

    CHECK_EQ(weft_select(cases, COUNT(cases)), 0);
}

/* Goal: calls that may wait give way when that is asked for, and at no other time; calls that never
 * wait do not.
 * Method: each of them could go on at once; another coroutine has yet to begin.  With objects that
 * are biased to the processor, and with such that are not. */
CO_TEST_ON_ONE(calls_that_may_wait_give_way)
{
    for (int round = 0; round < 4; round++) {
        const bool is_called = round % 2 != 0;
        weft__gate_uncall(gate()); /* the last call of a round is one that does not listen */
        atomic_store(&gate()->balance, round < 2 ? 0 : -WEFT__GATE_END_COST);
        struct weft_mutex *m = weft_mutex_make();
        chan *ch = chan_make(sizeof(int64_t), 8);
        CHECK(m != NULL && ch != NULL);
        CHECK_EQ(gives_way(lock, m, is_called), is_called);
        CHECK(!gives_way(unlock, m, is_called));
        CHECK(!gives_way(try_lock, m, is_called));
        weft_mutex_unlock(m);
        CHECK_EQ(gives_way(send_one, ch, is_called), is_called);
        CHECK(!gives_way(try_to_send_one, ch, is_called));
        CHECK_EQ(gives_way(send_one, ch, is_called), is_called);
        CHECK_EQ(gives_way(send_one, ch, is_called), is_called);
        CHECK_EQ(gives_way(recv_one, ch, is_called), is_called);
        CHECK(!gives_way(try_to_recv_one, ch, is_called));
        CHECK_EQ(gives_way(select_one, ch, is_called), is_called);
        CHECK(!gives_way(select_one_or_nothing, ch, is_called));
        weft_chan_unref(ch);
        weft_mutex_free(m);
    }
    return 0;
}

/* Goal: sending into a channel that always has room never gives the processor away. */
CO_TEST_ON_ONE(a_send_that_never_waits_gives_no_way)
{
    chan *ch = chan_make(sizeof(int64_t), WEFT_CHAN_UNBOUNDED);

    CHECK(ch != NULL);
    CHECK(!gives_way(send_one, ch, true));
    weft_chan_unref(ch);
    return 0;
}

static struct weft_runtime *own_runtime(void)
{
    return weft__m_self()->rt;
}

/* Goal: who is called upon gives way to what lies in the global queue, too: there the look-out puts
 * what waits behind a hog. */
CO_TEST_ON_ONE(what_was_taken_away_runs)
{
    struct weft_mutex *m = weft_mutex_make();
    int n_runs = 0;

    CHECK(m != NULL);
    CHECK_EQ(weft_runtime_go(own_runtime(), count_up, &n_runs), 0);
    weft__gate_call(gate());
    lock(m);
    CHECK_EQ(n_runs, 1);
    weft_mutex_unlock(m);
    weft_mutex_free(m);
    return 0;
}

/* Goal: a call that nobody has heard is forgotten, or all that comes by would go the long way.
 * Method: turns of a coroutine that makes none of those calls. */
CO_TEST_ON_ONE(a_call_is_forgotten)
{
    weft__gate_call(gate());
    for (int i = 0; i < 2 * (int)WEFT__TURNS_GLOBAL && weft__gate_is_called(gate()); i++) {
        int n_runs = 0;
        CHECK_EQ(weft_go(count_up, &n_runs), 0);
        while (n_runs == 0)
            weft_yield();
    }
    CHECK(!weft__gate_is_called(gate()));
    return 0;
}

static void end_it(void *is_over)
{
    atomic_store((atomic_bool *)is_over, true);
}

static int lock_until_another_has_run(void *unused)
{
    struct weft_mutex *m = weft_mutex_make();
    atomic_bool is_over = false;

    (void)unused;
    CHECK(m != NULL);
    CHECK_EQ(weft_go(end_it, &is_over), 0);
    while (!atomic_load(&is_over)) {
        lock(m);
        weft_mutex_unlock(m);
    }
    weft_mutex_free(m);
    return 0;
}

/* Goal: one that locks and unlocks all the time, and never has to wait, is called upon.
 * Method: it ends when another one of its processor has run; without stealing the look-out does no
 * more than call. */
TEST(one_that_locks_all_the_time_is_called_upon)
{
    atomic_store(&weft__lookout_serves, true);
    CHECK_EQ(weft_run_with(lock_until_another_has_run, NULL, .procs = 1, .no_steal = 1), 0);
}
