/* SPDX-License-Identifier: MIT */
/*
 * inject.h - the global queue: what comes from plain threads and other runtimes, what did not fit
 * into a P's own queues, and the coroutines that wait for a stack.  Where nobody steals each P has
 * one of its own, also for what other Ps make runnable; the runtime's is for stacks alone.
 */
#ifndef WEFT_SCHED_INJECT_H
#define WEFT_SCHED_INJECT_H

#include "../base/lock.h"
#include "../coro/g.h"

struct weft__glist {
    struct weft__g *first, **last;
    uint32_t count;
};

static inline void weft__glist_init(struct weft__glist *l)
{
    l->first = NULL;
    l->last = &l->first;
    l->count = 0;
}

static inline void weft__glist_add(struct weft__glist *l, struct weft__g *g)
{
    g->next = NULL;
    *l->last = g;
    l->last = &g->next;
    l->count++;
}

static inline struct weft__g *weft__glist_take(struct weft__glist *l)
{
    struct weft__g *g = l->first;
    if (g != NULL) {
        l->first = g->next;
        if (l->first == NULL) {
            l->last = &l->first;
        }
        l->count--;
    }
    return g;
}

/* At most so many coroutines are spilled at once. */
#define WEFT__BATCH_MAX 128

/*
 * Unstarted coroutines that did not fit into a P's own queue, in batches as they were spilled: the
 * first of each is linked to that of the next.  A batch is taken as a whole, so that whoever takes
 * it touches descriptors that another processor has in its cache after the lock, not under it.
 */
struct weft__overflow {
    struct weft__g *first, *last; /* of the oldest batch, and of the youngest */
    uint32_t count;               /* coroutines */
};

struct weft__inject {
    struct weft__lock lock; /* RANK_INJECT; protects the lists */
    uint16_t p_home;        /* of the P whose it is, if it is one's */
    struct weft__glist woken;
    struct weft__glist unstarted;
    struct weft__overflow overflow;
    struct weft__glist starved;      /* no stack could be had for them */
    _Atomic uint32_t count;          /* woken and unstarted, for a look without the lock */
    _Atomic uint32_t overflow_count; /* likewise */
    _Atomic uint32_t starved_count;
};

void weft__inject_init(struct weft__inject *in);

/* Append; g is unstarted if it has no stack. */
void weft__inject_add(struct weft__inject *in, struct weft__g *g);

/* The woken ones that a P had no room for; some of them have not begun, perhaps, and count as
 * unstarted from then on. */
void weft__inject_spill_woken(struct weft__inject *in, struct weft__g *const *g, uint32_t n);

/* And the unstarted ones, 1 to WEFT__BATCH_MAX of them.  They are kept apart: they are taken back
 * when a P has nothing else, not at each look at the global queue, since each look would open
 * another branch. */
void weft__inject_spill_unstarted(struct weft__inject *in, struct weft__g *const *g, uint32_t n);

/* Take up to max into out: woken ones first.  None of the overflow. */
uint32_t weft__inject_take(struct weft__inject *in, struct weft__g **out, uint32_t max);

/* The oldest batch of the overflow, into out, which has room for WEFT__BATCH_MAX; how many. */
uint32_t weft__inject_take_batch(struct weft__inject *in, struct weft__g **out);

/* The oldest one of the overflow; NULL if there is none. */
struct weft__g *weft__inject_take_oldest(struct weft__inject *in);

/* Something to take?  relaxed: the caller has the fence of [IDLE-DEKKER] or does not care. */
static inline bool weft__inject_is_empty(const struct weft__inject *in)
{
    return atomic_load_explicit(&in->count, memory_order_relaxed) == 0;
}

static inline bool weft__inject_has_overflow(const struct weft__inject *in)
{
    return atomic_load_explicit(&in->overflow_count, memory_order_relaxed) != 0;
}

void weft__inject_starve(struct weft__inject *in, struct weft__g *g);
struct weft__g *weft__inject_take_starved(struct weft__inject *in);

#endif
