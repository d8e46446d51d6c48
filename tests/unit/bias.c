/* SPDX-License-Identifier: MIT */
/*
 * bias.c - objects whose lock belongs to the P that made them, until somebody else touches them.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include "bias_rig.h"
#include "chan/chan.h"

static int do_nothing(void *unused)
{
    (void)unused;
    return 0;
}

struct things {
    struct weft__gate *gate; /* of the P that made them */
    struct weft__lock lock;
    chan *ch;
    struct weft_mutex *mutex;
    struct weft_wait_group *wg;
    struct weft_co *co;
    bool in_coroutine; /* those who touch them */
};

enum { THINGS = 5 };

static void things_make(struct things *t)
{
    trust();
    t->gate = weft__gate_self();
    weft__lock_init_biased(&t->lock, RANK_CHAN);
    t->ch = chan_make(sizeof(int), 4);
    t->mutex = weft_mutex_make();
    t->wg = weft_wg_make();
    t->co = start_on(weft_thread_index(), do_nothing, NULL);
    CHECK(t->ch && t->mutex && t->wg && t->co);
}

static void things_free(struct things *t)
{
    chan_unref(t->ch);
    weft_mutex_free(t->mutex);
    weft_wg_free(t->wg);
}

/* How many of them are biased, but for the handle. */
static int count_biased(struct things *t)
{
    int n = atomic_load(&t->lock.gate) == t->gate;

    n += names_gate(t->ch, t->gate);
    n += names_gate(t->mutex, t->gate);
    n += names_gate(t->wg, t->gate);
    return n;
}

static void use_lock(struct things *t)
{
    weft__lock(&t->lock);
    weft__unlock(&t->lock);
}

static void use_chan(struct things *t)
{
    int value = 0;

    for (int i = 0; i < 6; i++) {
        CHECK_EQ(weft_chan_try_send(t->ch, &i), 0);
        CHECK_EQ(weft_chan_len(t->ch), 1);
        CHECK_EQ(weft_chan_try_recv(t->ch, &value), 0);
        CHECK_EQ(value, i);
    }
}

static void use_mutex(struct things *t)
{
    CHECK_EQ(weft_mutex_lock(t->mutex), 0);
    weft_mutex_unlock(t->mutex);
    CHECK_EQ(weft_mutex_try_lock(t->mutex), 0);
    weft_mutex_unlock(t->mutex);
}

static void use_wg(struct things *t)
{
    weft_wg_add(t->wg, 2);
    weft_wg_done(t->wg);
    weft_wg_done(t->wg);
    CHECK_EQ(weft_wg_wait(t->wg), 0);
}

/* In all the ways that are open to whoever calls; the handle is gone afterwards. */
static int use_all(void *arg)
{
    struct things *t = arg;
    int result = -1;

    use_lock(t);
    use_chan(t);
    if (weft_in_coroutine())
        use_mutex(t);
    use_wg(t);
    CHECK_EQ(weft_join(t->co, &result), 0);
    CHECK_EQ(result, 0);
    return 0;
}

/* Select, and waits that park: on the P that made them. */
static void use_with_waits(struct things *t)
{
    chan *other = chan_make(sizeof(int), 1);
    int value = 5, got = 0;

    for (int i = 0; i < 10; i++) {
        struct weft_case send[] = {weft_case_send(t->ch, &value), weft_case_send(other, &value)};
        const int chosen = weft_select(send, COUNT(send));
        struct weft_case recv[] = {weft_case_recv(other, &got), weft_case_recv(t->ch, &got),
                                   weft_case_default()};
        CHECK_EQ(weft_select(recv, COUNT(recv)), 1 - chosen);
        CHECK_EQ(got, value);
        CHECK_EQ(weft_select(recv, COUNT(recv)), 2);
        WEFT_DEADLINE (s, 20 * WEFT_US)
            CHECK_EQ(weft_select(recv, 2), -ETIMEDOUT);
        WEFT_DEADLINE (s, 20 * WEFT_US)
            CHECK_EQ(chan_recv(t->ch, &got), -ETIMEDOUT);
    }
    weft_wg_add(t->wg, 1);
    WEFT_DEADLINE (s, 20 * WEFT_US)
        CHECK_EQ(weft_wg_wait(t->wg), -ETIMEDOUT);
    weft_wg_done(t->wg);
    chan_unref(other);
}

/* Goal: all kinds of objects that a coroutine makes are biased to its P, and stay so however often
 * and in whichever way that P uses them. */
BIAS_TEST(an_object_is_biased_to_its_p_while_only_that_p_uses_it)
{
    struct things t;

    things_make(&t);
    CHECK_EQ(count_biased(&t), THINGS - 1);
    CHECK(names_gate(t.co, t.gate));
    for (int i = 0; i < 20; i++) {
        use_lock(&t);
        use_chan(&t);
        use_mutex(&t);
        use_wg(&t);
        use_with_waits(&t);
        weft_yield();
    }
    CHECK(names_gate(t.co, t.gate));
    CHECK_EQ(use_all(&t), 0);
    CHECK_EQ(count_biased(&t), THINGS - 1);
    CHECK_EQ(atomic_load(&t.gate->inside), 0);
    things_free(&t);
    return 0;
}

