/* SPDX-License-Identifier: MIT */
/*
 * select_race.c - selects that race: with each other, with closes, and with themselves.
 *
 * matrix: short
 */
#include "co_test.h"

/* ---- the same channel more than once ---- */

struct meeting {
    chan *c, *d, *e;
};

static int select_c_c_d_then_recv_e(void *arg)
{
    struct meeting *m = arg;
    int v = 0;
    struct weft_case cases[] = {weft_case_recv(m->c, &v), weft_case_recv(m->c, &v),
                                weft_case_recv(m->d, &v)};

    CHECK_EQ(weft_select(cases, 3), 2);
    CHECK_EQ(v, 7);
    CHECK_EQ(chan_recv(m->e, &v), 0);
    CHECK_EQ(v, 9);
    return 0;
}

static int recv_8_from_c(void *arg)
{
    struct meeting *m = arg;
    int v = 0;

    CHECK_EQ(chan_recv(m->c, &v), 0);
    CHECK_EQ(v, 8);
    return 0;
}

/* Goal: a select that stands twice in a channel's queue is taken out of it twice.
 * Method: A waits in c twice and in d, B in c behind it.  A gets its value from d and waits in e;
 * the value sent to c must go to B, neither to A nor to nobody. */
CO_TEST(a_select_that_waited_twice_in_a_channel_is_gone_from_it)
{
    for (int i = 0; i < scaled(1000); i++) {
        struct meeting m = {chan_make(sizeof(int), 0), chan_make(sizeof(int), 0),
                            chan_make(sizeof(int), 0)};
        struct weft_co *a = weft_go_with(select_c_c_d_then_recv_e, &m), *b;

        yield_often(5);
        b = weft_go_with(recv_8_from_c, &m);
        yield_often(5);
        CHECK_EQ(chan_send(m.d, &(int){7}), 0);
        yield_often(i % 5);
        CHECK_EQ(chan_send(m.c, &(int){8}), 0);
        CHECK_EQ(chan_send(m.e, &(int){9}), 0);
        join(a);
        join(b);
        chan_unref(m.c);
        chan_unref(m.d);
        chan_unref(m.e);
    }
    return 0;
}

static int send_numbers(void *arg)
{
    for (int i = 0; i < scaled(3000); i++)
        CHECK_EQ(chan_send(arg, &i), 0);
    return 0;
}

/* Goal: three receive cases on one channel share its values: each value once, in order, into the
 * place of the case that was chosen, and each case has its turn. */
CO_TEST(a_channel_in_three_cases_delivers_each_value_once)
{
    for (size_t round = 0; round < 6; round++) {
        const size_t cap = round / 2;
        /* The gate of this P, or a lock that all three have in common. */
        chan *ch = round % 2 == 0 ? chan_make(sizeof(int), cap)
                                  : weft_chan_make_shared(sizeof(int), cap);
        struct weft_co *co = weft_go_with(send_numbers, ch);
        int count[3] = {0};

        for (int i = 0; i < scaled(3000); i++) {
            int v[3] = {-1, -1, -1};
            struct weft_case cases[] = {weft_case_recv(ch, &v[0]), weft_case_recv(ch, &v[1]),
                                        weft_case_recv(ch, &v[2])};
            int chosen = weft_select(cases, 3);

            CHECK_GE(chosen, 0);
            for (int k = 0; k < 3; k++)
                CHECK_EQ(v[k], k == chosen ? i : -1);
            count[chosen]++;
        }
        join(co);
        for (int k = 0; k < 3; k++) /* a third each, and far from none */
            CHECK_GT(count[k], scaled(3000) / 10);
        chan_unref(ch);
    }
    return 0;
}

/* ---- never blocked while something is ready ---- */

struct race {
    chan *c1, *c2;
};

static int take_one_of_two(void *arg)
{
    struct race *r = arg;
    int v;
    struct weft_case cases[] = {weft_case_recv(r->c1, &v), weft_case_recv(r->c2, &v),
                                weft_case_default()};

    CHECK_NE(weft_select(cases, 3), 2);
    return 0;
}

/* Goal: a select with a default looks at all of its channels at one time.
 * Method: c1 is ready until after c2 has become ready, by a value or by close, so that at every
 * moment one of them is: the default would be wrong. */
CO_TEST(a_select_with_default_sees_its_channels_at_one_moment)
{
    for (int i = 0; i < scaled(20000); i++) {
        struct race r = {chan_make(sizeof(int), 1), chan_make(sizeof(int), 1)};
        struct weft_co *co;
        int rc;

        CHECK_EQ(chan_send(r.c1, &i), 0);
        co = weft_go_with(take_one_of_two, &r);
        if (i % 2 == 0)
            CHECK_EQ(chan_send(r.c2, &i), 0);
        else
            CHECK_EQ(chan_close(r.c2), 0);
        rc = chan_try_recv(r.c1, NULL);
        CHECK(rc == 0 || rc == -EAGAIN);
        join(co);
        chan_unref(r.c1);
        chan_unref(r.c2);
    }
    return 0;
}

