/* SPDX-License-Identifier: MIT */
/*
 * held.h - who holds a lock, and which locks a coroutine holds.
 *
 * `holder` is in the lock, for all to see.  The list is the coroutine's own: who takes a lock links
 * it in, and takes it out before he gives it back.  So a coroutine that ends with locks in its
 * hands is found out, and each of them says ever after that its holder has ended: a descriptor that
 * is used again holds nothing.  Plain threads have no list.
 */
#ifndef WEFT_CORO_HELD_H
#define WEFT_CORO_HELD_H

#include "g.h"

/* The first member of a lock, so that its address is the lock's. */
struct weft__held {
    struct weft__held *next;  /* in the list of the coroutine that holds it */
    _Atomic uintptr_t holder; /* a mark, or 0 */
    const char *what;         /* "mutex" */
};

/* A mark: an address or a number, and in the low bits what of. */
enum {
    HELD_WAITED = 1, /* the lock's to use: somebody may wait */
    HELD_BY_G = 0,   /* a descriptor */
    HELD_BY_THREAD = 2,
    HELD_BY_ENDED = 4, /* the number of a coroutine that has ended */
    HELD_BY_MASK = 6,
    HELD_BY_SHIFT = 3,
};

static inline void weft__held_init(struct weft__held *h, const char *what)
{
    h->next = NULL;
    atomic_init(&h->holder, 0);
    h->what = what;
}

static inline void weft__held_add(struct weft__g *g, struct weft__held *h)
{
    h->next = g->held;
    g->held = h;
}

/* Before the lock is given back. */
static inline void weft__held_remove(struct weft__g *g, const struct weft__held *h)
{
    struct weft__held **at = &g->held;
    while (*at != h) {
        at = &(*at)->next;
    }
    *at = h->next;
}

/* g ends, and holds these for ever. */
static inline void weft__held_outlive(struct weft__g *g)
{
    uint64_t id = atomic_load_explicit(&g->id, memory_order_relaxed);
    uintptr_t mark = (uintptr_t)id << HELD_BY_SHIFT | HELD_BY_ENDED | HELD_WAITED;
    for (struct weft__held *h = g->held; h != NULL; h = h->next) {
        atomic_store_explicit(&h->holder, mark, memory_order_relaxed);
    }
}

#endif
