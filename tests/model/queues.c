/* SPDX-License-Identifier: MIT */
/*
 * queues.c - the queues of a P (sched/queue.h): what its owner puts in and takes out while
 * thieves steal.
 */
#include <sched/queue.h>

#include "explore.h"

#define ITEMS 6

struct item {
    struct weft__g g;
    struct model_cell content; /* written by who makes it, read by who takes it */
    int taken;                 /* by the one who got it: two would be a race on content */
};

static struct weft_runtime rt;
static struct weft__p p;
static struct weft__m m;
static struct weft__gate gate;
static struct item items[ITEMS];
static int n_made;

/* P is alone, so that nobody is told; what is told to whom is in idle.c. */
static void begin(void)
{
    memset(&rt, 0, sizeof rt);
    memset(&p, 0, offsetof(struct weft__p, wheel));
    memset(&gate, 0, sizeof gate);
    memset(items, 0, sizeof items);
    n_made = 0;
    rt.p = &p;
    rt.procs = 1;
    atomic_init(&rt.n_ps, 1);
    weft__inject_init(&rt.inject);
    p.rt = &rt;
    p.gate = &gate;
    p.is_alone = true;
    p.inject = &rt.inject;
    m = (struct weft__m){.p = &p, .rt = &rt};
    atomic_init(&weft__fence_is_asymmetric, true);
}

/* The rings are about to wrap, and so are the counts of the one that may. */
static void begin_before_the_wrap(void)
{
    begin();
    atomic_init(&p.woken.head, UINT32_MAX - 1);
    atomic_init(&p.woken.tail, UINT32_MAX - 1);
    atomic_init(&p.unstarted.top, 3);
    atomic_init(&p.unstarted.bottom, 3);
}

static struct weft__g *make(void)
{
    struct item *it = &items[n_made++];
    static char begun; /* woken ones have a stack */

    MODEL_CHECK(n_made <= ITEMS);
    it->g.rt = &rt;
    it->g.stack = (struct weft__stack *)&begun;
    model_put(&it->content, n_made);
    return &it->g;
}

static struct weft__g *make_unstarted(void)
{
    struct weft__g *g = make();

    g->stack = NULL;
    return g;
}

static void take(struct weft__g *g)
{
    struct item *it = (struct item *)g;

    MODEL_CHECK(model_get(&it->content) == it - items + 1);
    model_put(&it->content, 0);
    it->taken++;
}

/* All that the owner finds. */
static void take_own(void)
{
    struct weft__g *g;

    while ((g = weft__queue_pick(&p)) != NULL)
        take(g);
}

static void each_was_taken_once(void)
{
    struct weft__g *out[WEFT__BATCH_MAX];
    uint32_t n;

    while ((n = weft__inject_take(&rt.inject, out, WEFT__BATCH_MAX)) != 0 ||
           (n = weft__inject_take_batch(&rt.inject, out)) != 0)
        for (uint32_t i = 0; i < n; i++)
            take(out[i]);
    for (int i = 0; i < n_made; i++)
        if (items[i].taken != 1)
            model_fail("item %d was taken %d times", i, items[i].taken);
    MODEL_CHECK(weft__runq_count(&p.woken) == 0 && weft__deque_is_empty(&p.unstarted));
}

static void steal(bool with_next)
{
    struct weft__g *out[WEFT__STEAL_MAX];
    bool were_woken;
    uint32_t n = weft__queue_steal(&p, out, with_next, &were_woken);

    for (uint32_t i = 0; i < n; i++)
        take(out[i]);
}

static void thief(void)
{
    steal(false);
}

static void thief_twice(void)
{
    steal(false);
    steal(false);
}

static void thief_of_all(void)
{
    steal(true);
    steal(true);
}

static void owner_of_woken(void)
{
    weft__m_set_self(&m);
    weft__queue_woken(make(), false);
    weft__queue_woken(make(), false);
    take_own();
}

static void owner_of_unstarted(void)
{
    weft__m_set_self(&m);
    weft__queue_unstarted(&p, make_unstarted());
    weft__queue_unstarted(&p, make_unstarted());
    take_own();
}

/* The second one puts the first into the woken queue. */
static void owner_of_next(void)
{
    weft__m_set_self(&m);
    weft__queue_woken_here(&p, make());
    weft__queue_woken_here(&p, make());
    take_own();
}

static void owner_of_next_the_short_way(void)
{
    struct weft__g *g;

    weft__m_set_self(&m);
    weft__queue_woken_here(&p, make());
    if ((g = weft__queue_pick_short(&p)) != NULL)
        take(g);
    weft__queue_woken_here(&p, make());
    take_own();
}

static void owner_of_many_woken(void)
{
    weft__m_set_self(&m);
    for (int i = 0; i < 5; i++)
        weft__queue_woken(make(), false);
    take_own();
}

static void owner_of_many_unstarted(void)
{
    weft__m_set_self(&m);
    for (int i = 0; i < 5; i++)
        weft__queue_unstarted(&p, make_unstarted());
    take_own();
}

/* One by one, so that slots are used again while a thief reads. */
static void owner_of_a_few(void)
{
    struct weft__g *g;

    weft__m_set_self(&m);
    for (int i = 0; i < 3; i++) {
        weft__queue_woken(make(), false);
        weft__queue_woken(make(), false);
        if ((g = weft__queue_pick(&p)) != NULL)
            take(g);
    }
    take_own();
}

/* Goal: nothing that is queued on a P is lost or taken twice, and who takes it sees what its maker
 * wrote.
 * Method: items with a cell each, that who takes it reads and changes; at the end all were taken
 * once, or are in the global queue. */
MODEL_TEST(each_woken_one_is_taken_once, .begin = begin, .thread = {owner_of_woken, thief_twice},
           .end = each_was_taken_once, .preemptions = 3, .late = 3)

MODEL_TEST(each_unstarted_one_is_taken_once, .begin = begin,
           .thread = {owner_of_unstarted, thief_twice}, .end = each_was_taken_once,
           .preemptions = 3, .late = 3)

MODEL_TEST(each_woken_one_is_taken_once_among_two_thieves, .begin = begin,
           .thread = {owner_of_woken, thief, thief}, .end = each_was_taken_once, .preemptions = 2,
           .late = 2)

MODEL_TEST(what_is_in_run_next_is_taken_once, .begin = begin,
           .thread = {owner_of_next, thief_of_all}, .end = each_was_taken_once, .preemptions = 3,
           .late = 2)

MODEL_TEST(what_is_in_run_next_is_taken_once_the_short_way, .begin = begin,
           .thread = {owner_of_next_the_short_way, thief_of_all}, .end = each_was_taken_once,
           .preemptions = 3, .late = 2)

MODEL_TEST(what_does_not_fit_goes_to_the_global_queue, .begin = begin,
           .thread = {owner_of_many_woken, thief}, .end = each_was_taken_once, .preemptions = 3,
           .late = 2)

MODEL_TEST(what_does_not_fit_of_the_unstarted_goes_there_too, .begin = begin,
           .thread = {owner_of_many_unstarted, thief}, .end = each_was_taken_once, .preemptions = 3,
           .late = 2)

MODEL_TEST(slots_that_are_used_again_hold_one_item, .begin = begin_before_the_wrap,
           .thread = {owner_of_a_few, thief_twice}, .end = each_was_taken_once, .preemptions = 2,
           .late = 2)
