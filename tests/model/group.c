/* SPDX-License-Identifier: MIT */
/*
 * group.c - the end of a child (group/child.c) against those who wait in its group (group/group.c):
 * for all, for the next, for a place; and against a cancel.
 *
 * A child runs where the model says: starting it only hands its entry to a thread.  When the group
 * is closed its memory is let go of, as that of a frame that is left.
 */
#include <chan/chan.h>
#include <weft/group.h>
#include <weft/scope.h>

#include <sched/spawn.h>

#include "rig.h"

#define CHILDREN 3

static struct weft_group group;
static struct weft_chan *chan;  /* where children wait: nobody sends */
static struct weft_scope scope; /* of the first thread's coroutine */

/* What was started, in this order; fn is NULL where a start was refused. */
static struct started {
    void (*fn)(void *);
    void *arg;
    struct model_event event;
} started[CHILDREN];
static int n_started;

static struct work {
    struct model_cell done;
    int ends_taken;
} work[CHILDREN];
static struct model_cell running; /* what one at a time may use, where the limit is one */

/* ---- children ---- */

static void begin_with(int64_t limit, bool keep_ends)
{
    const struct weft_group_opts opts = {
        .size = sizeof opts, .limit = limit, .keep_ends = keep_ends};

    rig_begin(MODEL_THREADS_MAX);
    memset(started, 0, sizeof started);
    memset(work, 0, sizeof work);
    for (int i = 0; i < CHILDREN; i++)
        started[i].event.orders = true;
    n_started = 0;
    model_cell_init(&running);
    chan = weft_chan_make_shared(sizeof(int), 1);
    rig_be(0);
    weft_group_begin(&group, &opts);
}

static void hand_out(void (*fn)(void *), void *arg)
{
    struct started *s = &started[n_started++];

    s->fn = fn;
    s->arg = arg;
    if (ex.cur == NULL)
        s->event.is_set = true;
    else
        model_event_set(&s->event);
}

int weft__go_placed(void (*fn)(void *), void *arg, const char *site)
{
    (void)site;
    hand_out(fn, arg);
    return 0;
}

/* The thread of the i-th that is started. */
static void run(int i)
{
    rig_enter();
    model_event_wait(&started[i].event);
    if (started[i].fn != NULL)
        started[i].fn(started[i].arg);
}

static void first_child(void)
{
    run(0);
}

static void second_child(void)
{
    run(1);
}

static void third_child(void)
{
    run(2);
}

static void first_and_second_child(void)
{
    run(0);
    run(1);
}

static void first_and_third_child(void)
{
    run(0);
    run(2);
}

static void all_children(void)
{
    run(0);
    run(1);
    run(2);
}

static int work_on(void *arg)
{
    struct work *w = arg;

    model_put(&w->done, 1);
    return 0;
}

static int work_alone(void *arg)
{
    model_add(&running, 1);
    return work_on(arg);
}

static int wait_for_ever(void *arg)
{
    int value;
    int rc = weft_chan_recv(chan, &value);

    MODEL_CHECK(rc == -ECANCELED);
    (void)work_on(arg);
    return rc;
}

static int cancel_all(void *arg)
{
    weft_group_cancel(&group);
    return work_on(arg);
}

static int fail(void *arg)
{
    (void)work_on(arg);
    return -EIO;
}

static int go(int (*fn)(void *), int i)
{
    return weft_group_go(&group, fn, &work[i]);
}

/* ---- those who wait ---- */

static void close_group(int error)
{
    MODEL_CHECK(weft_group_end(&group) == error);
    model_let_go(&group, sizeof group);
}

static int n_done(void)
{
    int n = 0;

    for (int i = 0; i < n_started; i++)
        if (started[i].fn != NULL)
            n += model_get(&work[i].done) == 1;
    return n;
}

static void join(int error)
{
    MODEL_CHECK(weft_group_wait(&group) == error);
    MODEL_CHECK(n_done() == n_started);
    close_group(error);
}

static void joiner(void)
{
    rig_enter();
    join(0);
}

static void plain_joiner(void)
{
    join(0);
}

static void joiner_of_a_failure(void)
{
    rig_enter();
    join(-EIO);
}

static void joiner_of_a_cancelled(void)
{
    rig_enter();
    join(-ECANCELED);
}

/* Without a wait before. */
static void closer(void)
{
    rig_enter();
    close_group(0);
    MODEL_CHECK(n_done() == 1);
}

static void closer_of_a_cancelled(void)
{
    rig_enter();
    close_group(-ECANCELED);
    MODEL_CHECK(n_done() == 1);
}

