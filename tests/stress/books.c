/* SPDX-License-Identifier: MIT */
/*
 * books.c - random rounds over everything that waits: coroutines and plain threads act on things
 * that others close under them, while deadlines pass and scopes are cancelled.  In the end the
 * books balance, each thing's own and that of all together, or something was lost or made twice.
 *
 * WEFT_BOOKS_ROUNDS is how many rounds there are; without it, as many as the time allows.
 * `make books N=1000000` does so many on each driver and number of processors, perturbed, and shows
 * the books.
 *
 * matrix: short
 */
#include <pthread.h>

#include "books_here.h"

enum { COROUTINES = 24, THREADS = 3, ARMS_MAX = 5 };

static struct kind *const kinds[] = {&pipes, &questions, &feeds, &boards, &promises, &streams,
                                     &inns};

/* A new thing takes the place of an old one, which is closed. */
static int act_close(struct agent *a)
{
    struct kind *k = kinds[below(a, COUNT(kinds))];

    if (!a->is_thread || !k->by_coroutines)
        slot_renew(k, &k->slots[below(a, SLOTS)], a, false);
    return 0;
}

static struct weft_case arm_nothing(struct agent *a, struct arm *arm)
{
    (void)arm;
    return below(a, 2) == 0 ? weft_case_after(below(a, 100) * WEFT_US)
                            : weft_case_event(here.event);
}

static int act_select(struct agent *a)
{
    static struct weft_case (*const arm_one[])(struct agent *, struct arm *) = {
        arm_pipe, arm_pipe, arm_question, arm_feed, arm_board, arm_promised, arm_stream,
        arm_nothing};
    struct arm arms[ARMS_MAX] = {{0}};
    struct weft_case cases[ARMS_MAX];
    const int n = 1 + below(a, ARMS_MAX);

    for (int i = 0; i < n; i++)
        cases[i] = arm_one[below(a, COUNT(arm_one))](a, &arms[i]);
    int chosen = weft_select(cases, n);
    if (chosen >= 0 && arms[chosen].won != NULL)
        arms[chosen].won(&arms[chosen], cases[chosen].rc);
    for (int i = 0; i < n; i++) {
        if (arms[i].disarm != NULL)
            arms[i].disarm(&arms[i]);
        if (arms[i].thing != NULL)
            thing_drop(arms[i].thing);
    }
    return chosen < 0 ? chosen : cases[chosen].rc == -EPIPE ? -EPIPE : 0;
}

/* ---- rounds ---- */

static const struct act {
    int (*fn)(struct agent *a); /* 0, or -errno of a wait that was ended otherwise */
    bool by_coroutines;
} acts[] = {
    {act_send, false},       {act_recv, false},      {act_send, false},    {act_recv, false},
    {act_ask, false},        {act_broadcast, false}, {act_see, false},     {act_set, false},
    {act_watch, false},      {act_complete, false},  {act_await, false},   {act_write, true},
    {act_read, true},        {act_accept, true},     {act_dial, true},     {act_lock, false},
    {act_write_lock, false}, {act_read_lock, false}, {act_permits, false}, {act_put_token, false},
    {act_take_token, true},  {act_meet, true},       {act_event, false},   {act_sleep, true},
    {act_join, true},        {act_wait_group, true}, {act_group, true},    {act_blocking, true},
    {act_select, true},      {act_select, true},     {act_close, false},
};

static const struct {
    int rc;
    const char *name;
} outcomes[] = {
    {0, "done"},
    {-ETIMEDOUT, "out of time"},
    {-ECANCELED, "cancelled"},
    {-EAGAIN, "not at once"},
    {-EPIPE, "closed"},
    {-EBADF, "fd closed"},
    {-ECONNREFUSED, "nobody listening"},
};

static atomic_llong n_outcomes[COUNT(outcomes)], n_begun, n_by_threads;
static int64_t rounds_max, until_ms;
static atomic_bool is_over;
static struct agent agents[COROUTINES + THREADS];

static bool is_another_due(void)
{
    if (rounds_max > 0)
        return atomic_fetch_add(&n_begun, 1) < rounds_max;
    atomic_fetch_add(&n_begun, 1);
    return test_now_ms() < until_ms;
}

static void note_outcome(int rc)
{
    for (int i = 0; i < COUNT(outcomes); i++) {
        if (outcomes[i].rc == rc) {
            atomic_fetch_add(&n_outcomes[i], 1);
            return;
        }
    }
    TEST_FAIL("a round ended with %d, %s", rc, weft_strerror(rc));
}

static const struct act *choose_act(struct agent *a)
{
    const struct act *act;

    do
        act = &acts[below(a, COUNT(acts))];
    while (a->is_thread && act->by_coroutines);
    return act;
}

static void publish(struct agent *a, struct weft_scope *s)
{
    spin_lock(&a->is_locked);
    a->scope = s;
    spin_unlock(&a->is_locked);
}

