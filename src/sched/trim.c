/* SPDX-License-Identifier: MIT */
/*
 * trim.c - weft_trim(): what a runtime keeps for later goes back to the system.
 *
 * The caches of a P are its own.  So the caller empties those of his own P, if he has one, and asks
 * the others: each looks at wants_trim when it looks around and before it sleeps, and one that
 * sleeps is woken for it, by the same protocol as for work ([IDLE-DEKKER]).  Nobody waits for them:
 * one may compute for long.  A relief P keeps nothing while it rests.
 *
 * A descriptor in the cache of one P holds its whole slab.  So trims_due counts who has yet to
 * empty his, and who is still asking others, and the last of them looks at the slabs: [TRIM-DUE]
 * lets him find there what all of them have put back.
 */
#include <weft/memory.h>

#include <errno.h>

#include "../base/clock.h"
#include "../base/forked.h"
#include "sched.h"

/* What a burst leaves behind goes back at this pace, by each P that is idle: slowly enough that the
 * next burst, if it is not far, finds most of it; and more slowly by one that timers wake all the
 * time. */
#define SOME 32
#define SOME_EACH_NS (500 * WEFT_US)
#define SOME_EACH_BUSY_NS (5 * WEFT_MS)

static int64_t next_some_ns(const struct weft__p *p)
{
    return p->trimmed_ns + (weft__timers_are_dense(p) ? SOME_EACH_BUSY_NS : SOME_EACH_NS);
}

bool weft__p_trim_some(struct weft__p *p)
{
    struct weft__stacks *stacks = &p->rt->stacks;
    if (WEFT__LIKELY(!weft__stacks_have_surplus(stacks))) {
        return false;
    }
    int64_t now_ns = weft__clock_ns();
    if (now_ns < next_some_ns(p)) {
        return false;
    }
    p->trimmed_ns = now_ns;
    return weft__stacks_trim(stacks, WEFT__STACK_HOT_MAX, SOME, NULL);
}

int64_t weft__p_trim_next(const struct weft__p *p, int64_t deadline_ns)
{
    int64_t next_ns = next_some_ns(p);
    return weft__stacks_have_surplus(&p->rt->stacks) && !p->is_relief && !p->is_down &&
                   next_ns < deadline_ns
               ? next_ns
               : deadline_ns;
}

void weft__p_flush_caches(struct weft__p *p)
{
    weft__stack_cache_flush(&p->rt->stacks, &p->stack_cache);
    weft__g_cache_flush(&p->rt->slabs, &p->g_cache);
}

/* As many as there are now, whatever comes meanwhile. */
static uint64_t trim_stacks(struct weft__stacks *s)
{
    uint64_t given = 0;
    uint32_t n = atomic_load_explicit(&s->hot_count, memory_order_relaxed);
    (void)weft__stacks_trim(s, 0, n, &given);
    return given;
}

void weft__p_trim(struct weft__p *p)
{
    struct weft_runtime *rt = p->rt;
    atomic_store_explicit(&p->wants_trim, false, memory_order_relaxed);
    weft__p_flush_caches(p);
    (void)trim_stacks(&rt->stacks);
    weft__perturb();
    /* acq_rel [TRIM-DUE] */
    if (atomic_fetch_sub_explicit(&rt->trims_due, 1, memory_order_acq_rel) == 1) {
        (void)weft__slabs_trim(&rt->slabs);
    }
}

/* The caller is counted in trims_due. */
static void ask(struct weft__p *p)
{
    _Atomic uint32_t *due = &p->rt->trims_due;
    atomic_fetch_add_explicit(due, 1, memory_order_relaxed);
    if (atomic_exchange_explicit(&p->wants_trim, true, memory_order_relaxed)) {
        atomic_fetch_sub_explicit(due, 1, memory_order_relaxed); /* it has been asked before */
    }
    (void)weft__idle_wake_p(p);
}

int64_t weft_trim(struct weft_runtime *rt)
{
    struct weft_runtime *current = weft_runtime_current();
    if (rt == NULL) {
        rt = current;
    }
    if (rt == NULL) {
        return -EINVAL;
    }
    weft__refuse_in_child("weft_trim() was called" WEFT__IN_CHILD);
    struct weft__p *own = rt == current ? weft__m_self()->p : NULL;
    if (own != NULL) {
        weft__p_flush_caches(own);
    }
    uint64_t given = trim_stacks(&rt->stacks);
    atomic_fetch_add_explicit(&rt->trims_due, 1, memory_order_relaxed);
    for (int i = 0; i < rt->procs; i++) {
        if (&rt->p[i] != own) {
            ask(&rt->p[i]);
        }
    }
    /* acq_rel [TRIM-DUE]: then, whether or not this was the last, what is there now. */
    (void)atomic_fetch_sub_explicit(&rt->trims_due, 1, memory_order_acq_rel);
    return (int64_t)(given + weft__slabs_trim(&rt->slabs));
}
