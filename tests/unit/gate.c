/* SPDX-License-Identifier: MIT */
/*
 * gate.c - the lock that belongs to one thread and that the others seize, on both kinds of fences.
 *
 * matrix: once
 */
#define _GNU_SOURCE
#include <base/gate.h>
#include <pthread.h>
#include <sched.h>

#include "co_test.h"

enum { SEIZERS = 3, NOISE = 24 };

/* What the gate guards is plain: a race detector watches it, and a pair that is not equal, or a
 * count that is lost, shows that two were in at once. */
struct guarded {
    struct weft__gate *gate;
    long a, b;
    int64_t until;
    long n_by_owner, n_by_seizer[SEIZERS];
    atomic_int n_seizers, n_over;
    struct {
        atomic_long n;
    } WEFT__ALIGNED_LINE noise[NOISE];
};

/* Lines that all of them write: while a processor waits for them, it holds its later stores back,
 * and a fence that is missing shows. */
static void make_noise(struct guarded *s, long n)
{
    for (int i = 0; i < NOISE; i++)
        atomic_store_explicit(&s->noise[i].n, n, memory_order_relaxed);
}

static void spin(int n)
{
    for (int i = 0; i < n; i++)
        weft__cpu_relax();
}

/* In the gate.  The stores stay two, and in this order. */
static void change(struct guarded *s, int pauses)
{
    CHECK_EQ(s->a, s->b);
    s->a++;
    atomic_signal_fence(memory_order_seq_cst);
    spin(pauses);
    s->b++;
    atomic_signal_fence(memory_order_seq_cst);
}

/* Most sections are as short as can be, where a missing fence shows soonest. */
static void *own(void *arg)
{
    struct guarded *s = arg;
    long n = 0;

    while (atomic_load_explicit(&s->n_over, memory_order_relaxed) < SEIZERS) {
        if (n % 2 == 0)
            make_noise(s, n);
        if (n % 3 == 0 || !weft__gate_try_enter(s->gate))
            weft__gate_enter(s->gate);
        change(s, n % 64 == 0 ? 40 : 0);
        weft__gate_leave(s->gate);
        n++;
    }
    s->n_by_owner = n;
    return NULL;
}

static void *seize_often(void *arg)
{
    struct guarded *s = arg;
    const int me = atomic_fetch_add(&s->n_seizers, 1);
    uint64_t x = test_seed() + (uint64_t)me * 977;
    long n = 0;

    while (n == 0 || test_now_ms() < s->until) {
        for (int i = 0; i < 50; i++, n++) {
            weft__gate_seize(s->gate);
            change(s, i % 8 == 0 ? 100 : 0);
            weft__gate_release(s->gate);
            make_noise(s, i);
            spin((int)(test_random(&x) % 64));
        }
    }
    s->n_by_seizer[me] = n;
    atomic_fetch_add(&s->n_over, 1);
    return NULL;
}

/* Who seizes while the owner is out for good is answered by nobody, so that GATE_FENCES is left
 * behind where fences are real; an owner that is always there to answer keeps it away till then. */
static void check_what_is_left(struct weft__gate *gate)
{
    uint32_t left = atomic_load(&weft__fence_is_asymmetric) ? 0 : GATE_FENCES;

    CHECK(atomic_load(&gate->asked) == 0 || atomic_load(&gate->asked) == left);
    weft__gate_seize(gate);
    weft__gate_release(gate);
    CHECK_EQ(atomic_load(&gate->asked), left);
}

static void check_exclusion(void)
{
    struct guarded s = {.gate = weft__gate_make(), .until = test_now_ms() + 300};
    pthread_t owner, seizer[SEIZERS];
    long n;

    CHECK(s.gate != NULL);
    CHECK_EQ(pthread_create(&owner, NULL, own, &s), 0);
    for (int i = 0; i < SEIZERS; i++)
        CHECK_EQ(pthread_create(&seizer[i], NULL, seize_often, &s), 0);
    for (int i = 0; i < SEIZERS; i++)
        CHECK_EQ(pthread_join(seizer[i], NULL), 0);
    CHECK_EQ(pthread_join(owner, NULL), 0);
    n = s.n_by_owner;
    for (int i = 0; i < SEIZERS; i++)
        n += s.n_by_seizer[i];
    CHECK_EQ(s.a, n);
    CHECK_EQ(s.b, n);
    CHECK_GT(s.n_by_owner, 0);
    CHECK_EQ(atomic_load(&s.gate->inside), 0);
    check_what_is_left(s.gate);
    weft__gate_drop(s.gate);
}