/* An act in a scope of its own: without a deadline, with one, or with one that has passed. */
static void do_round(struct agent *a)
{
    const int limit = below(a, 8);
    struct weft_scope s;

    weft_scope_begin(&s, limit < 2 ? WEFT_NEVER : limit == 2 ? -1 : below(a, 300) * WEFT_US);
    publish(a, &s);
    int rc = choose_act(a)->fn(a);
    if (rc == -ETIMEDOUT || rc == -ECANCELED)
        CHECK_EQ(weft_scope_status(), rc); /* as whoever asks is told */
    publish(a, NULL);
    (void)weft_scope_end(&s);
    note_outcome(rc);
}

static int act_in_a_coroutine(void *arg)
{
    while (is_another_due())
        do_round(arg);
    return 0;
}

/* Not too many: theirs are the short ones, that cannot be ended. */
static void *act_on_a_thread(void *arg)
{
    struct agent *a = arg;

    while (is_another_due()) {
        note_outcome(choose_act(a)->fn(a));
        atomic_fetch_add(&n_by_threads, 1);
        usleep((useconds_t)below(a, 50));
    }
    return NULL;
}

/* ---- cancels ---- */

static void cancel_one(uint64_t *x)
{
    struct agent *a = &agents[test_random(x) % COROUTINES];

    spin_lock(&a->is_locked);
    if (a->scope != NULL)
        weft_scope_cancel(a->scope);
    spin_unlock(&a->is_locked);
}

static int cancel_in_turn(void *arg)
{
    uint64_t x = test_seed() + 76;

    (void)arg;
    while (!atomic_load(&is_over)) {
        cancel_one(&x);
        CHECK_EQ(weft_sleep((int64_t)(test_random(&x) % 50) * WEFT_US), 0);
    }
    return 0;
}

static void *cancel_on_a_thread(void *arg)
{
    uint64_t x = test_seed() + 77;

    (void)arg;
    while (!atomic_load(&is_over)) {
        cancel_one(&x);
        usleep((useconds_t)(test_random(&x) % 50));
    }
    return NULL;
}

/* ---- all of it ---- */

static void renew_all(bool is_last)
{
    struct agent a = {.x = test_seed()};

    for (int i = 0; i < COUNT(kinds); i++) {
        for (int k = 0; k < SLOTS; k++)
            slot_renew(kinds[i], &kinds[i]->slots[k], &a, is_last);
    }
}

static void say_what_was_done(void)
{
    long long n_rounds = 0;

    for (int i = 0; i < COUNT(outcomes); i++)
        n_rounds += atomic_load(&n_outcomes[i]);
    printf("%lld rounds, %lld of them by plain threads; %s, processors: %d, seed: %llu\n", n_rounds,
           (long long)atomic_load(&n_by_threads), weft_runtime_current()->reactors.driver->name,
           weft_runtime_procs(NULL), (unsigned long long)test_seed());
    for (int i = 0; i < COUNT(outcomes); i++)
        printf("%s%lld %s", i == 0 ? "  " : ", ", (long long)atomic_load(&n_outcomes[i]),
               outcomes[i].name);
    printf("\n");
    CHECK(rounds_max <= 0 || n_rounds == rounds_max);
}

/* Goal: whatever ends a wait, nothing is lost and nothing comes twice.
 * Method: see above; what hangs is a wake that was lost. */
STRESS_TEST(the_books_balance)
{
    struct weft_co *co[COROUTINES], *canceller;
    pthread_t th[THREADS + 1];
    const int n_fds = open_fds();
    uint64_t x = test_seed();

    until_ms = test_now_ms() + test_stress_ms();
    here_open();
    renew_all(false);
    for (int i = 0; i < COUNT(agents); i++)
        agents[i] = (struct agent){.x = test_random(&x) | 1, .is_thread = i >= COROUTINES};
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&th[i], NULL, act_on_a_thread, &agents[COROUTINES + i]), 0);
    for (int i = 0; i < COROUTINES; i++)
        co[i] = weft_go_with(act_in_a_coroutine, &agents[i]);
    canceller = weft_go_with(cancel_in_turn, NULL);
    CHECK_EQ(pthread_create(&th[THREADS], NULL, cancel_on_a_thread, NULL), 0);

    for (int i = 0; i < COROUTINES; i++)
        join(co[i]);
    atomic_store(&is_over, true);
    join(canceller);
    for (int i = 0; i <= THREADS; i++)
        CHECK_EQ(pthread_join(th[i], NULL), 0);
    renew_all(true);
    here_settle();
    CHECK_EQ(in_flight(), 0);
    CHECK_EQ(open_fds(), n_fds);
    say_what_was_done();
    balance_the_books();
    return 0;
}

/* The limit grows with what is asked for. */
__attribute__((constructor)) static void read_rounds(void)
{
    const char *text = getenv("WEFT_BOOKS_ROUNDS");

    rounds_max = test_env("WEFT_BOOKS_ROUNDS", 0);
    if (text != NULL && rounds_max < 1)
        TEST_FAIL("WEFT_BOOKS_ROUNDS is a number from 1, not '%s'", text);
    test_case_the_books_balance.limit_seconds += (int)(rounds_max / 5000);
}
