/* SPDX-License-Identifier: MIT */
/*
 * future_select.c - futures and wakers in the cases of a select.
 *
 * matrix: short
 */
#include "future_rig.h"

/* Goal: a future that is complete is chosen at once, with its value or its error in the case; one
 * that is not, or is NULL, is not. */
CO_TEST(a_complete_future_is_chosen_at_once)
{
    struct pair pending = pair_make(), there = pair_make();
    int value[3] = {-7, -7, -7};
    struct weft_case cases[] = {weft_case_future(pending.f, &value[0]),
                                weft_case_future(there.f, &value[1]),
                                weft_case_future(NULL, &value[2]), weft_case_default()};

    CHECK_EQ(weft_select(cases, 4), 3);
    resolve_with(there.p, 5);
    for (int again = 0; again < 2; again++) { /* it stays complete */
        value[1] = -7;
        CHECK_EQ(weft_select(cases, 3 + again), 1);
        CHECK_EQ(cases[1].rc, 0);
        CHECK_EQ(value[1], 5);
    }
    cases[1].value = NULL; /* the value may stay where it is */
    CHECK_EQ(weft_select(cases, 4), 1);
    CHECK_EQ(weft_promise_reject(pending.p, -EIO), 0);
    cases[1] = weft_case_future(NULL, NULL);
    CHECK_EQ(weft_select(cases, 4), 0);
    CHECK_EQ(cases[0].rc, -EIO);
    CHECK_EQ(value[0], -7);
    CHECK_EQ(value[2], -7);
    pair_free(&pending);
    pair_free(&there);
    return 0;
}

struct meeting {
    struct pair a, b;
    chan *ch;
    struct weft_waker *w;
    int chosen, value;
    int64_t rc;
};

static int wait_for_all_kinds(void *arg)
{
    struct meeting *m = arg;
    int from_a = -7, from_b = -7, received = -7;
    struct weft_case cases[] = {weft_case_future(m->a.f, &from_a), weft_case_recv(m->ch, &received),
                                weft_case_future(m->b.f, &from_b), weft_case_waker(m->w),
                                weft_case_future(m->a.f, &from_a), weft_case_after(WEFT_NEVER)};

    m->chosen = weft_select(cases, COUNT(cases));
    CHECK_GE(m->chosen, 0);
    m->rc = cases[m->chosen].rc;
    m->value = m->chosen == 2 ? from_b : m->chosen == 1 ? received : from_a;
    CHECK_EQ((from_a != -7) + (from_b != -7) + (received != -7), m->rc == 0 && m->chosen != 3);
    return 0;
}

/* Goal: whatever comes first is chosen, and the others keep no trace of the select: what comes
 * later finds nobody.
 * Method: the channel is made here, and so may be biased to this processor, or shared. */
CO_TEST(a_select_waits_for_futures_beside_other_things)
{
    for (int round = 0; round < scaled(600); round++) {
        struct meeting m = {.a = pair_make(), .b = pair_make(), .w = weft_waker_make()};
        m.ch = round % 2 == 0 ? chan_make(sizeof(int), 0) : weft_chan_make_shared(sizeof(int), 0);
        struct weft_co *co = weft_go_with(wait_for_all_kinds, &m);
        int first = round % 5;

        wait_for_waiters(m.b.f, 1);
        CHECK_EQ(n_waiting(m.a.f), 2);
        if (first == 0)
            resolve_with(m.a.p, 10);
        else if (first == 1)
            CHECK_EQ(chan_send(m.ch, &(int){11}), 0);
        else if (first == 2)
            CHECK_EQ(weft_promise_reject(m.b.p, -EIO), 0);
        else if (first == 3)
            weft_waker_wake(m.w);
        else
            CHECK_EQ(weft_future_cancel(m.b.f), 0);
        join(co);
        if (first == 0)
            CHECK(m.chosen == 0 || m.chosen == 4);
        else
            CHECK_EQ(m.chosen, first == 4 ? 2 : first);
        CHECK_EQ(m.rc, first == 2 ? -EIO : first == 4 ? -ECANCELED : 0);
        if (first < 2)
            CHECK_EQ(m.value, 10 + first);
        CHECK_EQ(n_waiting(m.a.f), 0);
        CHECK_EQ(n_waiting(m.b.f), 0);
        CHECK_EQ(weft_chan_try_send(m.ch, &(int){1}), -EAGAIN);
        weft_waker_wake(m.w); /* goes to the next wait */
        CHECK_EQ(weft_waker_wait(m.w), 0);
        pair_free(&m.a);
        pair_free(&m.b);
        chan_unref(m.ch);
        weft_waker_unref(m.w);
    }
    return 0;
}

