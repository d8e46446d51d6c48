/* SPDX-License-Identifier: MIT */
/*
 * chan_crowd.c - a close of a channel in which a crowd waits, most of which is woken after it.
 *
 * matrix: short
 */
#include "chan/chan.h"
#include "co_test.h"
#include "sched/lookout.h"

enum { AT_ONCE = 128, CROWD = 1000 };

struct crowd {
    chan *ch;
    struct weft_wait_group *arrived, *left;
    atomic_int n_ended;
};

static void crowd_make(struct crowd *c, chan *ch, int n)
{
    c->ch = ch;
    c->arrived = weft_wg_make();
    c->left = weft_wg_make();
    weft_wg_add(c->arrived, n);
    weft_wg_add(c->left, n);
    atomic_init(&c->n_ended, 0);
}

static void crowd_free(struct crowd *c)
{
    CHECK_EQ(atomic_load(&c->n_ended), CROWD);
    chan_unref(c->ch);
    weft_wg_free(c->arrived);
    weft_wg_free(c->left);
}

/* The receiver's own reference: the one who closes may give his back at once. */
static void receive_end(void *arg)
{
    struct crowd *c = arg;
    chan *ch = chan_ref(c->ch);

    weft_wg_done(c->arrived);
    CHECK_EQ(chan_recv(ch, NULL), -EPIPE);
    chan_unref(ch);
    atomic_fetch_add(&c->n_ended, 1);
    weft_wg_done(c->left);
}

static int receive_end_for(void *c)
{
    receive_end(c);
    return 0;
}

static void send_end(void *arg)
{
    struct crowd *c = arg;

    weft_wg_done(c->arrived);
    CHECK_EQ(chan_send(c->ch, NULL), -EPIPE);
    atomic_fetch_add(&c->n_ended, 1);
    weft_wg_done(c->left);
}

static int count_waiters(chan *ch)
{
    int n = 0;

    weft__lock(&ch->lock);
    for (const struct weft__waiter *w = ch->receivers.first; w != NULL; w = w->next)
        n++;
    for (const struct weft__waiter *w = ch->senders.first; w != NULL; w = w->next)
        n++;
    weft__unlock(&ch->lock);
    return n;
}

static void wait_until_parked(struct crowd *c)
{
    while (count_waiters(c->ch) < CROWD)
        weft_yield();
}

/* Goal: each of a crowd of receivers, and of senders, learns of the close.  Method: many times what
 * a close wakes itself. */
CO_TEST(all_of_a_crowd_learn_of_the_close)
{
    void (*const ends[])(void *) = {receive_end, send_end};

    for (int e = 0; e < COUNT(ends); e++) {
        struct crowd c;
        crowd_make(&c, chan_make(0, 0), CROWD);
        for (int i = 0; i < CROWD; i++)
            CHECK_EQ(go(ends[e], &c), 0);
        wait_until_parked(&c);
        CHECK_EQ(chan_close(c.ch), 0);
        CHECK_EQ(chan_close(c.ch), 1);
        CHECK_EQ(chan_recv(c.ch, NULL), -EPIPE);
        CHECK_EQ(weft_wg_wait(c.left), 0);
        crowd_free(&c);
    }
    return 0;
}

/* Goal: the channel lives as long as somebody of the crowd is to be woken.  Method: nobody but the
 * crowd has a reference any more right after the close; what is freed too early is for a sanitizer
 * to see, and what is not freed as well. */
CO_TEST(who_closes_may_give_his_reference_back_at_once)
{
    struct crowd c;
    crowd_make(&c, chan_make(0, 0), CROWD);
    for (int i = 0; i < CROWD; i++)
        CHECK_EQ(go(receive_end, &c), 0);
    wait_until_parked(&c);
    chan *ch = c.ch;
    CHECK_EQ(chan_close(ch), 0);
    chan_unref(ch);
    CHECK_EQ(weft_wg_wait(c.left), 0);
    c.ch = NULL;
    crowd_free(&c);
    return 0;
}

static int free_when_closed(void *arg)
{
    chan *ch = arg;

    while (chan_try_recv(ch, NULL) == -EAGAIN)
        ;
    chan_unref(ch);
    return 0;
}

static int close_and_let_free(void *unused)
{
    (void)unused;
    for (int i = 0; i < scaled(2000); i++) {
        chan *ch = chan_make(0, 0);
        struct weft_co *other = weft_go_with(free_when_closed, ch);
        for (int k = 0; k < i % 300; k++)
            weft_yield(); /* it is taken over, and looks */
        CHECK_EQ(chan_close(ch), 0);
        join(other);
    }
    return 0;
}

/* Goal: who closes leaves the channel alone once others can see that it is closed: they may free
 * it.  Method: the other one looks all the time, on another processor, and has the only reference;
 * a sanitizer sees who comes too late. */
TEST(who_sees_a_close_may_free_the_channel)
{
    setenv("WEFT_PROCS", "2", 1);
    CHECK_EQ(weft_run(close_and_let_free, NULL), 0);
}

static void receive_until(void *arg)
{
    struct crowd *c = arg;

    weft_wg_done(c->arrived);
    int rc = -EINVAL;
    WEFT_DEADLINE(s, 20 * WEFT_MS) {
        rc = chan_recv(c->ch, NULL);
    }
    CHECK(rc == -EPIPE || rc == -ETIMEDOUT);
    atomic_fetch_add(&c->n_ended, 1);
    weft_wg_done(c->left);
}

