/* SPDX-License-Identifier: MIT */
/*
 * steal.c - work made in one place and taken everywhere: each piece is done once, and none is left.
 *
 * matrix: short
 */
#include "co_test.h"
#include "no_lookout.h" /* it would bring to others what they are to find */

enum { PIECES = 20000, PRODUCERS = 4 };

static atomic_uchar done[PIECES];
static atomic_int n_done;
static atomic_uint_fast64_t by_index[WEFT_PROCS_MAX];

static void do_piece(void *arg)
{
    CHECK_EQ(atomic_fetch_add((atomic_uchar *)arg, 1), 0);
    atomic_fetch_add_explicit(&by_index[weft_thread_index()], 1, memory_order_relaxed);
    atomic_fetch_add(&n_done, 1);
}

/* Yields a number of times before it does its piece, so that woken ones are stolen, too. */
static void do_piece_late(void *arg)
{
    yield_often((int)((uintptr_t)arg % 3));
    do_piece(arg);
}

static void round_of(int pieces, uint64_t *x)
{
    for (int i = 0; i < pieces; i++)
        atomic_store_explicit(&done[i], 0, memory_order_relaxed);
    atomic_store(&n_done, 0);
    for (int i = 0; i < pieces; i++) {
        uint64_t dice = test_random(x) % 64;
        go(dice % 2 ? do_piece : do_piece_late, &done[i]);
        if (dice == 0)
            weft_yield();
        if (dice == 1)
            CHECK_EQ(weft_sleep(1000), 0);
    }
    while (atomic_load(&n_done) < pieces)
        weft_yield();
    for (int i = 0; i < pieces; i++)
        CHECK_EQ(atomic_load(&done[i]), 1);
    CHECK_EQ(atomic_load(&n_done), pieces);
}

/* Goal: however many processors take from the one that spawns, from a full queue, from the global
 * queue and from each other, each coroutine runs exactly once.
 * Method: one producer; rounds of random length, some far longer than the queues. */
STRESS_TEST(each_coroutine_of_one_producer_runs_once)
{
    const int64_t until = test_now_ms() + test_stress_ms() / 2;
    uint64_t x = test_seed();

    do
        round_of(1 + (int)(test_random(&x) % (uint64_t)scaled(PIECES)), &x);
    while (test_now_ms() < until);
    return 0;
}

struct node {
    int depth;
    atomic_int *sum;
};

static int grow(void *arg)
{
    const struct node *n = arg;
    struct node child = {n->depth - 1, n->sum};

    if (n->depth == 0) {
        atomic_fetch_add(n->sum, 1);
        return 0;
    }
    struct weft_co *co[3];
    for (int i = 0; i < COUNT(co); i++)
        co[i] = weft_go_with(grow, &child);
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
    return 0;
}

/* Goal: a tree whose branches are stolen at every height is complete when its root is joined. */
STRESS_TEST(a_tree_is_complete_when_its_root_is_joined)
{
    const int64_t until = test_now_ms() + test_stress_ms() / 4;

    do {
        atomic_int sum = 0;
        struct node root = {test_scale() > 1 ? 6 : 8, &sum};
        CHECK_EQ(grow(&root), 0);
        CHECK_EQ(atomic_load(&sum), test_scale() > 1 ? 729 : 6561);
    } while (test_now_ms() < until);
    return 0;
}

/* Goal: a coroutine that was woken just before its waker computes is run by another processor, if
 * there is one that sleeps: it does not wait until the waker lets go.
 * Method: the waker spins until the other has run; without help that is for ever. */
static atomic_bool has_run;

static int run_once(void *arg)
{
    if (chan_recv(arg, NULL) == 0)
        atomic_store(&has_run, true);
    return 0;
}

STRESS_TEST_ON_TWO(a_woken_coroutine_is_taken_from_a_busy_processor)
{
    const int64_t until = test_now_ms() + test_stress_ms() / 4;

    do {
        chan *ch = chan_make(0, 0);
        atomic_store(&has_run, false);
        struct weft_co *co = weft_go_with(run_once, ch);
        CHECK_EQ(weft_sleep(300 * WEFT_US), 0); /* it waits; the others have gone to sleep */
        CHECK_EQ(chan_send(ch, NULL), 0);
        while (!atomic_load(&has_run))
            ;
        join(co);
        chan_unref(ch);
    } while (test_now_ms() < until);
    return 0;
}

static int pong(void *arg)
{
    chan **pair = arg;
    int value;

    while (chan_recv(pair[0], &value) == 0)
        CHECK_EQ(chan_send(pair[1], &value), 0);
    return 0;
}

static void note_run(void *unused)
{
    (void)unused;
    atomic_store(&has_run, true);
}

/* Goal: the same when those that sleep have just been told in vain many times, as a talking
 * pair does, and will not be told again for a while: one of them finds out by itself.
 * Method: a pair talks a random number of times, then its processor spins until what it has woken,
 * or started, has run. */
STRESS_TEST_ON_TWO(what_waits_behind_a_talker_that_computes_is_found)
{
    const int64_t until = test_now_ms() + test_stress_ms() / 4;
    uint64_t random = test_seed();
    chan *pair[2] = {chan_make(sizeof(int), 0), chan_make(sizeof(int), 0)};
    struct weft_co *talker = weft_go_with(pong, pair);

    do {
        chan *ch = chan_make(0, 0);
        struct weft_co *co = weft_go_with(run_once, ch);
        const int n = (int)(test_random(&random) % 300);
        int value = 0;

        for (int i = 0; i < n; i++) {
            CHECK_EQ(chan_send(pair[0], &i), 0);
            CHECK_EQ(chan_recv(pair[1], &value), 0);
            CHECK_EQ(value, i);
        }
        atomic_store(&has_run, false);
        if (test_random(&random) % 2)
            CHECK_EQ(go(note_run, NULL), 0);
        else
            CHECK_EQ(chan_send(ch, NULL), 0);
        while (!atomic_load(&has_run))
            ;
        chan_close(ch);
        join(co);
        chan_unref(ch);
    } while (test_now_ms() < until);
    chan_close(pair[0]);
    join(talker);
    chan_unref(pair[0]);
    chan_unref(pair[1]);
    return 0;
}
