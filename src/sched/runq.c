/* SPDX-License-Identifier: MIT */
/* runq.c - the thief's side of runq.h. */
#include "runq.h"

uint32_t weft__runq_grab(struct weft__runq *q, struct weft__g **out, uint32_t max)
{
    for (;;) {
        /* acquire [RUNQ-TAKE]: orders this load before that of tail, and after the slots that an
         * earlier thief has let go of. */
        uint32_t head = atomic_load_explicit(&q->head, memory_order_acquire);
        /* acquire [RUNQ-PUSH]: what is in the slots below tail, and the coroutines, are visible. */
        uint32_t tail = atomic_load_explicit(&q->tail, memory_order_acquire);
        uint32_t n = tail - head;
        if (n > WEFT__RUNQ_CAP) {
            continue; /* head and tail are of different moments */
        }
        n -= n / 2;
        if (n > max) {
            n = max;
        }
        if (n == 0) {
            return 0;
        }
        for (uint32_t i = 0; i < n; i++) {
            out[i] =
                atomic_load_explicit(&q->slot[(head + i) % WEFT__RUNQ_CAP], memory_order_relaxed);
        }
        weft__perturb();
        /* release [RUNQ-TAKE]: the slots have been read and may be overwritten.  If somebody else
         * moved head meanwhile, what we read is not ours. */
        if (atomic_compare_exchange_strong_explicit(&q->head, &head, head + n, memory_order_release,
                                                    memory_order_relaxed)) {
            return n;
        }
    }
}
