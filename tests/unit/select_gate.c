/* SPDX-License-Identifier: MIT */
/*
 * select_gate.c - a select that waits where all its objects are biased to one gate: whoever ends it
 * there takes it out of all its queues at once, as long as none of these biases was ended.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include <chan/chan.h>

#include "bias_rig.h"
#include "no_lookout.h" /* who is called upon goes the long way */

enum { CHANNELS = 3, NO_CASE = -1000 };

struct waiting {
    chan *ch[CHANNELS]; /* it receives from the first two, and sends to the last */
    struct weft_event *event; /* NULL: not among its cases */
    uint64_t in[2], out;
    int chosen;
    struct weft_wait_group *over;
    struct weft__g *g;
};

static void select_once(void *arg)
{
    struct waiting *w = arg;
    struct weft_case c[] = {weft_case_recv(w->ch[0], &w->in[0]),
                            weft_case_recv(w->ch[1], &w->in[1]),
                            weft_case_send(w->ch[2], &w->out), weft_case_event(w->event)};

    w->g = weft__g_self();
    const int chosen = weft_select(c, w->event != NULL ? 4 : 3);
    CHECK(chosen >= 0 && c[chosen].rc == 0);
    w->chosen = chosen;
    weft_wg_done(w->over);
}

static void begin(struct waiting *w, size_t elem_bytes, bool with_event)
{
    *w = (struct waiting){.out = 7, .chosen = NO_CASE};
    trust();
    for (int k = 0; k < CHANNELS; k++)
        w->ch[k] = weft_chan_make(elem_bytes, 0);
    if (with_event)
        w->event = weft_event_make();
    w->over = weft_wg_make();
    weft_wg_add(w->over, 1);
    CHECK_EQ(weft_go(select_once, w), 0); /* under no scope */
    while (w->g == NULL || atomic_load(&w->g->state) != G_PARKED)
        weft_yield();
    CHECK(w->g->scope == NULL);
    for (int k = 0; k < CHANNELS; k++)
        CHECK(names_gate(w->ch[k], weft__gate_self()));
}

static void end(struct waiting *w, int chosen)
{
    CHECK_EQ(weft_wg_wait(w->over), 0);
    weft_wg_free(w->over);
    CHECK_EQ(w->chosen, chosen);
    for (int k = 0; k < CHANNELS; k++) {
        CHECK(w->ch[k]->receivers.first == NULL && w->ch[k]->senders.first == NULL);
        chan_unref(w->ch[k]);
    }
    if (w->event != NULL)
        weft_event_free(w->event);
}

/* It has been told, and has not run since. */
static bool is_linked(const struct waiting *w, int k)
{
    return (k < 2 ? w->ch[k]->receivers.first : w->ch[k]->senders.first) != NULL;
}

static void meet(struct waiting *w, int k)
{
    uint64_t value = 40 + (uint64_t)k;

    if (k < 2) {
        CHECK_EQ(weft_chan_send(w->ch[k], &value), 0);
    } else {
        value = 0;
        CHECK_EQ(weft_chan_recv(w->ch[k], &value), 0);
        CHECK_EQ(value, 7);
    }
}

/* Goal: each kind of case ends it, with its value, and then nobody finds it in a channel any more;
 * where values are not words it is claimed instead, and takes itself out of the others. */
CO_TEST_ON_ONE(who_ends_a_select_takes_it_out_of_all_its_queues)
{
    const size_t bytes[] = {4, 8, 3};

    for (int n = 0; n < 3 * CHANNELS; n++) {
        const int k = n % CHANNELS;
        const size_t elem_bytes = bytes[n / CHANNELS];
        struct waiting w;

        begin(&w, elem_bytes, false);
        meet(&w, k);
        CHECK_EQ(w.chosen, NO_CASE);
        for (int i = 0; i < CHANNELS; i++)
            CHECK_EQ(is_linked(&w, i), elem_bytes == 3 && i != k);
        end(&w, k);
        CHECK_EQ(w.in[0], k == 0 ? 40 : 0);
        CHECK_EQ(w.in[1], k == 1 ? 41 : 0);
    }
    return 0;
}

static int take_41(void *arg)
{
    uint64_t value = 0;

    CHECK_EQ(weft_chan_recv(arg, &value), 0);
    CHECK_EQ(value, 41);
    return 0;
}

/* Goal: one that was ended by something else than a channel is linked in its channels until it
 * runs, and no channel ends it a second time: the value goes to the next receiver. */
CO_TEST_ON_ONE(a_select_that_an_event_has_ended_gets_no_value)
{
    struct waiting w;

    begin(&w, sizeof(uint64_t), true);
    struct weft_co *next = start_on(0, take_41, w.ch[1]);
    while (w.ch[1]->receivers.first->next == NULL)
        weft_yield();
    weft_event_set(w.event);
    CHECK(is_linked(&w, 0) && is_linked(&w, 1));
    meet(&w, 1);
    join(next);
    end(&w, 3);
    CHECK_EQ(w.in[1], 0);
    return 0;
}

static int end_bias(void *arg)
{
    struct waiting *w = arg;

    weft__lock_end_bias(&w->ch[1]->lock);
    return 0;
}

static int send_41(void *arg)
{
    const uint64_t value = 41;

    CHECK_EQ(weft_chan_send_foreign(arg, &value, WEFT_NEVER), 0);
    return 0;
}

/* Goal: once one of its channels is not biased any more, who ends it inside the gate competes with
 * those outside: it is claimed, and a value that comes from outside after that waits for the next.
 */
CO_TEST_ON_ONE(a_select_whose_bias_was_ended_is_claimed_by_one_alone)
{
    for (enum place place = ON_A_THREAD; place < ON_ANOTHER_P; place++) {
        struct waiting w;
        struct task task, sender;

        begin(&w, sizeof(uint64_t), false);
        (void)begin_at(place, &task, end_bias, &w);
        end_at(&task, NULL);
        CHECK(names_gate(w.ch[0], weft__gate_self()) && !names_gate(w.ch[1], weft__gate_self()));
        CHECK_EQ(w.chosen, NO_CASE);
        meet(&w, 0);
        CHECK(is_linked(&w, 1)); /* whoever comes from outside sees that it is claimed */
        (void)begin_at(ON_A_THREAD, &sender, send_41, w.ch[1]);
        CHECK_EQ(take_41(w.ch[1]), 0);
        end_at(&sender, NULL);
        end(&w, 0);
        CHECK_EQ(w.in[1], 0);
    }
    return 0;
}

/* ---- channels that are biased to another one ---- */

struct other {
    struct weft__gate *gate;
    chan *ch;
};

static int make_there(void *arg)
{
    struct other *o = arg;

    trust();
    o->gate = weft__gate_self();
    o->ch = chan_make(sizeof(int), 1);
    return 0;
}

/* Goal: a select that comes to a channel of another processor ends its bias, whether it goes on at
 * once or looks in vain. */
BIAS_TEST(a_select_ends_the_bias_to_another_processor)
{
    for (int has_room = 0; has_room < 2; has_room++) {
        int value = 3;
        struct other o;

        run_on(1, make_there, &o);
        CHECK(o.gate != weft__gate_self() && names_gate(o.ch, o.gate));
        struct weft_case c[] = {
            has_room ? weft_case_send(o.ch, &value) : weft_case_recv(o.ch, &value),
            weft_case_default()};
        CHECK_EQ(weft_select(c, 2), has_room ? 0 : 1);
        CHECK(!names_gate(o.ch, o.gate));
        chan_unref(o.ch);
    }
    return 0;
}
