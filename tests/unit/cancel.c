/* SPDX-License-Identifier: MIT */
/*
 * cancel.c - ending what somebody waits for, from outside: scopes and whole coroutines, from
 * coroutines and plain threads; shields; and who answers when several scopes have ended.  What it
 * does to each call that can block: waits.c.
 *
 * matrix: short
 */
#include <pthread.h>

#include "co_test.h"
#include "sched/lookout.h"

static atomic_int reached;

static int wait_for_ever(void)
{
    return weft_sleep(WEFT_NEVER);
}

static int cancel_it(void *arg)
{
    weft_scope_cancel(arg);
    return 0;
}

CO_TEST(a_cancelled_scope_ends_a_wait)
{
    WEFT_SCOPE (s) {
        CHECK_EQ(weft_scope_status(), 0);
        struct weft_co *co = weft_go_with(cancel_it, &s);
        CHECK_EQ(wait_for_ever(), -ECANCELED);
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
        CHECK_EQ(weft_scope_status(), -ECANCELED);
        CHECK_EQ(wait_for_ever(), -ECANCELED); /* and every other one */
        WEFT_SHIELD (t, WEFT_NEVER)
            join(co);
    }
    CHECK_EQ(weft_sleep(1000), 0);
    return 0;
}

/* ---- waits in what is of one processor alone, under scopes without a deadline ---- */

enum short_wait { RECV, SEND, JOIN, SELECT_ONE, SELECT_TWO, SELECT_JOIN, SHORT_WAITS };

struct shorts {
    enum short_wait what;
    chan *empty, *other, *full;
    struct weft_co *long_lived;
};

static int wait_short(void *arg)
{
    struct shorts *s = arg;
    int value = 7;
    struct weft_case two[] = {weft_case_recv(s->empty, &value), weft_case_recv(s->other, &value)};
    struct weft_case join_case[] = {weft_case_join(s->long_lived, NULL)};

    switch (s->what) {
    case RECV:
        return chan_recv(s->empty, &value);
    case SEND:
        return chan_send(s->full, &value);
    case JOIN:
        return weft_join(s->long_lived, NULL);
    case SELECT_ONE:
        return weft_select(two, 1);
    case SELECT_TWO:
        return weft_select(two, 2);
    default:
        return weft_select(join_case, 1);
    }
}

static int recv_one(void *ch)
{
    int value;

    return chan_recv(ch, &value) == 0 ? value : -1;
}

/* Who was cancelled is in no queue any more: what comes afterwards goes to others. */
static void check_others(const struct shorts *s)
{
    chan *const empty[] = {s->empty, s->other};
    int value = 5;

    for (int i = 0; i < COUNT(empty); i++) {
        CHECK_EQ(weft_chan_try_send(empty[i], &value), -EAGAIN);
        struct weft_co *co = weft_go_with(recv_one, empty[i]);
        CHECK_EQ(chan_send(empty[i], &value), 0);
        CHECK_EQ(weft_join(co, &value), 0);
        CHECK_EQ(value, 5);
    }
    CHECK_EQ(chan_recv(s->full, &value), 0);
    CHECK_EQ(weft_chan_try_recv(s->full, &value), -EAGAIN);
    CHECK_EQ(chan_send(s->full, &value), 0);
}

static int cancel_short_waits(void *unused)
{
    struct shorts s = {.empty = chan_make(sizeof(int), 0), .other = chan_make(sizeof(int), 0),
                       .full = chan_make(sizeof(int), 1)};
    chan *end = chan_make(sizeof(int), 0);
    int value = 3;

    (void)unused;
    CHECK_EQ(chan_send(s.full, &value), 0);
    s.long_lived = weft_go_with(recv_one, end);
    for (s.what = 0; s.what < SHORT_WAITS; s.what++) {
        struct weft_co *co = weft_go_with(wait_short, &s);
        weft_yield(); /* it waits */
        weft_cancel(co);
        CHECK_EQ(weft_join(co, &value), 0);
        CHECK_EQ(value, -ECANCELED);
        check_others(&s);
    }
    CHECK_EQ(chan_send(end, &value), 0);
    CHECK_EQ(weft_join(s.long_lived, &value), 0); /* nobody else has joined it */
    chan_unref(end), chan_unref(s.empty), chan_unref(s.other), chan_unref(s.full);
    return 0;
}

