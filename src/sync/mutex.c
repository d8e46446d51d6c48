/* SPDX-License-Identifier: MIT */
/*
 * mutex.c - mutual exclusion between coroutines.
 *
 *   state  0  free
 *          1  held, nobody waits
 *          2  held, and somebody may wait: the unlock must look
 *
 * The state changes by read-modify-writes; while the lock is biased to a P (base/lock.h), by plain
 * stores under it.
 *
 * Barging: an unlock frees the mutex and wakes the oldest waiter, which competes with whoever runs;
 * that keeps a busy lock with the coroutine that is on the CPU.  A waiter that has waited for more
 * than 1 ms gets the mutex handed over instead, so that barging cannot starve it.
 */
#include <weft/sync.h>

#include <errno.h>

#include "../base/clock.h"
#include "../base/fatal.h"
#include "../base/sys.h"
#include "../park/ours.h"

#define HAND_OVER_NS 1000000
#define PAUSES_MAX 250
#define PAUSES_AT_ONCE 64

enum {
    WOKEN_TO_RETRY = 0,
    HANDED_OVER = 1,
};

struct weft_mutex {
    _Atomic uint32_t state;
    _Atomic(struct weft__g *) owner; /* for the checks alone */
    struct weft__lock lock;          /* RANK_CHAN; protects waiters */
    struct weft__waitq waiters;
};

struct mutex_waiter {
    struct weft__waiter waiter;
    int64_t since_ns;
};

struct weft_mutex *weft_mutex_make(void)
{
    struct weft_mutex *m = weft__alloc(sizeof *m);
    if (m != NULL) {
        weft__lock_init_biased(&m->lock, RANK_CHAN);
        weft__waitq_init(&m->waiters, &m->lock);
    }
    return m;
}

void weft_mutex_free(struct weft_mutex *m)
{
    if (m == NULL) {
        return;
    }
    weft__lock(&m->lock); /* the last unlock may still be in there */
    bool in_use = atomic_load_explicit(&m->state, memory_order_relaxed) != 0;
    weft__unlock(&m->lock);
    if (in_use) {
        weft__fatal("weft_mutex_free: the mutex is locked");
    }
    weft__free(m);
}

static inline bool try_take(struct weft_mutex *m, uint32_t to)
{
    if (weft__lock_if_biased(&m->lock)) {
        bool is_free = atomic_load_explicit(&m->state, memory_order_relaxed) == 0;
        weft__perturb();
        if (is_free) {
            atomic_store_explicit(&m->state, to, memory_order_relaxed);
        }
        weft__unlock(&m->lock);
        return is_free;
    }
    uint32_t none = 0;
    /* acquire [MUTEX-HELD]: what was written before the last unlock is visible. */
    return atomic_compare_exchange_strong_explicit(&m->state, &none, to, memory_order_acquire,
                                                   memory_order_relaxed);
}

static void set_owner(struct weft_mutex *m, struct weft__g *g)
{
    atomic_store_explicit(&m->owner, g, memory_order_relaxed);
}

/* Wait one round: returns what the unlock gave, or -ETIMEDOUT. */
static int wait_round(struct weft_mutex *m, struct mutex_waiter *mw, bool was_woken,
                      const void *caller)
{
    struct weft__wait w;
    weft__park_init(&w);
    mw->waiter.wait = &w;
    weft__lock(&m->lock);
    /* acquire [MUTEX-HELD]: 2 also says that we wait; whoever holds it will look. */
    if (atomic_exchange_explicit(&m->state, 2, memory_order_acquire) == 0) {
        weft__unlock(&m->lock);
        return HANDED_OVER; /* it was free: taken, as if handed over */
    }
    weft__park_begin(&w, WAIT_MUTEX, m, caller);
    if (was_woken) {
        weft__waitq_add_first(&m->waiters, &mw->waiter); /* it keeps its turn */
    } else {
        weft__waitq_add(&m->waiters, &mw->waiter);
    }
    weft__unlock(&m->lock);
    int rc = weft__park_wait(&w);
    weft__lock(&m->lock);
    weft__waitq_remove(&m->waiters, &mw->waiter);
    weft__unlock(&m->lock);
    return rc;
}

/* Sections are short and their holder mostly runs on another P: wait for it for some microseconds
 * before parking, which costs more than that.  With more and more pauses between the looks: the
 * holder goes faster while nobody pulls the line from its cache, and may take the mutex again many
 * times. */
static bool spin(struct weft_mutex *m)
{
    if (!weft__park_may_spin()) {
        return false;
    }
    for (int pauses = 1, sum = 0; sum < PAUSES_MAX; sum += pauses) {
        for (int i = 0; i < pauses; i++) {
            weft__cpu_relax();
        }
        if (atomic_load_explicit(&m->state, memory_order_relaxed) == 0 && try_take(m, 1)) {
            return true;
        }
        pauses = pauses < PAUSES_AT_ONCE ? 2 * pauses : pauses;
    }
    return false;
}

