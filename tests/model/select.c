/* SPDX-License-Identifier: MIT */
/*
 * select.c - the claim of a wait (sched/wait.h), by those who meet in it: the cases of a select
 * (select/select.c) over channels, its timer, another select; a plain thread and its time.
 */
#include <chan/chan.h>
#include <weft/select.h>

#include "rig.h"

#define AFTER_NS 5000000

static struct weft_chan *a, *b;
static struct model_cell data[2]; /* what goes with a value: 1 over a, 2 over b */
static int n_received;

static void begin_with(size_t capacity)
{
    rig_begin(3);
    memset(data, 0, sizeof data);
    n_received = 0;
    a = weft_chan_make_shared(sizeof(int), capacity);
    b = weft_chan_make_shared(sizeof(int), capacity);
}

static void begin(void)
{
    begin_with(1);
}

static void begin_unbuffered(void)
{
    begin_with(0);
}

static void begin_with_a_wheel(void)
{
    begin_with(1);
    memset(&rig_p[0].wheel, 0, sizeof rig_p[0].wheel);
    weft__wheel_init(&rig_p[0].wheel, MODEL_BEGIN_NS);
}

/* Channels that are biased to the P of the first thread. */
static void begin_biased(void)
{
    begin_with(1);
    rig_be(0);
    a = weft_chan_make(sizeof(int), 1);
    b = weft_chan_make(sizeof(int), 1);
}

static void begin_biased_and_lent(void)
{
    begin_biased();
    rig_lends = true;
}

static void received(int value)
{
    MODEL_CHECK(value == 1 || value == 2);
    MODEL_CHECK(model_get(&data[value - 1]) == value);
    n_received++;
}

static int select_two(int64_t until_ns)
{
    int value = 0;
    struct weft_case cases[] = {
        weft_case_recv(a, &value),
        weft_case_recv(b, &value),
        weft_case_until(until_ns),
    };
    int chosen = weft_select(cases, until_ns == INT64_MAX ? 2 : 3);

    MODEL_CHECK(chosen >= 0);
    if (chosen < 2) {
        MODEL_CHECK(cases[chosen].rc == 0);
        MODEL_CHECK(value == chosen + 1);
        received(value);
    }
    return chosen;
}

static void selecter(void)
{
    rig_enter();
    (void)select_two(INT64_MAX);
}

static void selecter_who_lends(void)
{
    rig_enter();
    (void)select_two(INT64_MAX);
    rig_lend();
}

static void selecter_twice(void)
{
    rig_enter();
    (void)select_two(INT64_MAX);
    (void)select_two(INT64_MAX);
}

static void selecter_with_a_timeout(void)
{
    rig_enter();
    (void)select_two(MODEL_BEGIN_NS + AFTER_NS);
}

static void send_to(struct weft_chan *ch, int value)
{
    model_put(&data[value - 1], value);
    MODEL_CHECK(weft_chan_send(ch, &value) == 0);
}

static void sender_a(void)
{
    rig_enter();
    send_to(a, 1);
}

static void sender_b(void)
{
    rig_enter();
    send_to(b, 2);
}

/* On the P of the one who selects, where that one has parked. */
static void sender_a_inside(void)
{
    rig_borrow();
    send_to(a, 1);
    rig_give_back();
}

/* Another P, which fires the timers of the first one: the time has come. */
static void timer(void)
{
    rig_enter();
    (void)weft__timers_fire(rig_m[2].p, &rig_p[0], MODEL_BEGIN_NS + AFTER_NS);
}

/* Whoever sends the last value sends it to somebody who waits for it, or into a buffer. */
static void selecter_of_sends(void)
{
    int one = 1, two = 2;
    struct weft_case cases[] = {weft_case_send(b, &two), weft_case_send(a, &one)};

    rig_enter();
    model_put(&data[0], 1);
    model_put(&data[1], 2);
    MODEL_CHECK(weft_select(cases, 2) >= 0);
}

/* A plain thread, which waits on a futex; its time may be over at any moment. */
static void receiver_on_a_thread(void)
{
    int value = 0;
    int rc = weft_chan_recv_foreign(a, &value, AFTER_NS);

    MODEL_CHECK(rc == 0 || rc == -ETIMEDOUT);
    if (rc == 0)
        received(value);
}

static size_t n_buffered(void)
{
    MODEL_CHECK(a->receivers.first == NULL && a->senders.first == NULL);
    MODEL_CHECK(b->receivers.first == NULL && b->senders.first == NULL);
    return a->count + b->count;
}

static void one_is_left(void)
{
    MODEL_CHECK(n_received == 1 && n_buffered() == 1);
}

static void none_is_left(void)
{
    MODEL_CHECK(n_received == 2 && n_buffered() == 0);
}

static void one_was_sent(void)
{
    MODEL_CHECK(n_received + (int)n_buffered() == 1);
}

static void one_was_received(void)
{
    MODEL_CHECK(n_received == 1 && n_buffered() == 0);
}

/* Goal: of those who could end a select exactly one does, gets its value across, and leaves the
 * others' values where they were; the waiters of the other cases are unlinked.
 * Method: what was received and what is buffered is what was sent, and nobody is linked at the end.
 */
MODEL_TEST(one_of_two_senders_ends_a_select, .begin = begin,
           .thread = {selecter, sender_a, sender_b}, .end = one_is_left, .preemptions = 3,
           .late = 2)

MODEL_TEST(two_selects_take_what_two_send, .begin = begin_unbuffered,
           .thread = {selecter_twice, sender_a, sender_b}, .end = none_is_left, .preemptions = 2,
           .late = 1)

MODEL_TEST(a_sender_or_a_timer_ends_a_select, .begin = begin_with_a_wheel,
           .thread = {selecter_with_a_timeout, sender_a, timer}, .end = one_was_sent,
           .preemptions = 3, .late = 2)

MODEL_TEST(two_selects_meet_in_one_channel, .begin = begin_unbuffered,
           .thread = {selecter, selecter_of_sends}, .end = one_was_received, .preemptions = 3,
           .late = 2)

MODEL_TEST(one_of_two_senders_ends_a_select_over_biased_channels, .begin = begin_biased,
           .thread = {selecter, sender_a, sender_b}, .end = one_is_left, .preemptions = 2,
           .late = 1)

/* One of the two is inside the gate that both channels are biased to, the other one ends that. */
MODEL_TEST(a_sender_inside_the_gate_or_one_outside_ends_a_select, .begin = begin_biased_and_lent,
           .thread = {selecter_who_lends, sender_a_inside, sender_b}, .end = one_is_left,
           .preemptions = 3, .late = 2)

/* The same for the wait of a plain thread: a value is received, or stays. */
MODEL_TEST(a_sender_or_its_time_ends_a_threads_wait, .begin = begin,
           .thread = {receiver_on_a_thread, sender_a}, .end = one_was_sent, .preemptions = 6,
           .late = 4)
