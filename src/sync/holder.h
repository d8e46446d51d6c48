/* SPDX-License-Identifier: MIT */
/* holder.h - the caller as one who holds locks: a coroutine, or a plain thread (g is NULL). */
#ifndef WEFT_SYNC_HOLDER_H
#define WEFT_SYNC_HOLDER_H

#include "../base/self.h"
#include "../coro/held.h"
#include "../sched/machine.h"

static inline uintptr_t weft__holder_mark(struct weft__g *g)
{
    if (WEFT__LIKELY(g != NULL)) {
        return (uintptr_t)g;
    }
    return (uintptr_t)weft__self_thread_id() << HELD_BY_SHIFT | HELD_BY_THREAD;
}

/* Does it hold h's lock?  Nobody else writes its mark. */
static inline bool weft__holder_has(const struct weft__held *h, uintptr_t mark)
{
    uintptr_t holder = atomic_load_explicit(&h->holder, memory_order_relaxed);
    return (holder & ~(uintptr_t)HELD_WAITED) == mark;
}

static inline void weft__holder_link(struct weft__g *g, struct weft__held *h)
{
    if (WEFT__LIKELY(g != NULL)) {
        weft__held_add(g, h);
    }
}

static inline void weft__holder_unlink(struct weft__g *g, struct weft__held *h)
{
    if (WEFT__LIKELY(g != NULL)) {
        weft__held_remove(g, h);
    }
}

#endif