/* Its own error comes before those that it has caused. */
static void joiner_in_a_scope(void)
{
    rig_enter();
    MODEL_CHECK(weft_group_wait(&group) == -ECANCELED);
    MODEL_CHECK(n_done() == 1);
    close_group(-ECANCELED);
}

static void canceller_of_the_scope(void)
{
    rig_enter();
    weft_scope_cancel(&scope);
}

static void begin_one(void)
{
    begin_with(0, false);
    MODEL_CHECK(go(work_on, 0) == 0);
}

static void begin_two(void)
{
    begin_with(0, false);
    MODEL_CHECK(go(work_on, 0) == 0 && go(work_on, 1) == 0);
}

static void begin_one_and_a_canceller(void)
{
    begin_with(0, false);
    MODEL_CHECK(go(work_on, 0) == 0 && go(cancel_all, 1) == 0);
}

static void begin_one_that_waits_and_a_canceller(void)
{
    begin_with(0, false);
    MODEL_CHECK(go(wait_for_ever, 0) == 0 && go(cancel_all, 1) == 0);
}

static void begin_one_that_waits_and_a_failure(void)
{
    begin_with(0, false);
    MODEL_CHECK(go(wait_for_ever, 0) == 0 && go(fail, 1) == 0);
}

static void begin_one_that_waits(void)
{
    begin_with(0, false);
    MODEL_CHECK(go(wait_for_ever, 0) == 0);
}

static void begin_one_that_waits_in_a_scope(void)
{
    begin_one_that_waits();
    weft_scope_begin_until(&scope, INT64_MAX);
}

static void close_scope(void)
{
    rig_be(0);
    (void)weft_scope_end(&scope);
}

/* Goal: the one who waits for all goes on when all have ended and not before, sees what they did,
 * and finds nobody in the group afterwards, which is his stack.
 * Method: cells that the children write and he reads; then the group's memory is over. */
MODEL_TEST(a_join_ends_with_the_last_child, .begin = begin_two,
           .thread = {joiner, first_child, second_child}, .preemptions = 3, .late = 2)

MODEL_TEST(a_join_of_a_plain_thread_ends_with_the_last_child, .begin = begin_two,
           .thread = {plain_joiner, first_child, second_child}, .preemptions = 3, .late = 2)

MODEL_TEST(a_group_is_closed_after_its_child, .begin = begin_one, .thread = {closer, first_child},
           .preemptions = 6, .late = 4)

/* Goal: a cancel meets the end of another child, and its own; and reaches one that waits, has not
 * begun, or is about to wait. */
MODEL_TEST(a_cancel_meets_the_last_end, .begin = begin_one_and_a_canceller,
           .thread = {joiner, first_child, second_child}, .preemptions = 3, .late = 1)

MODEL_TEST(a_cancel_reaches_a_child, .begin = begin_one_that_waits_and_a_canceller,
           .thread = {joiner_of_a_cancelled, first_child, second_child}, .preemptions = 2,
           .late = 2)

MODEL_TEST(the_first_error_cancels_the_others, .begin = begin_one_that_waits_and_a_failure,
           .thread = {joiner_of_a_failure, first_child, second_child}, .preemptions = 2, .late = 2)

MODEL_TEST(the_end_of_a_group_cancels_its_children, .begin = begin_one_that_waits,
           .thread = {closer_of_a_cancelled, first_child}, .preemptions = 4, .late = 3)

MODEL_TEST(a_joiner_whose_scope_ends_waits_all_the_same, .begin = begin_one_that_waits_in_a_scope,
           .thread = {joiner_in_a_scope, first_child, canceller_of_the_scope}, .end = close_scope,
           .preemptions = 2, .late = 1)

/* ---- the next end ---- */

static void begin_keeping(int n)
{
    begin_with(0, true);
    for (int i = 0; i < n; i++)
        MODEL_CHECK(go(work_on, i) == 0);
}

static void begin_keeping_three(void)
{
    begin_keeping(3);
}

static void begin_keeping_two(void)
{
    begin_keeping(2);
}

/* Until there is none left. */
static void take_ends(void)
{
    struct weft_ended end;
    int rc;

    while ((rc = weft_group_next(&group, &end)) == 0) {
        struct work *w = end.arg;

        MODEL_CHECK(end.result == 0 && model_get(&w->done) == 1);
        MODEL_CHECK(w->ends_taken++ == 0);
        if (w == &work[1])
            MODEL_CHECK(n_started < 3 || work[0].ends_taken == 1);
    }
    MODEL_CHECK(rc == -ECHILD);
}

static void all_ends_were_taken(void)
{
    for (int i = 0; i < n_started; i++)
        MODEL_CHECK(work[i].ends_taken == 1);
}

