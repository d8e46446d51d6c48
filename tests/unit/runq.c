/* SPDX-License-Identifier: MIT */
/*
 * runq.c - the woken queue of a processor alone: its bounds, its order, half of it for a thief, and
 * one owner against three thieves across the wrap of its indices.
 *
 * matrix: once
 */
#define _GNU_SOURCE
#include <sched/runq.h>

#include "queue_rig.h"

enum { N_ITEMS = 1000000, RACE_MS = 200, BEFORE_WRAP = 3000 };

/* What stands for a coroutine: plain ints, so that ThreadSanitizer reports a broken publication. */
struct item {
    int id, taken;
};

static struct weft__g *as_g(struct item *it)
{
    return (struct weft__g *)(void *)it;
}

static struct item *as_item(struct weft__g *g)
{
    return (struct item *)(void *)g;
}

static struct weft__runq q;

static void start_at(uint32_t index)
{
    atomic_init(&q.head, index);
    atomic_init(&q.tail, index);
}

/* One thread alone needs no gate. */
TEST(a_full_queue_refuses_and_an_empty_one_gives_nothing)
{
    static struct item items[WEFT__RUNQ_CAP + 1];

    start_at(UINT32_MAX - 7);
    CHECK(weft__runq_pop(&q) == NULL);
    for (uint32_t i = 0; i < WEFT__RUNQ_CAP; i++) {
        CHECK_EQ(weft__runq_count(&q), i);
        CHECK(weft__runq_push(&q, as_g(&items[i])));
    }
    CHECK(!weft__runq_push(&q, as_g(&items[WEFT__RUNQ_CAP])));
    CHECK_EQ(weft__runq_count(&q), WEFT__RUNQ_CAP);
    for (uint32_t i = 0; i < WEFT__RUNQ_CAP; i++)
        CHECK(weft__runq_pop(&q) == as_g(&items[i]));
    CHECK(weft__runq_pop(&q) == NULL);
    CHECK_EQ(weft__runq_count(&q), 0);
}

/* Goal: a thief takes the oldest, half of them, rounded up, and never more than it asked for. */
TEST(a_thief_takes_the_oldest_half)
{
    static struct item items[10];
    struct weft__g *out[WEFT__RUNQ_CAP];

    start_at(UINT32_MAX - 2);
    for (int i = 0; i < 9; i++)
        CHECK(weft__runq_push(&q, as_g(&items[i])));
    CHECK_EQ(weft__runq_grab(&q, out, WEFT__RUNQ_CAP), 5);
    for (int i = 0; i < 5; i++)
        CHECK(out[i] == as_g(&items[i]));
    CHECK_EQ(weft__runq_grab(&q, out, 1), 1);
    CHECK(out[0] == as_g(&items[5]));
    CHECK_EQ(weft__runq_grab(&q, out, 2), 2);
    CHECK_EQ(weft__runq_grab(&q, out, 8), 1);
    CHECK(out[0] == as_g(&items[8]));
    CHECK_EQ(weft__runq_grab(&q, out, 8), 0);
}

/* Goal: what a full queue gives at once fits where its owner puts it, and leaves as much room. */
TEST(a_full_queue_gives_half_and_takes_as_many_again)
{
    static struct item items[WEFT__RUNQ_CAP + WEFT__RUNQ_CAP / 2];
    struct weft__g *out[WEFT__RUNQ_CAP / 2];

    start_at(UINT32_MAX - 200); /* the wrap is among those that are left */
    for (uint32_t i = 0; i < WEFT__RUNQ_CAP; i++)
        CHECK(weft__runq_push(&q, as_g(&items[i])));
    CHECK_EQ(weft__runq_grab(&q, out, UINT32_MAX), WEFT__RUNQ_CAP / 2);
    for (uint32_t i = 0; i < WEFT__RUNQ_CAP / 2; i++) {
        CHECK(out[i] == as_g(&items[i]));
        CHECK(weft__runq_push(&q, as_g(&items[WEFT__RUNQ_CAP + i])));
    }
    CHECK(!weft__runq_push(&q, as_g(&items[0])));
    for (uint32_t i = WEFT__RUNQ_CAP / 2; i < WEFT__RUNQ_CAP + WEFT__RUNQ_CAP / 2; i++)
        CHECK(weft__runq_pop(&q) == as_g(&items[i]));
    CHECK(weft__runq_pop(&q) == NULL);
}

static struct item *race_items;

/* By whoever was in the gate, after it left; `last` is what it took before.  Each of them takes the
 * oldest, so it meets the items in the order of their pushes. */
static void take(struct weft__g **got, uint32_t n, int *last)
{
    for (uint32_t i = 0; i < n; i++) {
        struct item *it = as_item(got[i]);
        CHECK_EQ(it->id, it - race_items);
        CHECK_GT(it->id, *last);
        *last = it->id;
        it->taken++;
    }
    atomic_fetch_sub_explicit(&race_left, (int)n, memory_order_relaxed);
}

