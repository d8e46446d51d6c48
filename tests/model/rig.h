/* SPDX-License-Identifier: MIT */
/*
 * rig.h - models of what waits by park.h: each thread is an M that runs one coroutine, which is
 * pinned to it.  A coroutine that parks sleeps on an event, which stands for the queues, and being
 * made runnable sets it: everything above the queues is the real source.
 */
#ifndef WEFT_MODEL_RIG_H
#define WEFT_MODEL_RIG_H

#include <sched/queue.h>

#include "explore.h"

static struct weft_runtime rig_rt;
static struct weft__p rig_p[MODEL_THREADS_MAX];
static struct weft__m rig_m[MODEL_THREADS_MAX];
static struct weft__g rig_g[MODEL_THREADS_MAX];
static struct weft__own_wait rig_own[MODEL_THREADS_MAX];
static struct weft__gate rig_gate[MODEL_THREADS_MAX];
static struct model_event rig_runnable[MODEL_THREADS_MAX];

/* Another thread may run the first one's P while the first one is parked: from `lent` on, until it
 * says that it has given it back. */
static bool rig_lends;
static struct model_event rig_lent, rig_given_back;

/* All but the wheels, which are large. */
static void rig_begin(int n)
{
    memset(&rig_rt, 0, sizeof rig_rt);
    rig_rt.p = rig_p;
    rig_rt.procs = n;
    atomic_init(&rig_rt.n_ps, n);
    atomic_init(&weft__fence_is_asymmetric, true);
    for (int i = 0; i < n; i++) {
        memset(&rig_p[i], 0, offsetof(struct weft__p, wheel));
        rig_p[i].rt = &rig_rt;
        rig_p[i].m = &rig_m[i];
        rig_p[i].gate = &rig_gate[i];
        rig_p[i].index = (uint32_t)i;
        rig_p[i].random = (uint64_t)i + 1;
        atomic_init(&rig_p[i].wheel_next_ns, INT64_MAX);
        rig_m[i] = (struct weft__m){.cur = &rig_g[i], .p = &rig_p[i], .rt = &rig_rt};
        memset(&rig_g[i], 0, sizeof rig_g[i]);
        atomic_init(&rig_g[i].state, G_RUNNING);
        rig_g[i].flags = G_FLAG_PINNED;
        rig_g[i].p_home = (uint16_t)i;
        rig_g[i].rt = &rig_rt;
        rig_g[i].own = &rig_own[i];
        weft__own_wait_init(&rig_own[i]);
        rig_own[i].wait.g = &rig_g[i];
        memset(&rig_gate[i], 0, sizeof rig_gate[i]);
        atomic_init(&rig_gate[i].epoch, UINT64_MAX - (uint64_t)i);
        model_event_init(&rig_runnable[i]);
        rig_runnable[i].orders = true;
    }
    rig_lends = false;
    model_event_init(&rig_lent);
    model_event_init(&rig_given_back);
    rig_lent.orders = true;
    rig_given_back.orders = true;
}

/* In begin() and end(): what follows is done by the coroutine of a thread. */
TEST_FN void rig_be(int i)
{
    weft__m_set_self(&rig_m[i]);
    weft__gate_set_self(&rig_gate[i]);
}

/* Each thread begins with this. */
static void rig_enter(void)
{
    rig_be(ex.cur->id);
}

/* By the first thread, once it parks, or ends: whoever borrows comes now. */
static void rig_lend(void)
{
    model_event_set(&rig_lent);
}

/* By the one who borrows, before and after. */
TEST_FN void rig_borrow(void)
{
    model_event_wait(&rig_lent);
    rig_be(0);
}

TEST_FN void rig_give_back(void)
{
    model_event_set(&rig_given_back);
}

void weft__switch_park(struct weft__m *m, struct weft__g *g)
{
    bool lends = rig_lends && m == &rig_m[0];
    if (lends) {
        rig_lend();
    }
    model_event_wait(&rig_runnable[m->p->index]);
    if (lends) {
        model_event_wait(&rig_given_back);
    }
    MODEL_CHECK(atomic_load_explicit(&g->state, memory_order_relaxed) == G_RUNNABLE);
    atomic_store_explicit(&g->state, G_RUNNING, memory_order_relaxed);
}

int weft__switch_park_inside(struct weft__g *g, struct weft__gate *gate, struct weft__m *m)
{
    weft__gate_leave(gate);
    weft__switch_park(m, g);
    return g->own->waiter.rc;
}

/* Nobody calls upon a coroutine here to give way. */
void weft__switch_yield(struct weft__m *m, struct weft__g *g)
{
    (void)m;
    (void)g;
    MODEL_CHECK(false);
}

void weft__queue_woken(struct weft__g *g, bool run_next)
{
    (void)run_next;
    model_event_set(&rig_runnable[g->p_home]);
}

/* Only of coroutines that are not pinned. */
void weft__queue_hint(struct weft__p *p)
{
    (void)p;
    model_fail("somebody is told of a pinned coroutine");
}

#endif