static void taker_and_closer(void)
{
    rig_enter();
    take_ends();
    all_ends_were_taken();
    close_group(0);
}

static void taker(void)
{
    rig_enter();
    take_ends();
}

static void all_was_taken(void)
{
    all_ends_were_taken();
    rig_be(0);
    MODEL_CHECK(weft_group_end(&group) == 0);
}

/* Goal: each end is told once, in the order in which they came, and then there is none.
 * Method: the first two children end one after the other on one thread. */
MODEL_TEST(each_end_is_told_once_and_in_order, .begin = begin_keeping_three,
           .thread = {taker_and_closer, first_and_second_child, third_child}, .preemptions = 2,
           .late = 1)

MODEL_TEST(each_end_is_told_to_one_of_two, .begin = begin_keeping_two,
           .thread = {taker, taker, first_and_second_child}, .end = all_was_taken, .preemptions = 2,
           .late = 1)

/* ---- places ---- */

static void begin_full(void)
{
    begin_with(1, false);
    MODEL_CHECK(go(work_alone, 0) == 0);
}

static void begin_full_in_a_scope(void)
{
    begin_full();
    weft_scope_begin_until(&scope, INT64_MAX);
}

static void starter(void)
{
    rig_enter();
    MODEL_CHECK(go(work_alone, 1) == 0);
}

static void other_starter(void)
{
    rig_enter();
    MODEL_CHECK(go(work_alone, 2) == 0);
}

static void starter_and_joiner(void)
{
    starter();
    join(0);
}

static void starter_in_a_scope(void)
{
    rig_enter();
    int rc = go(work_alone, 1);
    MODEL_CHECK(rc == 0 || rc == -ECANCELED);
    if (rc != 0)
        hand_out(NULL, NULL);
}

static void canceller_and_starter(void)
{
    canceller_of_the_scope();
    other_starter();
}

static void all_places_are_free(void)
{
    MODEL_CHECK(weft_group_count(&group) == 0);
    rig_be(0);
    MODEL_CHECK(weft_group_end(&group) == 0);
}

static void all_have_run(void)
{
    MODEL_CHECK(model_get(&running) == 3);
    all_places_are_free();
}

static void no_place_is_lost(void)
{
    all_places_are_free();
    close_scope();
}

/* Of what is started in a group that is being cancelled. */
static void starter_and_joiner_of_a_cancelled(void)
{
    rig_enter();
    int rc = go(wait_for_ever, 1);
    MODEL_CHECK(rc == 0 || rc == -ECANCELED);
    if (rc != 0)
        hand_out(NULL, NULL);
    int error = rc == 0 ? -ECANCELED : 0; /* of the one that was started */
    MODEL_CHECK(weft_group_wait(&group) == error);
    close_group(error);
}

static void begin_a_canceller(void)
{
    begin_with(0, false);
    MODEL_CHECK(go(cancel_all, 0) == 0);
}

static void begin_a_canceller_in_a_full_group(void)
{
    begin_with(1, false);
    MODEL_CHECK(go(cancel_all, 0) == 0);
}

/* Goal: the place of a child that ends goes to one who waits for it: so as many run as may, and
 * never more, and nobody waits for ever.
 * Method: children that use one cell without a lock. */
MODEL_TEST(a_place_is_given_to_the_one_who_waits, .begin = begin_full,
           .thread = {starter_and_joiner, first_child, second_child}, .preemptions = 3, .late = 2)

MODEL_TEST(a_place_is_given_to_one_of_two, .begin = begin_full,
           .thread = {starter, other_starter, first_and_third_child, second_child},
           .end = all_have_run, .preemptions = 2, .late = 1)

/* Goal: a place is not lost with one whose scope ends while it is given to him. */
MODEL_TEST(a_place_is_not_lost_with_one_whose_scope_ends, .begin = begin_full_in_a_scope,
           .thread = {starter_in_a_scope, canceller_and_starter, all_children},
           .end = no_place_is_lost, .preemptions = 2, .late = 1)

/* Goal: what is started while the group is cancelled is refused, or is cancelled as well. */
MODEL_TEST(a_start_meets_a_cancel, .begin = begin_a_canceller,
           .thread = {starter_and_joiner_of_a_cancelled, first_child, second_child},
           .preemptions = 3, .late = 1)

MODEL_TEST(a_start_that_waits_meets_a_cancel, .begin = begin_a_canceller_in_a_full_group,
           .thread = {starter_and_joiner_of_a_cancelled, first_child, second_child},
           .preemptions = 3, .late = 1)
