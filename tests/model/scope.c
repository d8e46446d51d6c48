/* SPDX-License-Identifier: MIT */
/* scope.c - the cancel of a scope while its coroutine waits: [SCOPE-CANCEL] of
 * sched/scope_frame.h. */
#include <chan/chan.h>
#include <park/cancel.h>
#include <weft/scope.h>

#include "rig.h"

static struct weft_chan *chan;
static struct weft_scope scope; /* of the first thread's coroutine, for the whole model */
static struct model_cell data;  /* what goes with a value */
static int n_received, n_cancelled;

static void begin_with(struct weft_chan *made)
{
    model_cell_init(&data);
    n_received = n_cancelled = 0;
    chan = made;
    rig_be(0);
    weft_scope_begin_until(&scope, INT64_MAX);
}

static void begin(void)
{
    rig_begin(3);
    begin_with(weft_chan_make_shared(sizeof(int), 2));
}

/* A channel that is biased to the P of the first thread, which waits in it the short way. */
static void begin_biased(void)
{
    rig_begin(3);
    rig_be(0);
    begin_with(weft_chan_make(sizeof(int), 2));
}

static void receive(void)
{
    int value = 0;
    int rc = weft_chan_recv(chan, &value);

    MODEL_CHECK(rc == 0 || rc == -ECANCELED);
    n_received += rc == 0;
    n_cancelled += rc != 0;
    if (rc == 0)
        MODEL_CHECK(model_get(&data) == value);
}

static void receiver(void)
{
    rig_enter();
    receive();
}

/* Its second wait is where its first one was. */
static void receiver_twice(void)
{
    rig_enter();
    receive();
    receive();
}

static void canceller(void)
{
    rig_enter();
    weft_scope_cancel(&scope);
}

static void plain_canceller(void)
{
    weft_scope_cancel(&scope);
}

static void sender(void)
{
    int value = 1;

    rig_enter();
    model_put(&data, 1);
    MODEL_CHECK(weft_chan_send(chan, &value) == 0);
}

static void close_scope(void)
{
    MODEL_CHECK(chan->receivers.first == NULL);
    rig_be(0);
    (void)weft_scope_end(&scope);
}

static void was_cancelled(void)
{
    MODEL_CHECK(n_cancelled == 1);
    close_scope();
}

static void nothing_is_lost(void)
{
    MODEL_CHECK(n_received + (int)chan->count == 1);
    close_scope();
}

/* Goal: a cancel reaches the wait, whenever it comes. */
MODEL_TEST(a_cancel_ends_a_wait, .begin = begin, .thread = {receiver, canceller},
           .end = was_cancelled, .preemptions = 4, .late = 3)

MODEL_TEST(a_cancel_of_a_plain_thread_ends_a_wait, .begin = begin,
           .thread = {receiver, plain_canceller}, .end = was_cancelled, .preemptions = 4, .late = 3)

/* Goal: of a cancel and a value one ends the wait; the value is received, or stays. */
MODEL_TEST(a_cancel_loses_no_value, .begin = begin, .thread = {receiver, canceller, sender},
           .end = nothing_is_lost, .preemptions = 3, .late = 2)

/* Goal: a canceller does not look at a wait that is over, nor takes the next one for it. */
MODEL_TEST(a_cancel_meets_the_next_wait, .begin = begin,
           .thread = {receiver_twice, canceller, sender}, .end = nothing_is_lost, .preemptions = 3,
           .late = 2)

/* Goal: of two cancellers one ends the wait, and the other does not look at it afterwards. */
MODEL_TEST(two_cancels_meet, .begin = begin, .thread = {receiver, canceller, plain_canceller},
           .end = was_cancelled, .preemptions = 3, .late = 2)

/* The same of a wait by the short way (park/ours.h). */
MODEL_TEST(a_cancel_ends_a_short_wait, .begin = begin_biased, .thread = {receiver, canceller},
           .end = was_cancelled, .preemptions = 4, .late = 3)

MODEL_TEST(a_cancel_loses_no_value_of_a_short_wait, .begin = begin_biased,
           .thread = {receiver, canceller, sender}, .end = nothing_is_lost, .preemptions = 2,
           .late = 2)

MODEL_TEST(a_cancel_meets_the_wait_after_a_short_one, .begin = begin_biased,
           .thread = {receiver_twice, canceller, sender}, .end = nothing_is_lost, .preemptions = 2,
           .late = 2)

MODEL_TEST(two_cancels_meet_in_a_short_wait, .begin = begin_biased,
           .thread = {receiver, canceller, plain_canceller}, .end = was_cancelled,
           .preemptions = 3, .late = 2)

/* ---- cancellers of several coroutines ---- */

static struct weft_scope scopes[2];

static void begin_two(void)
{
    rig_begin(2);
    for (int i = 0; i < 2; i++) {
        rig_be(i);
        weft_scope_begin_until(&scopes[i], INT64_MAX);
    }
}

static void cancel_in_order(int first)
{
    struct weft__scope_frame *of[2] = {rig_g[first].scope, rig_g[1 - first].scope};

    for (int i = 0; i < 2; i++)
        weft__cancel_mark(of[i]);
    weft__cancel_fence();
    for (int i = 0; i < 2; i++)
        weft__cancel_deliver(of[i]);
}

static void forwards(void)
{
    cancel_in_order(0);
}

static void backwards(void)
{
    cancel_in_order(1);
}

static void both_are_cancelled(void)
{
    for (int i = 0; i < 2; i++) {
        rig_be(i);
        MODEL_CHECK(weft_scope_status() == -ECANCELED);
        (void)weft_scope_end(&scopes[i]);
    }
}

/* Goal: two who cancel groups to which the same coroutines belong do not wait for each other. */
MODEL_TEST(cancellers_do_not_wait_for_each_other, .begin = begin_two,
           .thread = {forwards, backwards}, .end = both_are_cancelled, .preemptions = 4, .late = 2)

/* ---- a deadline that passes while the scope is cancelled ---- */

static void begin_bounded(void)
{
    atomic_init(&model_passed_ns, 0);
    rig_begin(3);
    rig_be(0);
    weft_scope_begin_until(&scope, MODEL_BEGIN_NS + 1);
    /* A scope inside was cancelled long ago, so each question looks for marks. */
    atomic_init(&rig_g[0].scope->root->has_cancelled, true);
}

static void asker(void)
{
    rig_enter();
    const int first = weft_scope_status();
    const int second = weft_scope_status();

    MODEL_CHECK(first == 0 || second == first);
}

static void time_passes(void)
{
    model_pass_time(2);
}

static void close_bounded(void)
{
    rig_be(0);
    MODEL_CHECK(weft_scope_status() != 0);
    (void)weft_scope_end(&scope);
}

/* Goal: whichever came first answers, and goes on to. */
MODEL_TEST(a_scope_says_the_same_for_ever, .begin = begin_bounded,
           .thread = {asker, plain_canceller, time_passes}, .end = close_bounded, .preemptions = 4,
           .late = 3)