/* Goal: of several that are complete, each is chosen now and then. */
CO_TEST(a_select_is_fair_among_complete_futures)
{
    struct pair pair[3] = {pair_make(), pair_make(), pair_make()};
    int count[3] = {0};
    const int rounds = scaled(3000);

    for (int i = 0; i < 3; i++)
        resolve_with(pair[i].p, i);
    for (int i = 0; i < rounds; i++) {
        int value = -1, chosen = -1;
        SELECT {
            ON_FUTURE(pair[0].f, &value) { chosen = 0; }
            ON_FUTURE(pair[1].f, &value) { chosen = 1; }
            ON_FUTURE(pair[2].f, &value) { chosen = 2; }
        }
        CHECK_EQ(value, chosen);
        count[chosen]++;
    }
    for (int i = 0; i < 3; i++) {
        CHECK_GT(count[i], rounds / 6); /* a third is expected */
        pair_free(&pair[i]);
    }
    return 0;
}

/* Goal: a wake is used up by the case that was chosen for it, and by no other. */
CO_TEST(a_select_uses_up_a_wake_only_by_its_case)
{
    struct weft_waker *w = weft_waker_make();
    chan *ch = chan_make(sizeof(int), 1);
    int n_wakes = 0, n_values = 0;

    for (int i = 0; i < scaled(1000); i++) {
        int v;
        weft_waker_wake(w);
        CHECK_EQ(chan_send(ch, &i), 0);
        for (int left = 2; left > 0; left--)
            SELECT {
                ON_RECV(ch, &v) { n_values += v == i; }
                ON_WAKER(w) { n_wakes += SELECT_RC == 0; }
            }
        CHECK_EQ(n_wakes, i + 1);
        CHECK_EQ(n_values, i + 1);
        SELECT {
            ON_RECV(ch, &v) { CHECK(false); }
            ON_WAKER(w) { CHECK(false); }
            ON_DEFAULT { }
        }
    }
    chan_unref(ch);
    weft_waker_unref(w);
    return 0;
}

enum { TWELVE = 12 };

static int resolve_the_seventh(void *arg)
{
    struct pair *pair = arg;

    wait_for_waiters(pair[TWELVE - 1].f, 1);
    resolve_with(pair[7].p, 7);
    return 0;
}

/* Goal: more futures than fit a small select; and a deadline that ends it leaves nobody in them. */
CO_TEST(a_select_over_many_futures)
{
    struct pair pair[TWELVE];
    struct weft_case cases[TWELVE];
    int value = -1;

    for (int i = 0; i < TWELVE; i++) {
        pair[i] = pair_make();
        cases[i] = weft_case_future(pair[i].f, &value);
    }
    WEFT_DEADLINE(s, WEFT_MS)
        CHECK_EQ(weft_select(cases, TWELVE), -ETIMEDOUT);
    for (int i = 0; i < TWELVE; i++)
        CHECK_EQ(n_waiting(pair[i].f), 0);
    struct weft_co *co = weft_go_with(resolve_the_seventh, pair);
    CHECK_EQ(weft_select(cases, TWELVE), 7);
    CHECK_EQ(value, 7);
    join(co);
    for (int i = 0; i < TWELVE; i++) {
        CHECK_EQ(n_waiting(pair[i].f), 0);
        pair_free(&pair[i]);
    }
    return 0;
}

struct rush {
    struct pair a, b;
};

static int select_both(void *arg)
{
    struct rush *r = arg;
    int value = -1, n = 0;
    struct weft_case cases[] = {weft_case_future(r->a.f, &value), weft_case_future(r->b.f, &value)};

    while (n < 3) { /* bit by bit: which were met */
        int chosen = weft_select(cases, 2);
        CHECK_GE(chosen, 0);
        CHECK_EQ(value, chosen);
        CHECK_EQ(n & 1 << chosen, 0);
        n |= 1 << chosen;
        cases[chosen].object = NULL;
    }
    return 0;
}

static void *resolve_both(void *arg)
{
    struct rush *r = arg;

    resolve_with(r->b.p, 1);
    resolve_with(r->a.p, 0);
    return NULL;
}

/* Goal: a thread that completes several futures of one select while it begins or ends is met once
 * by each, and no completion is lost. */
CO_TEST(completions_from_a_thread_race_with_selects)
{
    for (int round = 0; round < scaled(1000); round++) {
        struct rush r = {pair_make(), pair_make()};
        struct weft_co *co[3];
        pthread_t th;

        for (int i = 0; i < COUNT(co); i++)
            co[i] = weft_go_with(select_both, &r);
        th = thread_start(resolve_both, &r);
        for (int i = 0; i < COUNT(co); i++)
            join(co[i]);
        thread_join(th);
        pair_free(&r.a);
        pair_free(&r.b);
    }
    return 0;
}
