/* SPDX-License-Identifier: MIT */
/*
 * barrier.c - the barrier as include/weft/barrier.h promises it.
 *
 * matrix: short
 */
#include "crowd.h"
#include "no_lookout.h"

enum { COROUTINES = 6 };

struct hall {
    struct weft_barrier *b;
    int n, rounds;
    int work[COROUTINES + CROWD_THREADS_MAX]; /* plain: what each wrote before it came */
    atomic_int next, n_leaders;
};

static void meet(void *arg, uint64_t *random)
{
    struct hall *h = arg;
    int me = atomic_fetch_add(&h->next, 1);

    for (int round = 1; round <= h->rounds; round++) {
        if (test_random(random) % 4 == 0)
            crowd_pause();
        h->work[me] = round;
        int leads = weft_barrier_wait(h->b);
        CHECK(leads == 0 || leads == 1);
        atomic_fetch_add(&h->n_leaders, leads);
        for (int i = 0; i < h->n; i++)
            CHECK_EQ(h->work[i], round);
        leads = weft_barrier_wait(h->b); /* all have looked */
        CHECK(leads == 0 || leads == 1);
        CHECK_EQ(atomic_load(&h->n_leaders), round);
    }
}

static int meet_often(void *n_threads)
{
    const int n = COROUTINES + *(const int *)n_threads;
    struct hall h = {.b = weft_barrier_make(n), .n = n, .rounds = scaled(500)};

    crowd(COROUTINES, *(const int *)n_threads, meet, &h);
    weft_barrier_free(h.b);
    weft_barrier_free(NULL);
    return 0;
}

/* Goal: all go on when the last has come, and not before; one of each round leads. */
TEST(all_meet_and_one_leads_on_any_number_of_processors)
{
    int none = 0;

    CHECK_EQ(weft_run(meet_often, &none), 0);
    CHECK_EQ(weft_run_with(meet_often, &none, .procs = 1), 0);
    CHECK_EQ(weft_run_with(meet_often, &none, .procs = 2), 0);
    CHECK_EQ(weft_run_with(meet_often, &none, .procs = 8), 0);
}

/* Goal: plain threads meet coroutines. */
TEST(plain_threads_meet_coroutines_at_a_barrier)
{
    int some = 2;

    CHECK_EQ(weft_run(meet_often, &some), 0);
    CHECK_EQ(weft_run_with(meet_often, &some, .procs = 1), 0);
}

static int wait_at(void *b)
{
    int rc = weft_barrier_wait(b);

    CHECK_GE(rc, 0);
    return rc;
}

/* Goal: one whose wait was ended by a scope has not come. */
CO_TEST(one_that_gives_up_has_not_come)
{
    struct weft_barrier *b = weft_barrier_make(2);
    int leads[2];

    WEFT_DEADLINE(s, WEFT_MS) {
        CHECK_EQ(weft_barrier_wait(b), -ETIMEDOUT);
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
    }
    struct weft_co *first = weft_go_with(wait_at, b);
    yield_often(20);
    CHECK(!weft_done(first));
    struct weft_co *second = weft_go_with(wait_at, b);
    CHECK_EQ(weft_join(first, &leads[0]), 0);
    CHECK_EQ(weft_join(second, &leads[1]), 0);
    CHECK_EQ(leads[0] + leads[1], 1);
    weft_barrier_free(b);
    return 0;
}

/* Goal: who is the last to come does not wait, even if its scope has ended. */
CO_TEST(the_last_to_come_does_not_wait)
{
    struct weft_barrier *b = weft_barrier_make(1);

    WEFT_DEADLINE(s, 0)
        for (int i = 0; i < 3; i++)
            CHECK_EQ(weft_barrier_wait(b), 1);
    weft_barrier_free(b);
    return 0;
}

static int meet_and_free(void *b)
{
    int leads = weft_barrier_wait(b);

    if (leads == 1)
        weft_barrier_free(b); /* the others may still be in there */
    return 0;
}

/* Goal: the one who leads may free the barrier at once.  The sanitizers see a touch too late. */
CO_TEST(a_barrier_is_freed_by_the_one_who_leads)
{
    for (int i = 0; i < scaled(1000); i++) {
        struct weft_barrier *b = weft_barrier_make(4);
        struct weft_co *co[4];

        for (int k = 0; k < COUNT(co); k++)
            co[k] = weft_go_with(meet_and_free, b);
        for (int k = 0; k < COUNT(co); k++)
            join(co[k]);
    }
    return 0;
}
