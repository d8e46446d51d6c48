/* SPDX-License-Identifier: MIT */
/*
 * bias_wait.c - waiting in objects whose bias others end: channels, locks, handles, select.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include <chan/chan.h>

#include "bias_rig.h"

/* ---- waiters that were linked under a bias ---- */

/* Made on P0, with waiters parked in it there, before others come. */
struct meeting {
    chan *values, *tokens;
    struct weft_mutex *mutex;
    struct weft_wait_group *wg;
    int plain;     /* guarded by the mutex */
    int result[3]; /* published by the wait group */
    atomic_int n_parked;
};

static int lock_some(void *arg)
{
    struct meeting *m = arg;

    atomic_fetch_add(&m->n_parked, 1);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(weft_mutex_lock(m->mutex), 0);
        const int before = m->plain;
        if (i % 4 == 0)
            weft_yield();
        m->plain = before + 1;
        weft_mutex_unlock(m->mutex);
    }
    return 0;
}

static int wait_for_results(void *arg)
{
    struct meeting *m = arg;

    atomic_fetch_add(&m->n_parked, 1);
    CHECK_EQ(weft_wg_wait(m->wg), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(m->result[i], i + 1);
    return 0;
}

static int take_ten(void *arg)
{
    struct meeting *m = arg;
    int value, last = -1;

    atomic_fetch_add(&m->n_parked, 1);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(chan_recv(m->values, &value), 0);
        CHECK_GT(value, last); /* all come from one, in order */
        last = value;
        CHECK_EQ(chan_send(m->tokens, &value), 0);
    }
    return 0;
}

static int give_from_a_thread(void *arg)
{
    struct meeting *m = arg;
    int seen[20] = {0}, value = -1;

    m->result[1] = 2;
    weft_wg_done(m->wg);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(weft_chan_send_foreign(m->values, &i, WEFT_NEVER), 0);
        CHECK_EQ(weft_chan_recv_foreign(m->tokens, &value, WEFT_NEVER), 0);
        CHECK_EQ(seen[value]++, 0);
    }
    m->result[2] = 3;
    weft_wg_done(m->wg);
    CHECK_EQ(weft_wg_wait(m->wg), 0);
    CHECK_EQ(m->result[0], 1);
    return 0;
}

static int come_from_p1(void *arg)
{
    struct meeting *m = arg;

    CHECK_EQ(lock_some(m), 0);
    m->result[0] = 1;
    weft_wg_done(m->wg);
    CHECK_EQ(wait_for_results(m), 0);
    return 0;
}

/* Goal: coroutines that wait in an object since it was biased are woken by those who ended the
 * bias: in channels, mutexes, wait groups and handles; nothing is lost or doubled. */
BIAS_TEST(those_who_wait_since_the_bias_are_woken_by_others)
{
    for (int round = 0; round < scaled(100); round++) {
        struct weft__gate *gate = weft__gate_self();
        struct weft_co *co[5], *p1;
        struct task task;
        struct meeting m = {0};

        trust();
        m.values = chan_make(sizeof(int), (size_t)round % 3);
        m.tokens = chan_make(sizeof(int), 0);
        m.mutex = weft_mutex_make();
        m.wg = weft_wg_make();
        weft_wg_add(m.wg, 3);
        co[0] = start_on(0, lock_some, &m);
        co[1] = start_on(0, lock_some, &m);
        co[2] = start_on(0, wait_for_results, &m);
        co[3] = start_on(0, take_ten, &m);
        co[4] = start_on(0, take_ten, &m);
        while (atomic_load(&m.n_parked) < 5)
            weft_yield();
        yield_often(round % 5);
        CHECK(names_gate(m.values, gate) && names_gate(m.mutex, gate) && names_gate(m.wg, gate));
        p1 = start_on(1, come_from_p1, &m);
        CHECK(begin_at(ON_A_THREAD, &task, give_from_a_thread, &m) == NULL);
        join(p1); /* its end comes from another P, while we wait in our handle */
        for (int i = 0; i < COUNT(co); i++)
            join(co[i]);
        end_at(&task, NULL);
        CHECK_EQ(m.plain, 30);
        CHECK(!names_gate(m.values, gate) && !names_gate(m.mutex, gate) && !names_gate(m.wg, gate));
        chan_unref(m.values);
        chan_unref(m.tokens);
        weft_mutex_free(m.mutex);
        weft_wg_free(m.wg);
    }
    return 0;
}

static int join_each(void *arg)
{
    struct weft_co **co = arg;

    for (int i = 0; i < 10; i++)
        join(co[i]);
    return 0;
}

static int yield_some(void *arg)
{
    yield_often(*(int *)arg);
    return 0;
}

/* Goal: a handle may be joined from anywhere while its coroutine ends on the P that made it. */
BIAS_TEST(handles_are_joined_from_anywhere)
{
    static int n[10];

    for (int round = 0; round < scaled(90); round++) {
        struct weft_co *co[10], *other;
        struct task task;

        for (int i = 0; i < COUNT(co); i++) {
            trust();
            n[i] = i * (round % 4);
            co[i] = start_on(i % 4 == 3, yield_some, &n[i]);
        }
        other = begin_at((enum place)(round % PLACES), &task, join_each, co);
        yield_often(20);
        end_at(&task, other);
    }
    return 0;
}

