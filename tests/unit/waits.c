/* SPDX-License-Identifier: MIT */
/*
 * waits.c - every call that can block (waits.h), and all that can end it: what it waits for,
 * a deadline, a cancel, a close, several at once, nested scopes, shields.  Whatever ends it,
 * nothing is lost and nothing is left behind: each test ends by taking the whole world apart.
 */
#include "waits.h"

#include <pthread.h>

#include "no_lookout.h" /* it reads /proc by numbers that have just been closed */

/* The body is the first coroutine of a runtime that has a limit, at which a start waits. */
#define WAIT_TEST(id)                                                                              \
    static int in_##id(void *unused);                                                              \
    TEST(id)                                                                                       \
    {                                                                                              \
        struct weft_config config = WEFT_CONFIG_INIT;                                              \
        config.coroutines_max = COROUTINES_MAX;                                                    \
        config.at_max = WEFT_AT_MAX_WAIT;                                                          \
        CHECK_EQ(weft_run_config(in_##id, NULL, &config), 0);                                      \
    }                                                                                              \
    static int in_##id(void *unused __attribute__((unused)))

struct caller {
    struct world *world;
    const struct row *row;
    atomic_bool is_there; /* about to make the call */
    ssize_t rc;
    int status; /* after it */
};

static void for_each_row(void (*test)(struct world *w, const struct row *row))
{
    for (int i = 0; i < COUNT(rows); i++) {
        struct world w;
        build(&w);
        test(&w, &rows[i]);
        destroy(&w);
    }
}

static void expect_rc(const struct row *row, ssize_t rc, ssize_t expected)
{
    if (rc != expected)
        TEST_FAIL("%s: %zd instead of %zd", row->name, rc, expected);
}

/* It went on: take back what it left. */
static void expect_success(struct world *w, const struct row *row, ssize_t rc)
{
    if (rc < 0)
        TEST_FAIL("%s: %zd instead of success", row->name, rc);
    if (row->after != NULL)
        row->after(w, rc);
}

static int make_the_call(void *arg)
{
    struct caller *c = arg;

    atomic_store(&c->is_there, true);
    c->rc = c->row->call(c->world);
    c->status = weft_scope_status();
    return 0;
}

static int make_it_shielded(void *arg)
{
    WEFT_SHIELD (s, WEFT_NEVER)
        (void)make_the_call(arg);
    ((struct caller *)arg)->status = weft_scope_status();
    return 0;
}

/* Some turns, in which the caller most likely comes to wait; no result depends on it. */
static void let_it_wait(struct caller *c)
{
    while (!atomic_load(&c->is_there))
        weft_yield();
    for (int i = 0; i < 5; i++)
        weft_yield();
}

static void ready(struct world *w, const struct row *row)
{
    if (row->release == NULL)
        return;
    row->release(w);
    WEFT_DEADLINE (s, -1) {
        weft_scope_cancel(&s);
        expect_success(w, row, row->call(w));
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_NONE);
    }
}

WAIT_TEST(what_is_ready_is_done_though_the_scope_has_ended)
{
    for_each_row(ready);
    return 0;
}

static void deadline(struct world *w, const struct row *row)
{
    for (int i = 0; i < 2; i++)
        WEFT_DEADLINE (s, i == 0 ? -1 : 500 * WEFT_US) {
            expect_rc(row, row->call(w), -ETIMEDOUT);
            CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
        }
}

WAIT_TEST(a_deadline_ends_every_call)
{
    for_each_row(deadline);
    return 0;
}

static void cancel(struct world *w, const struct row *row)
{
    for (int waits = 0; waits < 2; waits++) {
        struct caller c = {.world = w, .row = row};
        struct weft_co *co = weft_go_with(make_the_call, &c);
        if (waits)
            let_it_wait(&c);
        weft_cancel(co);
        join(co);
        expect_rc(row, c.rc, -ECANCELED);
        CHECK_EQ(c.status, -ECANCELED);
    }
}

WAIT_TEST(a_cancel_ends_every_call)
{
    for_each_row(cancel);
    return 0;
}

static void *cancel_on_a_thread(void *co)
{
    weft_cancel(co);
    return NULL;
}

static void from_a_thread(struct world *w, const struct row *row)
{
    struct caller c = {.world = w, .row = row};
    struct weft_co *co = weft_go_with(make_the_call, &c);
    pthread_t th;

    let_it_wait(&c);
    CHECK_EQ(pthread_create(&th, NULL, cancel_on_a_thread, co), 0);
    join(co);
    CHECK_EQ(pthread_join(th, NULL), 0);
    expect_rc(row, c.rc, -ECANCELED);
}

/* The coroutine that the thread's call wakes may be joined before that call has returned. */
WAIT_TEST(a_cancel_from_a_plain_thread_ends_every_call)
{
    for_each_row(from_a_thread);
    return 0;
}

static void close_ends(struct world *w, const struct row *row)
{
    struct caller c = {.world = w, .row = row};

    if (row->closing.close == NULL) {
        CHECK(row->closing.none != NULL);
        return;
    }
    struct weft_co *co = weft_go_with(make_the_call, &c);
    let_it_wait(&c);
    row->closing.close(w);
    join(co);
    expect_rc(row, c.rc, row->closing.rc);
    CHECK_EQ(c.status, 0);
    expect_rc(row, row->call(w), row->closing.rc);
    CHECK_EQ(weft_chan_len(w->full), 1); /* what was not sent is not there, what was is */
}

WAIT_TEST(a_close_ends_every_call_and_those_to_come)
{
    for_each_row(close_ends);
    return 0;
}

static void close_after(struct world *w, const struct row *row)
{
    if (row->closing.close == NULL || row->release == NULL)
        return;
    row->release(w);
    row->closing.close(w);
    if (row->closing.before == KEPT)
        expect_success(w, row, row->call(w));
    else
        expect_rc(row, row->call(w), row->closing.rc);
}

WAIT_TEST(what_came_before_a_close_is_given_where_the_row_says_so)
{
    for_each_row(close_after);
    return 0;
}

/* Goal: where what a call waits for and a cancel come at the same moment, it either succeeds, or it
 * fails and what it waited for is still there. */
static void both(struct world *w, const struct row *row)
{
    struct caller c = {.world = w, .row = row};
    pthread_t th;

    if (row->release == NULL)
        return;
    struct weft_co *co = weft_go_with(make_the_call, &c);
    let_it_wait(&c);
    CHECK_EQ(pthread_create(&th, NULL, cancel_on_a_thread, co), 0);
    row->release(w);
    CHECK_EQ(pthread_join(th, NULL), 0);
    join(co);
    if (c.rc >= 0) {
        expect_success(w, row, c.rc);
        return;
    }
    expect_rc(row, c.rc, -ECANCELED);
    WEFT_DEADLINE (s, 10 * WEFT_SEC)
        expect_success(w, row, row->call(w));
}

WAIT_TEST(of_two_that_end_a_call_at_once_one_wins_and_nothing_is_lost)
{
    for (int i = 0; i < 4; i++)
        for_each_row(both);
    return 0;
}

static void close_and_cancel(struct world *w, const struct row *row)
{
    struct caller c = {.world = w, .row = row};
    pthread_t th;

    if (row->closing.close == NULL)
        return;
    struct weft_co *co = weft_go_with(make_the_call, &c);
    let_it_wait(&c);
    CHECK_EQ(pthread_create(&th, NULL, cancel_on_a_thread, co), 0);
    row->closing.close(w);
    CHECK_EQ(pthread_join(th, NULL), 0);
    join(co);
    if (c.rc != row->closing.rc)
        expect_rc(row, c.rc, -ECANCELED);
    expect_rc(row, row->call(w), row->closing.rc);
}

WAIT_TEST(of_a_close_and_a_cancel_at_once_one_wins)
{
    for (int i = 0; i < 4; i++)
        for_each_row(close_and_cancel);
    return 0;
}

static void nested(struct world *w, const struct row *row)
{
    WEFT_SCOPE (outer) {
        WEFT_DEADLINE (inner, 300 * WEFT_US) {
            expect_rc(row, row->call(w), -ETIMEDOUT);
            weft_scope_cancel(&outer);
            expect_rc(row, row->call(w), -ETIMEDOUT);
            CHECK_EQ(weft_scope_cause(&inner), WEFT_CAUSE_THIS);
            CHECK_EQ(weft_scope_cause(&outer), WEFT_CAUSE_INNER);
        }
        WEFT_DEADLINE (inner, WEFT_SEC) {
            expect_rc(row, row->call(w), -ECANCELED);
            CHECK_EQ(weft_scope_cause(&inner), WEFT_CAUSE_OUTER);
        }
        expect_rc(row, row->call(w), -ECANCELED);
        CHECK_EQ(weft_scope_cause(&outer), WEFT_CAUSE_THIS);
    }
}

WAIT_TEST(of_nested_scopes_the_innermost_that_has_ended_answers)
{
    for_each_row(nested);
    return 0;
}

static void shield(struct world *w, const struct row *row)
{
    struct caller c = {.world = w, .row = row};

    if (row->release == NULL)
        return;
    struct weft_co *co = weft_go_with(make_it_shielded, &c);
    let_it_wait(&c);
    weft_cancel(co);
    for (int i = 0; i < 5; i++)
        weft_yield();
    row->release(w);
    join(co);
    expect_success(w, row, c.rc);
    CHECK_EQ(c.status, -ECANCELED);
}

WAIT_TEST(in_a_shield_a_call_waits_on_through_a_cancel)
{
    for_each_row(shield);
    return 0;
}