/* Goal: a wait on the short way (park/ours.h) that is cancelled says so, and leaves nothing behind.
 * Method: one processor, which all objects are biased to; each of them is used afterwards. */
TEST(a_cancelled_wait_in_what_is_of_one_processor_leaves_no_trace)
{
    CHECK_EQ(weft_run_with(cancel_short_waits, NULL, .procs = 1), 0);
}

static void *cancel_on_a_thread(void *arg)
{
    weft_scope_cancel(arg);
    return NULL;
}

CO_TEST(a_plain_thread_cancels)
{
    pthread_t th;

    WEFT_SCOPE (s) {
        CHECK_EQ(pthread_create(&th, NULL, cancel_on_a_thread, &s), 0);
        CHECK_EQ(wait_for_ever(), -ECANCELED);
        CHECK_EQ(pthread_join(th, NULL), 0);
    }
    return 0;
}

CO_TEST(a_scope_that_its_own_coroutine_cancels_ends_the_next_wait)
{
    WEFT_SCOPE (s) {
        weft_scope_cancel(&s);
        weft_scope_cancel(&s);
        CHECK_EQ(weft_scope_status(), -ECANCELED);
        CHECK_EQ(wait_for_ever(), -ECANCELED);
    }
    return 0;
}

CO_TEST(what_can_be_done_at_once_is_done_though_cancelled)
{
    chan *ch = chan_make(sizeof(int), 1);
    int value = 3;

    WEFT_SCOPE (s) {
        weft_scope_cancel(&s);
        CHECK_EQ(chan_send(ch, &value), 0);
        CHECK_EQ(chan_send(ch, &value), -ECANCELED);
        CHECK_EQ(chan_recv(ch, &value), 0);
        CHECK_EQ(chan_recv(ch, &value), -ECANCELED);
    }
    chan_unref(ch);
    return 0;
}

CO_TEST(of_several_scopes_the_innermost_that_has_ended_answers)
{
    struct weft_scope outer, middle, inner;

    weft_scope_begin(&outer, -1);
    weft_scope_begin(&middle, WEFT_NEVER);
    weft_scope_begin(&inner, WEFT_NEVER);
    CHECK_EQ(wait_for_ever(), -ETIMEDOUT);
    CHECK_EQ(weft_scope_cause(&outer), WEFT_CAUSE_THIS);
    weft_scope_cancel(&middle);
    CHECK_EQ(wait_for_ever(), -ECANCELED);
    CHECK_EQ(weft_scope_cause(&inner), WEFT_CAUSE_OUTER);
    CHECK_EQ(weft_scope_cause(&middle), WEFT_CAUSE_THIS);
    CHECK_EQ(weft_scope_cause(&outer), WEFT_CAUSE_INNER);
    CHECK(!weft_scope_end(&inner));
    CHECK(weft_scope_end(&middle));
    CHECK_EQ(wait_for_ever(), -ETIMEDOUT);
    CHECK(weft_scope_end(&outer));
    return 0;
}

CO_TEST(within_a_scope_what_came_first_answers)
{
    WEFT_DEADLINE (s, -1) {
        weft_scope_cancel(&s);
        CHECK_EQ(wait_for_ever(), -ETIMEDOUT);
    }
    WEFT_DEADLINE (s, 100 * WEFT_MS) { /* not over before the cancel, on a slow machine either */
        weft_scope_cancel(&s);
        while (weft_scope_remaining() > 0)
            weft_yield();
        CHECK_EQ(wait_for_ever(), -ECANCELED);
    }
    return 0;
}

CO_TEST(inside_a_shield_outer_scopes_do_not_count_and_afterwards_they_do)
{
    WEFT_SCOPE (outer) {
        weft_scope_cancel(&outer);
        WEFT_SHIELD (s, WEFT_NEVER) {
            CHECK_EQ(weft_scope_status(), 0);
            CHECK_EQ(weft_scope_remaining(), WEFT_NEVER);
            CHECK_EQ(weft_sleep(1000), 0);
            WEFT_DEADLINE (inner, 1000)
                CHECK_EQ(wait_for_ever(), -ETIMEDOUT);
        }
        CHECK_EQ(wait_for_ever(), -ECANCELED);
    }
    WEFT_DEADLINE (outer, -1) {
        WEFT_SHIELD (s, WEFT_MS) {
            CHECK_EQ(weft_sleep(1000), 0);
            CHECK_EQ(wait_for_ever(), -ETIMEDOUT); /* its own */
            CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
        }
    }
    return 0;
}

