/* SPDX-License-Identifier: MIT */
/*
 * deque.c - the unstarted queue of a processor alone: the youngest for its owner, the oldest for a
 * thief, and each item once while they race.
 *
 * matrix: once
 */
#define _GNU_SOURCE
#include <sched/deque.h>

#include "queue_rig.h"

enum { CAP = WEFT__DEQUE_CAP, HALF = CAP / 2 };
enum { N_ITEMS = 1000000, N_ROUNDS = 60000, RACE_MS = 150, BEFORE_2_32 = 3000 };

/* What stands for a coroutine: plain, so that ThreadSanitizer reports a broken publication. */
struct item {
    int id, taken;
    struct item *older; /* its owner's: the one that it pushed before */
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

static struct weft__g *grab_one(void)
{
    struct weft__g *g = NULL;

    CHECK_EQ(weft__deque_grab(&d, &g, 1), g != NULL);
    return g;
}

/* One thread alone needs no gate. */
TEST(the_owner_takes_the_youngest_and_a_thief_the_oldest)
{
    static struct item items[5];

    start_at(0);
    CHECK(weft__deque_is_empty(&d));
    CHECK(weft__deque_pop(&d) == NULL);
    CHECK(grab_one() == NULL);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(weft__deque_count(&d), i);
        CHECK(weft__deque_push(&d, as_g(&items[i])));
    }
    CHECK(!weft__deque_is_empty(&d));
    CHECK(weft__deque_pop(&d) == as_g(&items[4]));
    CHECK(grab_one() == as_g(&items[0]));
    CHECK(weft__deque_pop(&d) == as_g(&items[3]));
    CHECK(grab_one() == as_g(&items[1]));
    CHECK_EQ(weft__deque_count(&d), 1);
    CHECK(weft__deque_pop(&d) == as_g(&items[2]));
    CHECK(weft__deque_pop(&d) == NULL);
    CHECK(grab_one() == NULL);
    CHECK(weft__deque_is_empty(&d));
    CHECK_EQ(weft__deque_count(&d), 0);
}

/* Goal: several that are added at once come out in their order, or none is in there. */
TEST(several_go_in_at_once_or_not_at_all)
{
    static struct item items[CAP + 1];
    struct weft__g *all[CAP];

    start_at(((int64_t)1 << 32) - 100); /* the indices pass 2 to the 32nd, and the end of it */
    CHECK(weft__deque_push(&d, as_g(&items[CAP])));
    for (int i = 0; i < CAP; i++)
        all[i] = as_g(&items[i]);
    CHECK(!weft__deque_push_all(&d, all, CAP)); /* one is in there */
    CHECK_EQ(weft__deque_count(&d), 1);
    CHECK(weft__deque_push_all(&d, all, CAP - 1));
    CHECK(!weft__deque_push(&d, as_g(&items[CAP - 1])));
    for (int i = 0; i < CAP - 1; i++)
        CHECK(weft__deque_pop(&d) == all[i]);
    CHECK(grab_one() == as_g(&items[CAP]));
    CHECK(weft__deque_push_all(&d, all, CAP));
    for (int i = CAP - 1; i >= 0; i--)
        CHECK(grab_one() == all[i]);
}

TEST(a_full_deque_refuses_and_takes_again_after_a_theft)
{
    static struct item items[CAP + 1];

    start_at(((int64_t)1 << 32) - 100);
    for (int i = 0; i < CAP; i++)
        CHECK(weft__deque_push(&d, as_g(&items[i])));
    CHECK(!weft__deque_push(&d, as_g(&items[CAP])));
    CHECK_EQ(weft__deque_count(&d), CAP);
    CHECK(grab_one() == as_g(&items[0]));
    CHECK(weft__deque_push(&d, as_g(&items[CAP])));
    for (int i = CAP; i >= 1; i--)
        CHECK(weft__deque_pop(&d) == as_g(&items[i]));
    CHECK(weft__deque_pop(&d) == NULL);
}

