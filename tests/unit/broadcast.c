/* SPDX-License-Identifier: MIT */
/*
 * broadcast.c - every value to every subscriber, as include/weft/broadcast.h promises it.
 *
 * matrix: short
 */
#include "shape_rig.h"

/* ---- order, copies, lag ---- */

static void fill(unsigned char *value, size_t bytes, int i)
{
    for (size_t k = 0; k < bytes; k++)
        value[k] = (unsigned char)((unsigned)i * 31 + k * 7);
}

/* Goal: values arrive whole and in order at each subscriber, whatever their size. */
CO_TEST(every_subscriber_sees_every_value_in_order)
{
    static const size_t sizes[] = {1, 4, 8, 12, 1000};

    for (int z = 0; z < COUNT(sizes); z++) {
        struct weft_broadcast *b = weft_broadcast_make(sizes[z], 10);
        struct weft_subscriber *s[3];
        unsigned char value[1001], expected[1000];

        for (int k = 0; k < COUNT(s); k++)
            s[k] = weft_broadcast_subscribe(b);
        for (int i = 0; i < 25; i++) {
            fill(value, sizes[z], i);
            CHECK_EQ(weft_broadcast_send(b, value), COUNT(s));
            memset(value, 0x55, sizeof value); /* it was copied before the call returned */
            if (i % 5 != 4)
                continue;
            for (int k = 0; k < COUNT(s) * 5; k++) {
                fill(expected, sizes[z], i - 4 + k % 5);
                CHECK_EQ(weft_subscriber_recv(s[k / 5], value), 0);
                CHECK_EQ(memcmp(value, expected, sizes[z]), 0);
                CHECK_EQ(value[sizes[z]], 0x55);
            }
        }
        for (int k = 0; k < COUNT(s); k++) {
            CHECK_EQ(weft_subscriber_try_recv(s[k], value), -EAGAIN);
            weft_broadcast_unsubscribe(s[k]);
        }
        weft_broadcast_unref(b);
    }
    return 0;
}

/* Goal: a subscription begins with the next value that is sent; a send says how many there are. */
CO_TEST(a_subscriber_sees_what_is_sent_after_it_subscribed)
{
    struct weft_broadcast *b = weft_broadcast_make(sizeof(int), 8);
    struct weft_subscriber *first, *second;
    int v = 0;

    CHECK_EQ(weft_broadcast_send(b, &(int){1}), 0);
    first = weft_broadcast_subscribe(b);
    CHECK_EQ(weft_broadcast_send(b, &(int){2}), 1);
    second = weft_broadcast_subscribe(b);
    CHECK_EQ(weft_subscriber_try_recv(second, &v), -EAGAIN);
    CHECK_EQ(weft_broadcast_send(b, &(int){3}), 2);
    CHECK_EQ(weft_subscriber_recv(second, &v), 0);
    CHECK_EQ(v, 3);
    weft_broadcast_unsubscribe(second);
    CHECK_EQ(weft_broadcast_send(b, &(int){4}), 1);
    for (int i = 2; i <= 4; i++) {
        CHECK_EQ(weft_subscriber_recv(first, i == 3 ? NULL : &v), 0); /* NULL drops it */
        CHECK_EQ(v, i == 3 ? 2 : i);
    }
    weft_broadcast_unsubscribe(first);
    CHECK_EQ(weft_broadcast_send(b, &(int){5}), 0);
    weft_broadcast_unref(b);
    weft_broadcast_unref(NULL);
    weft_broadcast_unsubscribe(NULL);
    return 0;
}

/* Goal: a subscriber that falls behind by more than the capacity is told once how many values it
 * has lost, and goes on with the oldest that is kept; by exactly the capacity it loses none.
 * Method: the ring at every place, for every lag. */
CO_TEST(a_slow_subscriber_is_told_what_it_has_lost)
{
    for (int cap = 1; cap <= 5; cap++) {
        struct weft_broadcast *b = weft_broadcast_make(sizeof(int), (size_t)cap);
        struct weft_subscriber *s = weft_broadcast_subscribe(b);
        int sent = 0, next = 0, v = -1;

        for (int lag = 1; lag <= 3 * cap + 2; lag++) {
            for (int i = 0; i < lag; i++, sent++)
                CHECK_EQ(weft_broadcast_send(b, &sent), 1);
            for (int lost = lag > cap ? lag - cap : 0; next < sent; lost = 0) {
                CHECK_EQ(weft_subscriber_recv(s, &v), lost);
                next += lost;
                CHECK_EQ(v, next++);
            }
            CHECK_EQ(weft_subscriber_try_recv(s, &v), -EAGAIN);
        }
        weft_broadcast_unsubscribe(s);
        weft_broadcast_unref(b);
    }
    return 0;
}