static int wait_in_a_shield(void *arg)
{
    chan *gate = arg;

    WEFT_SHIELD (s, WEFT_NEVER) {
        atomic_store(&reached, 1);
        CHECK_EQ(chan_recv(gate, NULL), 0);
    }
    CHECK_EQ(wait_for_ever(), -ECANCELED);
    return 4;
}

CO_TEST(a_cancel_waits_for_the_end_of_a_shield)
{
    chan *gate = chan_make(0, 0);
    int result = 0;

    atomic_store(&reached, 0);
    struct weft_co *co = weft_go_with(wait_in_a_shield, gate);
    while (atomic_load(&reached) == 0)
        weft_yield();
    weft_cancel(co);
    CHECK_EQ(chan_send(gate, NULL), 0);
    CHECK_EQ(weft_join(co, &result), 0);
    CHECK_EQ(result, 4);
    chan_unref(gate);
    return 0;
}

static int status_of_a_begin(void *arg)
{
    (void)arg;
    return weft_scope_status();
}

/* With several processors it may begin before the cancel: then it waits for it. */
static int begin_and_see_it(void *arg)
{
    (void)arg;
    while (weft_scope_status() == 0)
        weft_yield();
    return weft_scope_status();
}

CO_TEST(one_cancelled_before_it_begins_runs_and_sees_it)
{
    struct weft_co *co = weft_go_with(begin_and_see_it, NULL);
    int result = 0;

    weft_cancel(co);
    weft_cancel(co);
    CHECK_EQ(weft_join(co, &result), 0);
    CHECK_EQ(result, -ECANCELED);
    return 0;
}

CO_TEST(one_that_has_ended_is_left_alone)
{
    struct weft_co *co = weft_go_with(status_of_a_begin, NULL);
    int result = -1;

    while (!weft_done(co))
        weft_yield();
    weft_cancel(co);
    CHECK_EQ(weft_join(co, &result), 0);
    CHECK_EQ(result, 0);
    return 0;
}

#define RECYCLED 200 /* some more than a processor keeps */

static int cancel_some_then_none(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2 * RECYCLED; i++) {
        struct weft_co *co = weft_go_with(status_of_a_begin, NULL);
        int result = 1;
        if (i < RECYCLED)
            weft_cancel(co);
        CHECK_EQ(weft_join(co, &result), 0);
        CHECK_EQ(result, i < RECYCLED ? -ECANCELED : 0);
    }
    return 0;
}

/* Goal: what a cancel leaves in a handle does not meet the coroutine that gets the handle next. */
TEST(a_handle_that_is_used_again_is_not_cancelled)
{
    atomic_store(&weft__lookout_serves, false); /* a relief processor would run one too soon */
    CHECK_EQ(weft_run_with(cancel_some_then_none, NULL, .procs = 1), 0);
}

static int wait_to_be_discarded(void *arg)
{
    (void)arg;
    WEFT_SCOPE (s)
        (void)wait_for_ever();
    return 0;
}

static int leave_one_waiting(void *arg)
{
    struct weft_co **co = arg;

    for (int i = 0; i < 2; i++)
        co[i] = weft_go_with(wait_to_be_discarded, NULL);
    weft_yield();
    return 0;
}

/* Goal: a handle whose coroutine went with its runtime can still be cancelled: nobody looks at the
 * stack that is gone. */
TEST(one_that_was_discarded_is_left_alone)
{
    struct weft_co *co[2];
    struct weft_runtime *rt = NULL;
    int result = 0;

    CHECK_EQ(weft_runtime_start(&rt, NULL), 0);
    CHECK_EQ(weft_block_on(rt, leave_one_waiting, co, NULL), 0);
    CHECK_EQ(weft_runtime_stop(rt), 2);
    for (int i = 0; i < 2; i++) {
        weft_cancel(co[i]);
        CHECK_EQ(weft_join(co[i], &result), 0);
        CHECK_EQ(result, -ECANCELED);
    }
}