/* Goal: a thief takes the oldest, half of them, rounded up, and never more than it asked for. */
TEST(a_thief_takes_the_oldest_half)
{
    static struct item items[9];
    struct weft__g *out[CAP];

    start_at(CAP - 3); /* round the end of the ring */
    for (int i = 0; i < 9; i++)
        CHECK(weft__deque_push(&d, as_g(&items[i])));
    CHECK_EQ(weft__deque_grab(&d, out, CAP), 5);
    for (int i = 0; i < 5; i++)
        CHECK(out[i] == as_g(&items[i]));
    CHECK_EQ(weft__deque_grab(&d, out, 1), 1);
    CHECK(out[0] == as_g(&items[5]));
    CHECK_EQ(weft__deque_grab(&d, out, 2), 2);
    CHECK(out[0] == as_g(&items[6]) && out[1] == as_g(&items[7]));
    CHECK_EQ(weft__deque_grab(&d, out, 8), 1);
    CHECK(out[0] == as_g(&items[8]));
    CHECK_EQ(weft__deque_grab(&d, out, 8), 0);
    CHECK(weft__deque_is_empty(&d));
}

/* Goal: what a full deque gives at once fits where its owner puts it, and leaves as much room. */
TEST(a_full_deque_gives_half_and_takes_as_many_again)
{
    static struct item items[CAP + HALF];
    struct weft__g *out[HALF];

    start_at(((int64_t)1 << 32) - 200); /* it is among those that are left */
    for (int i = 0; i < CAP; i++)
        CHECK(weft__deque_push(&d, as_g(&items[i])));
    CHECK_EQ(weft__deque_grab(&d, out, UINT32_MAX), HALF);
    for (int i = 0; i < HALF; i++) {
        CHECK(out[i] == as_g(&items[i]));
        CHECK(weft__deque_push(&d, as_g(&items[CAP + i])));
    }
    CHECK(!weft__deque_push(&d, as_g(&items[0])));
    for (int i = CAP + HALF - 1; i >= HALF; i--)
        CHECK(weft__deque_pop(&d) == as_g(&items[i]));
    CHECK(weft__deque_pop(&d) == NULL);
}

static struct item *race_items;

static void take(struct item *it)
{
    CHECK_EQ(it->id, it - race_items);
    it->taken++;
    atomic_fetch_sub_explicit(&race_left, 1, memory_order_relaxed);
}

/* By whoever was in the gate, after it left; `last` is what it grabbed before.  Each of them takes
 * the oldest, so it meets the items in the order of their pushes. */
static void take_grabbed(struct weft__g **got, uint32_t n, int *last)
{
    for (uint32_t i = 0; i < n; i++) {
        take(as_item(got[i]));
        CHECK_GT(as_item(got[i])->id, *last);
        *last = as_item(got[i])->id;
    }
}

/* Looks first, as the scheduler does, but not always; stays in for a moment, in which the owner may
 * push but not pop; and then stays out for one, or else the owner would never come in. */
static void *thief(void *arg)
{
    struct weft__g *out[HALF];
    uint64_t x = test_seed() + (uint64_t)atomic_fetch_add(&n_started, 1) * 977;
    int last = -1, n_pauses = 0;

    while (atomic_load_explicit(&race_left, memory_order_relaxed) > 0) {
        if (weft__deque_is_empty(&d) && test_random(&x) % 256 != 0) {
            pause_for(++n_pauses);
            continue;
        }
        const int max = test_random(&x) % 4 == 0 ? 1 : HALF;
        weft__gate_seize(gate);
        const int64_t half = (weft__deque_count(&d) + 1) / 2;
        spin((int)(test_random(&x) % 64));
        uint32_t n = weft__deque_grab(&d, out, max);
        weft__gate_release(gate);
        CHECK_GE(n, half < max ? half : max);
        take_grabbed(out, n, &last);
        spin((int)(test_random(&x) % 512));
    }
    return arg;
}

struct owner {
    struct item *youngest; /* that it pushed and did not pop; NULL if it knows that there is none */
    int n_pushed, last;    /* last: what it grabbed last */
    int64_t until;
};

/* What comes is the youngest of all, and nothing comes when all are stolen.  While the owner is
 * inside, nobody else takes anything. */
static void pop_one(struct owner *o)
{
    weft__gate_enter(gate);
    const int64_t count = weft__deque_count(&d);
    struct weft__g *g = weft__deque_pop(&d);
    CHECK_EQ(g != NULL, count != 0);
    spin(count % 16 == 1 ? 20 : 0);
    CHECK_EQ(weft__deque_count(&d), count - (g != NULL));
    weft__gate_leave(gate);
    if (g == NULL) {
        o->youngest = NULL;
        return;
    }
    CHECK(g == as_g(o->youngest));
    o->youngest = o->youngest->older;
    take(as_item(g));
}