/* ---- select over a mix ---- */

enum { KINDS = 3, ORDERS = 6, EACH = 12, SENDERS = 4, SELECTORS = 2 };

static const int order_of[ORDERS][KINDS] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                            {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

struct mix {
    chan *ch[KINDS]; /* biased to P0, biased to P1, biased to nobody */
    size_t capacity;
    int recv_order[SELECTORS], send_order[2];
    atomic_int n_ready;
    struct weft__g *waiter;
    atomic_uchar seen[SENDERS * EACH];
};

static int make_on_p1(void *arg)
{
    struct mix *m = arg;

    trust();
    m->ch[1] = chan_make(sizeof(int), m->capacity);
    CHECK(names_gate(m->ch[1], weft__gate_self()));
    return 0;
}

/* All begin together, so that the biases end under as many hands as can be. */
static void begin_together(struct mix *m)
{
    atomic_fetch_add(&m->n_ready, 1);
    while (atomic_load(&m->n_ready) < SELECTORS + SENDERS) {
        if (weft_in_coroutine())
            weft_yield();
        else
            sched_yield();
    }
}

/* Every other select is with a default, which looks at all of them under all locks. */
static int select_values(void *arg)
{
    struct mix *m = arg;
    const int me = weft_thread_index(), *order = order_of[m->recv_order[me]];
    int value[KINDS], chosen;

    begin_together(m);
    for (int i = 0; i < SENDERS * EACH / SELECTORS;) {
        struct weft_case c[KINDS + 1];

        for (int k = 0; k < KINDS; k++)
            c[k] = weft_case_recv(m->ch[order[k]], &value[k]);
        c[KINDS] = weft_case_default();
        chosen = weft_select(c, KINDS + i % 2);
        if (chosen == KINDS) {
            weft_yield();
            continue;
        }
        CHECK_GE(chosen, 0);
        CHECK_EQ(c[chosen].rc, 0);
        CHECK_EQ(atomic_fetch_add(&m->seen[value[chosen]], 1), 0);
        i++;
    }
    return 0;
}

static int select_sends(void *arg)
{
    struct mix *m = arg;
    const int me = weft_thread_index(), *order = order_of[m->send_order[me]];

    begin_together(m);
    for (int i = 0; i < EACH; i++) {
        const int value = me * EACH + i;
        struct weft_case c[KINDS];

        for (int k = 0; k < KINDS; k++)
            c[k] = weft_case_send(m->ch[order[k]], &value);
        const int chosen = weft_select(c, KINDS);
        CHECK_GE(chosen, 0);
        CHECK_EQ(c[chosen].rc, 0);
    }
    return 0;
}

static int send_from_a_thread(void *arg)
{
    struct mix *m = arg;

    begin_together(m);
    for (int i = 0; i < EACH; i++) {
        const int value = 2 * EACH + i;
        CHECK_EQ(weft_chan_send_foreign(m->ch[i % KINDS], &value, WEFT_NEVER), 0);
    }
    return 0;
}

/* Another runtime may select over its own channel, and the one that is shared. */
static int send_from_a_runtime(void *arg)
{
    struct mix *m = arg;
    chan *own = chan_make(sizeof(int), 1);
    int got;

    trust();
    begin_together(m);
    for (int i = 0; i < EACH;) {
        const int value = 3 * EACH + i;
        struct weft_case c[] = {weft_case_send(own, &value), weft_case_send(m->ch[2], &value)};
        const int chosen = weft_select(c, COUNT(c));

        CHECK_GE(chosen, 0);
        i += chosen;
        if (chosen == 1 && chan_try_recv(own, &got) == 0)
            CHECK_EQ(got, value); /* till then it was full: we waited for the other one */
    }
    chan_unref(own);
    return 0;
}

static void run_mix(int i)
{
    struct mix m = {.capacity = (size_t)i % 3,
                    .recv_order = {i % ORDERS, i / ORDERS % ORDERS},
                    .send_order = {(i + 1) % ORDERS, (i + i / ORDERS) % ORDERS}};
    struct task task[2];
    struct weft_co *co[4];

    run_on(1, make_on_p1, &m);
    trust();
    m.ch[0] = chan_make(sizeof(int), m.capacity);
    m.ch[2] = weft_chan_make_shared(sizeof(int), m.capacity);
    CHECK(names_gate(m.ch[0], weft__gate_self()));
    for (int p = 0; p < 2; p++) {
        co[p] = start_on(p, select_values, &m);
        co[2 + p] = start_on(p, select_sends, &m);
    }
    (void)begin_at(ON_A_THREAD, &task[0], send_from_a_thread, &m);
    (void)begin_at(IN_A_RUNTIME, &task[1], send_from_a_runtime, &m);
    for (int k = 0; k < COUNT(co); k++)
        join(co[k]);
    end_at(&task[0], NULL);
    end_at(&task[1], NULL);
    for (int k = 0; k < SENDERS * EACH; k++)
        CHECK_EQ(atomic_load(&m.seen[k]), 1);
    for (int k = 0; k < KINDS; k++) {
        CHECK_EQ(weft_chan_len(m.ch[k]), 0);
        chan_unref(m.ch[k]);
    }
}

/* Goal: select goes on, and loses and doubles nothing, whatever mix of biased channels it names in
 * whichever order, while others end those biases.
 * Method: both Ps select over a channel of each P and a shared one, in each order against each
 * other one; a plain thread and another runtime send, too. */
BIAS_TEST(select_goes_on_over_a_mix_of_biases_in_all_orders)
{
    for (int i = 0; i < ORDERS * ORDERS; i++)
        run_mix(i);
    return 0;
}

/* Goal: a select over channels of its own P alone leaves them all biased, also if one stands in it
 * twice, and one that waits is found by a plain thread. */
static int send_to_last(void *arg)
{
    struct mix *m = arg;
    const int value = 7;

    while (atomic_load(&m->waiter->state) != G_PARKED)
        sched_yield();
    CHECK_EQ(weft_chan_send_foreign(m->ch[2], &value, WEFT_NEVER), 0);
    return 0;
}

BIAS_TEST(a_select_that_waits_in_biased_channels_is_found_by_a_plain_thread)
{
    for (int i = 0; i < 10; i++) {
        struct weft__gate *gate = weft__gate_self();
        struct mix m = {.waiter = weft__g_self()};
        struct task task;
        int value = 0;

        trust();
        for (int k = 0; k < KINDS; k++)
            m.ch[k] = chan_make(sizeof(int), 0);
        struct weft_case c[] = {weft_case_recv(m.ch[2], &value), weft_case_send(m.ch[0], &value),
                                weft_case_recv(m.ch[1], &value), weft_case_recv(m.ch[2], &value),
                                weft_case_after(50 * WEFT_US)};
        CHECK_EQ(weft_select(c, COUNT(c)), 4);
        for (int k = 0; k < KINDS; k++)
            CHECK(names_gate(m.ch[k], gate));
        (void)begin_at(ON_A_THREAD, &task, send_to_last, &m);
        CHECK_EQ(weft_select(c, 4) % 3, 0);
        CHECK_EQ(value, 7);
        end_at(&task, NULL);
        for (int k = 0; k < KINDS; k++) {
            CHECK_EQ(names_gate(m.ch[k], gate), k != 2);
            chan_unref(m.ch[k]);
        }
    }
    return 0;
}

/* ---- a bias that ends while select gathers its locks ---- */

enum { MANY = 40 };

struct gather {
    chan *biased, *shared;
    int n_pauses;
    atomic_int n_met;
};

static void meet(struct gather *g)
{
    atomic_fetch_add(&g->n_met, 1);
    while (atomic_load(&g->n_met) < 2)
        weft__cpu_relax();
}

/* With the shared channel's lock held, so that a select may have to wait for it, ends the bias of
 * the other one and takes its lock, too: then nobody may link anything in there. */
static int end_while_locked(void *arg)
{
    struct gather *g = arg;
    const int value = 1;

    meet(g);
    for (int i = 0; i < g->n_pauses; i++)
        weft__cpu_relax();
    weft__lock(&g->shared->lock);
    weft__lock_end_bias(&g->biased->lock);
    weft__lock(&g->biased->lock);
    struct weft__waiter *before = g->biased->receivers.first;
    weft__unlock(&g->shared->lock);
    test_spin_us(50); /* room for what must not happen: there is nothing to wait for */
    CHECK(g->biased->receivers.first == before);
    weft__unlock(&g->biased->lock);
    CHECK_EQ(weft_chan_send_foreign(g->biased, &value, WEFT_NEVER), 0);
    return 0;
}

/* Goal: a select that had to wait for some locks looks again whether those of its own P still are
 * its own.
 * Method: many cases, so that the other one comes between their count and their locks often. */
BIAS_TEST(a_select_looks_again_whether_biases_lasted)
{
    uint64_t x = test_seed();

    for (int round = 0; round < scaled(300); round++) {
        struct gather g = {.n_pauses = (int)(test_random(&x) % 300)};
        struct weft_case c[MANY];
        struct task task;
        int value = 0;

        trust();
        g.biased = chan_make(sizeof(int), 0);
        g.shared = weft_chan_make_shared(sizeof(int), 0);
        for (int i = 0; i < MANY; i++)
            c[i] = weft_case_recv(i % 8 == 0 ? g.shared : g.biased, &value);
        (void)begin_at(ON_A_THREAD, &task, end_while_locked, &g);
        meet(&g);
        CHECK_GE(weft_select(c, MANY), 0);
        CHECK_EQ(value, 1);
        end_at(&task, NULL);
        chan_unref(g.biased);
        chan_unref(g.shared);
    }
    return 0;
}