/* ---- both sides select ---- */

struct crossing {
    chan *ch[4];
    int n; /* how many values each side sends on each channel */
};

static int send_on_four(void *arg)
{
    struct crossing *x = arg;
    int next[4] = {0};

    for (int left = 4 * x->n; left > 0; left--) {
        struct weft_case cases[4];
        int chosen;

        for (int i = 0; i < 4; i++)
            cases[i] = weft_case_send(next[i] < x->n ? x->ch[i] : NULL, &next[i]);
        chosen = weft_select(cases, 4);
        CHECK_GE(chosen, 0);
        CHECK_EQ(cases[chosen].rc, 0);
        next[chosen]++;
    }
    return 0;
}

static int recv_on_four(void *arg)
{
    struct crossing *x = arg;
    int next[4] = {0}, value[4];

    for (int left = 4 * x->n; left > 0; left--) {
        struct weft_case cases[4];
        int chosen;

        for (int i = 0; i < 4; i++)
            cases[i] = weft_case_recv(next[i] < x->n ? x->ch[i] : NULL, &value[i]);
        chosen = weft_select(cases, 4);
        CHECK_GE(chosen, 0);
        CHECK_EQ(cases[chosen].rc, 0);
        CHECK_EQ(value[chosen], next[chosen]);
        next[chosen]++;
    }
    return 0;
}

/* Goal: selects on both sides of four channels, buffered and not, deliver everything in order. */
CO_TEST(selects_meet_selects_on_four_channels)
{
    struct crossing x = {{NULL}, scaled(5000)};
    struct weft_co *sender, *receiver;

    for (int i = 0; i < 4; i++)
        x.ch[i] = chan_make(sizeof(int), i < 2 ? 0 : (size_t)i);
    sender = weft_go_with(send_on_four, &x);
    receiver = weft_go_with(recv_on_four, &x);
    join(sender);
    join(receiver);
    for (int i = 0; i < 4; i++)
        chan_unref(x.ch[i]);
    return 0;
}

struct stress_side {
    struct crossing *x;
    int channel;
};

static int send_on_one(void *arg)
{
    struct stress_side *s = arg;

    for (int i = 0; i < s->x->n; i++)
        CHECK_EQ(chan_send(s->x->ch[s->channel], &i), 0);
    return 0;
}

static int recv_on_one(void *arg)
{
    struct stress_side *s = arg;
    int v;

    for (int i = 0; i < s->x->n; i++)
        CHECK_EQ(chan_recv(s->x->ch[s->channel], &v), 0);
    return 0;
}

/* Goal: plain senders and receivers and selecting ones share four channels; all finish. */
CO_TEST(selects_and_plain_calls_share_channels)
{
    struct crossing x = {{NULL}, scaled(3000)};
    struct stress_side side[4];
    struct weft_co *co[9];
    int received[4] = {0};

    for (int i = 0; i < 4; i++) {
        x.ch[i] = chan_make(sizeof(int), i == 0 ? 0 : (size_t)i + 1);
        side[i] = (struct stress_side){&x, i};
        co[2 * i] = weft_go_with(send_on_one, &side[i]);
        co[2 * i + 1] = weft_go_with(recv_on_one, &side[i]);
    }
    co[8] = weft_go_with(send_on_four, &x);
    for (int left = 4 * x.n; left > 0; left--) { /* n of each, so that n are left for the others */
        struct weft_case cases[4];
        int chosen;

        for (int i = 0; i < 4; i++)
            cases[i] = weft_case_recv(received[i] < x.n ? x.ch[i] : NULL, NULL);
        chosen = weft_select(cases, 4);
        CHECK_GE(chosen, 0);
        received[chosen]++;
    }
    for (int i = 0; i < 9; i++)
        join(co[i]);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(weft_chan_len(x.ch[i]), 0);
        chan_unref(x.ch[i]);
    }
    return 0;
}

/* ---- many consumers ---- */

struct factory {
    chan *in, *out;
};

static int double_all(void *arg)
{
    struct factory *f = arg;
    int v;

    while (chan_recv(f->in, &v) == 0) {
        if (v % 7 == 0)
            weft_yield(); /* mixes the order in which they work */
        v *= 2;
        CHECK_EQ(chan_send(f->out, &v), 0);
    }
    return 0;
}

static int feed(void *arg)
{
    struct factory *f = arg;

    for (int i = 0; i < scaled(10000); i++)
        CHECK_EQ(chan_send(f->in, &i), 0);
    chan_close(f->in);
    return 0;
}