/* A deque that is full loses half, as in the scheduler, and there is room. */
static void push_one(struct owner *o)
{
    struct weft__g *out[HALF];
    struct item *it = &race_items[o->n_pushed];

    it->id = o->n_pushed++;
    it->older = o->youngest;
    o->youngest = it;
    if (weft__deque_push(&d, as_g(it)))
        return;
    weft__gate_enter(gate);
    uint32_t n = weft__deque_grab(&d, out, HALF);
    CHECK(weft__deque_push(&d, as_g(it)));
    weft__gate_leave(gate);
    take_grabbed(out, n, &o->last);
}

/* So that thieves take part however busy the machine is. */
static void wait_until_half_is_stolen(void)
{
    const int64_t rest = weft__deque_count(&d) / 2;

    for (int i = 1; weft__deque_count(&d) > rest; i++)
        pause_for(i);
}

/* What the owner does not pop is left to the thieves. */
static void race(int n_max, void (*turn)(struct owner *o, int n_max, uint64_t *x))
{
    pthread_t th[N_THIEVES];
    struct owner o = {.last = -1};
    uint64_t x = test_seed();

    gate = weft__gate_make();
    race_items = calloc((size_t)n_max, sizeof *race_items);
    CHECK(gate != NULL && race_items != NULL);
    start_at(((int64_t)1 << 32) - BEFORE_2_32);
    atomic_init(&race_left, n_max);
    start_thieves(th, thief);
    o.until = test_now_ms() + RACE_MS;
    while (o.n_pushed < n_max && test_now_ms() < o.until)
        turn(&o, n_max, &x);
    atomic_fetch_sub(&race_left, n_max - o.n_pushed);
    for (int i = 0; i < N_THIEVES; i++)
        CHECK_EQ(pthread_join(th[i], NULL), 0);
    for (int i = 0; i < o.n_pushed; i++)
        CHECK_EQ(race_items[i].taken, 1);
    CHECK_EQ(atomic_load(&race_left), 0);
    CHECK(weft__deque_is_empty(&d));
    free(race_items);
    weft__gate_drop(gate);
}

static void push_and_pop_bursts(struct owner *o, int n_max, uint64_t *x)
{
    for (int n = (int)(test_random(x) % 300); n > 0 && o->n_pushed < n_max; n--)
        push_one(o);
    for (int n = (int)(test_random(x) % 200); n > 0 && test_now_ms() < o->until; n--)
        pop_one(o);
    if (test_random(x) % 4 == 0)
        wait_until_half_is_stolen();
}

/* Goal: nothing is lost or taken twice over many laps of the ring, across 2^32, and all come in
 * their order.
 * Method: every item counts how often it was taken.  The owner pushes outside of its gate. */
static void check_bursts(void)
{
    race(N_ITEMS / (int)test_scale(), push_and_pop_bursts);
}

static void push_one_pop_one(struct owner *o, int n_max, uint64_t *x)
{
    push_one(o);
    if (o->n_pushed == n_max || test_random(x) % 64 == 0)
        wait_until_half_is_stolen();
    pop_one(o);
}

/* Goal: the last element, which owner and thieves want at the same time, goes to one of them.
 * Method: there never is more than one element. */
static void check_last_element(void)
{
    race(N_ROUNDS / (int)test_scale(), push_one_pop_one);
}

TEST(each_item_is_taken_once_by_an_owner_and_three_thieves_with_real_fences)
{
    CHECK(!atomic_load(&weft__fence_is_asymmetric)); /* so it is until somebody asks the kernel */
    check_bursts();
}

TEST(the_last_element_is_taken_once_with_real_fences)
{
    CHECK(!atomic_load(&weft__fence_is_asymmetric));
    check_last_element();
}

static void want_asymmetric_fences(void)
{
    weft__fence_init();
    if (!atomic_load(&weft__fence_is_asymmetric))
        SKIP("membarrier() cannot be had here");
}

TEST(each_item_is_taken_once_by_an_owner_and_three_thieves_with_asymmetric_fences)
{
    want_asymmetric_fences();
    check_bursts();
    CHECK(atomic_load(&weft__fence_is_asymmetric)); /* and it was not given up on the way */
}

TEST(the_last_element_is_taken_once_with_asymmetric_fences)
{
    want_asymmetric_fences();
    check_last_element();
    CHECK(atomic_load(&weft__fence_is_asymmetric));
}
