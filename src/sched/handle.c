/* SPDX-License-Identifier: MIT */
/* handle.c - see handle.h. */
#include "handle.h"

#include "../base/self.h"
#include "../base/sys.h"
#include "ours.h"

static struct weft_co *take_oldest(struct weft__handle_cache *c)
{
    struct weft_co *co = weft__handle_cache_first(c);
    c->head++;
    return co;
}

static struct weft_co *set_up(struct weft_co *co)
{
    atomic_init(&co->state, 0);
    co->was_abandoned = false;
    co->ends_runtime = false;
    co->g = NULL;
    weft__lock_init_biased(&co->lock, RANK_CHAN);
    weft__waitq_init(&co->waiters, &co->lock);
    weft__scope_init(&co->scope, NULL, INT64_MAX, SCOPE_BASE);
    return co;
}

struct weft_co *weft__handle_make(struct weft__p *p)
{
    struct weft_co *co = p != NULL ? weft__handle_first(&p->handles, p->gate) : NULL;
    if (WEFT__LIKELY(co != NULL)) {
        weft__handle_take(&p->handles, co);
        return co;
    }
    if (p != NULL && weft__handle_cache_count(&p->handles) > WEFT__HANDLES_REST) {
        return set_up(take_oldest(&p->handles));
    }
    co = weft__alloc(sizeof *co);
    return co != NULL ? set_up(co) : NULL;
}

static void put(struct weft__handle_cache *c, struct weft_co *co)
{
    if (weft__handle_cache_is_full(c)) {
        weft__free(take_oldest(c));
    }
    weft__handle_cache_add(c, co);
}

/* On a plain thread, released handles rest here. */
static void put_shared(struct weft_co *co)
{
    static _Atomic(struct weft_co *) resting[WEFT__HANDLES_MAX];
    static _Atomic uint32_t next;
    uint32_t i = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
    /* acq_rel [HANDLE-REST]: the one who evicts it frees it. */
    weft__free(atomic_exchange_explicit(&resting[i % WEFT__HANDLES_MAX], co, memory_order_acq_rel));
}

void weft__handle_drop(struct weft__p *p, struct weft_co *co)
{
    if (p != NULL) {
        put(&p->handles, co);
    } else {
        put_shared(co); /* [HANDLE-REST] */
    }
}

void weft__handle_cache_free(struct weft__handle_cache *c)
{
    while (weft__handle_cache_count(c) > 0) {
        weft__free(take_oldest(c));
    }
}

/* Both sides have let go of it. */
static void drop(struct weft_co *co)
{
    struct weft__m *m = weft__m_self();
    weft__handle_drop(m != NULL ? m->p : NULL, co);
}

bool weft__handle_release(struct weft_co *co)
{
    weft__lock(&co->lock);
    uint32_t before = weft__handle_set(co, CO_RELEASED);
    weft__unlock(&co->lock);
    if (before == CO_DONE) {
        drop(co);
    }
    return (before & CO_RELEASED) == 0;
}

/* Under the lock: everybody who waits is claimed and woken.  One who joins gets the result and has
 * let go of the handle by that; others may release it at once, which needs the lock, so its memory
 * stays until our unlock.  Returns the bits of those who have let go. */
static uint32_t end_waits(struct weft_co *co)
{
    struct weft__waiter *w;
    uint32_t released = 0;
    while ((w = weft__waitq_claim_first(&co->waiters)) != NULL) {
        if (w->value != NULL) {
            *(int *)w->value = co->result;
            w->rc = 0;
            released = CO_RELEASED;
        }
        weft__wait_wake(w->wait);
    }
    return released;
}

void weft__handle_finish(struct weft_co *co, int result)
{
    weft__lock(&co->lock);
    if (WEFT__UNLIKELY(co->ends_runtime)) {
        /* relaxed: for our own P, which need not go to sleep and be woken by whom this wakes: he
         * says it to all others. */
        atomic_store_explicit(&co->g->rt->is_stopping, 1, memory_order_relaxed);
    }
    co->result = result;
    co->g = NULL;
    uint32_t released = end_waits(co);
    uint32_t before = weft__handle_set(co, CO_DONE | released);
    weft__unlock(&co->lock);
    if ((before | released) == CO_RELEASED) {
        drop(co);
    }
}

void weft__handle_abandon(struct weft_co *co, int result)
{
    weft__lock(&co->lock);
    co->was_abandoned = true;
    weft__unlock(&co->lock);
    weft__handle_finish(co, result);
}
