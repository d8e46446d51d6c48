/* SPDX-License-Identifier: MIT */
/* stop.c - taking a runtime down: threads first, then operations, then memory. */
#include <errno.h>

#include "../base/clock.h"
#include "../base/sys.h"
#include "../coro/ends.h"
#include "lifecycle.h"
#include "watch.h"

#define NAG_NS ((int64_t)1000000000)
#define LEAVE_NS 50000 /* what the last thread takes to leave, if nothing keeps it */

/* Wait until *n_threads is 0, and name once a second those who keep us waiting; false at the
 * deadline. */
static bool wait_for_threads(_Atomic uint32_t *n_threads, int64_t deadline_ns, const char *head)
{
    int64_t nag_ns = weft__clock_ns() + NAG_NS;
    weft__sys_yield_while(n_threads, 1, LEAVE_NS);
    for (;;) {
        /* acquire [M-LEFT]: all that the threads did is visible. */
        uint32_t left = atomic_load_explicit(n_threads, memory_order_acquire);
        if (left == 0) {
            return true;
        }
        int64_t until_ns = deadline_ns < nag_ns ? deadline_ns : nag_ns;
        if (weft__sys_futex_wait(n_threads, left, until_ns) != -ETIMEDOUT) {
            continue;
        }
        if (weft__clock_ns() >= deadline_ns) {
            return false;
        }
        (void)weft__report_all(2, head); /* a look from outside: what it prints may be old */
        nag_ns = weft__clock_ns() + NAG_NS;
    }
}

static bool wait_for_all(struct weft_runtime *rt, int64_t deadline_ns)
{
    return wait_for_threads(&rt->n_running_ms, deadline_ns,
                            "weft: a runtime is being stopped and waits for a coroutine that "
                            "computes without a blocking call:\n") &&
           wait_for_threads(&rt->pool.n_threads, deadline_ns,
                            "weft: a runtime is being stopped and waits for blocking calls that "
                            "have begun:\n");
}

static void wake_spares(struct weft_runtime *rt)
{
    weft__lock(&rt->m_lock);
    for (struct weft__m *m = rt->ms; m != NULL; m = m->next) {
        /* The word changes, so that one that is about to wait does not: it then sees is_stopping.
         * release [M-ASSIGN] */
        atomic_store_explicit(&m->assigned, 1, memory_order_release);
        weft__sys_futex_wake(&m->assigned, 1);
    }
    weft__unlock(&rt->m_lock);
}

/* Nobody will join them: they end with the process, or when their coroutines come back. */
static void leave_ms(struct weft_runtime *rt)
{
    weft__lock(&rt->m_lock);
    rt->ms_are_left = true;
    for (struct weft__m *m = rt->ms; m != NULL; m = m->next) {
        if (m->has_thread) {
            weft__sys_thread_detach(m->thread);
        }
    }
    weft__unlock(&rt->m_lock);
}

static void free_ms(struct weft_runtime *rt)
{
    struct weft__m *m = rt->ms;
    while (m != NULL) {
        struct weft__m *next = m->next;
        weft__sys_thread_join(m->thread);
        weft__free(m);
        m = next;
    }
}

/*
 * Take a coroutine that waits out of the objects that it waits in: a channel, say, may be shared
 * and live on.  Whoever is about to wake it holds the object's lock until it is done.  One that was
 * woken and has not run since is still linked where it was not woken from; the object that woke it
 * has unlinked it, and may be gone.
 */
static void unlink_waiters(struct weft__g *g, bool was_woken)
{
    struct weft__wait *wait = atomic_load_explicit(&g->wait, memory_order_relaxed);
    struct weft__waiter *w = wait != NULL ? wait->waiters : NULL;
    for (; w != NULL; w = w->sibling) {
        if (was_woken && w->index == wait->value) {
            continue;
        }
        weft__lock(w->queue->lock);
        weft__waitq_remove(w->queue, w);
        weft__unlock(w->queue->lock);
    }
}

/* Others may have waited behind it, and need not any more.  Not before all are taken out: else what
 * is free went to one who is discarded as well. */