/* Goal: what is made to be shared, or by a plain thread, is biased to nobody. */
static int check_shared(void *arg)
{
    struct things *t = arg;
    chan *shared = weft_chan_make_shared(sizeof(int), 1);

    trust();
    t->gate = weft__gate_self();
    CHECK(t->gate != NULL);
    CHECK(!names_gate(shared, t->gate));
    CHECK_EQ(count_biased(t), 0);
    chan_unref(shared);
    return 0;
}

TEST(what_plain_threads_make_is_biased_to_nobody)
{
    struct things t = {
        .ch = chan_make(sizeof(int), 4), .mutex = weft_mutex_make(), .wg = weft_wg_make()};

    weft__lock_init_biased(&t.lock, RANK_CHAN);
    CHECK(atomic_load(&t.lock.gate) == NULL);
    CHECK(weft__gate_self() == NULL);
    use_lock(&t);
    use_chan(&t);
    CHECK_EQ(weft_run(check_shared, &t), 0);
    CHECK(weft__gate_self() == NULL);
    use_wg(&t);
    things_free(&t);
}

/* Goal: the first touch from elsewhere ends the bias; a few uses do not bring it back, and nothing
 * does where the lock is not all that protects the object. */
BIAS_TEST(the_first_touch_from_elsewhere_ends_a_bias)
{
    for (int place = 0; place < PLACES; place++) {
        struct things t;
        struct task task;
        struct weft_co *co;

        things_make(&t);
        co = begin_at((enum place)place, &task, use_all, &t);
        end_at(&task, co);
        CHECK_EQ(names_gate(t.mutex, t.gate), place == ON_A_THREAD); /* which cannot use it */
        CHECK_EQ(count_biased(&t), place == ON_A_THREAD);
        CHECK_LE(atomic_load(&t.gate->balance),
                 WEFT__GATE_BALANCE_MAX - 4 * WEFT__GATE_END_COST + 20);
        trust();
        for (int i = 0; i < (int)WEFT__LOCK_SETTLED; i++) {
            use_lock(&t);
            use_mutex(&t);
            use_wg(&t);
        }
        for (int i = 0; i < 8; i++)
            use_chan(&t);
        CHECK_EQ(count_biased(&t), place == ON_A_THREAD);
        CHECK_EQ(atomic_load(&t.gate->inside) | (atomic_load(&t.gate->asked) & GATE_ASKED), 0);
        things_free(&t);
    }
    return 0;
}

/* Goal: a channel that one P alone uses for a while is biased to that P, whoever made it and as
 * often as it moves; uses that others come between do not count. */
static int use_often(void *arg)
{
    struct things *t = arg;

    for (int i = 0; i < (int)WEFT__LOCK_SETTLED; i++) {
        CHECK_EQ(weft_chan_try_send(t->ch, &i), 0);
        CHECK_EQ(weft_chan_try_recv(t->ch, NULL), 0);
    }
    CHECK(names_gate(t->ch, weft__gate_self()));
    use_chan(t);
    CHECK(names_gate(t->ch, weft__gate_self()));
    return 0;
}

static int use_once(void *arg)
{
    struct things *t = arg;

    CHECK_EQ(weft_chan_try_recv(t->ch, NULL), -EAGAIN);
    CHECK(!names_gate(t->ch, weft__gate_self()));
    return 0;
}

BIAS_TEST(a_channel_that_rests_on_a_p_is_biased_to_it)
{
    struct things t;

    things_make(&t);
    for (int i = 0; i < 10; i++)
        run_on(i % 2, use_often, &t);
    for (int i = 0; i < 60; i++) { /* more uses in all than it takes in a row */
        run_on(0, use_once, &t);
        for (int n = 0; n < (int)WEFT__LOCK_SETTLED / 40; n++)
            run_on(1, use_once, &t);
    }
    run_on(0, use_often, &t);
    join(t.co);
    things_free(&t);
    return 0;
}

/* Goal: a channel in which a plain thread waits is not biased, however often one P uses it: who
 * waits in a biased one is taken for a coroutine. */
static int wait_for_value(void *arg)
{
    struct things *t = arg;
    int value = 0;

    CHECK_EQ(weft_chan_recv_foreign(t->ch, &value, 100 * WEFT_SEC), 0);
    CHECK_EQ(value, 7);
    return 0;
}

static bool has_receiver(struct things *t)
{
    weft__lock(&t->ch->lock);
    const bool has = t->ch->receivers.first != NULL;
    weft__unlock(&t->ch->lock);
    return has;
}

