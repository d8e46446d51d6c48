/* SPDX-License-Identifier: MIT */
/*
 * ours.c - the short way of a select: its objects are all biased to the caller's P (base/lock.h).
 *
 * Then their locks are one gate, in which nothing of them changes: so one look finds which cases
 * are ready, chance picks one of those, and if there is none the waiters are linked before anybody
 * can come.  What it cannot do (fds, timers, scopes, many cases, locks of others), select.c does.
 */
#include "../base/random.h"
#include "../park/ours.h"
#include "select.h"

struct weft__select_ours {
    struct weft__ours way;
    struct weft_case *cases;
    int n;
    int n_objects;
    int default_case;                                            /* -1: none */
    const struct weft__select_ops *ops[WEFT__SELECT_INLINE_MAX]; /* NULL: never ready */
    struct weft__waiter waiters[WEFT__SELECT_INLINE_MAX];
    struct weft__wait wait;
};

/* Are all cases such that wait in objects that we may use, or never? */
static inline bool sort_out(struct weft__select_ours *s)
{
    const struct weft_runtime *rt = s->way.m->rt;
    s->n_objects = 0;
    s->default_case = -1;
    for (int i = 0; i < s->n; i++) {
        const struct weft_case *c = &s->cases[i];
        s->ops[i] = NULL;
        if (c->kind == WEFT_CASE_DEFAULT) {
            s->default_case = i;
        } else if (c->object != NULL && (s->ops[i] = weft__select_ops_of(c->kind)) != NULL) {
            s->n_objects++;
            if (s->ops[i]->check(c, rt) != 0) {
                return false;
            }
        } else if (c->kind < WEFT_CASE_NONE || c->kind > WEFT_CASE_SEND) {
            return false;
        }
    }
    return true;
}

/* In the gate: which cases are ready, or how many: -1 if one of the objects is not ours. */
static inline int look(const struct weft__select_ours *s, int *ready)
{
    int n = 0;
    for (int i = 0; i < s->n; i++) {
        if (s->ops[i] == NULL) {
            continue;
        }
        const struct weft__lock *lock = weft__select_lock(s->ops[i], &s->cases[i]);
        /* relaxed [LOCK-BIAS]: inside our gate it does not change. */
        if (WEFT__UNLIKELY(atomic_load_explicit(&lock->gate, memory_order_relaxed) !=
                           s->way.gate)) {
            return -1;
        }
        if (s->ops[i]->is_ready(&s->cases[i])) {
            ready[n++] = i;
        }
    }
    return n;
}

/* In the gate: carry out one of the n that are ready, all alike likely; -1 if none of them was,
 * after all: whom it met had been claimed by somebody else. */
static inline int take_one(struct weft__select_ours *s, int *ready, int n, struct weft__wait **wake)
{
    while (n > 0) {
        int k = n > 1 ? (int)weft__random_below(&s->way.m->p->random, (uint32_t)n) : 0;
        int i = ready[k];
        if (s->ops[i]->try_locked(&s->cases[i], wake)) {
            return i;
        }
        ready[k] = ready[--n];
    }
    return -1;
}

/* In the gate. */
static inline void link_all(struct weft__select_ours *s)
{
    for (int i = 0; i < s->n; i++) {
        if (s->ops[i] != NULL) {
            s->waiters[i].wait = &s->wait;
            weft__select_link(s->ops[i], &s->cases[i], &s->waiters[i], i);
        }
    }
}

/* Take out the waiters that did not win.  Whoever wins unlinks his; but the biases may be ended by
 * now, and the caller be on another P. */
static void unlink_all(struct weft__select_ours *s, int but)
{
    struct weft__gate *gate = weft__gate_self();
    bool has_others = false;
    weft__gate_enter(gate);
    for (int i = 0; i < s->n; i++) {
        if (s->ops[i] == NULL || i == but) {
            continue;
        }
        const struct weft__lock *lock = weft__select_lock(s->ops[i], &s->cases[i]);
        /* relaxed [LOCK-BIAS]: inside our gate it does not change. */
        if (WEFT__LIKELY(atomic_load_explicit(&lock->gate, memory_order_relaxed) == gate)) {
            weft__select_unlink(s->ops[i], &s->cases[i], &s->waiters[i]);
        } else {
            has_others = true;
        }
    }
    weft__gate_leave(gate);
    for (int i = 0; has_others && i < s->n; i++) {
        if (s->ops[i] != NULL && i != but) {
            struct weft__lock *lock = weft__select_lock(s->ops[i], &s->cases[i]);
            weft__lock(lock);
            weft__select_unlink(s->ops[i], &s->cases[i],
                                &s->waiters[i]); /* does nothing the second time */
            weft__unlock(lock);
        }
    }
}

/* In the gate, which is left.  The index of the case that was chosen. */
static int wait_for_one(struct weft__select_ours *s, const void *caller)
{
    struct weft__g *g = s->way.m->cur;
    s->wait.g = g;
    s->wait.waiters = NULL;
    s->wait.is_contested = true;
    atomic_init(&s->wait.claimed, 0);
    weft__park_publish(&s->wait, g, WAIT_SELECT, s->cases, caller);
    link_all(s);
    weft__gate_leave(s->way.gate);
    g->is_contested = true;
    weft__switch_park(s->way.m, g);
    g->is_contested = false;
    int chosen = s->wait.value;
    if (s->n_objects > 1) {
        unlink_all(s, chosen);
    }
    s->ops[chosen]->won(&s->cases[chosen], &s->waiters[chosen]);
    return chosen;
}

/* A case was carried out at once, in the gate, which is left. */
static int end_at_once(struct weft__select_ours *s, int chosen, struct weft__wait *wake)
{
    weft__gate_leave(s->way.gate);
    if (wake != NULL) {
        weft__ours_wake(&s->way, wake);
    }
    if (s->ops[chosen]->taken != NULL) {
        s->ops[chosen]->taken(&s->cases[chosen]);
    }
    return chosen;
}

bool weft__select_ours(struct weft_case *cases, int n, const void *caller, int *chosen)
{
    struct weft__select_ours s;
    int ready[WEFT__SELECT_INLINE_MAX];
    s.cases = cases;
    s.n = n;
    if (n > WEFT__SELECT_INLINE_MAX || !weft__ours_begin(&s.way) || !sort_out(&s) ||
        !weft__gate_try_enter(s.way.gate)) {
        return false;
    }
    struct weft__wait *wake = NULL;
    int n_ready = look(&s, ready);
    *chosen = n_ready > 0 ? take_one(&s, ready, n_ready, &wake) : -1;
    if (*chosen >= 0) {
        *chosen = end_at_once(&s, *chosen, wake);
        return true;
    }
    if (n_ready >= 0 && s.default_case >= 0) {
        weft__gate_leave(s.way.gate);
        *chosen = s.default_case;
        return true;
    }
    if (n_ready < 0 || s.n_objects == 0 || !weft__ours_may_wait(&s.way)) {
        weft__gate_leave(s.way.gate);
        return false;
    }
    *chosen = wait_for_one(&s, caller);
    return true;
}