/* Goal: a subscriber that falls behind a second time is told so a second time, and each by itself.
 */
CO_TEST(each_loss_is_told_to_the_one_who_has_it)
{
    struct weft_broadcast *b = weft_broadcast_make(sizeof(int), 2);
    struct weft_subscriber *slow = weft_broadcast_subscribe(b), *fast = weft_broadcast_subscribe(b);
    int v;

    for (int i = 0; i < 10; i++) {
        CHECK_EQ(weft_broadcast_send(b, &i), 2);
        CHECK_EQ(weft_subscriber_recv(fast, &v), 0);
        CHECK_EQ(v, i);
        if (i == 4 || i == 8) { /* 0 1 2 (3 4), 4 5 6 (7 8) */
            CHECK_EQ(weft_subscriber_try_recv(slow, &v), 3);
            CHECK_EQ(v, i - 1);
        }
    }
    CHECK_EQ(weft_subscriber_recv(slow, &v), 0);
    CHECK_EQ(v, 8);
    weft_broadcast_unsubscribe(slow);
    weft_broadcast_unsubscribe(fast);
    weft_broadcast_unref(b);
    return 0;
}

/* Goal: an element size of 0 makes signals: they are counted, and their loss as well. */
CO_TEST(a_broadcast_of_signals_counts_them)
{
    struct weft_broadcast *b = weft_broadcast_make(0, 3);
    struct weft_subscriber *s = weft_broadcast_subscribe(b);
    char watched = 'x';

    for (int i = 0; i < 5; i++)
        CHECK_EQ(weft_broadcast_send(b, NULL), 1);
    CHECK_EQ(weft_subscriber_recv(s, &watched), 2);
    CHECK_EQ(weft_subscriber_recv(s, NULL), 0);
    CHECK_EQ(weft_subscriber_recv(s, NULL), 0);
    CHECK_EQ(weft_subscriber_try_recv(s, NULL), -EAGAIN);
    CHECK_EQ(watched, 'x');
    weft_broadcast_unsubscribe(s);
    weft_broadcast_unref(b);
    return 0;
}

/* Goal: a ring that no memory can hold is a lack of memory. */
CO_TEST(a_capacity_beyond_all_memory_is_refused)
{
    CHECK(weft_broadcast_make(8, SIZE_MAX / 8) == NULL);
    CHECK(weft_broadcast_make(WEFT_CHAN_ELEM_BYTES_MAX, SIZE_MAX) == NULL);
    return 0;
}

/* ---- waits ---- */

struct party {
    struct weft_broadcast *b;
    struct weft_subscriber *s;
    atomic_int n_received, sum;
};

static int recv_until_closed(void *arg)
{
    struct party *p = arg;
    int64_t rc;
    int v;

    while ((rc = weft_subscriber_recv(p->s, &v)) == 0) {
        atomic_fetch_add(&p->n_received, 1);
        atomic_fetch_add(&p->sum, v);
    }
    CHECK_EQ(rc, -EPIPE);
    return 0;
}

static int subscribe_and_add_up(void *arg)
{
    struct party *all = arg;
    struct party me = {.b = all->b, .s = weft_broadcast_subscribe(all->b)};

    CHECK_EQ(recv_until_closed(&me), 0);
    weft_broadcast_unsubscribe(me.s);
    atomic_fetch_add(&all->n_received, atomic_load(&me.n_received));
    atomic_fetch_add(&all->sum, atomic_load(&me.sum));
    return 0;
}