BIAS_TEST(a_thread_that_waits_keeps_a_channel_from_being_biased)
{
    struct things t;
    struct task task;
    const int value = 7;

    things_make(&t);
    begin_at(ON_A_THREAD, &task, wait_for_value, &t);
    while (!has_receiver(&t))
        sched_yield();
    for (unsigned i = 0; i < 3 * WEFT__LOCK_SETTLED; i++)
        CHECK_EQ(weft_chan_try_recv(t.ch, NULL), -EAGAIN);
    CHECK(!names_gate(t.ch, t.gate));
    CHECK_EQ(chan_send(t.ch, &value), 0);
    end_at(&task, NULL);
    for (unsigned i = 0; i <= WEFT__LOCK_SETTLED; i++) /* nobody waits, and it settles */
        CHECK_EQ(weft_chan_try_recv(t.ch, NULL), -EAGAIN);
    CHECK(names_gate(t.ch, t.gate));
    join(t.co);
    things_free(&t);
    return 0;
}

/* Goal: coroutines that wait in a channel do not keep it from being biased, wherever they began to
 * wait, and are served under the bias: by a receive, by a select and under a deadline. */
static int receive_on_another_p(void *arg)
{
    struct things *t = arg;
    int value = 0;

    CHECK_EQ(chan_recv(t->ch, &value), 0);
    return value;
}

static int select_on_another_p(void *arg)
{
    struct things *t = arg;
    chan *other = chan_make(sizeof(int), 0);
    int value = 0;
    struct weft_case cases[] = {weft_case_recv(other, &value), weft_case_recv(t->ch, &value)};

    CHECK_EQ(weft_select(cases, COUNT(cases)), 1);
    chan_unref(other);
    return value;
}

static int receive_under_a_deadline(void *arg)
{
    struct things *t = arg;
    int value = 0;

    WEFT_DEADLINE (s, 100 * WEFT_SEC)
        CHECK_EQ(chan_recv(t->ch, &value), 0);
    return value;
}

BIAS_TEST(coroutines_that_wait_do_not_keep_a_channel_from_being_biased)
{
    int (*const ways[])(void *) = {receive_on_another_p, select_on_another_p,
                                   receive_under_a_deadline};

    for (unsigned i = 0; i < COUNT(ways); i++) {
        struct things t;
        const int value = 40 + (int)i;
        int got = 0;

        things_make(&t);
        struct weft_co *co = start_on(1, ways[i], &t);
        while (!has_receiver(&t))
            weft_yield();
        for (unsigned n = 0; n <= 2 * WEFT__LOCK_SETTLED; n++)
            CHECK_EQ(weft_chan_try_recv(t.ch, NULL), -EAGAIN);
        CHECK(has_receiver(&t));
        CHECK(names_gate(t.ch, t.gate));
        CHECK_EQ(chan_send(t.ch, &value), 0);
        CHECK_EQ(weft_join(co, &got), 0);
        CHECK_EQ(got, value);
        join(t.co);
        things_free(&t);
    }
    return 0;
}

/* Goal: each way to touch an object from a plain thread ends its bias, frees included. */
static int look(void *arg)
{
    struct things *t = arg;

    CHECK_EQ(weft_chan_len(t->ch), 0);
    CHECK(!names_gate(t->ch, t->gate));
    weft_wg_add(t->wg, 1);
    CHECK(!names_gate(t->wg, t->gate));
    CHECK(!weft__lock_is_ours(&t->lock));
    CHECK(atomic_load(&t->lock.gate) == NULL);
    weft_detach(t->co);
    weft_wg_done(t->wg);
    chan_close(t->ch);
    things_free(t);
    return 0;
}

BIAS_TEST(a_look_or_a_free_from_a_plain_thread_ends_a_bias)
{
    for (int i = 0; i < 10; i++) {
        struct things t;
        struct task task;

        things_make(&t);
        use_mutex(&t);
        end_at(&task, begin_at(ON_A_THREAD, &task, look, &t));
        CHECK_EQ(atomic_load(&t.gate->inside) | (atomic_load(&t.gate->asked) & GATE_ASKED), 0);
    }
    return 0;
}

static int lock_until_ended(void *arg)
{
    struct weft__lock *lock = arg;

    weft__lock(lock);
    weft__unlock(lock);
    return 0;
}

/* Goal: a P whose biases are ended all the time makes no more of them than WEFT__GATE_END_COST
 * allows, tries one again after a while, and is trusted again when they last. */
BIAS_TEST(a_p_whose_biases_do_not_last_makes_few)
{
    enum { N = 1000 };
    struct weft__gate *gate = weft__gate_self();
    struct weft__lock lock;
    int n = 0;

    for (int i = 0; i < N; i++) {
        struct task task;

        weft__lock_init_biased(&lock, RANK_CHAN);
        if (atomic_load(&lock.gate) == NULL)
            continue;
        CHECK(atomic_load(&lock.gate) == gate);
        end_at(&task, begin_at(ON_A_THREAD, &task, lock_until_ended, &lock));
        CHECK(atomic_load(&lock.gate) == NULL);
        n++;
    }
    CHECK_GE(n, N / (WEFT__GATE_END_COST + 1) - 1);
    CHECK_LE(n, N / (WEFT__GATE_END_COST + 1) + 4); /* a new gate has some credit */
    for (int i = 0; i < 2 * WEFT__GATE_END_COST; i++)
        weft__lock_init_biased(&lock, RANK_CHAN);
    CHECK(atomic_load(&lock.gate) == gate);
    return 0;
}
