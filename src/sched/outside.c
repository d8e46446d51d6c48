/* SPDX-License-Identifier: MIT */
/*
 * outside.c - a coroutine that goes on without its P for a while: weft_blocking_enter() and
 * weft_blocking_leave().
 *
 *             m->cur  m->p     weft__m_self()  weft__m_outside()
 *   inside    g       its P    m               NULL
 *   outside   g       NULL     NULL            m
 *   outside   g       its P    NULL            m                  if nobody could take the P
 *
 * Outside, the thread is a plain thread to all of Weft: each call does what it does there, or
 * refuses, and none has to ask for a third kind of caller.  So it is too where the P could not be
 * given away, and waits: what may be called does not depend on that.
 *
 * The P goes to a spare M or a new one [M-ASSIGN], between two coroutines as far as that one can
 * tell: this one holds no lock and is in no queue.
 *
 * Back inside there is no P to be picked up: each has an M, if only one that sleeps in the reactor.
 * So the coroutine queues itself in the global queue, as a plain thread that wakes it would, wakes
 * a P if one sleeps, and switches to its M's own context, which finds that it has no P and becomes
 * a spare.  Whoever takes it out of the queue waits until it is saved, as ever [G-SAVED].
 */
#include <weft/blocking.h>

#include "../base/fatal.h"
#include "../base/self.h"
#include "away.h"
#include "sched.h"

/* Each call outside has a thread: as many may be there as jobs in the pool. */
static bool may_give_away(struct weft_runtime *rt, const struct weft__p *p)
{
    if (atomic_load_explicit(&p->pinned_count, memory_order_relaxed) != 0) {
        return false; /* they need this thread */
    }
    if (atomic_fetch_add_explicit(&rt->n_outside, 1, memory_order_relaxed) < rt->pool.threads_max) {
        return true;
    }
    atomic_fetch_sub_explicit(&rt->n_outside, 1, memory_order_relaxed);
    return false;
}

void weft_blocking_enter(void)
{
    struct weft__m *m = weft__m_self();
    if (m == NULL || m->cur == NULL) { /* a plain thread, also that of a fork's child */
        m = weft__m_outside();
        if (m != NULL) {
            m->outside_depth++;
        }
        return;
    }
    struct weft_runtime *rt = m->rt;
    weft__away_begin(rt);
    atomic_store_explicit(&m->cur->state, G_OUTSIDE, memory_order_relaxed);
    m->outside_depth = 1;
    weft__m_set_outside(m);
    weft__m_set_self(NULL);
    weft__gate_set_self(NULL);
    if (!may_give_away(rt, m->p)) {
        return;
    }
    if (weft__m_give_away(m)) {
        weft__place_outside(m);
    } else {
        atomic_fetch_sub_explicit(&rt->n_outside, 1, memory_order_relaxed);
    }
}

void weft_blocking_leave(void)
{
    struct weft__m *m = weft__m_outside();
    if (m == NULL) {
        if (weft__g_self() != NULL) {
            weft__fatal("weft_blocking_leave() was called without weft_blocking_enter()");
        }
        return;
    }
    if (--m->outside_depth != 0) {
        return;
    }
    struct weft__g *g = m->cur;
    weft__m_set_outside(NULL);
    weft__m_set_self(m);
    if (m->p != NULL) {
        weft__gate_set_self(m->p->gate);
        atomic_store_explicit(&g->state, G_RUNNING, memory_order_relaxed);
        weft__away_end(m->rt);
        return;
    }
    atomic_fetch_sub_explicit(&m->rt->n_outside, 1, memory_order_relaxed);
    weft__switch_inside(m, g);
}
