/* SPDX-License-Identifier: MIT */
/*
 * relief.c - relief Ps: made, called and sent to rest by the look-out alone (lookout.h).
 *
 * To those who queue work a relief P does not exist: it is neither among the idle nor counted as a
 * spinner.  It is the look-out that wakes it, at each look at which something waits; so nothing can
 * be lost but some milliseconds.
 */
#include "../base/fence.h"
#include "../base/sys.h"
#include "lookout.h"
#include "sched.h"

#define REFUSED_NS 100000000 /* after that it tries again to make one */

_Static_assert(WEFT__RELIEF_MAX <= WEFT__REACTORS_MORE, "each has a reactor");

/* NULL if there are enough, or memory, descriptors or threads are short. */
static struct weft__p *make(struct weft_runtime *rt)
{
    int i = weft__p_count(rt);
    if (i - rt->procs == WEFT__RELIEF_MAX) {
        return NULL;
    }
    /* A reactor that is left from a try that failed is taken. */
    if (atomic_load_explicit(&rt->reactors.count, memory_order_relaxed) == i &&
        weft__reactors_add(&rt->reactors) != 0) {
        return NULL;
    }
    struct weft__p *p = weft__alloc_line(sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    if (weft__p_init(p, rt, i) != 0) {
        weft__free(p);
        return NULL;
    }
    rt->relief[i - rt->procs] = p;
    /* release [RELIEF-MADE]: whoever goes through all Ps finds it complete. */
    atomic_store_explicit(&rt->n_ps, i + 1, memory_order_release);
    (void)weft__fence_heavy(); /* [IDLE-DEKKER]: idle.c */
    return p;
}

/* A thread for one that has none, and so sleeps: it was just made, or there was no thread to be had
 * then. */
static bool start(struct weft_runtime *rt, struct weft__p *p)
{
    if (p->look.is_started) {
        return true;
    }
    atomic_store_explicit(&p->is_asleep, false, memory_order_relaxed);
    p->look.is_started = weft__m_start(rt, p) == 0;
    if (!p->look.is_started) {
        atomic_store_explicit(&p->is_asleep, true, memory_order_relaxed);
    }
    return p->look.is_started;
}

static struct weft__p *find_resting(struct weft_runtime *rt)
{
    for (int i = rt->procs; i < weft__p_count(rt); i++) {
        struct weft__p *p = weft__p_at(rt, i);
        if (!p->look.is_hogged) {
            return p;
        }
    }
    return NULL;
}

static struct weft__p *call(struct weft_runtime *rt, int64_t now_ns)
{
    if (now_ns - rt->relief_refused_ns < REFUSED_NS) {
        return NULL;
    }
    struct weft__p *p = find_resting(rt);
    if (p == NULL) {
        p = make(rt);
    }
    if (p == NULL || !start(rt, p)) {
        rt->relief_refused_ns = now_ns;
        return NULL;
    }
    atomic_store_explicit(&p->is_called, true, memory_order_relaxed);
    return p;
}

/* All but one that can work go to rest, as soon as they are out of what they run; and this one as
 * well if it is not needed.  Returns it. */
static struct weft__p *dismiss(struct weft_runtime *rt, bool is_needed)
{
    struct weft__p *at_work = NULL;
    for (int i = rt->procs; i < weft__p_count(rt); i++) {
        struct weft__p *p = weft__p_at(rt, i);
        if (!atomic_load_explicit(&p->is_called, memory_order_relaxed)) {
            continue;
        }
        if (is_needed && (p->look.is_hogged || at_work == NULL)) {
            at_work = p->look.is_hogged ? at_work : p;
        } else {
            atomic_store_explicit(&p->is_called, false, memory_order_relaxed);
            rt->reactors.driver->wake(p->reactor); /* to give away what it keeps: aside.c */
        }
    }
    return at_work;
}

static bool has_waiting(const struct weft_runtime *rt)
{
    return !weft__inject_is_empty(&rt->inject) || weft__inject_has_overflow(&rt->inject) ||
           atomic_load_explicit(&rt->inject.starved_count, memory_order_relaxed) != 0;
}

void weft__relief_see_to(struct weft_runtime *rt, bool has_free, int64_t now_ns)
{
    rt->n_free_looks = has_free ? rt->n_free_looks + 1 : 0;
    struct weft__p *p = dismiss(rt, rt->n_free_looks < WEFT__FREE_LOOKS);
    if (has_free || !has_waiting(rt)) {
        return;
    }
    if (p == NULL) {
        p = call(rt, now_ns);
    }
    if (p != NULL) {
        rt->reactors.driver->wake(p->reactor);
    }
}
