/* SPDX-License-Identifier: MIT */
/* gate.c - the slow half of gate.h. */
#include "gate.h"

#include "lock.h"
#include "sys.h"

#define PAUSES 100 /* then the CPU is offered to whoever it is that we wait for */

static void pause_for(int i)
{
    weft__cpu_relax();
    if (i % PAUSES == 0) {
        weft__sys_yield_cpu();
    }
}

WEFT__COLD void weft__gate_wait(struct weft__gate *gate)
{
    do {
        /* release [GATE-IN]: we were not in, and have done nothing. */
        atomic_store_explicit(&gate->inside, 0, memory_order_release);
        for (int i = 1; atomic_load_explicit(&gate->asked, memory_order_relaxed) != 0; i++) {
            pause_for(i);
        }
        atomic_store_explicit(&gate->inside, 1, memory_order_relaxed);
        weft__fence_light(); /* [GATE-IN] */
        /* acquire [GATE-IN] */
    } while (atomic_load_explicit(&gate->asked, memory_order_acquire) != 0);
}

WEFT__COLD void weft__gate_seize(struct weft__gate *gate)
{
    uint32_t none = 0;
    /* acquire [GATE-IN]: what the last one who had asked did is visible. */
    for (int i = 1; !atomic_compare_exchange_weak_explicit(
             &gate->asked, &none, 1, memory_order_acquire, memory_order_relaxed);
         i++) {
        pause_for(i);
        none = 0;
    }
    weft__perturb();
    weft__fence_heavy(); /* [GATE-IN] */
    /* acquire [GATE-IN] */
    for (int i = 1; atomic_load_explicit(&gate->inside, memory_order_acquire) != 0; i++) {
        pause_for(i);
    }
}

void weft__gate_release(struct weft__gate *gate)
{
    weft__perturb();
    /* release [GATE-IN] */
    atomic_store_explicit(&gate->asked, 0, memory_order_release);
}

static struct weft__lock gates_lock = WEFT__LOCK_STATIC(RANK_GATE); /* protects free_gates */
static struct weft__gate *free_gates;

struct weft__gate *weft__gate_make(void)
{
    weft__lock(&gates_lock);
    struct weft__gate *gate = free_gates;
    if (gate != NULL) {
        free_gates = gate->next;
    }
    weft__unlock(&gates_lock);
    return gate != NULL ? gate : weft__alloc_line(sizeof *gate);
}

void weft__gate_drop(struct weft__gate *gate)
{
    weft__lock(&gates_lock);
    gate->next = free_gates;
    free_gates = gate;
    weft__unlock(&gates_lock);
}
