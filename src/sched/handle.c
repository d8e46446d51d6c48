/* SPDX-License-Identifier: MIT */
/* handle.c - see handle.h. */
#include "handle.h"

#include "../base/sys.h"
#include "sched.h"

struct weft_co *weft__handle_make(void)
{
    struct weft_co *co = weft__alloc(sizeof *co);
    if (co != NULL) {
        weft__lock_init(&co->lock, RANK_CHAN);
        atomic_init(&co->refs, 2);
        weft__waitq_init(&co->waiters);
    }
    return co;
}

/* Released handles rest here for a while before their memory is freed, so that a handle that is
 * joined twice is found out instead of being read from memory that is something else by now. */
#define QUARANTINE_COUNT 256
static _Atomic(struct weft_co *) quarantine[QUARANTINE_COUNT];
static _Atomic uint32_t quarantine_next;

void weft__handle_unref(struct weft_co *co)
{
    /* acq_rel [HANDLE-REF]: the one who frees comes after everything the other did with it. */
    if (atomic_fetch_sub_explicit(&co->refs, 1, memory_order_acq_rel) == 1) {
        uint32_t i = atomic_fetch_add_explicit(&quarantine_next, 1, memory_order_relaxed);
        /* acq_rel [HANDLE-REF]: the one who evicts it frees it. */
        weft__free(
            atomic_exchange_explicit(&quarantine[i % QUARANTINE_COUNT], co, memory_order_acq_rel));
    }
}

void weft__handle_finish(struct weft_co *co, int result)
{
    weft__lock(&co->lock);
    co->result = result;
    co->g = NULL;
    /* release [HANDLE-DONE]: all that the coroutine wrote is visible to who sees it done. */
    atomic_store_explicit(&co->is_done, true, memory_order_release);
    struct weft__waiter *w;
    while ((w = weft__waitq_claim_first(&co->waiters)) != NULL) {
        weft__wait_wake(w->wait);
    }
    weft__unlock(&co->lock);
    weft__handle_unref(co);
}
