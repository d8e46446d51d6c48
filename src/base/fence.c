/* SPDX-License-Identifier: MIT */
/* fence.c - see fence.h. */
#include "fence.h"

#include <pthread.h>

#include "sys.h"

_Atomic bool weft__fence_is_asymmetric;

#define DRAIN_NS 1000000

static void ask(void)
{
    bool can = weft__sys_membarrier_register() == 0 && weft__sys_membarrier() == 0;
    atomic_store_explicit(&weft__fence_is_asymmetric, can, memory_order_relaxed);
}

void weft__fence_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, ask);
}

void weft__fence_drain(void)
{
    weft__sys_nap(DRAIN_NS);
}

/* Refused after it was granted: a seccomp filter came later.  From here on all fences are real,
 * and no processor holds back for so long what was written before a light one.  All who pass here
 * meanwhile wait for that as well. */
static WEFT__COLD void give_up(void)
{
    static _Atomic bool is_draining;
    if (atomic_load_explicit(&weft__fence_is_asymmetric, memory_order_relaxed)) {
        atomic_store_explicit(&is_draining, true, memory_order_relaxed);
        /* release [FENCE-DRAIN] */
        atomic_store_explicit(&weft__fence_is_asymmetric, false, memory_order_release);
        weft__fence_drain();
        atomic_store_explicit(&is_draining, false, memory_order_relaxed);
    } else if (atomic_load_explicit(&is_draining, memory_order_relaxed)) {
        weft__fence_drain();
    }
}

bool weft__fence_heavy(void)
{
    atomic_thread_fence(memory_order_seq_cst); /* [ASYM-FENCE] */
    /* acquire [FENCE-DRAIN] */
    if (atomic_load_explicit(&weft__fence_is_asymmetric, memory_order_acquire) &&
        weft__sys_membarrier() == 0) {
        return true;
    }
    give_up();
    return false;
}
