/* SPDX-License-Identifier: MIT */
/*
 * local.c - coroutine-locals and errno as include/weft/local.h promises them, also to a compiler
 * that keeps what it has looked up.
 *
 * matrix: short
 * cflags: -O2
 */
#include <base/self.h>
#include <pthread.h>
#include <sched/sched.h>

#include "co_test.h"

static struct weft_key plain; /* no destructor, not inherited */

/* Most probably comes back on another thread. */
static void move_about(void)
{
    for (int i = 0; i < 5; i++) {
        weft__p_ask_hand_off(weft__m_self()->p);
        weft_yield();
    }
}

/* ---- values ---- */

static int set_and_look(void *arg)
{
    CHECK(weft_local_get(&plain) == NULL);
    CHECK_EQ(weft_local_set(&plain, arg), 0);
    for (int i = 0; i < 5; i++) {
        move_about();
        CHECK(weft_local_get(&plain) == arg);
    }
    return 0;
}

/* Goal: a value is the coroutine's alone, and follows it to other threads.
 * Method: many set the same key, each to its own value, and look at it after forced hand-offs. */
CO_TEST(a_local_is_its_coroutines_own_on_every_thread)
{
    static int values[20];
    struct weft_co *co[COUNT(values)];

    for (int i = 0; i < COUNT(values); i++)
        co[i] = weft_go_with(set_and_look, &values[i]);
    for (int i = 0; i < COUNT(values); i++)
        join(co[i]);
    CHECK(weft_local_get(&plain) == NULL);
    return 0;
}

/* Goal: there may be any number of keys, and each keeps its value while others come and go.
 * Method: a model of 1,000 keys, by the seed; a look at all of them now and then. */
CO_TEST(a_thousand_keys_keep_their_values)
{
    enum { KEYS = 1000, STEPS = 20000 };
    static struct weft_key keys[KEYS];
    static char *model[KEYS];
    static char values[STEPS];
    uint64_t x = test_seed();

    for (int step = 0; step < STEPS; step++) {
        const int k = (int)(test_random(&x) % (step < STEPS / 2 ? KEYS : 10));
        model[k] = test_random(&x) % 4 != 0 ? &values[step] : NULL;
        CHECK_EQ(weft_local_set(&keys[k], model[k]), 0);
        CHECK(weft_local_get(&keys[k]) == model[k]);
        for (int i = 0; step % 997 == 0 && i < KEYS; i++)
            CHECK(weft_local_get(&keys[i]) == model[i]);
    }
    return 0;
}

/* ---- destructors ---- */

static atomic_int n_destroyed;

static void note(void *value)
{
    (void)value;
    atomic_fetch_add(&n_destroyed, 1);
}

static struct weft_key noted = {.destroy = note};

static int set_noted(void *arg)
{
    CHECK_EQ(weft_local_set(&noted, arg), 0);
    return 0;
}

/* Goal: a value is destroyed once, at the end, and only the one that is set then.
 * Method: what is overwritten or taken away is the caller's; a recycled descriptor has none. */
CO_TEST(the_value_at_the_end_is_destroyed_once)
{
    int a, b;

    for (int i = 0; i < 1000; i++)
        join(weft_go_with(set_noted, i % 2 != 0 ? &a : NULL));
    CHECK_EQ(atomic_load(&n_destroyed), 500);
    CHECK_EQ(weft_local_set(&noted, &a), 0);
    CHECK_EQ(weft_local_set(&noted, &b), 0);
    CHECK_EQ(weft_local_set(&noted, NULL), 0);
    CHECK(weft_local_get(&noted) == NULL);
    CHECK_EQ(atomic_load(&n_destroyed), 500);
    return 0;
}

static void wait_and_note(void *value);
static struct weft_key waiting = {.destroy = wait_and_note};

struct end {
    chan *ch;
    uint64_t id;
};

static void wait_and_note(void *value)
{
    struct end *end = value;
    int got;

    CHECK_EQ(weft_id(), end->id);
    CHECK(weft_local_get(&waiting) == NULL); /* it is gone already */
    CHECK(weft_local_get(&plain) == end);    /* the others are still there */
    CHECK_EQ(chan_recv(end->ch, &got), 0);
    move_about();
    CHECK_EQ(weft_sleep(WEFT_US), 0);
    note(value);
}

static int owe_a_wait(void *arg)
{
    struct end *end = arg;

    end->id = weft_id();
    CHECK_EQ(weft_local_set(&waiting, end), 0);
    CHECK_EQ(weft_local_set(&plain, end), 0);
    return 7;
}

/* Goal: a destructor is a part of the coroutine: it may wait and move, and who joins, waits for it.
 * Method: it waits for a value that is sent after the coroutine was seen not to be done. */