/* Goal: one send wakes all who wait, each gets the value; a close wakes them too. */
CO_TEST(all_who_wait_get_the_value)
{
    enum { N = 50, VALUES = 20 };
    struct party all = {.b = weft_broadcast_make(sizeof(int), VALUES)};
    struct weft_co *co[N];

    for (int i = 0; i < N; i++)
        co[i] = go_and_park(subscribe_and_add_up, &all);
    for (int i = 1; i <= VALUES; i++)
        CHECK_EQ(weft_broadcast_send(all.b, &i), N);
    CHECK_EQ(weft_broadcast_close(all.b), 0);
    CHECK_EQ(weft_broadcast_close(all.b), 1);
    CHECK_EQ(weft_broadcast_send(all.b, &(int){1}), -EPIPE);
    for (int i = 0; i < N; i++)
        join(co[i]);
    CHECK_EQ(atomic_load(&all.n_received), N * VALUES);
    CHECK_EQ(atomic_load(&all.sum), N * VALUES * (VALUES + 1) / 2);
    weft_broadcast_unref(all.b);
    return 0;
}

static int recv_one(void *arg)
{
    struct party *p = arg;
    int v;

    CHECK_EQ(weft_subscriber_recv(p->s, &v), 0);
    CHECK_EQ(v, atomic_fetch_add(&p->n_received, 1));
    return 0;
}

/* Goal: those who share a subscriber share its values: each goes to one, in the order in which they
 * came. */
CO_TEST(those_who_share_a_subscriber_share_its_values)
{
    struct party p = {.b = weft_broadcast_make(sizeof(int), 4)};
    struct weft_co *co[4];
    int v = 0;

    p.s = weft_broadcast_subscribe(p.b);
    for (int i = 0; i < COUNT(co); i++)
        co[i] = go_and_park(recv_one, &p);
    for (int i = 0; i < COUNT(co); i++) {
        CHECK_EQ(weft_broadcast_send(p.b, &i), 1);
        CHECK_EQ(weft_subscriber_try_recv(p.s, &v), -EAGAIN);
        join(co[i]);
    }
    CHECK_EQ(weft_broadcast_send(p.b, &(int){9}), 1);
    CHECK_EQ(weft_subscriber_recv(p.s, &v), 0);
    CHECK_EQ(v, 9);
    weft_broadcast_unsubscribe(p.s);
    weft_broadcast_unref(p.b);
    return 0;
}

/* Goal: after the close what is kept can be received, with what was lost before it; the last
 * reference closes as well, and a subscription outlives it. */
CO_TEST(a_closed_broadcast_is_drained_and_then_ends)
{
    for (int round = 0; round < 2; round++) {
        struct weft_broadcast *b = weft_broadcast_make(sizeof(int), 2);
        struct weft_subscriber *s = weft_broadcast_subscribe(b), *late;
        int v;

        for (int i = 0; i < 3; i++)
            CHECK_EQ(weft_broadcast_send(b, &i), 1);
        if (round == 0) {
            CHECK_EQ(weft_broadcast_close(b), 0);
            late = weft_broadcast_subscribe(b);
            CHECK_EQ(weft_subscriber_recv(late, &v), -EPIPE);
            weft_broadcast_unsubscribe(late);
        }
        weft_broadcast_unref(weft_broadcast_ref(b));
        CHECK_EQ(weft_broadcast_send(b, &(int){3}), round == 0 ? -EPIPE : 1);
        weft_broadcast_unref(b);
        CHECK_EQ(weft_subscriber_recv(s, &v), 1 + round);
        CHECK_EQ(v, 1 + round);
        CHECK_EQ(weft_subscriber_recv(s, &v), 0);
        CHECK_EQ(weft_subscriber_recv(s, &v), -EPIPE);
        CHECK_EQ(weft_subscriber_try_recv(s, &v), -EPIPE);
        weft_broadcast_unsubscribe(s);
    }
    return 0;
}

/* Goal: the last reference wakes those who wait. */
CO_TEST(the_last_reference_ends_all_waits)
{
    struct party all = {.b = weft_broadcast_make(sizeof(int), 2)};
    struct weft_co *co[10];

    for (int i = 0; i < COUNT(co); i++)
        co[i] = go_and_park(subscribe_and_add_up, &all);
    weft_broadcast_unref(all.b);
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
    CHECK_EQ(atomic_load(&all.n_received), 0);
    return 0;
}

/* Goal: a deadline ends the wait, and the next value is not lost by it; what is there at once
 * ignores a deadline that has passed. */
