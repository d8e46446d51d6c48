/* SPDX-License-Identifier: MIT */
/*
 * ends.c - coroutines that end in every way, owing all that one can owe, while processors change
 * their threads: whatever was deferred runs once, whatever was set or inherited is destroyed once.
 *
 * matrix: short
 */
#include <base/self.h>
#include <sched/sched.h>

#include "co_test.h"

static int64_t until;
static _Atomic int64_t n_values, n_cleanups, n_calls;

static void destroy(void *value)
{
    free(value);
    atomic_fetch_sub(&n_values, 1);
    if (weft_id() % 8 == 0)
        weft_yield();
}

static int *make_value(int n)
{
    int *value = malloc(sizeof *value);

    CHECK(value != NULL);
    *value = n;
    atomic_fetch_add(&n_values, 1);
    return value;
}

static void *copy(void *value)
{
    if (weft_id() % 8 == 0)
        weft_yield();
    return make_value(*(int *)value);
}

enum { KEYS = 12 };
static struct weft_key keys[KEYS]; /* every other one is inherited */

static void clean_up(void *arg)
{
    if (weft_id() % 8 == 0)
        CHECK_EQ(weft_sleep(WEFT_US), 0);
    atomic_fetch_sub(&n_cleanups, (int64_t)(uintptr_t)arg);
}

static void *owe(uint64_t dice)
{
    const uint64_t n = dice % 100 + 1;

    atomic_fetch_add(&n_cleanups, (int64_t)n);
    return (void *)(uintptr_t)n;
}

struct life {
    uint64_t x;
    int depth;
};

static int live(void *arg);

/* One of the things that a coroutine does in its life. */
static void do_something(struct life *me, uint64_t dice)
{
    const int k = (int)(dice >> 8 & 0xff) % KEYS;
    int *old;

    switch (dice % 8) {
    case 0:
    case 1:
        old = weft_local_get(&keys[k]);
        CHECK(old == NULL || *old == k);
        if (old == NULL)
            CHECK_EQ(weft_local_set(&keys[k], make_value(k)), 0);
        break;
    case 2:
        CHECK_EQ(weft_defer(clean_up, owe(dice >> 16)), 0);
        break;
    case 3:
        weft__p_ask_hand_off(weft__m_self()->p);
        weft_yield();
        break;
    case 4:
        CHECK_EQ(weft_sleep((int64_t)(dice >> 16) % 50 * WEFT_US), 0);
        break;
    default:
        weft_yield();
    }
    if (me->depth > 0 && dice >> 32 & 1) {
        struct life child = {dice | 1, me->depth - 1};
        join(weft_go_with(live, &child, .own_fp = dice >> 33 & 1));
    }
}

static __attribute__((noinline)) int live_deeper(struct life *me, int frames);

static int live_elsewhere(void *arg)
{
    return live_deeper(arg, 1);
}

static int live_deeper(struct life *me, int frames)
{
    const uint64_t dice = test_random(&me->x);

    WEFT_DEFER(clean_up, owe(dice));
    do_something(me, dice);
    if (frames > 0 && dice >> 40 & 1)
        CHECK_EQ(live_deeper(me, frames - 1), 0);
    if (frames > 0 && (dice >> 41 & 7) == 0) {
        atomic_fetch_add(&n_calls, 1);
        CHECK_EQ(weft_call_on_big_stack(live_elsewhere, me, (size_t)64 * 1024 << (dice >> 50 & 3)),
                 0);
    }
    do_something(me, test_random(&me->x));
    if ((dice >> 44 & 15) == 0)
        weft_exit(0);
    return 0;
}

static int live(void *arg)
{
    struct life me = *(struct life *)arg;

    return live_deeper(&me, 3);
}

static int keep_living(void *arg)
{
    struct life me = {*(uint64_t *)arg, 2};

    do {
        join(weft_go_with(live, &me));
        (void)test_random(&me.x);
    } while (test_now_ms() < until);
    return 0;
}

/* Goal: nothing that a coroutine owes is lost or done twice, whatever way it ends and wherever it
 * has been.
 * Method: random lives by the seed: keys, cleanups of both kinds, children, big stacks, moves, and
 * weft_exit() at any depth; the sums of what was owed and done end at 0. */
STRESS_TEST(whatever_is_owed_at_the_end_is_done_once)
{
    enum { N = 16 };
    struct weft_co *co[N];
    uint64_t seeds[N];

    for (int i = 0; i < KEYS; i++)
        keys[i] = (struct weft_key){.destroy = destroy, .inherit = i % 2 == 0 ? copy : NULL};
    until = test_now_ms() + test_stress_ms();
    for (int i = 0; i < N; i++) {
        seeds[i] = (test_seed() + (uint64_t)i * 77) | 1;
        co[i] = weft_go_with(keep_living, &seeds[i]);
    }
    for (int i = 0; i < N; i++)
        join(co[i]);
    CHECK_EQ(atomic_load(&n_values), 0);
    CHECK_EQ(atomic_load(&n_cleanups), 0);
    CHECK_GT(atomic_load(&n_calls), 0);
    return 0;
}