static WEFT__COLD int lock_slow(struct weft_mutex *m, struct weft__g *g, const void *caller)
{
    if (spin(m)) {
        set_owner(m, g);
        return 0;
    }
    struct mutex_waiter mw = {.since_ns = weft__clock_ns()};
    int rc = wait_round(m, &mw, false, caller);
    while (rc == WOKEN_TO_RETRY) {
        rc = try_take(m, 2) ? HANDED_OVER : wait_round(m, &mw, true, caller);
    }
    if (rc != HANDED_OVER) {
        return rc;
    }
    set_owner(m, g);
    return 0;
}

static WEFT__NOINLINE int lock_any(struct weft_mutex *m, const void *caller)
{
    struct weft__g *g = weft__park_self("weft_mutex_lock()");
    if (try_take(m, 1)) {
        set_owner(m, g);
        return 0;
    }
    if (atomic_load_explicit(&m->owner, memory_order_relaxed) == g) {
        weft__fatal("weft_mutex_lock: the caller holds the mutex already");
    }
    return lock_slow(m, g, caller);
}

int weft_mutex_lock(struct weft_mutex *m)
{
    struct weft__ours o;
    if (weft__ours_begin(&o) && weft__ours_lock(&o, &m->lock)) {
        bool is_free = atomic_load_explicit(&m->state, memory_order_relaxed) == 0;
        if (WEFT__LIKELY(is_free)) {
            atomic_store_explicit(&m->state, 1, memory_order_relaxed);
            set_owner(m, o.m->cur);
        }
        weft__ours_unlock(&o, &m->lock);
        if (WEFT__LIKELY(is_free)) {
            return 0;
        }
    }
    return lock_any(m, __builtin_return_address(0));
}

int weft_mutex_try_lock(struct weft_mutex *m)
{
    struct weft__g *g = weft__park_self("weft_mutex_try_lock()");
    if (!try_take(m, 1)) {
        return -EAGAIN;
    }
    set_owner(m, g);
    return 0;
}

/* Somebody waits, perhaps: hand over, or free it and wake the oldest. */
static WEFT__COLD void unlock_slow(struct weft_mutex *m)
{
    weft__lock(&m->lock);
    struct weft__waiter *w = weft__waitq_first(&m->waiters);
    bool hand_over = false;
    if (w != NULL) {
        struct mutex_waiter *mw = WEFT__CONTAINER(w, struct mutex_waiter, waiter);
        hand_over = weft__clock_ns() - mw->since_ns > HAND_OVER_NS;
        w->index = hand_over ? HANDED_OVER : WOKEN_TO_RETRY;
    }
    w = weft__waitq_claim_first(&m->waiters);
    if (w == NULL || w->index != HANDED_OVER) {
        /* release [MUTEX-HELD]: publishes what the holder wrote. */
        atomic_store_explicit(&m->state, 0, memory_order_release);
    }
    if (w != NULL) {
        weft__park_wake(w->wait);
    }
    weft__unlock(&m->lock);
}

/* Unless somebody may wait. */
static inline bool try_give_back(struct weft_mutex *m)
{
    uint32_t held = 1;
    if (weft__lock_if_biased(&m->lock)) {
        bool nobody_waits = atomic_load_explicit(&m->state, memory_order_relaxed) == held;
        if (nobody_waits) {
            atomic_store_explicit(&m->state, 0, memory_order_relaxed);
        }
        weft__unlock(&m->lock);
        return nobody_waits;
    }
    /* release [MUTEX-HELD]: publishes what the holder wrote. */
    return atomic_compare_exchange_strong_explicit(&m->state, &held, 0, memory_order_release,
                                                   memory_order_relaxed);
}

static WEFT__NOINLINE void unlock_any(struct weft_mutex *m)
{
    struct weft__g *g = weft__park_self("weft_mutex_unlock()");
    if (WEFT__UNLIKELY(atomic_load_explicit(&m->owner, memory_order_relaxed) != g)) {
        weft__fatal("weft_mutex_unlock: the caller does not hold the mutex");
    }
    set_owner(m, NULL);
    if (WEFT__UNLIKELY(!try_give_back(m))) {
        unlock_slow(m);
    }
}

void weft_mutex_unlock(struct weft_mutex *m)
{
    struct weft__ours o;
    if (weft__ours_begin(&o) && weft__ours_lock(&o, &m->lock)) {
        bool is_simple = atomic_load_explicit(&m->state, memory_order_relaxed) == 1 &&
                         atomic_load_explicit(&m->owner, memory_order_relaxed) == o.m->cur;
        if (WEFT__LIKELY(is_simple)) {
            set_owner(m, NULL);
            atomic_store_explicit(&m->state, 0, memory_order_relaxed);
        }
        weft__ours_unlock(&o, &m->lock);
        if (WEFT__LIKELY(is_simple)) {
            return;
        }
    }
    unlock_any(m);
}