CO_TEST(a_deadline_ends_the_wait_for_the_next_value)
{
    struct weft_broadcast *b = weft_broadcast_make(sizeof(int), 2);
    struct weft_subscriber *s = weft_broadcast_subscribe(b);
    int64_t since = weft_now();
    int v = 5;

    WEFT_DEADLINE(d, 2 * WEFT_MS) {
        CHECK_EQ(weft_subscriber_recv(s, &v), -ETIMEDOUT);
        CHECK_EQ(weft_scope_cause(&d), WEFT_CAUSE_THIS);
    }
    CHECK_GE(weft_now() - since, 2 * WEFT_MS);
    CHECK_EQ(v, 5);
    WEFT_DEADLINE(d, -1) {
        CHECK_EQ(weft_broadcast_send(b, &(int){6}), 1);
        CHECK_EQ(weft_subscriber_recv(s, &v), 0);
        CHECK_EQ(v, 6);
        CHECK_EQ(weft_subscriber_recv(s, &v), -ETIMEDOUT);
    }
    weft_broadcast_unsubscribe(s);
    weft_broadcast_unref(b);
    return 0;
}

/* ---- select ---- */

static int send_3_or_close(void *arg)
{
    struct party *p = arg;

    if (p->s == NULL)
        CHECK_EQ(weft_broadcast_close(p->b), 0);
    else
        CHECK_EQ(weft_broadcast_send(p->b, &(int){3}), 2);
    return 0;
}

/* Goal: a subscriber is a case of a select: with a value there, waited for, closed; two of one
 * broadcast, whose lock is one; the short way, and the long one beside a timer. */
CO_TEST(a_subscriber_is_a_case_of_a_select)
{
    for (int round = 0; round < 8; round++) {
        struct weft_broadcast *b = weft_broadcast_make(sizeof(int), 2);
        struct weft_subscriber *s[2] = {weft_broadcast_subscribe(b), weft_broadcast_subscribe(b)};
        const bool is_there = round & 1, is_closed = round & 2;
        struct party p = {.b = b, .s = is_closed ? NULL : s[0]};
        int v[2] = {0, 0};
        struct weft_case cases[] = {weft_case_broadcast(s[0], &v[0]),
                                    weft_case_broadcast(s[1], &v[1]),
                                    weft_case_after(10 * WEFT_SEC)};
        struct weft_co *co = NULL;

        if (is_there)
            CHECK_EQ(send_3_or_close(&p), 0);
        else
            co = weft_go_with(send_3_or_close, &p);
        int chosen = weft_select(cases, round & 4 ? 3 : 2);
        CHECK(chosen == 0 || chosen == 1);
        CHECK_EQ(cases[chosen].rc, is_closed ? -EPIPE : 0);
        CHECK_EQ(v[chosen], is_closed ? 0 : 3);
        CHECK_EQ(v[1 - chosen], 0);
        if (co != NULL)
            join(co);
        /* The other one has its value still. */
        CHECK_EQ(weft_subscriber_try_recv(s[1 - chosen], &v[0]), is_closed ? -EPIPE : 0);
        CHECK_EQ(weft_subscriber_try_recv(s[chosen], &v[0]), is_closed ? -EPIPE : -EAGAIN);
        weft_broadcast_unsubscribe(s[0]);
        weft_broadcast_unsubscribe(s[1]);
        weft_broadcast_unref(b);
    }
    return 0;
}

/* Goal: in a select rc says what was lost, and a default is taken where nothing is kept. */
CO_TEST(a_select_tells_what_was_lost)
{
    struct weft_broadcast *b = weft_broadcast_make(sizeof(int), 2);
    struct weft_subscriber *s = weft_broadcast_subscribe(b);
    int v = -1, n_default = 0;

    for (int i = 0; i < 5; i++)
        CHECK_EQ(weft_broadcast_send(b, &i), 1);
    for (int i = 3; i < 6; i++) {
        SELECT {
            ON_BROADCAST(s, &v) {
                CHECK_EQ(SELECT_RC, i == 3 ? 3 : 0);
                CHECK_EQ(v, i);
            }
            ON_DEFAULT { n_default++; }
        }
    }
    CHECK_EQ(v, 4);
    CHECK_EQ(n_default, 1);
    weft_broadcast_unsubscribe(s);
    weft_broadcast_unref(b);
    return 0;
}

/* ---- threads, runtimes, lifetimes ---- */

enum { MANY = 2000 };