CO_TEST(a_destructor_may_wait_and_join_waits_for_it)
{
    struct end end = {.ch = chan_make(sizeof(int), 0)};
    struct weft_co *co = weft_go_with(owe_a_wait, &end);
    int result, one = 1;

    yield_often(100);
    CHECK(!weft_done(co));
    CHECK_EQ(atomic_load(&n_destroyed), 0);
    CHECK_EQ(chan_send(end.ch, &one), 0);
    CHECK_EQ(weft_join(co, &result), 0);
    CHECK_EQ(result, 7);
    CHECK_EQ(atomic_load(&n_destroyed), 1);
    chan_unref(end.ch);
    return 0;
}

static void set_again(void *value);
static struct weft_key undying = {.destroy = set_again};

static void set_again(void *value)
{
    note(value);
    CHECK_EQ(weft_local_set(&undying, value), 0);
}

static int set_undying(void *arg)
{
    CHECK_EQ(weft_local_set(&undying, arg), 0);
    return 0;
}

CO_TEST(destructors_that_set_again_run_a_few_rounds)
{
    int value;

    join(weft_go_with(set_undying, &value));
    CHECK_EQ(atomic_load(&n_destroyed), WEFT_LOCAL_ROUNDS);
    return 0;
}

static struct weft_key many[100];

static void set_many(void *value)
{
    for (int i = 0; i < COUNT(many); i++)
        CHECK_EQ(weft_local_set(&many[i], value), 0);
}

static struct weft_key source = {.destroy = set_many};

static int set_source(void *arg)
{
    CHECK_EQ(weft_local_set(&source, arg), 0);
    CHECK_EQ(weft_local_set(&noted, arg), 0);
    return 0;
}

/* Goal: what a destructor sets is destroyed as well, though the table grows under the walk. */
CO_TEST(what_a_destructor_sets_is_destroyed)
{
    int value;

    for (int i = 0; i < COUNT(many); i++)
        many[i].destroy = note;
    join(weft_go_with(set_source, &value));
    CHECK_EQ(atomic_load(&n_destroyed), COUNT(many) + 1);
    return 0;
}

static int end_late(void *arg)
{
    CHECK_EQ(weft_local_set(&noted, arg), 0);
    WEFT_DEADLINE (s, 0)
        return weft_sleep(WEFT_NEVER);
    return 0;
}

CO_TEST(destructors_run_after_a_call_that_was_ended)
{
    int value, result;

    CHECK_EQ(weft_join(weft_go_with(end_late, &value), &result), 0);
    CHECK_EQ(result, -ETIMEDOUT);
    CHECK_EQ(atomic_load(&n_destroyed), 1);
    return 0;
}

static void never_end(void *arg)
{
    CHECK_EQ(weft_local_set(&noted, arg), 0);
    CHECK_EQ(weft_defer(note, arg), 0);
    CHECK_EQ(chan_recv(NULL, NULL), 0);
}

static int start_one(void *arg)
{
    CHECK_EQ(weft_go(never_end, arg), 0);
    yield_often(10);
    return 0;
}

/* Goal: who is discarded with its runtime owes nothing any more, and leaks nothing of ours. */
TEST(no_destructor_runs_when_a_runtime_is_stopped)
{
    struct weft_runtime *rt;
    int value;

    for (int i = 0; i < 3; i++) {
        CHECK_EQ(weft_runtime_start(&rt, NULL), 0);
        CHECK_EQ(weft_block_on(rt, start_one, &value, NULL), 0);
        CHECK_EQ(weft_runtime_stop(rt), 1);
    }
    CHECK_EQ(atomic_load(&n_destroyed), 0);
}

/* ---- inheritance ---- */

struct request {
    atomic_int refs;
};

static void drop(void *value)
{
    struct request *r = value;

    CHECK_GT(atomic_fetch_sub(&r->refs, 1), 0);
}

static void *take(void *value)
{
    struct request *r = value;

    weft_yield(); /* the spawn goes on where it finds itself then */
    move_about();
    atomic_fetch_add(&r->refs, 1);
    return r;
}

static struct weft_key request = {.destroy = drop, .inherit = take};
static struct weft_key shared = {.inherit = weft_inherit_same};

static int look_below(void *arg)
{
    const int depth = *(int *)arg - 1;

    CHECK(weft_local_get(&request) != NULL);
    CHECK(weft_local_get(&shared) == &shared);
    CHECK(weft_local_get(&plain) == NULL);
    CHECK_EQ(weft_local_set(&shared, depth % 2 != 0 ? &shared : NULL), 0);
    CHECK_EQ(weft_local_set(&shared, &shared), 0);
    for (int i = 0; i < 2 && depth > 0; i++)
        join(weft_go_with(look_below, (void *)(uintptr_t)&depth));
    return 0;
}