/* Looks first, as the scheduler does, but not always; stays in for a moment, in which the owner may
 * push but not pop; and then stays out for one, or else the owner would never come in. */
static void *thief(void *arg)
{
    struct weft__g *out[WEFT__RUNQ_CAP / 2];
    uint64_t x = test_seed() + (uint64_t)atomic_fetch_add(&n_started, 1) * 977;
    int last = -1, n_pauses = 0;

    while (atomic_load_explicit(&race_left, memory_order_relaxed) > 0) {
        if (weft__runq_count(&q) == 0 && test_random(&x) % 256 != 0) {
            pause_for(++n_pauses);
            continue;
        }
        const uint32_t max = test_random(&x) % 4 == 0 ? 1 : WEFT__RUNQ_CAP / 2;
        weft__gate_seize(gate);
        const uint32_t half = (weft__runq_count(&q) + 1) / 2;
        spin((int)(test_random(&x) % 64));
        uint32_t n = weft__runq_grab(&q, out, max);
        weft__gate_release(gate);
        CHECK_GE(n, half < max ? half : max);
        take(out, n, &last);
        spin((int)(test_random(&x) % 512));
    }
    return arg;
}

/* While it is inside, nobody else takes anything. */
static void pop_one(int *last)
{
    weft__gate_enter(gate);
    const uint32_t count = weft__runq_count(&q);
    struct weft__g *g = weft__runq_pop(&q);
    CHECK_EQ(g != NULL, count != 0);
    spin(count % 16 == 1 ? 20 : 0);
    CHECK_EQ(weft__runq_count(&q), count - (g != NULL));
    weft__gate_leave(gate);
    if (g != NULL)
        take(&g, 1, last);
}

/* A queue that is full loses half, as in the scheduler, and there is room. */
static void push_one(struct item *it, int *last)
{
    struct weft__g *out[WEFT__RUNQ_CAP / 2];

    if (weft__runq_push(&q, as_g(it)))
        return;
    weft__gate_enter(gate);
    uint32_t n = weft__runq_grab(&q, out, WEFT__RUNQ_CAP / 2);
    CHECK(weft__runq_push(&q, as_g(it)));
    weft__gate_leave(gate);
    take(out, n, last);
}

/* So that thieves take part however busy the machine is. */
static void wait_until_half_is_stolen(void)
{
    const uint32_t rest = weft__runq_count(&q) / 2;

    for (int i = 1; weft__runq_count(&q) > rest; i++)
        pause_for(i);
}

/* Returns how many it pushed; what it does not pop is left to the thieves. */
static int own(int n_max)
{
    const int64_t until = test_now_ms() + RACE_MS;
    uint64_t x = test_seed();
    int n_pushed = 0, last = -1;

    while (n_pushed < n_max && test_now_ms() < until) {
        for (int n = (int)(test_random(&x) % 300); n > 0 && n_pushed < n_max; n--, n_pushed++) {
            race_items[n_pushed].id = n_pushed;
            push_one(&race_items[n_pushed], &last);
        }
        for (int n = (int)(test_random(&x) % 200); n > 0 && test_now_ms() < until; n--)
            pop_one(&last);
        if (test_random(&x) % 4 == 0)
            wait_until_half_is_stolen();
    }
    return n_pushed;
}

static void race(void)
{
    pthread_t th[N_THIEVES];
    const int n_max = N_ITEMS / (int)test_scale();

    gate = weft__gate_make();
    race_items = calloc((size_t)n_max, sizeof *race_items);
    CHECK(gate != NULL && race_items != NULL);
    start_at(UINT32_MAX - BEFORE_WRAP);
    atomic_init(&race_left, n_max);
    start_thieves(th, thief);
    const int n_items = own(n_max);
    atomic_fetch_sub(&race_left, n_max - n_items);
    for (int i = 0; i < N_THIEVES; i++)
        CHECK_EQ(pthread_join(th[i], NULL), 0);
    for (int i = 0; i < n_items; i++)
        CHECK_EQ(race_items[i].taken, 1);
    CHECK_EQ(atomic_load(&race_left), 0);
    CHECK_EQ(weft__runq_count(&q), 0);
    free(race_items);
    weft__gate_drop(gate);
}

/* Goal: no coroutine is lost or taken twice, and none overtakes another, while three thieves race
 * the owner across many laps, and across the wrap of the 32-bit indices.
 * Method: every item counts how often it was taken; the count must end at 1.  The owner pushes in
 * bursts of random length, outside of its gate, and pops some of them itself, inside. */
TEST(each_item_is_taken_once_by_an_owner_and_three_thieves_with_real_fences)
{
    CHECK(!atomic_load(&weft__fence_is_asymmetric)); /* so it is until somebody asks the kernel */
    race();
}

TEST(each_item_is_taken_once_by_an_owner_and_three_thieves_with_asymmetric_fences)
{
    weft__fence_init();
    if (!atomic_load(&weft__fence_is_asymmetric))
        SKIP("membarrier() cannot be had here");
    race();
    CHECK(atomic_load(&weft__fence_is_asymmetric)); /* and it was not given up on the way */
}