static void leave_room(struct weft__g *g)
{
    const struct weft__wait *wait = atomic_load_explicit(&g->wait, memory_order_relaxed);
    bool is_parked = atomic_load_explicit(&g->state, memory_order_relaxed) == G_PARKED;
    if (is_parked || (g->is_contested && wait->value < 0)) {
        weft__room_discard(atomic_load_explicit(&g->wait_reason, memory_order_relaxed),
                           (void *)(uintptr_t)wait->object);
    }
}

static void for_each_left(struct weft_runtime *rt, void (*fn)(struct weft__g *g))
{
    struct weft__slab *slab = atomic_load_explicit(&rt->slabs.all, memory_order_relaxed);
    for (; slab != NULL; slab = slab->next) {
        uint32_t used = atomic_load_explicit(&slab->used, memory_order_relaxed);
        for (uint32_t i = 0; i < used; i++) {
            if (atomic_load_explicit(&slab->g[i].state, memory_order_relaxed) != G_FREE) {
                fn(&slab->g[i]);
            }
        }
    }
}

static void abandon(struct weft__g *g)
{
    weft__ends_drop(g);
    if (g->handle != NULL) {
        weft__handle_abandon(g->handle, -ECANCELED);
    }
}

static void unlink_if_waiting(struct weft__g *g)
{
    if (g->stack != NULL) {
        weft__scope_forget(g); /* first: who cancels it may make it runnable */
    }
    /* acquire [FOREIGN-WAKE]: one that is runnable by now is still counted there. */
    bool is_parked = atomic_load_explicit(&g->state, memory_order_acquire) == G_PARKED;
    if (is_parked || g->is_contested) {
        unlink_waiters(g, !is_parked);
    }
}

/* Plain threads in weft_block_on(), which have just been told, are on their way out. */
static void wait_for_guests(struct weft_runtime *rt)
{
    uint32_t n;
    /* acquire [INSIDE-LEFT] */
    while ((n = atomic_load_explicit(&rt->n_inside, memory_order_acquire)) != 0) {
        weft__sys_futex_wait(&rt->n_inside, n, INT64_MAX);
    }
}

static void free_kept(struct weft_runtime *rt)
{
    /* relaxed: no thread of rt is left. */
    struct weft__kept *kept = atomic_load_explicit(&rt->kept_names.names, memory_order_relaxed);
    if (kept != NULL) {
        kept->drop(kept);
    }
}

int64_t weft__runtime_stop(struct weft_runtime *rt, int64_t deadline_ns)
{
    /* seq_cst [IDLE-DEKKER]: a P that goes to sleep after this sees it in its re-check, one that
     * sleeps already is woken. */
    atomic_store_explicit(&rt->is_stopping, 1, memory_order_seq_cst);
    weft__idle_wake_all(rt);
    wake_spares(rt);
    weft__pool_close(&rt->pool);
    weft__limit_close(&rt->limit);
    if (!wait_for_all(rt, deadline_ns)) {
        leave_ms(rt);
        return -ETIMEDOUT;
    }
    bool must_join = weft__watch_end(rt); /* from here on no dump looks at it */
    free_ms(rt);
    weft__pool_free(&rt->pool);
    weft__block_waits_settle(rt);
    int64_t left = (int64_t)weft__live_count(rt);
    for_each_left(rt, unlink_if_waiting); /* from here on nobody begins to wake one of them */
    weft__foreign_wakes_end();
    for_each_left(rt, leave_room);
    weft__reactors_stop(&rt->reactors); /* the kernel lets go of the buffers on the stacks */
    for_each_left(rt, abandon);         /* whoever joins one from elsewhere gets -ECANCELED */
    wait_for_guests(rt);
    free_kept(rt);
    for (int i = 0; i < weft__p_count(rt); i++) {
        struct weft__p *p = weft__p_at(rt, i);
        weft__handle_cache_free(&p->handles);
        weft__gate_drop(p->gate);
        if (p->is_relief) {
            weft__free(p);
        }
    }
    weft__stacks_free(&rt->stacks);
    weft__slabs_free(&rt->slabs);
    weft__unmap(rt->p, (size_t)rt->procs * sizeof *rt->p);
    weft__unmap(rt, sizeof *rt);
    /* It has had the time to leave; rt it knew by the list alone, read under the list's lock. */
    if (must_join) {
        weft__watch_join();
    }
    return left;
}