/* Goal: 23 workers between a feeder and a collector: the sum of what comes out is right. */
CO_TEST(many_consumers_share_the_work)
{
    enum { WORKERS = 23 };
    struct factory f = {chan_make(sizeof(int), WORKERS / 2), chan_make(sizeof(int), 7)};
    struct weft_co *worker[WORKERS], *feeder;
    int64_t sum = 0, n = scaled(10000);
    int v;

    for (int i = 0; i < WORKERS; i++)
        worker[i] = weft_go_with(double_all, &f);
    feeder = weft_go_with(feed, &f);
    for (int i = 0; i < n; i++) {
        CHECK_EQ(chan_recv(f.out, &v), 0);
        sum += v;
    }
    CHECK_EQ(sum, n * (n - 1));
    for (int i = 0; i < WORKERS; i++)
        join(worker[i]);
    join(feeder);
    CHECK_EQ(chan_try_recv(f.out, &v), -EAGAIN);
    chan_unref(f.in);
    chan_unref(f.out);
    return 0;
}

/* ---- deadlines and closes against hand-overs ---- */

static atomic_int n_sent, n_received;

static int select_sends_in_a_hurry(void *arg)
{
    struct race *r = arg;

    for (int i = 0; i < scaled(2000); i++) {
        struct weft_case cases[] = {weft_case_send(r->c1, &i), weft_case_send(r->c2, &i),
                                    weft_case_send(r->c1, &i)};
        int chosen = -1;

        WEFT_DEADLINE (s, (i % 9) * 20 * WEFT_US)
            chosen = weft_select(cases, 3);
        CHECK(chosen >= 0 || chosen == -ETIMEDOUT);
        if (chosen >= 0)
            atomic_fetch_add(&n_sent, 1);
    }
    return 0;
}

static int select_recvs_until_closed(void *arg)
{
    struct race *r = arg;
    bool open1 = true, open2 = true;

    while (open1 || open2) {
        int v = -1;
        struct weft_case cases[] = {weft_case_recv(open1 ? r->c1 : NULL, &v),
                                    weft_case_recv(open2 ? r->c2 : NULL, &v),
                                    weft_case_after(50 * WEFT_US)};
        int chosen = weft_select(cases, 3);

        CHECK_GE(chosen, 0);
        if (chosen == 2) {
            CHECK_EQ(v, -1);
        } else if (cases[chosen].rc == 0) {
            CHECK_GE(v, 0);
            atomic_fetch_add(&n_received, 1);
        } else {
            CHECK_EQ(cases[chosen].rc, -EPIPE);
            *(chosen == 0 ? &open1 : &open2) = false;
        }
    }
    return 0;
}

/* Goal: when selects, their timeouts and scopes race, a value is received if and only if it was
 * sent. */
CO_TEST(racing_selects_lose_and_double_nothing)
{
    for (size_t cap = 0; cap < 2; cap++) {
        struct race r = {chan_make(sizeof(int), 0), chan_make(sizeof(int), cap)};
        struct weft_co *sender[3], *receiver[3];

        atomic_store(&n_sent, 0);
        atomic_store(&n_received, 0);
        for (int i = 0; i < 3; i++) {
            sender[i] = weft_go_with(select_sends_in_a_hurry, &r);
            receiver[i] = weft_go_with(select_recvs_until_closed, &r);
        }
        for (int i = 0; i < 3; i++)
            join(sender[i]);
        chan_close(r.c1);
        chan_close(r.c2);
        for (int i = 0; i < 3; i++)
            join(receiver[i]);
        CHECK_EQ(atomic_load(&n_sent), atomic_load(&n_received));
        chan_unref(r.c1);
        chan_unref(r.c2);
    }
    return 0;
}

static int select_until_c1_closes(void *arg)
{
    struct race *r = arg;
    int v = 0;
    struct weft_case cases[] = {weft_case_recv(r->c1, &v), weft_case_send(r->c2, &v)};
    int chosen;

    do {
        chosen = weft_select(cases, 2);
        CHECK_GE(chosen, 0);
    } while (cases[chosen].rc == 0);
    CHECK_EQ(cases[chosen].rc, -EPIPE);
    return 0;
}

/* Goal: a close wakes every select that stands in the channel, on either side. */
CO_TEST(close_wakes_all_selects)
{
    enum { N = 50 };

    for (int round = 0; round < scaled(100); round++) {
        struct race r = {chan_make(sizeof(int), 0), chan_make(sizeof(int), 0)};
        struct weft_co *co[N];

        for (int i = 0; i < N; i++)
            co[i] = weft_go_with(select_until_c1_closes, &r);
        yield_often(round % 60);
        chan_close(round % 2 == 0 ? r.c1 : r.c2);
        for (int i = 0; i < N; i++)
            join(co[i]);
        chan_unref(r.c1);
        chan_unref(r.c2);
    }
    return 0;
}