static void want_asymmetric_fences(void)
{
    weft__fence_init();
    if (!atomic_load(&weft__fence_is_asymmetric))
        SKIP("membarrier() cannot be had here");
}

/* Goal: never is the owner in while another one is, nor two others at once, and nothing that one of
 * them wrote is missed by the next.
 * Method: all of them change a pair of plain counters as fast as they can. */
TEST(an_owner_and_seizers_are_never_in_at_once_with_asymmetric_fences)
{
    want_asymmetric_fences();
    check_exclusion();
    CHECK(atomic_load(&weft__fence_is_asymmetric)); /* and it was not given up on the way */
}

TEST(an_owner_and_seizers_are_never_in_at_once_with_real_fences)
{
    CHECK(!atomic_load(&weft__fence_is_asymmetric)); /* so it is until somebody asks the kernel */
    check_exclusion();
}

/* A thread that seizes once, and says so. */
struct seizer {
    struct weft__gate *gate;
    pthread_t thread;
    int plain; /* guarded by the gate */
    atomic_int is_in, may_leave;
};

static void *seize_once(void *arg)
{
    struct seizer *s = arg;

    weft__gate_seize(s->gate);
    s->plain++;
    atomic_store(&s->is_in, 1);
    while (!atomic_load(&s->may_leave))
        sched_yield();
    s->plain++;
    weft__gate_release(s->gate);
    return NULL;
}

static void begin_seizing(struct seizer *s)
{
    CHECK_EQ(pthread_create(&s->thread, NULL, seize_once, s), 0);
    while ((atomic_load(&s->gate->asked) & GATE_ASKED) == 0)
        sched_yield();
}

/* Goal: whoever asks waits until the owner is out. */
static void check_that_a_seizer_waits(void)
{
    struct seizer s = {.gate = weft__gate_make(), .may_leave = 1};

    weft__gate_enter(s.gate);
    begin_seizing(&s);
    for (int turn = 0; turn < 2000; turn++) { /* nothing tells that a thread goes on waiting */
        sched_yield();
        CHECK(!atomic_load(&s.is_in));
    }
    CHECK_EQ(s.plain, 0);
    weft__gate_leave(s.gate);
    CHECK_EQ(pthread_join(s.thread, NULL), 0);
    CHECK_EQ(s.plain, 2);
    weft__gate_drop(s.gate);
}

TEST(a_seizer_waits_until_the_owner_is_out)
{
    check_that_a_seizer_waits();
    want_asymmetric_fences();
    check_that_a_seizer_waits();
}

struct late_owner {
    struct weft__gate *gate;
    int *plain;
    atomic_int begins, is_in;
};

static void *enter_late(void *arg)
{
    struct late_owner *o = arg;

    atomic_store(&o->begins, 1);
    weft__gate_enter(o->gate);
    atomic_store(&o->is_in, 1);
    CHECK_EQ(*o->plain, 2);
    *o->plain = 3;
    weft__gate_leave(o->gate);
    return NULL;
}

/* Goal: an owner that finds the gate asked for waits outside until it is given back, also if the
 * next one asks at once, and then sees what was written. */
static void check_that_the_owner_waits(void)
{
    struct seizer s = {.gate = weft__gate_make()};
    struct late_owner o = {s.gate, &s.plain, 0, 0};
    pthread_t owner;

    begin_seizing(&s);
    while (!atomic_load(&s.is_in))
        sched_yield();
    CHECK_EQ(pthread_create(&owner, NULL, enter_late, &o), 0);
    while (!atomic_load(&o.begins))
        sched_yield();
    while (atomic_load(&s.gate->inside) != GATE_WAITS)
        sched_yield();
    CHECK(!atomic_load(&o.is_in));
    CHECK_EQ(s.plain, 1);
    atomic_store(&s.may_leave, 1);
    CHECK_EQ(pthread_join(s.thread, NULL), 0);
    CHECK_EQ(pthread_join(owner, NULL), 0);
    CHECK(atomic_load(&o.is_in));
    weft__gate_seize(s.gate);
    CHECK_EQ(s.plain, 3);
    weft__gate_release(s.gate);
    CHECK_EQ(atomic_load(&s.gate->inside), 0);
    weft__gate_drop(s.gate);
}

TEST(an_owner_that_finds_its_gate_asked_for_waits)
{
    check_that_the_owner_waits();
    want_asymmetric_fences();
    check_that_the_owner_waits();
}

/* Goal: where membarrier() is refused, the first who asks leaves word of it, so that from then on
 * the owner fences itself: by the long way alone, which waits for nobody. */
