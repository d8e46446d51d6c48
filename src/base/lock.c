/* SPDX-License-Identifier: MIT */
/* lock.c - the slow half of lock.h, the check of ranks, and the perturbation of test builds. */
#include "lock.h"

#include "fatal.h"
#include "forked.h"
#include "random.h"
#include "self.h"
#include "sys.h"

/*
 * A few tries, each after twice the pauses of the one before, within some 3 us on a machine of
 * today: the first after the length of a section or two, the last after that of a burst of them.
 * Each try takes the line away from the one that is waited for; but who naps much sooner idles
 * where there is work to do (ARCHITECTURE.md, "A lock that is found held").
 */
#define PAUSES_FIRST WEFT__BOUND(4, 1)
#define PAUSES_LAST WEFT__BOUND(64, 1)
#define NAP_NS 50000

static bool try_take(struct weft__lock *l)
{
    uint32_t expected = 0;
    /* acquire [LOCK-HELD] */
    return atomic_load_explicit(&l->word, memory_order_relaxed) == 0 &&
           atomic_compare_exchange_weak_explicit(&l->word, &expected, 1, memory_order_acquire,
                                                 memory_order_relaxed);
}

WEFT__COLD void weft__lock_slow(struct weft__lock *l)
{
    for (;;) {
        for (int pauses = PAUSES_FIRST; pauses <= PAUSES_LAST; pauses *= 2) {
            for (int i = 0; i < pauses; i++) {
                weft__cpu_relax();
            }
            if (try_take(l)) {
                return;
            }
        }
        weft__refuse_in_child("a lock that another thread held is wanted" WEFT__IN_CHILD);
        weft__sys_nap(NAP_NS);
    }
}

void weft__lock_init_for(struct weft__lock *l, enum weft__rank rank, struct weft__gate *gate)
{
    weft__lock_init(l, rank);
    if (atomic_load_explicit(&weft__fence_is_asymmetric, memory_order_relaxed)) {
        atomic_init(&l->gate, gate);
    }
}

void weft__lock_init_biased(struct weft__lock *l, enum weft__rank rank)
{
    struct weft__gate *gate = weft__gate_self();
    bool is_biased = gate != NULL && weft__gate_is_worth_it(gate);
    weft__lock_init_for(l, rank, is_biased ? gate : NULL);
}

WEFT__COLD void weft__lock_bias(struct weft__lock *l, struct weft__gate *gate)
{
    l->uses = 0;
    if (atomic_load_explicit(&weft__fence_is_asymmetric, memory_order_relaxed)) {
        /* release [LOCK-BIAS]; and the word, which we give back next, tells those who take it. */
        atomic_store_explicit(&l->gate, gate, memory_order_release);
    }
}

WEFT__COLD void weft__lock_end_bias(struct weft__lock *l)
{
    /* relaxed [LOCK-BIAS]: it is looked at again inside. */
    struct weft__gate *gate = atomic_load_explicit(&l->gate, memory_order_relaxed);
    if (gate == NULL) {
        return;
    }
    weft__gate_seize(gate);
    /* It may have been ended by somebody else, and be biased to another one by now. */
    if (atomic_load_explicit(&l->gate, memory_order_relaxed) == gate) {
        weft__gate_note_end(gate);
        /* release [LOCK-BIAS]: with it goes all that the owner did under the bias. */
        atomic_store_explicit(&l->gate, NULL, memory_order_release);
    }
    weft__gate_release(gate);
}

#ifdef WEFT_DEBUG

void weft__lock_check(const struct weft__lock *l)
{
    uint64_t held = *weft__self_ranks();
    uint64_t at_or_above = held >> l->rank;
    if (l->rank == RANK_CHAN) {
        at_or_above &= ~(uint64_t)1;
    }
    if (at_or_above != 0) {
        weft__fatal("a lock was taken against the order of rank.h");
    }
}

void weft__lock_note(const struct weft__lock *l, bool taken)
{
    /* Channels share a rank: the bit is kept until the last of them would be released, which is
     * not counted; select releases all of them together. */
    if (taken) {
        *weft__self_ranks() |= (uint64_t)1 << l->rank;
    } else {
        *weft__self_ranks() &= ~((uint64_t)1 << l->rank);
    }
}

#endif

#ifdef WEFT_PERTURB

static uint64_t perturb_random(void)
{
    static _Atomic uint64_t state;
    static _Atomic int seeded;
    if (atomic_load_explicit(&seeded, memory_order_relaxed) == 0) {
        uint64_t seed = weft__sys_env_seed("WEFT_PERTURB_SEED");
        atomic_store_explicit(&state, seed, memory_order_relaxed);
        atomic_store_explicit(&seeded, 1, memory_order_relaxed);
    }
    return weft__random_mix(
        atomic_fetch_add_explicit(&state, 0x9e3779b97f4a7c15u, memory_order_relaxed));
}

/* One in 16 points delays: a short spin mostly, sometimes a yield of the CPU. */
void weft__perturb(void)
{
    uint64_t x = perturb_random();
    if ((x & 15) != 0) {
        return;
    }
    if ((x & 0x30) == 0) {
        weft__sys_yield_cpu();
        return;
    }
    for (uint64_t i = 0; i < (x >> 8) % 300; i++) {
        weft__cpu_relax();
    }
}

bool weft__perturb_migrates(void)
{
    return (perturb_random() & 1) == 0;
}

#endif
