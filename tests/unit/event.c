/* SPDX-License-Identifier: MIT */
/*
 * event.c - the event as include/weft/event.h promises it, and its case in a select.
 *
 * matrix: short
 */
#include "crowd.h"
#include "no_lookout.h"

struct news {
    struct weft_event *e;
    int plain; /* what was written before the set is visible after the wait */
    atomic_int n_started, n_woken;
};

static int wait_for_news(void *arg)
{
    struct news *n = arg;

    atomic_fetch_add(&n->n_started, 1);
    CHECK_EQ(weft_event_wait(n->e), 0);
    CHECK_EQ(n->plain, 42);
    atomic_fetch_add(&n->n_woken, 1);
    return 0;
}

static void *wait_for_news_on_a_thread(void *arg)
{
    CHECK_EQ(wait_for_news(arg), 0);
    return NULL;
}

/* Goal: a set wakes all who wait, coroutines and threads, and who comes later does not wait, until
 * a reset. */
CO_TEST(a_set_event_holds_nobody)
{
    for (int round = 0; round < 20; round++) {
        struct news n = {.e = weft_event_make()};
        struct weft_co *co[8];
        pthread_t th;

        CHECK(!weft_event_is_set(n.e));
        CHECK_EQ(pthread_create(&th, NULL, wait_for_news_on_a_thread, &n), 0);
        for (int i = 0; i < COUNT(co); i++)
            co[i] = weft_go_with(wait_for_news, &n);
        while (atomic_load(&n.n_started) < COUNT(co) + 1)
            weft_yield();
        CHECK_EQ(atomic_load(&n.n_woken), 0);
        n.plain = 42;
        weft_event_set(n.e);
        weft_event_set(n.e);
        CHECK(weft_event_is_set(n.e));
        for (int i = 0; i < COUNT(co); i++)
            join(co[i]);
        CHECK_EQ(pthread_join(th, NULL), 0);
        WEFT_DEADLINE(s, 0)
            CHECK_EQ(weft_event_wait(n.e), 0);
        weft_event_reset(n.e);
        CHECK(!weft_event_is_set(n.e));
        WEFT_DEADLINE(s, WEFT_MS) {
            CHECK_EQ(weft_event_wait(n.e), -ETIMEDOUT);
            CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
        }
        weft_event_free(n.e);
        weft_event_free(NULL);
    }
    return 0;
}

static int pulse(void *unused)
{
    struct news n = {.e = weft_event_make(), .plain = 42};
    struct weft_co *co[8];

    (void)unused;
    for (int i = 0; i < COUNT(co); i++) {
        co[i] = weft_go_with(wait_for_news, &n);
        while (atomic_load(&n.n_started) <= i)
            weft_yield();
    }
    weft_event_set(n.e);
    weft_event_reset(n.e);
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
    weft_event_free(n.e);
    return 0;
}

/* Goal: a reset right after the set does not hold back those whom the set has found waiting.
 * Method: with one processor a coroutine that has started has also parked. */
TEST(a_reset_does_not_take_a_set_back)
{
    CHECK_EQ(weft_run_with(pulse, NULL, .procs = 1), 0);
}

static void set_it(void *e)
{
    weft_event_set(e);
}

/* Goal: an event is freed by the one who has waited for it as soon as that is over.  The sanitizers
 * see a touch that comes too late. */
CO_TEST(an_event_is_freed_right_after_its_wait)
{
    for (int i = 0; i < scaled(2000); i++) {
        struct weft_event *e = weft_event_make();
        CHECK_EQ(go(set_it, e), 0);
        if (i % 2 == 0) {
            CHECK_EQ(weft_event_wait(e), 0);
        } else {
            struct weft_case c = weft_case_event(e);
            CHECK_EQ(weft_select(&c, 1), 0);
        }
        weft_event_free(e);
    }
    return 0;
}

static int set_and_free(void *unused)
{
    struct news n = {.e = weft_event_make(), .plain = 42};
    struct weft_co *co[4];

    (void)unused;
    for (int i = 0; i < COUNT(co); i++) {
        co[i] = weft_go_with(wait_for_news, &n);
        while (atomic_load(&n.n_started) <= i)
            weft_yield();
    }
    weft_event_set(n.e);
    weft_event_free(n.e);
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
    return 0;
}

/* Goal: the one who has set an event frees it while those whom that woke are still in there.
 * Method: with one processor they have yet to run. */
TEST(an_event_is_freed_right_after_its_set)
{
    CHECK_EQ(weft_run_with(set_and_free, NULL, .procs = 1), 0);
}

/* ---- in a select ---- */

/* Goal: an event is a case: ready while it is set, else waited for; the case leaves it as it is. */
CO_TEST(an_event_is_a_case_of_a_select)
{
    struct weft_event *a = weft_event_make(), *b = weft_event_make();
    chan *ch = chan_make(sizeof(int), 0);
    int v;

    for (int i = 0; i < scaled(500); i++) {
        struct weft_case cases[] = {weft_case_event(a), weft_case_event(b),
                                    weft_case_recv(ch, &v), weft_case_event(NULL)};

        CHECK_EQ(go(set_it, i % 2 == 0 ? a : b), 0);
        CHECK_EQ(weft_select(cases, COUNT(cases)), i % 2);
        CHECK_EQ(cases[i % 2].rc, 0);
        CHECK_EQ(weft_select(cases, COUNT(cases)), i % 2); /* it is still set */
        weft_event_reset(i % 2 == 0 ? a : b);
    }
    SELECT {
        ON_EVENT(a) TEST_FAIL("not set");
        ON_RECV(ch, &v) TEST_FAIL("nothing was sent");
        ON_AFTER(WEFT_MS) v = 7;
    }
    CHECK_EQ(v, 7);
    SELECT {
        ON_EVENT(a) TEST_FAIL("not set");
        ON_DEFAULT v = 8;
    }
    CHECK_EQ(v, 8);
    weft_event_set(a);
    SELECT {
        ON_EVENT(a) v = (int)SELECT_RC;
        ON_DEFAULT TEST_FAIL("it is set");
    }
    CHECK_EQ(v, 0);
    chan_unref(ch);
    weft_event_free(a);
    weft_event_free(b);
    return 0;
}

static int select_it(void *arg)
{
    struct news *n = arg;
    chan *never = chan_make(0, 0);
    struct weft_case cases[] = {weft_case_recv(never, NULL), weft_case_event(n->e)};

    atomic_fetch_add(&n->n_started, 1);
    CHECK_EQ(weft_select(cases, 2), 1);
    CHECK_EQ(n->plain, 42);
    chan_unref(never);
    return 0;
}

/* Goal: a set wakes those who select beside those who wait; a scope ends a select for an event. */
CO_TEST(a_set_wakes_selects_and_waits_alike)
{
    for (int round = 0; round < scaled(100); round++) {
        struct news n = {.e = weft_event_make()};
        struct weft_co *co[6];

        for (int i = 0; i < COUNT(co); i++)
            co[i] = weft_go_with(i % 2 == 0 ? select_it : wait_for_news, &n);
        while (atomic_load(&n.n_started) < COUNT(co))
            weft_yield();
        n.plain = 42;
        weft_event_set(n.e);
        for (int i = 0; i < COUNT(co); i++)
            join(co[i]);
        weft_event_reset(n.e);
        WEFT_DEADLINE(s, 100 * WEFT_US) {
            struct weft_case c = weft_case_event(n.e);
            CHECK_EQ(weft_select(&c, 1), -ETIMEDOUT);
        }
        weft_event_free(n.e);
    }
    return 0;
}
