/* SPDX-License-Identifier: MIT */
/* ready.c - the only place where a coroutine that waits becomes runnable. */
#include <errno.h>

#include "../base/fatal.h"
#include "../base/forked.h"
#include "../base/self.h"
#include "../base/sys.h"
#include "queue.h"

/*
 * Threads that are making a coroutine of a runtime runnable that is not theirs.  The coroutine may
 * run, end its program and its runtime be stopped while such a thread still looks for a P to wake:
 * the runtime's memory must outlive that.  Static, so that it can be touched last.
 */
static _Atomic uint32_t foreign_wakes;

void weft__foreign_wake_begin(void)
{
    /* seq_cst [FOREIGN-WAKE]: before the coroutine can be seen to run. */
    atomic_fetch_add_explicit(&foreign_wakes, 1, memory_order_seq_cst);
}

void weft__foreign_wake_end(void)
{
    /* release [FOREIGN-WAKE]: the runtime is not touched any more. */
    atomic_fetch_sub_explicit(&foreign_wakes, 1, memory_order_release);
}

void weft__foreign_wakes_end(void)
{
    /* acquire [FOREIGN-WAKE]: a wake takes a microsecond, so a nap is the exception. */
    while (atomic_load_explicit(&foreign_wakes, memory_order_acquire) != 0) {
        weft__sys_nap(100000);
    }
}

WEFT__COLD _Noreturn void weft__g_did_not_wait(void)
{
    weft__fatal("internal: a coroutine that does not wait was made runnable");
}

/* From a plain thread or another runtime.  Who stops the runtime waits for the object's lock, which
 * our caller holds, if he finds g parked, and for the end of this wake if he finds it runnable
 * (stop.c): so the wake is counted first. */
static WEFT__COLD void ready_foreign(struct weft__g *g)
{
    weft__refuse_in_child("a coroutine is woken" WEFT__IN_CHILD);
    weft__foreign_wake_begin();
    /* release [FOREIGN-WAKE] */
    atomic_store_explicit(&g->state, G_RUNNABLE, memory_order_release);
    weft__perturb();
    weft__queue_woken(g, false);
    weft__foreign_wake_end();
}

/*
 * Make a coroutine runnable that waits, or is about to switch away in order to wait.  The caller
 * has won the claim of its wait, so nobody else is here for the same wait; what it wrote before
 * goes with the queue to whoever runs the coroutine.
 */
void weft__g_ready(struct weft__g *g, bool run_next)
{
    struct weft__m *m = weft__m_self();
    if (WEFT__UNLIKELY(atomic_load_explicit(&g->state, memory_order_relaxed) != G_PARKED)) {
        weft__g_did_not_wait();
    }
    weft__perturb();
    if (WEFT__UNLIKELY(m == NULL || m->rt != g->rt || m->p == NULL)) {
        ready_foreign(g);
        return;
    }
    atomic_store_explicit(&g->state, G_RUNNABLE, memory_order_relaxed);
    if (run_next) {
        weft__queue_woken_here(m->p, g);
    } else {
        weft__queue_woken(g, false);
    }
}

WEFT__NOINLINE int weft__queue_ready_last(struct weft__p *p, struct weft__g *g)
{
    weft__queue_ready_here(p, g);
    return 0;
}

/* End a wait whose claim the caller has won.  Afterwards nothing of it may be touched. */
void weft__wait_wake(struct weft__wait *w)
{
    if (WEFT__LIKELY(w->g != NULL)) {
        weft__g_ready(w->g, true);
        return;
    }
    _Atomic uint32_t *word = &w->thread_word;
    /* release [WAIT-THREAD]: the outcome is visible to the thread.  The word may be gone as soon as
     * it is 1: a futex wake on an address that is gone, or in other use, wakes nobody wrongly who
     * does not check. */
    atomic_store_explicit(word, 1, memory_order_release);
    weft__sys_futex_wake(word, 1);
}

/* An operation of a select is complete: perhaps it decides the select, perhaps it is the last one
 * that the select drains. */
static void set_done(struct weft__op_wait *ow)
{
    struct weft__op_set *set = ow->set;
    struct weft__g *g = set->g;
    bool won = ow->op.result != -ECANCELED && weft__wait_claim(ow->wait, ow->value);
    /* acq_rel [OP-SET]: the results of all are visible to the coroutine that sees 0 left. */
    uint32_t left = atomic_fetch_sub_explicit(&set->state, 1, memory_order_acq_rel) - 1;
    /* Nobody else wakes it then, so it is still there although our share of the set is gone. */
    if (won || left == WEFT__OP_SET_DRAINING) {
        weft__g_ready(g, false);
    }
}

/* The reactor reports an operation as complete: wake who waits for it. */
void weft__op_done(struct weft__op *op)
{
    struct weft__op_wait *ow = op->owner;
    if (ow->set != NULL) {
        set_done(ow);
        return;
    }
    ow->wait->value = 0;
    weft__g_ready(ow->wait->g, false);
}
