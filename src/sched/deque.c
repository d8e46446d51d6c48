/* SPDX-License-Identifier: MIT */
/* deque.c - the thief's side of deque.h. */
#include "deque.h"

uint32_t weft__deque_grab(struct weft__deque *d, struct weft__g **out, uint32_t max)
{
    uint64_t top = atomic_load_explicit(&d->top, memory_order_relaxed);
    /* acquire [DEQUE-PUSH]: the slots and the coroutines are visible. */
    uint32_t n = (uint32_t)(atomic_load_explicit(&d->bottom, memory_order_acquire) - top);
    n -= n / 2;
    if (n > max) {
        n = max;
    }
    for (uint32_t i = 0; i < n; i++) {
        out[i] = atomic_load_explicit(&d->slot[(top + i) % WEFT__DEQUE_CAP], memory_order_relaxed);
    }
    weft__perturb();
    /* release [DEQUE-TAKE]: the slots have been read and may be overwritten. */
    atomic_store_explicit(&d->top, top + n, memory_order_release);
    return n;
}
