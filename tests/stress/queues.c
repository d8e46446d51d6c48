/* SPDX-License-Identifier: MIT */
/*
 * queues.c - an owner and thieves at the two queues of a processor, for as long as the stress goes
 * on: each piece is taken once, whoever takes it.  They take in the processor's gate, as the
 * runtime does (sched/queue.c).
 *
 * The queues stay nearly empty, since that is where the two ends meet.
 *
 * matrix: short
 */
#include <pthread.h>
#include <sched.h>

#include "base/gate.h"
#include "sched/deque.h"
#include "sched/queue.h"
#include "test.h"

enum { THIEVES = 2, PIECES_MAX = 4 };

/* The queues only carry the pointer, so a piece is anything. */
struct piece {
    uint64_t round; /* plain memory: ThreadSanitizer sees a queue that does not publish it */
    atomic_int n_taken;
};

static struct weft__gate *gate;
static struct weft__deque deque;
static struct weft__runq runq;
static struct piece pieces[PIECES_MAX];
static atomic_int n_left;
static atomic_bool is_over;
static uint64_t last_round;

static void take(struct weft__g *g)
{
    struct piece *piece = (struct piece *)g;

    CHECK_GT(piece->round, 0);
    atomic_fetch_add(&piece->n_taken, 1);
    atomic_fetch_sub(&n_left, 1);
}

/* A thief looks first, and asks for the gate only when there is something. */
static void *steal(bool (*is_empty)(void), uint32_t (*grab)(struct weft__g **out))
{
    struct weft__g *g[PIECES_MAX];

    while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
        if (is_empty())
            continue;
        weft__gate_seize(gate);
        const uint32_t n = grab(g);
        weft__gate_release(gate);
        for (uint32_t i = 0; i < n; i++)
            take(g[i]);
    }
    return NULL;
}

static bool is_deque_empty(void)
{
    return weft__deque_is_empty(&deque);
}

static uint32_t grab_from_deque(struct weft__g **out)
{
    return weft__deque_grab(&deque, out, PIECES_MAX);
}

static void *steal_from_deque(void *unused)
{
    (void)unused;
    return steal(is_deque_empty, grab_from_deque);
}

static bool is_runq_empty(void)
{
    return weft__runq_count(&runq) == 0;
}

static uint32_t grab_from_runq(struct weft__g **out)
{
    return weft__runq_grab(&runq, out, PIECES_MAX);
}

static void *steal_from_runq(void *unused)
{
    (void)unused;
    return steal(is_runq_empty, grab_from_runq);
}

static bool push_to_deque(struct weft__g *g)
{
    return weft__deque_push(&deque, g);
}

/* By turns as the owner does it when it looks for work, and when its queue is full. */
static struct weft__g *pop_from_deque(void)
{
    static unsigned turn;
    struct weft__g *g;

    weft__gate_enter(gate);
    if (turn++ % 2 == 0 || weft__deque_grab(&deque, &g, 1) == 0)
        g = weft__deque_pop(&deque);
    weft__gate_leave(gate);
    return g;
}

static bool push_to_runq(struct weft__g *g)
{
    return weft__runq_push(&runq, g);
}

static struct weft__g *pop_from_runq(void)
{
    struct weft__g *g;

    weft__gate_enter(gate);
    g = weft__runq_pop(&runq);
    weft__gate_leave(gate);
    return g;
}

/* Some pieces in, some out again; the thieves have the rest.  Then each was taken once. */
static void round_of(int n, int n_pops, bool (*push)(struct weft__g *),
                     struct weft__g *(*pop)(void))
{
    const int64_t late_ms = test_now_ms() + 4000 * test_scale();
    struct weft__g *g;

