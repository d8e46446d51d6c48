/* SPDX-License-Identifier: MIT */
/*
 * mutex.c - mutual exclusion between coroutines and plain threads.
 *
 *   held.holder  0                    free
 *                a mark               held by that one (coro/held.h), nobody waits
 *                a mark, HELD_WAITED  held, and somebody may wait: the unlock must look
 *                HELD_WAITED          the same, and the holder has yet to say who he is
 *
 * It changes by read-modify-writes; while the lock is biased to a P (base/lock.h), by plain stores
 * under it.  Once it is held the holder alone says who he is, by a plain store.
 *
 * Barging: an unlock frees the mutex and wakes the oldest waiter, which competes with whoever runs;
 * that keeps a busy lock with the coroutine that is on the CPU.  A waiter that has waited for more
 * than 1 ms gets the mutex handed over instead, so that barging cannot starve it.
 */
#include "mutex.h"

#include <errno.h>

#include "../base/clock.h"
#include "../base/fatal.h"
#include "../base/sys.h"
#include "../park/ours.h"
#include "holder.h"

#define HAND_OVER_NS 1000000
#define PAUSES_FIRST WEFT__BOUND(16, 1)
#define PAUSES_MAX WEFT__BOUND(500, 1)
#define PAUSES_AT_ONCE 256

enum {
    WOKEN_TO_RETRY = 0,
    HANDED_OVER = 1,
};

struct weft_mutex {
    struct weft__held held;
    struct weft__lock lock; /* RANK_CHAN; protects waiters */
    struct weft__waitq waiters;
};

struct mutex_waiter {
    struct weft__waiter waiter;
    int64_t since_ns;
    bool is_for_ever; /* no scope ends the wait */
};

static inline uintptr_t state_of(const struct weft_mutex *m)
{
    return atomic_load_explicit(&m->held.holder, memory_order_relaxed);
}

static inline void set_state(struct weft_mutex *m, uintptr_t state)
{
    atomic_store_explicit(&m->held.holder, state, memory_order_relaxed);
}

