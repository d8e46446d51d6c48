/* SPDX-License-Identifier: MIT */
/*
 * deque.c - the unstarted queue of a processor alone: the youngest for its owner, the oldest for a
 * thief, and each item once while they race.
 *
 * matrix: once
 */
#include <pthread.h>
#include <sched/deque.h>

#include "test.h"

enum { N_THIEVES = 3, N_ITEMS = 400000, N_ROUNDS = 60000 };

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

static struct weft__deque d;

static void start_at(int64_t index)
{
    atomic_init(&d.top, index);
    atomic_init(&d.bottom, index);
}

TEST(the_owner_takes_the_youngest_and_a_thief_the_oldest)
{
    static struct item items[5];

    start_at(0);
    CHECK(weft__deque_is_empty(&d));
    CHECK(weft__deque_pop(&d) == NULL);
    CHECK(weft__deque_steal(&d) == NULL);
    for (int i = 0; i < 5; i++)
        CHECK(weft__deque_push(&d, as_g(&items[i])));
    CHECK(!weft__deque_is_empty(&d));
    CHECK(weft__deque_pop(&d) == as_g(&items[4]));
    CHECK(weft__deque_steal(&d) == as_g(&items[0]));
    CHECK(weft__deque_pop(&d) == as_g(&items[3]));
    CHECK(weft__deque_steal(&d) == as_g(&items[1]));
    CHECK(weft__deque_pop(&d) == as_g(&items[2]));
    CHECK(weft__deque_pop(&d) == NULL);
    CHECK(weft__deque_is_empty(&d));
}

TEST(a_full_deque_refuses_and_takes_again_after_a_theft)
{
    static struct item items[WEFT__DEQUE_CAP + 1];

    start_at(((int64_t)1 << 32) - 100);
    for (int i = 0; i < WEFT__DEQUE_CAP; i++)
        CHECK(weft__deque_push(&d, as_g(&items[i])));
    CHECK(!weft__deque_push(&d, as_g(&items[WEFT__DEQUE_CAP])));
    CHECK(weft__deque_steal(&d) == as_g(&items[0]));
    CHECK(weft__deque_push(&d, as_g(&items[WEFT__DEQUE_CAP])));
    for (int i = WEFT__DEQUE_CAP; i >= 1; i--)
        CHECK(weft__deque_pop(&d) == as_g(&items[i]));
    CHECK(weft__deque_pop(&d) == NULL);
}

TEST(the_owner_spills_the_oldest_or_nothing)
{
    static struct item items[6];
    struct weft__g *out[6];

    start_at(WEFT__DEQUE_CAP - 3); /* round the end of the ring */
    for (int i = 0; i < 6; i++)
        CHECK(weft__deque_push(&d, as_g(&items[i])));
    CHECK_EQ(weft__deque_spill(&d, out, 7), 0);
    CHECK_EQ(weft__deque_spill(&d, out, 4), 4);
    for (int i = 0; i < 4; i++)
        CHECK(out[i] == as_g(&items[i]));
    CHECK_EQ(weft__deque_spill(&d, out, 3), 0);
    CHECK(weft__deque_steal(&d) == as_g(&items[4]));
    CHECK(weft__deque_pop(&d) == as_g(&items[5]));
    CHECK(weft__deque_is_empty(&d));
}

static struct item *race_items;
static atomic_int race_left;

static void take(struct weft__g *g)
{
    as_item(g)->taken++;
    atomic_fetch_sub_explicit(&race_left, 1, memory_order_relaxed);
}

static void *thief(void *arg)
{
    (void)arg;
    while (atomic_load_explicit(&race_left, memory_order_relaxed) > 0) {
        struct weft__g *g = weft__deque_steal(&d);
        if (g != NULL)
            take(g);
    }
    return NULL;
}

static void race(int n, void (*owner)(int n))
{
    pthread_t th[N_THIEVES];

    race_items = calloc((size_t)n, sizeof *race_items);
    CHECK(race_items != NULL);
    start_at(((int64_t)1 << 32) - n / 2);
    atomic_init(&race_left, n);
    for (int i = 0; i < N_THIEVES; i++)
        CHECK_EQ(pthread_create(&th[i], NULL, thief, NULL), 0);
    owner(n);
    while (atomic_load(&race_left) > 0) {
        struct weft__g *g = weft__deque_pop(&d);
        if (g != NULL)
            take(g);
    }
    for (int i = 0; i < N_THIEVES; i++)
        CHECK_EQ(pthread_join(th[i], NULL), 0);
    for (int i = 0; i < n; i++)
        CHECK_EQ(race_items[i].taken, 1);
    CHECK_EQ(atomic_load(&race_left), 0);
    free(race_items);
}

static void push_bursts(int n)
{
    uint64_t x = test_seed();

    for (int i = 0; i < n;) {
        struct weft__g *g;
        for (int k = (int)(test_random(&x) % 300); k > 0 && i < n; k--, i++) {
            race_items[i].id = i;
            while (!weft__deque_push(&d, as_g(&race_items[i])))
                if ((g = weft__deque_pop(&d)) != NULL)
                    take(g);
        }
        for (int k = (int)(test_random(&x) % 200); k > 0; k--)
            if ((g = weft__deque_pop(&d)) != NULL)
                take(g);
    }
}

/* Goal: nothing is lost or taken twice over many laps of the ring, across 2^32.
 * Method: every item counts how often it was taken. */
TEST(each_item_is_taken_once_by_an_owner_and_three_thieves)
{
    race(N_ITEMS / (int)test_scale(), push_bursts);
}

static void push_one_pop_one(int n)
{
    for (int i = 0; i < n; i++) {
        race_items[i].id = i;
        CHECK(weft__deque_push(&d, as_g(&race_items[i])));
        struct weft__g *g = weft__deque_pop(&d);
        if (g != NULL)
            take(g);
    }
}

/* Goal: the last element, which owner and thieves want at the same time, goes to one of them.
 * Method: there never is more than one element. */
TEST(the_last_element_is_taken_once)
{
    race(N_ROUNDS / (int)test_scale(), push_one_pop_one);
}
