/* SPDX-License-Identifier: MIT */
/* deque.c - taking from both ends of deque.h. */
#include "deque.h"

/*
 * [DEQUE-LAST]  The last element is taken once.
 *
 *   owner (pop)                       thief (steal)
 *   1 bottom = b                      1 read top
 *   2 seq_cst fence                   2 seq_cst fence
 *   3 read top                        3 read bottom
 *
 * At least one of the two sees the other's step 1: the owner that reads an old top has made bottom
 * visible to any thief that has yet to read it.  Where both want the same element, top's
 * compare-exchange decides.
 */
struct weft__g *weft__deque_pop(struct weft__deque *d)
{
    int64_t b = atomic_load_explicit(&d->bottom, memory_order_relaxed) - 1;
    if (b < atomic_load_explicit(&d->top, memory_order_relaxed)) {
        return NULL; /* top only grows: certainly empty */
    }
    /* release [DEQUE-PUSH]: a thief that reads this value must see the elements below it, as if it
     * had read the value of their push. */
    atomic_store_explicit(&d->bottom, b, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst); /* [DEQUE-LAST] */
    weft__perturb();
    int64_t top = atomic_load_explicit(&d->top, memory_order_relaxed);
    struct weft__g *g = NULL;
    if (top <= b) {
        g = atomic_load_explicit(&d->slot[b % WEFT__DEQUE_CAP], memory_order_relaxed);
        if (top < b) {
            return g; /* not the last: no thief can reach it */
        }
        /* seq_cst [DEQUE-LAST]: the last one, against thieves. */
        if (!atomic_compare_exchange_strong_explicit(&d->top, &top, top + 1, memory_order_seq_cst,
                                                     memory_order_relaxed)) {
            g = NULL;
        }
    }
    /* release [DEQUE-PUSH]: as above. */
    atomic_store_explicit(&d->bottom, b + 1, memory_order_release);
    return g;
}

struct weft__g *weft__deque_steal(struct weft__deque *d)
{
    for (;;) {
        /* acquire [DEQUE-TAKE]: after whoever took the element below. */
        int64_t top = atomic_load_explicit(&d->top, memory_order_acquire);
        atomic_thread_fence(memory_order_seq_cst); /* [DEQUE-LAST] */
        /* acquire [DEQUE-PUSH]: the slot and the coroutine are visible. */
        int64_t bottom = atomic_load_explicit(&d->bottom, memory_order_acquire);
        if (top >= bottom) {
            return NULL;
        }
        struct weft__g *g =
            atomic_load_explicit(&d->slot[top % WEFT__DEQUE_CAP], memory_order_relaxed);
        weft__perturb();
        /* seq_cst [DEQUE-LAST] and release [DEQUE-TAKE]: the slot has been read. */
        if (atomic_compare_exchange_strong_explicit(&d->top, &top, top + 1, memory_order_seq_cst,
                                                    memory_order_relaxed)) {
            return g;
        }
    }
}

uint32_t weft__deque_spill(struct weft__deque *d, struct weft__g **out, uint32_t n)
{
    /* acquire [DEQUE-TAKE] */
    int64_t top = atomic_load_explicit(&d->top, memory_order_acquire);
    do {
        if (atomic_load_explicit(&d->bottom, memory_order_relaxed) - top < n) {
            return 0;
        }
        for (uint32_t i = 0; i < n; i++) {
            out[i] = atomic_load_explicit(&d->slot[(top + i) % WEFT__DEQUE_CAP],
                                          memory_order_relaxed);
        }
        weft__perturb();
        /* seq_cst [DEQUE-LAST]: against thieves; acquire [DEQUE-TAKE] where one was faster. */
    } while (!atomic_compare_exchange_strong_explicit(&d->top, &top, top + n, memory_order_seq_cst,
                                                      memory_order_acquire));
    return n;
}
