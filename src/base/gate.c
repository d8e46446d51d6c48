/* SPDX-License-Identifier: MIT */
/* gate.c - the slow half of gate.h. */
#include "gate.h"

#include "fatal.h"
#include "forked.h"
#include "lock.h"
#include "sys.h"

#define ANSWER_PAUSES WEFT__BOUND(50, 1) /* some 2 us: a turn or two */
/* Then the CPU is offered to whoever it is that we wait for: some 20 us, longer than a membarrier()
 * takes. */
#define PAUSES WEFT__BOUND(500, 1)

static void pause_for(int i)
{
    weft__cpu_relax();
    if (i % PAUSES == 0) {
        weft__refuse_in_child("an object that another thread used is wanted" WEFT__IN_CHILD);
        weft__sys_yield_cpu();
    }
}

static bool is_asked(struct weft__gate *gate)
{
    /* acquire [GATE-IN] */
    return (atomic_load_explicit(&gate->asked, memory_order_acquire) & GATE_ASKED) != 0;
}

/* Each is given out once, whichever the gate: none is ever taken for another. */
static void begin_epoch(struct weft__gate *gate)
{
    static _Atomic uint64_t last;
    uint64_t epoch = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
    atomic_store_explicit(&gate->epoch, epoch, memory_order_relaxed);
}

void weft__gate_note_end(struct weft__gate *gate)
{
    int32_t balance = atomic_load_explicit(&gate->balance, memory_order_relaxed);
    atomic_store_explicit(&gate->balance, balance - WEFT__GATE_END_COST, memory_order_relaxed);
    begin_epoch(gate);
}

WEFT__COLD void weft__gate_uncall(struct weft__gate *gate)
{
    atomic_fetch_and_explicit(&gate->asked, ~(uint32_t)GATE_CALLED, memory_order_relaxed);
}

WEFT__COLD void weft__gate_wait(struct weft__gate *gate)
{
    for (;;) {
        /* release [GATE-IN]: whoever asks may come in. */
        atomic_store_explicit(&gate->inside, GATE_WAITS, memory_order_release);
        for (int i = 1; is_asked(gate); i++) {
            pause_for(i);
        }
        weft__perturb();
        atomic_store_explicit(&gate->inside, GATE_IN, memory_order_relaxed);
        atomic_thread_fence(memory_order_seq_cst); /* [GATE-IN] */
        if (!is_asked(gate)) {
            return;
        }
    }
}

#ifdef WEFT_DEBUG
void weft__gate_check_is_out(const struct weft__gate *gate)
{
    if (atomic_load_explicit(&gate->inside, memory_order_relaxed) == GATE_IN) {
        weft__fatal("internal: a gate was entered by one who is inside");
    }
}
#endif

/* Returns what was there beside it. */
static uint32_t ask(struct weft__gate *gate)
{
    for (int i = 1;; i++) {
        uint32_t seen =
            atomic_load_explicit(&gate->asked, memory_order_relaxed) & ~(uint32_t)GATE_ASKED;
        uint32_t others = seen;
        /* acquire [GATE-IN]: what the last one who had asked did is visible. */
        if (atomic_compare_exchange_weak_explicit(&gate->asked, &seen, seen | GATE_ASKED,
                                                  memory_order_acquire, memory_order_relaxed)) {
            return others;
        }
        pause_for(i);
    }
}

static uint32_t place_of_owner(struct weft__gate *gate)
{
    /* acquire [GATE-IN] */
    return atomic_load_explicit(&gate->inside, memory_order_acquire);
}

/* Does the owner come by, and make room? */
static bool is_answered(struct weft__gate *gate)
{
    atomic_thread_fence(memory_order_seq_cst); /* [GATE-IN]: to that of weft__gate_wait() */
    for (int i = 0; i < ANSWER_PAUSES; i++) {
        if (place_of_owner(gate) == GATE_WAITS) {
            return true;
        }
        weft__cpu_relax();
    }
    return false;
}

WEFT__COLD void weft__gate_seize(struct weft__gate *gate)
{
    bool owner_fences = (ask(gate) & GATE_FENCES) != 0;
    weft__perturb();
    if (is_answered(gate)) {
        return;
    }
    if (!weft__fence_heavy() && !owner_fences) { /* [GATE-IN] */
        /* Only who has asked changes it. */
        atomic_store_explicit(&gate->asked, GATE_ASKED | GATE_FENCES, memory_order_relaxed);
        weft__fence_drain();
    }
    for (int i = 1; place_of_owner(gate) == GATE_IN; i++) {
        pause_for(i);
    }
}

void weft__gate_release(struct weft__gate *gate)
{
    uint32_t others =
        atomic_load_explicit(&gate->asked, memory_order_relaxed) & ~(uint32_t)GATE_ASKED;
    weft__perturb();
    /* release [GATE-IN] */
    atomic_store_explicit(&gate->asked, others, memory_order_release);
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
    if (gate == NULL && (gate = weft__alloc_line(sizeof *gate)) != NULL) {
        begin_epoch(gate);
    }
    return gate;
}

void weft__gate_drop(struct weft__gate *gate)
{
    weft__lock(&gates_lock);
    gate->next = free_gates;
    free_gates = gate;
    weft__unlock(&gates_lock);
}