static void look_plainly(void *ch)
{
    CHECK(weft_local_get(&shared) == &shared);
    CHECK_EQ(chan_send(ch, NULL), 0);
}

/* Goal: children have the values that are to be inherited, and no others; a copied value is
 * destroyed as often as it was copied.
 * Method: a tree of coroutines of both kinds; references are counted. */
CO_TEST(children_inherit_what_they_should_and_own_it)
{
    struct request r = {1};
    int depth = 5;
    chan *ch = chan_make(0, 0);

    CHECK_EQ(weft_local_set(&request, &r), 0);
    CHECK_EQ(weft_local_set(&shared, &shared), 0);
    CHECK_EQ(weft_local_set(&plain, &r), 0);
    join(weft_go_with(look_below, &depth));
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(go(look_plainly, ch), 0);
        CHECK_EQ(chan_recv(ch, NULL), 0);
    }
    while (atomic_load(&r.refs) > 1)
        weft_yield(); /* the last of them is on its way out */
    CHECK_EQ(weft_local_set(&request, NULL), 0);
    chan_unref(ch);
    return 0;
}

static void *nothing(void *value)
{
    (void)value;
    return NULL;
}

static struct weft_key kept_back = {.destroy = note, .inherit = nothing};

static int has_nothing(void *unused)
{
    (void)unused;
    CHECK(weft_local_get(&kept_back) == NULL);
    CHECK_EQ(weft_local_set(&kept_back, &kept_back), 0);
    return 0;
}

CO_TEST(a_value_may_be_kept_back_at_the_spawn)
{
    CHECK_EQ(weft_local_set(&kept_back, &kept_back), 0);
    join(weft_go_with(has_nothing, NULL));
    CHECK_EQ(atomic_load(&n_destroyed), 1);
    return 0;
}

static int look_from_outside(void *unused)
{
    (void)unused;
    CHECK(weft_local_get(&shared) == NULL);
    return 0;
}

TEST(a_plain_thread_has_no_locals_and_gives_none)
{
    struct weft_runtime *rt;
    int value;

    CHECK_EQ(weft_local_set(&shared, &value), -EPERM);
    CHECK(weft_local_get(&shared) == NULL);
    CHECK_EQ(weft_runtime_start(&rt, NULL), 0);
    CHECK_EQ(weft_block_on(rt, look_from_outside, NULL, NULL), 0);
    CHECK_EQ(weft_runtime_stop(rt), 0);
}

/* ---- errno ---- */

/* Goal: weft_errno is the errno of the thread that the coroutine is on, in a function that has been
 * on another one.
 * Method: hand-offs until errno lies elsewhere; a libc call that fails there; both forms of use. */
CO_TEST(weft_errno_is_that_of_the_thread_one_is_on)
{
    const int *const first = weft_errno_location();

    for (int i = 0; i < 10000 && weft_errno_location() == first; i++)
        move_about();
    CHECK(weft_errno_location() != first);
    CHECK_EQ(close(-1), -1);
    CHECK_EQ(weft_errno, EBADF);
    weft_errno = ERANGE;
    CHECK_EQ(weft_errno, ERANGE);
    CHECK_EQ(*weft_errno_location(), ERANGE);
    return 0;
}

static int keep_errno(void *arg)
{
    weft_own_errno();
    for (int i = 0; i < 100; i++) {
        weft_errno = *(int *)arg + i;
        if (i % 10 == 0)
            move_about();
        else if (i % 10 == 1)
            CHECK_EQ(weft_sleep(WEFT_US), 0);
        else
            weft_yield();
        CHECK_EQ(weft_errno, *(int *)arg + i);
    }
    return 0;
}

static int spoil_errno(void *unused)
{
    (void)unused;
    for (int i = 0; i < 1000; i++) {
        weft_errno = -1;
        weft_yield();
    }
    return 0;
}

/* Goal: an errno of one's own survives waits, among others with and without.
 * Method: each sets its own; those without spoil the thread's at each turn. */
CO_TEST(an_errno_of_ones_own_survives_waits)
{
    static int bases[] = {1000, 2000, 3000, 4000};
    struct weft_co *co[2 * COUNT(bases)];

    for (int i = 0; i < COUNT(bases); i++) {
        co[2 * i] = weft_go_with(keep_errno, &bases[i], .pinned = i == 0);
        co[2 * i + 1] = weft_go_with(spoil_errno, NULL);
    }
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
    return 0;
}

TEST(weft_errno_works_on_a_plain_thread)
{
    weft_errno = 0;
    weft_own_errno();
    CHECK_EQ(close(-1), -1);
    CHECK_EQ(weft_errno, EBADF);
    CHECK_EQ(errno, EBADF);
}