TEST(without_membarrier_the_owner_is_told_to_fence_itself)
{
    struct weft__gate *gate = weft__gate_make();

    CHECK(!atomic_load(&weft__fence_is_asymmetric));
    CHECK(weft__gate_try_enter(gate));
    weft__gate_leave(gate);
    weft__gate_seize(gate);
    CHECK(!weft__gate_try_enter(gate));
    weft__gate_release(gate);
    CHECK(!weft__gate_try_enter(gate));
    weft__gate_enter(gate);
    CHECK_EQ(atomic_load(&gate->inside), 1);
    weft__gate_leave(gate);
    weft__gate_drop(gate);
}

/* Goal: gates that are given back are given out again, clean, and each to one at a time. */
TEST(a_gate_that_was_given_back_is_given_out_again)
{
    struct weft__gate *a = weft__gate_make(), *b = weft__gate_make(), *c, *d, *e;

    CHECK(a != NULL && b != NULL && a != b);
    CHECK_EQ((uintptr_t)a % WEFT__CACHE_LINE, 0);
    weft__gate_seize(a);
    weft__gate_release(a);
    weft__gate_drop(a);
    weft__gate_drop(b);
    c = weft__gate_make();
    d = weft__gate_make();
    e = weft__gate_make();
    CHECK((c == a && d == b) || (c == b && d == a));
    CHECK(e != a && e != b);
    CHECK_EQ(atomic_load(&c->inside) | (atomic_load(&c->asked) & GATE_ASKED), 0);
    CHECK_EQ(atomic_load(&d->inside) | (atomic_load(&d->asked) & GATE_ASKED), 0);
    weft__gate_enter(c);
    weft__gate_leave(c);
    weft__gate_drop(c);
    weft__gate_drop(d);
    weft__gate_drop(e);
}

enum { KEEPERS = 4, KEPT = 6 };

/* Marks each of its gates: nobody else may have it meanwhile. */
static void *make_and_drop(void *arg)
{
    const int me = *(const int *)arg;
    struct weft__gate *gate[KEPT];

    for (int round = 0; round < scaled(20000); round++) {
        for (int i = 0; i < KEPT; i++) {
            gate[i] = weft__gate_make();
            CHECK(gate[i] != NULL);
            atomic_store(&gate[i]->balance, me * KEPT + i);
        }
        for (int i = 0; i < KEPT; i++) {
            CHECK_EQ(atomic_load(&gate[i]->balance), me * KEPT + i);
            weft__gate_drop(gate[i]);
        }
    }
    return NULL;
}

TEST(threads_that_make_and_drop_gates_never_share_one)
{
    pthread_t thread[KEEPERS];
    int me[KEEPERS];

    for (int i = 0; i < KEEPERS; i++) {
        me[i] = i;
        CHECK_EQ(pthread_create(&thread[i], NULL, make_and_drop, &me[i]), 0);
    }
    for (int i = 0; i < KEEPERS; i++)
        CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

/* How many objects are made until one is biased again; at most `max`. */
static int make_until_biased(struct weft__gate *gate, int max)
{
    int n = 1;

    while (n < max && !weft__gate_is_worth_it(gate))
        n++;
    return n;
}

/* Goal: a new gate is tried; each end takes WEFT__GATE_END_COST tries to make good; after many ends
 * in a row nothing is biased for a while, and then one is tried again; a long good time lets some
 * ends pass, but not more the longer it was. */
TEST(objects_are_biased_only_while_few_biases_must_be_ended)
{
    enum { COST = WEFT__GATE_END_COST, MAX = WEFT__GATE_BALANCE_MAX };
    struct weft__gate *gate = weft__gate_make();

    CHECK_EQ(make_until_biased(gate, 10), 1);
    for (int i = 0; i < 20; i++) {
        weft__gate_note_end(gate);
        const int n = make_until_biased(gate, 10 * COST);
        CHECK_GT(n, COST / 2);
        CHECK_LE(n, COST + 1);
    }
    for (int i = 0; i < 10; i++)
        weft__gate_note_end(gate);
    CHECK_GE(make_until_biased(gate, 100 * COST), 9 * COST);
    for (int i = 0; i < 10 * MAX; i++)
        CHECK(weft__gate_is_worth_it(gate));
    for (int i = 0; i < MAX / COST; i++) {
        CHECK(weft__gate_is_worth_it(gate));
        weft__gate_note_end(gate);
    }
    weft__gate_note_end(gate);
    CHECK(!weft__gate_is_worth_it(gate));
    weft__gate_drop(gate);
}