    for (int i = 0; i < n; i++)
        atomic_store_explicit(&pieces[i].n_taken, 0, memory_order_relaxed);
    atomic_store(&n_left, n);
    last_round++;
    for (int i = 0; i < n; i++) {
        pieces[i].round = last_round;
        CHECK(push((struct weft__g *)&pieces[i]));
    }
    for (int i = 0; i < n_pops; i++)
        if ((g = pop()) != NULL)
            take(g);
    for (unsigned looks = 1; atomic_load(&n_left) > 0; looks++) {
        if (looks % 256 == 0)
            sched_yield(); /* a thief may have lost its CPU */
        if (looks % 65536 == 0 && test_now_ms() > late_ms)
            TEST_FAIL("%d of %d pieces are lost", atomic_load(&n_left), n);
    }
    for (int i = 0; i < n; i++)
        CHECK_EQ(atomic_load(&pieces[i].n_taken), 1);
    CHECK_EQ(atomic_load(&n_left), 0);
}

static void race(void *(*thief)(void *), bool (*push)(struct weft__g *),
                 struct weft__g *(*pop)(void))
{
    const int64_t until = test_now_ms() + test_stress_ms() / 2;
    uint64_t x = test_seed();
    pthread_t th[THIEVES];

    weft__fence_init();
    gate = weft__gate_make();
    CHECK(gate != NULL);
    for (int i = 0; i < THIEVES; i++)
        CHECK_EQ(pthread_create(&th[i], NULL, thief, NULL), 0);
    for (int i = 0; i % 256 != 0 || test_now_ms() < until; i++) {
        int n = 1 + (int)(test_random(&x) % PIECES_MAX);
        round_of(n, 1 + (int)(test_random(&x) % (uint64_t)n), push, pop);
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < THIEVES; i++)
        CHECK_EQ(pthread_join(th[i], NULL), 0);
    weft__gate_drop(gate);
}

TEST_LIMIT(a_nearly_empty_deque_gives_each_piece_once, 60)
{
    race(steal_from_deque, push_to_deque, pop_from_deque);
}

TEST_LIMIT(a_nearly_empty_run_queue_gives_each_piece_once, 60)
{
    race(steal_from_runq, push_to_runq, pop_from_runq);
}

/* ---- run-next, which its owner fills without the gate ---- */

static struct weft__p *processor;
static atomic_long n_stolen;

static void *steal_next(void *unused)
{
    struct weft__g *out[WEFT__STEAL_MAX];
    bool were_woken;

    (void)unused;
    while (!atomic_load_explicit(&is_over, memory_order_relaxed))
        atomic_fetch_add(&n_stolen, weft__queue_steal(processor, out, true, &were_woken));
    return NULL;
}

/* Goal: what is put into run-next while a thief looks there is taken once, and not lost.
 * Method: one coroutine, put there as weft__queue_woken_here() does, again when somebody has taken
 * it. */
TEST_LIMIT(what_is_put_into_run_next_beside_a_thief_is_taken_once, 60)
{
    const int64_t until = test_now_ms() + test_stress_ms() / 2;
    static struct weft__g g;
    long n_put = 0, n_picked = 0;
    pthread_t thief;

    weft__fence_init();
    processor = aligned_alloc(WEFT__CACHE_LINE, sizeof *processor);
    CHECK(processor != NULL);
    memset(processor, 0, sizeof *processor);
    processor->gate = weft__gate_make();
    CHECK(processor->gate != NULL);
    CHECK_EQ(pthread_create(&thief, NULL, steal_next, NULL), 0);
    for (long i = 0; i % 64 != 0 || test_now_ms() < until; i++) {
        const int64_t late_ms = test_now_ms() + 4000 * test_scale();
        atomic_store_explicit(&processor->run_next, &g, memory_order_release);
        n_put++;
        while (n_picked + atomic_load(&n_stolen) < n_put) {
            if (i % 2 != 0 && weft__queue_pick_short(processor) != NULL)
                n_picked++;
            if (test_now_ms() > late_ms)
                TEST_FAIL("of %ld put there one is lost", n_put);
        }
        CHECK_EQ(n_picked + atomic_load(&n_stolen), n_put);
    }
    atomic_store(&is_over, true);
    CHECK_EQ(pthread_join(thief, NULL), 0);
    CHECK_EQ(n_picked + atomic_load(&n_stolen), n_put);
    weft__gate_drop(processor->gate);
    free(processor);
}