/* Subscribed before the first value; sees all, or knows what it has lost. */
static int count_all(void *arg)
{
    struct party *p = arg;
    int64_t lost;
    int v, next = 0;

    while ((lost = weft_subscriber_recv(p->s, &v)) >= 0) {
        CHECK_EQ(v, next + lost);
        next = v + 1;
    }
    CHECK_EQ(lost, -EPIPE);
    CHECK_EQ(next, scaled(MANY));
    weft_broadcast_unsubscribe(p->s);
    return 0;
}

static int send_many(void *arg)
{
    struct party *p = arg;

    for (int i = 0; i < scaled(MANY); i++)
        CHECK_GE(weft_broadcast_send(p->b, &i), 0);
    weft_broadcast_unref(p->b);
    return 0;
}

static void *count_on_a_thread(void *arg)
{
    CHECK_EQ(count_all(arg), 0);
    return NULL;
}

static void *send_on_a_thread(void *arg)
{
    CHECK_EQ(send_many(arg), 0);
    return NULL;
}

/* Goal: plain threads send and receive, beside a coroutine and without any runtime. */
TEST(plain_threads_send_and_receive)
{
    for (int round = 0; round < 4; round++) {
        struct party p[3];
        pthread_t th[3];

        p[0].b = weft_broadcast_make(sizeof(int), 16);
        for (int i = 0; i < COUNT(p); i++) {
            p[i].b = p[0].b;
            p[i].s = weft_broadcast_subscribe(p[0].b);
        }
        for (int i = 0; i < COUNT(th); i++)
            th[i] = start(i == 0 ? send_on_a_thread : count_on_a_thread, &p[i]);
        if (round % 2 == 0)
            CHECK_EQ(weft_run(count_all, &p[0]), 0);
        else
            CHECK(count_on_a_thread(&p[0]) == NULL);
        for (int i = 0; i < COUNT(th); i++)
            CHECK_EQ(pthread_join(th[i], NULL), 0);
    }
}

/* Goal: a broadcast reaches from one runtime to another. */
TEST(two_runtimes_use_one_broadcast)
{
    for (int i = 0; i < 3; i++) {
        struct party p = {.b = weft_broadcast_make(sizeof(int), 16)};

        p.s = weft_broadcast_subscribe(p.b);
        run_in_two_runtimes(count_all, send_many, &p);
    }
}

static int leave_with_the_value(void *arg)
{
    struct party *p = arg;
    int v;

    CHECK_EQ(weft_subscriber_recv(p->s, &v), 0);
    weft_broadcast_unsubscribe(p->s);
    return 0;
}

/* Goal: whoever is the last, a sender or a subscriber, frees the broadcast at once, while the other
 * one is on his way out.  The sanitizers see a touch that comes too late, or a block that is left.
 */
CO_TEST(the_last_one_frees_it)
{
    for (int i = 0; i < scaled(4000); i++) {
        struct party p = {.b = weft_broadcast_make(sizeof(int), 1)};

        p.s = weft_broadcast_subscribe(p.b);
        struct weft_co *co = weft_go_with(leave_with_the_value, &p);
        yield_often(i % 3);
        CHECK_EQ(weft_broadcast_send(p.b, &i), 1);
        weft_broadcast_unref(p.b);
        join(co);
    }
    return 0;
}

static void recv_for_ever(void *arg)
{
    int v;

    (void)!weft_subscriber_recv(arg, &v);
}

static void select_for_ever(void *arg)
{
    int v[2];
    struct weft_case cases[] = {weft_case_broadcast(arg, &v[0]), weft_case_broadcast(arg, &v[1])};

    (void)!weft_select(cases, 2);
}

/* Goal: coroutines that are discarded while they wait are gone from the subscriber: it keeps what
 * is sent afterwards, and can be freed. */
TEST(a_stopped_runtime_leaves_nobody_in_a_subscriber)
{
    for (int round = 0; round < 10; round++) {
        struct weft_broadcast *b = weft_broadcast_make(sizeof(int), 4);
        struct weft_subscriber *s = weft_broadcast_subscribe(b);
        int v = 0;

        stop_while_they_wait(round % 2 == 0 ? recv_for_ever : select_for_ever, s, 3);
        CHECK_EQ(weft_broadcast_send(b, &(int){7}), 1);
        CHECK_EQ(weft_subscriber_try_recv(s, &v), 0);
        CHECK_EQ(v, 7);
        weft_broadcast_unsubscribe(s);
        weft_broadcast_unref(b);
    }
}
