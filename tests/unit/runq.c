/* SPDX-License-Identifier: MIT */
/*
 * runq.c - the woken queue of a processor alone: its bounds, its order, half of it for a thief, and
 * one owner against three thieves across the wrap of its indices.
 *
 * matrix: once
 */
#include <pthread.h>
#include <sched/runq.h>

#include "test.h"

enum { N_THIEVES = 3, N_ITEMS = 400000 };

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

TEST(a_full_queue_refuses_and_an_empty_one_gives_nothing)
{
    static struct item items[WEFT__RUNQ_CAP + 1];

    start_at(UINT32_MAX - 7);
    CHECK(weft__runq_pop(&q, false) == NULL);
    for (uint32_t i = 0; i < WEFT__RUNQ_CAP; i++)
        CHECK(weft__runq_push(&q, as_g(&items[i])));
    CHECK(!weft__runq_push(&q, as_g(&items[WEFT__RUNQ_CAP])));
    CHECK_EQ(weft__runq_count(&q), WEFT__RUNQ_CAP);
    for (uint32_t i = 0; i < WEFT__RUNQ_CAP; i++)
        CHECK(weft__runq_pop(&q, false) == as_g(&items[i]));
    CHECK(weft__runq_pop(&q, false) == NULL);
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

static struct item *race_items;
static int race_count;
static atomic_int race_left;

static void take(struct weft__g *g)
{
    as_item(g)->taken++;
    atomic_fetch_sub_explicit(&race_left, 1, memory_order_relaxed);
}

static void *thief(void *arg)
{
    struct weft__g *out[WEFT__RUNQ_CAP];

    (void)arg;
    while (atomic_load_explicit(&race_left, memory_order_relaxed) > 0) {
        uint32_t n = weft__runq_grab(&q, out, WEFT__RUNQ_CAP / 2);
        for (uint32_t i = 0; i < n; i++)
            take(out[i]);
    }
    return NULL;
}

/* Goal: no coroutine is lost or taken twice while three thieves race the owner across many laps,
 * and across the wrap of the 32-bit indices.
 * Method: every item counts how often it was taken; the count must end at 1.  The owner pushes in
 * bursts of random length and pops some of them itself. */
TEST(each_item_is_taken_once_by_an_owner_and_three_thieves)
{
    pthread_t th[N_THIEVES];
    uint64_t x = test_seed();

    race_count = N_ITEMS / (int)test_scale();
    race_items = calloc((size_t)race_count, sizeof *race_items);
    CHECK(race_items != NULL);
    start_at(UINT32_MAX - (uint32_t)race_count / 2);
    atomic_init(&race_left, race_count);
    for (int i = 0; i < N_THIEVES; i++)
        CHECK_EQ(pthread_create(&th[i], NULL, thief, NULL), 0);
    for (int i = 0; i < race_count;) {
        struct weft__g *g;
        for (int n = (int)(test_random(&x) % 300); n > 0 && i < race_count; n--, i++) {
            race_items[i].id = i;
            while (!weft__runq_push(&q, as_g(&race_items[i])))
                if ((g = weft__runq_pop(&q, false)) != NULL)
                    take(g);
        }
        for (int n = (int)(test_random(&x) % 100); n > 0; n--)
            if ((g = weft__runq_pop(&q, false)) != NULL)
                take(g);
    }
    while (atomic_load(&race_left) > 0) {
        struct weft__g *g = weft__runq_pop(&q, false);
        if (g != NULL)
            take(g);
    }
    for (int i = 0; i < N_THIEVES; i++)
        CHECK_EQ(pthread_join(th[i], NULL), 0);
    for (int i = 0; i < race_count; i++)
        CHECK_EQ(race_items[i].taken, 1);
    CHECK_EQ(atomic_load(&race_left), 0);
    free(race_items);
}
