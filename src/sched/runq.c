/* SPDX-License-Identifier: MIT */
/* runq.c - the thief's side of runq.h. */
#include "runq.h"

uint32_t weft__runq_grab(struct weft__runq *q, struct weft__g **out, uint32_t max)
{
    uint32_t head = atomic_load_explicit(&q->head, memory_order_relaxed);
    /* acquire [RUNQ-PUSH]: what is in the slots below tail, and the coroutines, are visible. */
    uint32_t n = atomic_load_explicit(&q->tail, memory_order_acquire) - head;
    n -= n / 2;
    if (n > max) {
        n = max;
    }
    for (uint32_t i = 0; i < n; i++) {
        out[i] = atomic_load_explicit(&q->slot[(head + i) % WEFT__RUNQ_CAP], memory_order_relaxed);
    }
    weft__perturb();
    /* release [RUNQ-TAKE]: the slots have been read and may be overwritten. */
    atomic_store_explicit(&q->head, head + n, memory_order_release);
    return n;
}
