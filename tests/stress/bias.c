/* SPDX-License-Identifier: MIT */
/*
 * bias.c - objects made on random Ps, with their bias, under the hands of coroutines on all Ps, of
 * plain threads and of a second runtime.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include <base/lock.h>
#include <pthread.h>
#include <sched.h>

#include "co_test.h"

enum { OBJECTS = 4, WORKERS = 6, STEPS_MAX = 80, OUTSIDERS = 2, TEAM = WORKERS + OUTSIDERS };

/* A round: all work on the same objects; each worker sends STEPS_MAX values at most. */
struct round {
    chan *ch[OBJECTS];
    struct weft_mutex *mutex[OBJECTS];
    struct weft_wait_group *wg[OBJECTS];
    long count[OBJECTS], twin[OBJECTS];  /* guarded by the mutexes */
    atomic_long n_locked[OBJECTS];       /* how often each was */
    int done[OBJECTS][TEAM];             /* published by the wait groups */
    atomic_uchar seen[TEAM * STEPS_MAX]; /* values received */
    atomic_uchar accepted[TEAM * STEPS_MAX];
    uint64_t seed;
    int n_steps;
    atomic_int n_started, n_made;
};

static int below(uint64_t *x, int n)
{
    return (int)(test_random(x) >> 33) % n;
}

static uint64_t own_random(const struct round *r, int me)
{
    return (r->seed ^ (uint64_t)(me + 1) * UINT64_C(0x9e3779b97f4a7c15)) | 1;
}

/* Makes one of each on the P that it happens to be on; mostly they are biased whatever became of
 * those before. */
static int make_objects(void *arg)
{
    struct round *r = arg;
    const int i = atomic_fetch_add(&r->n_made, 1);
    uint64_t x = own_random(r, 100 + i);

    if (below(&x, 4) != 0)
        atomic_store(&weft__gate_self()->balance, WEFT__GATE_BALANCE_MAX);
    r->ch[i] = below(&x, 5) == 0 ? weft_chan_make_shared(sizeof(int), (size_t)below(&x, 3))
                                 : chan_make(sizeof(int), (size_t)below(&x, 3));
    r->mutex[i] = weft_mutex_make();
    r->wg[i] = weft_wg_make();
    weft_wg_add(r->wg[i], TEAM);
    return 0;
}

static void take_value(struct round *r, int value)
{
    CHECK_GE(value, 0);
    CHECK_LT(value, TEAM * STEPS_MAX);
    CHECK_EQ(atomic_fetch_add(&r->seen[value], 1), 0);
}

static void use_mutex(struct round *r, int i, uint64_t *x)
{
    if (below(x, 4) == 0) {
        if (weft_mutex_try_lock(r->mutex[i]) != 0)
            return;
    } else {
        CHECK_EQ(weft_mutex_lock(r->mutex[i]), 0);
    }
    CHECK_EQ(r->count[i], r->twin[i]);
    r->count[i]++;
    if (below(x, 16) == 0)
        weft_yield();
    r->twin[i]++;
    atomic_fetch_add(&r->n_locked[i], 1);
    weft_mutex_unlock(r->mutex[i]);
}

/* Sends one value to wherever it can go, and takes whatever comes meanwhile: so nobody waits for
 * one who waits for him.  The channels are named in a random order, some of them twice. */
static void select_until_sent(struct round *r, int value, uint64_t *x)
{
    for (int sent = 0; !sent;) {
        struct weft_case c[2 * OBJECTS];
        int got[2 * OBJECTS], is_send[2 * OBJECTS], n = 0;
        const int first = below(x, OBJECTS), n_send = 1 + below(x, OBJECTS);

        for (int k = 0; k < OBJECTS; k++) {
            const int at = (first + k) % OBJECTS, turned = below(x, 2) ? at : OBJECTS - 1 - at;
            is_send[n] = k < n_send;
            c[n] = is_send[n] ? weft_case_send(r->ch[turned], &value)
                              : weft_case_recv(r->ch[turned], &got[n]);
            n++;
            is_send[n] = 0;
            c[n] = weft_case_recv(r->ch[at], &got[n]);
            n++;
        }
        const int chosen = weft_select(c, n);
        CHECK_GE(chosen, 0);
        CHECK_EQ(c[chosen].rc, 0);
        sent = is_send[chosen];
        if (!sent)
            take_value(r, got[chosen]);
    }
    atomic_store(&r->accepted[value], 1);
}

static void finish(struct round *r, int me)
{
    for (int i = 0; i < OBJECTS; i++) {
        r->done[i][me] = me + 1;
        weft_wg_done(r->wg[i]);
    }
}

static int work(void *arg)
{
    struct round *r = arg;
    const int me = atomic_fetch_add(&r->n_started, 1);
    uint64_t x = own_random(r, me);

    for (int n = 0; n < r->n_steps; n++) {
        const int i = below(&x, OBJECTS);
        int value = -1;

        if (below(&x, 3) == 0)
            use_mutex(r, i, &x);
        if (below(&x, 4) == 0) {
            weft_wg_add(r->wg[i], 1);
            weft_wg_done(r->wg[i]);
        }
        if (chan_try_recv(r->ch[i], &value) == 0)
            take_value(r, value);
        select_until_sent(r, me * STEPS_MAX + n, &x);
    }
    finish(r, me);
    return 0;
}