struct weft_mutex *weft_mutex_make(void)
{
    struct weft_mutex *m = weft__alloc(sizeof *m);
    if (m != NULL) {
        weft__held_init(&m->held, "mutex");
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
    bool in_use = state_of(m) != 0;
    weft__unlock(&m->lock);
    if (in_use) {
        weft__fatal("weft_mutex_free: the mutex is locked");
    }
    weft__free(m);
}

/* Of one whose lock is not biased. */
static inline bool try_take_shared(struct weft_mutex *m, uintptr_t to)
{
    uintptr_t none = 0;
    /* acquire [MUTEX-HELD]: what was written before the last unlock is visible. */
    return atomic_compare_exchange_strong_explicit(&m->held.holder, &none, to, memory_order_acquire,
                                                   memory_order_relaxed);
}

static inline bool try_take(struct weft_mutex *m, uintptr_t to)
{
    if (weft__lock_if_biased(&m->lock)) {
        bool is_free = state_of(m) == 0;
        weft__perturb();
        if (is_free) {
            set_state(m, to);
        }
        weft__unlock(&m->lock);
        return is_free;
    }
    return try_take_shared(m, to);
}

/* Wait one round: returns what the unlock gave, or what a scope says that has ended. */
static int wait_round(struct weft_mutex *m, struct mutex_waiter *mw, bool was_woken,
                      const void *caller)
{
    struct weft__wait w;
    weft__park_init(&w);
    if (mw->is_for_ever) {
        weft__park_for_ever(&w);
    }
    mw->waiter.wait = &w;
    weft__lock(&m->lock);
    /* acquire [MUTEX-HELD]: it says as well that we wait; whoever holds it will look. */
    if (atomic_fetch_or_explicit(&m->held.holder, HELD_WAITED, memory_order_acquire) == 0) {
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
 * before parking, which costs more than that.  With more and more pauses between the tries: the
 * holder goes faster while nobody pulls the line from its cache, and may take the mutex again many
 * times.  Each is a read-modify-write: a look before it would pull the line twice, and the holder
 * mostly has it back in between. */
static bool spin(struct weft_mutex *m, uintptr_t mark)
{
    if (!weft__park_may_spin()) {
        return false;
    }
    for (int pauses = PAUSES_FIRST, sum = 0; sum < PAUSES_MAX; sum += pauses) {
        for (int i = 0; i < pauses; i++) {
            weft__cpu_relax();
        }
        if (try_take(m, mark)) {
            return true;
        }
        pauses = pauses < PAUSES_AT_ONCE ? 2 * pauses : pauses;
    }
    return false;
}

static WEFT__COLD int lock_slow(struct weft_mutex *m, uintptr_t mark, bool is_for_ever,
                                const void *caller)
{
    if (spin(m, mark)) {
        return 0;
    }
    struct mutex_waiter mw = {.since_ns = weft__clock_ns(), .is_for_ever = is_for_ever};
    int rc = wait_round(m, &mw, false, caller);
    while (rc == WOKEN_TO_RETRY) {
        rc = try_take(m, HELD_WAITED) ? HANDED_OVER : wait_round(m, &mw, true, caller);
    }
    if (rc != HANDED_OVER) {
        return rc;
    }
    set_state(m, mark | HELD_WAITED); /* there may be others */
    return 0;
}

static WEFT__NOINLINE int lock_any(struct weft_mutex *m, bool is_for_ever, const void *caller)
{
    weft__park_give_way();
    struct weft__g *g = weft__g_self();
    uintptr_t mark = weft__holder_mark(g);
    if (!try_take(m, mark)) {
        if (weft__holder_has(&m->held, mark)) {
            weft__fatal("weft_mutex_lock: the caller holds the mutex already");
        }
        int rc = lock_slow(m, mark, is_for_ever, caller);
        if (rc != 0) {
            return rc;
        }
    }
    weft__holder_link(g, &m->held);
    return 0;
}

/* Is its lock biased to no P?  Then it is so for good: that of a mutex is not biased again. */
static inline bool is_shared(const struct weft_mutex *m)
{
    /* acquire [LOCK-BIAS] */
    return atomic_load_explicit(&m->lock.gate, memory_order_acquire) == NULL;
}

/* The short ways: one for a mutex that is biased to the caller's P, one for a shared one.  False:
 * something is unusual, and nothing was done. */
static WEFT__ALWAYS_INLINE bool lock_ours(struct weft_mutex *m, const struct weft__ours *o)
{
    struct weft__g *g = o->m->cur;
    if (!weft__ours_lock(o, &m->lock)) {
        return false;
    }
    bool is_free = state_of(m) == 0;
    if (WEFT__LIKELY(is_free)) {
        set_state(m, (uintptr_t)g);
        weft__held_add(g, &m->held);
    }
    weft__ours_unlock(o, &m->lock);
    return is_free;
}

static WEFT__ALWAYS_INLINE bool lock_shared(struct weft_mutex *m, const struct weft__ours *o)
{
    struct weft__g *g = o->m->cur;
    if (WEFT__UNLIKELY(weft__gate_is_asked(o->gate)) || !try_take_shared(m, (uintptr_t)g)) {
        return false;
    }
    weft__held_add(g, &m->held);
    return true;
}

int weft_mutex_lock(struct weft_mutex *m)
{
    struct weft__ours o;
    if (weft__ours_begin(&o) &&
        WEFT__LIKELY(is_shared(m) ? lock_shared(m, &o) : lock_ours(m, &o))) {
        return 0;
    }
    return lock_any(m, false, __builtin_return_address(0));
}

void weft__mutex_lock_again(struct weft_mutex *m, const void *caller)
{
    (void)lock_any(m, true, caller);
}

bool weft__mutex_is_mine(const struct weft_mutex *m)
{
    return weft__holder_has(&m->held, weft__holder_mark(weft__g_self()));
}

int weft_mutex_try_lock(struct weft_mutex *m)
{
    struct weft__g *g = weft__g_self();
    if (!try_take(m, weft__holder_mark(g))) {
        return -EAGAIN;
    }
    weft__holder_link(g, &m->held);
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
    /* release [MUTEX-HELD]: publishes what the holder wrote. */
    atomic_store_explicit(&m->held.holder, w != NULL && w->index == HANDED_OVER ? HELD_WAITED : 0,
                          memory_order_release);
    if (w != NULL) {
        weft__park_wake(w->wait);
    }
    weft__unlock(&m->lock);
}

/* Of one whose lock is not biased, unless somebody may wait. */
static inline bool try_give_back_shared(struct weft_mutex *m, uintptr_t mark)
{
    /* release [MUTEX-HELD]: publishes what the holder wrote. */
    return atomic_compare_exchange_strong_explicit(&m->held.holder, &mark, 0, memory_order_release,
                                                   memory_order_relaxed);
}

/* Unless somebody may wait. */
static inline bool try_give_back(struct weft_mutex *m, uintptr_t mark)
{
    if (weft__lock_if_biased(&m->lock)) {
        bool nobody_waits = state_of(m) == mark;
        if (nobody_waits) {
            set_state(m, 0);
        }
        weft__unlock(&m->lock);
        return nobody_waits;
    }
    return try_give_back_shared(m, mark);
}

static WEFT__NOINLINE void unlock_any(struct weft_mutex *m)
{
    struct weft__g *g = weft__g_self();
    uintptr_t mark = weft__holder_mark(g);
    if (WEFT__UNLIKELY(!weft__holder_has(&m->held, mark))) {
        weft__fatal("weft_mutex_unlock: the caller does not hold the mutex");
    }
    weft__holder_unlink(g, &m->held);
    if (WEFT__UNLIKELY(!try_give_back(m, mark))) {
        unlock_slow(m);
    }
}

/* The short ways, as those of a lock. */
static WEFT__ALWAYS_INLINE bool unlock_ours(struct weft_mutex *m, const struct weft__ours *o)
{
    struct weft__g *g = o->m->cur;
    if (!weft__ours_lock(o, &m->lock)) {
        return false;
    }
    /* Nobody waits, and it is the last one that was taken. */
    bool is_simple = state_of(m) == (uintptr_t)g && g->held == &m->held;
    if (WEFT__LIKELY(is_simple)) {
        g->held = m->held.next;
        set_state(m, 0);
    }
    weft__ours_unlock(o, &m->lock);
    return is_simple;
}

static WEFT__ALWAYS_INLINE bool unlock_shared(struct weft_mutex *m, const struct weft__ours *o)
{
    struct weft__g *g = o->m->cur;
    if (WEFT__UNLIKELY(g->held != &m->held)) {
        return false;
    }
    g->held = m->held.next; /* before others may take it */
    weft__perturb();
    if (WEFT__LIKELY(try_give_back_shared(m, (uintptr_t)g))) {
        return true;
    }
    g->held = &m->held;
    return false;
}

void weft_mutex_unlock(struct weft_mutex *m)
{
    struct weft__ours o;
    if (weft__ours_begin(&o) &&
        WEFT__LIKELY(is_shared(m) ? unlock_shared(m, &o) : unlock_ours(m, &o))) {
        return;
    }
    unlock_any(m);
}