static void select_end(void *arg)
{
    struct crowd *c = arg;
    struct weft_case cases[] = {weft_case_recv(c->ch, NULL), weft_case_recv(c->ch, NULL)};

    weft_wg_done(c->arrived);
    CHECK_GE(weft_select(cases, 2), 0);
    atomic_fetch_add(&c->n_ended, 1);
    weft_wg_done(c->left);
}

/* Goal: deadlines that pass and selects that are won while the crowd is woken lose nobody.  Method:
 * the close falls into the moment of all deadlines, at another time in each round. */
CO_TEST(deadlines_and_selects_in_a_crowd_end_once)
{
    for (int round = 0; round < 10; round++) {
        struct crowd c;
        crowd_make(&c, chan_make(0, 0), CROWD);
        for (int i = 0; i < CROWD; i++)
            CHECK_EQ(go(i % 3 == 0 ? receive_end : i % 3 == 1 ? receive_until : select_end, &c), 0);
        CHECK_EQ(weft_wg_wait(c.arrived), 0);
        weft_sleep((18 + round % 3) * WEFT_MS);
        CHECK_EQ(chan_close(c.ch), 0);
        CHECK_EQ(weft_wg_wait(c.left), 0);
        crowd_free(&c);
    }
    return 0;
}

struct bystander {
    struct crowd *crowd;
    atomic_bool is_over;
    int n_before, most; /* that have ended between two of its turns */
    int n_turns;
};

static int look_on(void *arg)
{
    struct bystander *b = arg;

    while (!atomic_load(&b->is_over)) {
        int n = atomic_load(&b->crowd->n_ended);
        if (n - b->n_before > b->most)
            b->most = n - b->n_before;
        b->n_before = n;
        b->n_turns++;
        weft_yield();
    }
    return 0;
}

/* Goal: a close of a crowd keeps nobody from his turn for long.  Method: on one processor, how many
 * wait still when the close is back, and how many end between two turns of a bystander. */
CO_TEST_ON_ONE(others_have_their_turns_while_a_crowd_is_woken)
{
    struct crowd c;
    atomic_store(&weft__lookout_serves, false); /* a relief processor would run them meanwhile */
    crowd_make(&c, chan_make(0, 0), CROWD);
    struct bystander b = {.crowd = &c};
    for (int i = 0; i < CROWD; i++)
        CHECK_EQ(go(receive_end, &c), 0);
    wait_until_parked(&c);
    struct weft_co *watcher = weft_go_with(look_on, &b);
    yield_often(10);
    CHECK_EQ(chan_close(c.ch), 0);
    CHECK_EQ(count_waiters(c.ch), CROWD - AT_ONCE);
    CHECK_EQ(atomic_load(&c.n_ended), 0); /* nor has it given way itself */
    CHECK_EQ(weft_wg_wait(c.left), 0);
    atomic_store(&b.is_over, true);
    join(watcher);
    CHECK_LE(b.most, 3 * AT_ONCE);
    CHECK_GE(b.n_turns, CROWD / (3 * AT_ONCE));
    crowd_free(&c);
    return 0;
}

/* Goal: a coroutine of ours takes no place where a runtime has a limit.  Method: a limit that the
 * crowd fills; then as many as before find room. */
static int close_at_the_limit(void *unused)
{
    (void)unused;
    for (int round = 0; round < 3; round++) {
        struct crowd c;
        struct weft_co *all[CROWD];
        crowd_make(&c, chan_make(0, 0), CROWD);
        for (int i = 0; i < CROWD; i++)
            CHECK((all[i] = weft_go_with(receive_end_for, &c)) != NULL);
        wait_until_parked(&c);
        CHECK_EQ(chan_close(c.ch), 0);
        for (int i = 0; i < CROWD; i++)
            join(all[i]); /* who is joined has given up its place */
        crowd_free(&c);
    }
    return 0;
}

TEST(a_crowd_at_the_limit_is_woken)
{
    CHECK_EQ(weft_run_with(close_at_the_limit, NULL, .coroutines_max = CROWD + 1), 0);
}

static int close_and_end(void *arg)
{
    struct crowd *c = arg;

    crowd_make(c, chan_make(0, 0), CROWD);
    for (int i = 0; i < CROWD; i++)
        CHECK_EQ(go(receive_end, c), 0);
    wait_until_parked(c);
    CHECK_EQ(chan_close(c->ch), 0);
    return 0;
}

/* Goal: a runtime that ends right after the close, the crowd on its way, leaves nothing of its own
 * behind.  Method: the reference of who closed is given back afterwards; those of the crowd, which
 * are discarded, by the test. */
TEST(a_runtime_may_end_while_a_crowd_is_woken)
{
    struct crowd c;

    CHECK_EQ(weft_run(close_and_end, &c), 0);
    for (int i = atomic_load(&c.n_ended); i < CROWD; i++)
        chan_unref(c.ch);
    CHECK(weft_chan_is_closed(c.ch));
    chan_unref(c.ch); /* the last one, or it would be fatal here or leaked */
    weft_wg_free(c.arrived);
    weft_wg_free(c.left);
}