/* A plain thread, or a coroutine of another runtime, which must not wait in these channels. */
static int work_outside(void *arg)
{
    struct round *r = arg;
    const int me = atomic_fetch_add(&r->n_started, 1);
    uint64_t x = own_random(r, me);

    for (int n = 0; n < r->n_steps; n++) {
        const int i = below(&x, OBJECTS);
        int value = me * STEPS_MAX + n;

        if (weft_in_coroutine() && below(&x, 2) == 0)
            use_mutex(r, i, &x);
        if (below(&x, 4) == 0) {
            weft_wg_add(r->wg[i], 2);
            weft_wg_add(r->wg[i], -2);
        }
        if (weft_chan_try_send(r->ch[i], &value) == 0)
            atomic_store(&r->accepted[value], 1);
        if (weft_chan_try_recv(r->ch[i], &value) == 0)
            take_value(r, value);
        for (int pauses = below(&x, 3000); pauses > 0; pauses--)
            weft__cpu_relax();
    }
    finish(r, me);
    return 0;
}

/* The two outsiders live as long as the test; rounds come to them one by one. */
struct outsider {
    pthread_t thread;
    bool has_runtime; /* or it is a plain thread */
    _Atomic(struct round *) round;
    atomic_int is_over;
};

static void *be_outside(void *arg)
{
    struct outsider *o = arg;
    const struct weft_config config = {.size = sizeof config, .procs = 2};
    struct weft_runtime *rt = NULL;
    struct round *r;

    if (o->has_runtime)
        CHECK_EQ(weft_runtime_start(&rt, &config), 0);
    while (!atomic_load(&o->is_over)) {
        if ((r = atomic_exchange(&o->round, NULL)) == NULL)
            sched_yield();
        else if (rt != NULL)
            CHECK_EQ(weft_block_on(rt, work_outside, r, NULL), 0);
        else
            CHECK_EQ(work_outside(r), 0);
    }
    if (rt != NULL)
        CHECK_EQ(weft_runtime_stop(rt), 0);
    return NULL;
}

/* Drains what is left: the last senders have found room, or a receiver. */
static void settle(struct round *r)
{
    int value;

    for (int i = 0; i < OBJECTS; i++) {
        CHECK_EQ(weft_wg_wait(r->wg[i]), 0);
        for (int me = 0; me < TEAM; me++)
            CHECK_EQ(r->done[i][me], me + 1);
        while (chan_try_recv(r->ch[i], &value) == 0)
            take_value(r, value);
        CHECK_EQ(r->count[i], r->twin[i]);
        CHECK_EQ(r->count[i], atomic_load(&r->n_locked[i]));
        chan_unref(r->ch[i]);
        weft_mutex_free(r->mutex[i]);
        weft_wg_free(r->wg[i]);
    }
    for (int i = 0; i < TEAM * STEPS_MAX; i++)
        CHECK_EQ(atomic_load(&r->seen[i]), atomic_load(&r->accepted[i]));
}

/* The values that nobody takes when all have sent theirs: those who still send need a receiver. */
static int drain(void *arg)
{
    struct round *r = arg;
    struct weft_case c[OBJECTS + 1];
    int got[OBJECTS], chosen;

    for (;;) {
        for (int i = 0; i < OBJECTS; i++)
            c[i] = weft_case_recv(r->ch[i], &got[i]);
        c[OBJECTS] = weft_case_after(200 * WEFT_US);
        chosen = weft_select(c, COUNT(c));
        CHECK_GE(chosen, 0);
        if (chosen < OBJECTS)
            take_value(r, got[chosen]);
        else if (atomic_load(&r->n_started) > TEAM)
            return 0;
    }
}

static void run_round(uint64_t *x, struct outsider *outsider)
{
    struct round *r = calloc(1, sizeof *r);
    const int procs = weft_runtime_procs(NULL);
    struct weft_co *co[WORKERS], *drainer, *maker;

    r->seed = test_random(x);
    r->n_steps = 1 + below(x, STEPS_MAX);
    for (int i = 0; i < OBJECTS; i++) {
        maker = weft_go_with(make_objects, r, .on_p = WEFT_ON_P(below(x, procs)),
                             .pinned = below(x, 2));
        join(maker);
    }
    drainer = weft_go_with(drain, r);
    for (int i = 0; i < WORKERS; i++)
        co[i] = weft_go_with(work, r, .on_p = WEFT_ON_P(below(x, procs)), .pinned = below(x, 2));
    for (int i = 0; i < OUTSIDERS; i++)
        atomic_store(&outsider[i].round, r);
    for (int i = 0; i < WORKERS; i++)
        join(co[i]);
    for (int i = 0; i < OBJECTS; i++)
        CHECK_EQ(weft_wg_wait(r->wg[i]), 0);
    atomic_fetch_add(&r->n_started, 1); /* all are through: the drainer may go */
    join(drainer);
    settle(r);
    free(r);
}

/* Goal: whatever P made it, whoever ends its bias, and whenever: every value arrives once, a mutex
 * excludes, a wait group counts and publishes, and nobody waits for ever. */
STRESS_TEST(objects_of_random_ps_bear_coroutines_threads_and_another_runtime)
{
    const int64_t end = test_now_ms() + test_stress_ms() * 3 / 4;
    struct outsider outsider[OUTSIDERS] = {0};
    uint64_t x = test_seed();

    for (int i = 0; i < OUTSIDERS; i++) {
        outsider[i].has_runtime = i == 1;
        CHECK_EQ(pthread_create(&outsider[i].thread, NULL, be_outside, &outsider[i]), 0);
    }
    while (test_now_ms() < end)
        run_round(&x, outsider);
    for (int i = 0; i < OUTSIDERS; i++) {
        atomic_store(&outsider[i].is_over, 1);
        CHECK_EQ(pthread_join(outsider[i].thread, NULL), 0);
    }
    return 0;
}
