/* SPDX-License-Identifier: MIT */
/*
 * ours.c - the short way of a select: its objects are all biased to the caller's P (base/lock.h).
 *
 * Then their locks are one gate, in which nothing of them changes: so one look finds which cases
 * are ready, chance picks one of those, and if there is none the waiters are linked before anybody
 * can come.  What it cannot do (fds, timers, scopes, many cases, locks of others), select.c does.
 */
#include "../base/random.h"
#include "../chan/transfer.h"
#include "../park/ours.h"
#include "select.h"

struct weft__select_ours {
    struct weft__ours way;
    struct weft_case *cases;
    int n;
    int n_objects;
    int default_case; /* -1: none */
    bool has_others;  /* than cases of channels */
    struct weft__waitq *queues[WEFT__SELECT_INLINE_MAX]; /* of the objects; NULL: never ready */
    struct weft__waiter waiters[WEFT__SELECT_INLINE_MAX];
    struct weft__wait wait;
};

static inline bool is_of(const struct weft__gate *gate, const struct weft__lock *lock)
{
    /* relaxed [LOCK-BIAS]: inside our gate it does not change. */
    return WEFT__LIKELY(atomic_load_explicit(&lock->gate, memory_order_relaxed) == gate);
}

/* The queue of a case, or NULL, and whether it is ready; false if the select is not for us. */
static bool look_at(struct weft__select_ours *s, int i, bool *is_ready)
{
    const struct weft_case *c = &s->cases[i];
    const struct weft__select_ops *ops = weft__select_ops_of(c->kind);
    s->queues[i] = NULL;
    *is_ready = false;
    if (c->kind == WEFT_CASE_DEFAULT) {
        s->default_case = i;
        return true;
    }
    if (ops == NULL || c->object == NULL) {
        return c->kind >= WEFT_CASE_NONE && c->kind <= WEFT_CASE_SEND;
    }
    if (ops->check(c, s->way.m->rt) != 0 || !is_of(s->way.gate, weft__select_lock(ops, c))) {
        return false;
    }
    s->n_objects++;
    s->queues[i] = weft__select_queue(ops, c);
    *is_ready = ops->is_ready(c);
    return true;
}

/* In the gate: which cases are ready, a bit each; or -1 if the select is not for us. */
static WEFT__NOINLINE int look_at_all(struct weft__select_ours *s)
{
    int ready = 0;
    s->n_objects = 0;
    s->has_others = true;
    for (int i = 0; i < s->n; i++) {
        bool is_ready;
        if (!look_at(s, i, &is_ready)) {
            return -1;
        }
        ready |= (int)is_ready << i;
    }
    return ready;
}

/* The same, without a call where all cases are of channels, as most are. */
static inline int look(struct weft__select_ours *s)
{
    const struct weft_runtime *rt = s->way.m->rt;
    const struct weft__gate *gate = s->way.gate;
    const int n = s->n;
    int ready = 0;
    s->default_case = -1;
    for (int i = 0; i < n; i++) {
        struct weft_chan *ch = s->cases[i].object;
        int kind = s->cases[i].kind;
        if (WEFT__UNLIKELY((kind != WEFT_CASE_RECV && kind != WEFT_CASE_SEND) || ch == NULL)) {
            return look_at_all(s);
        }
        if (!is_of(gate, &ch->lock) || WEFT__UNLIKELY(!weft__chan_is_for(ch, rt))) {
            return -1;
        }
        if (kind == WEFT_CASE_RECV) {
            s->queues[i] = &ch->receivers;
            ready |= (int)weft__chan_can_recv(ch) << i;
        } else {
            s->queues[i] = &ch->senders;
            ready |= (int)weft__chan_can_send(ch) << i;
        }
    }
    s->n_objects = n;
    s->has_others = false;
    return ready;
}

/* One of the bits that are set, all alike likely. */
static inline int choose(struct weft__select_ours *s, int bits)
{
    uint32_t n = 0;
    if ((bits & (bits - 1)) != 0) {
        for (int left = bits; left != 0; left &= left - 1) {
            n++;
        }
        n = weft__random_below(&s->way.m->p->random, n);
    }
    while (n-- > 0) {
        bits &= bits - 1;
    }
    return __builtin_ctz((unsigned)bits);
}

/* In the gate: carry out one that is ready; -1 if none of them was, after all: whom it met had been
 * claimed by somebody else. */
static inline int take_one(struct weft__select_ours *s, int ready, struct weft__wait **wake)
{
    while (ready > 0) {
        int i = choose(s, ready);
        if (weft__select_kinds[s->cases[i].kind]->try_locked(&s->cases[i], wake)) {
            return i;
        }
        ready &= ~(1 << i);
    }
    return -1;
}

/* In the gate. */
static inline void link_all(struct weft__select_ours *s)
{
    struct weft__waiter *last = NULL;
    for (int i = 0; i < s->n; i++) {
        const struct weft_case *c = &s->cases[i];
        struct weft__waiter *w = &s->waiters[i];
        struct weft__waitq *q = s->queues[i];
        if (q != NULL) {
            bool has_value = !s->has_others || weft__select_kinds[c->kind]->has_value;
            w->wait = &s->wait;
            w->index = i;
            w->value = has_value ? c->value : NULL;
            w->queue = q;
            w->sibling = last;
            weft__waitq_append(q, w);
            last = w;
        }
    }
    s->wait.waiters = last;
}

/* Take out the waiters that did not win.  Whoever wins unlinks his; but the biases may be ended by
 * now, and the caller be on another P. */
static inline void unlink_all(struct weft__select_ours *s, int but)
{
    struct weft__gate *gate = weft__gate_self();
    bool has_others = false;
    weft__gate_enter(gate);
    for (int i = 0; i < s->n; i++) {
        struct weft__waitq *q = s->queues[i];
        if (q == NULL || i == but) {
            continue;
        }
        if (is_of(gate, q->lock)) {
            weft__waitq_remove(q, &s->waiters[i]);
        } else {
            has_others = true;
        }
    }
    weft__gate_leave(gate);
    for (int i = 0; WEFT__UNLIKELY(has_others) && i < s->n; i++) {
        struct weft__waitq *q = s->queues[i];
        if (q != NULL && i != but) {
            weft__lock(q->lock);
            weft__waitq_remove(q, &s->waiters[i]); /* does nothing the second time */
            weft__unlock(q->lock);
        }
    }
}

/* In the gate, which is left.  The index of the case that was chosen, or what a scope says. */
static inline int wait_for_one(struct weft__select_ours *s, const void *caller)
{
    struct weft__g *g = s->way.m->cur;
    s->wait.g = g;
    s->wait.is_contested = true;
    atomic_init(&s->wait.claimed, 0);
    weft__park_publish(&s->wait, g, WAIT_SELECT, s->cases, caller);
    link_all(s);
    int chosen;
    if (g->scope == NULL) {
        g->is_contested = true;
        weft__switch_park_inside(s->way.m, g, s->way.gate);
        g->is_contested = false;
        chosen = s->wait.value;
    } else {
        chosen = weft__park_wait_scoped(&s->wait, s->way.m, s->way.gate);
    }
    if (s->n_objects > 1 || chosen < 0) {
        unlink_all(s, chosen);
    }
    if (WEFT__UNLIKELY(chosen < 0)) {
        return chosen;
    }
    struct weft_case *c = &s->cases[chosen];
    if (!s->has_others) {
        c->rc = s->waiters[chosen].rc;
    } else {
        weft__select_kinds[c->kind]->won(c, &s->waiters[chosen]);
    }
    return chosen;
}

/* A case was carried out at once, in the gate, which is left. */
static int end_at_once(struct weft__select_ours *s, int chosen, struct weft__wait *wake)
{
    weft__gate_leave(s->way.gate);
    if (wake != NULL) {
        weft__ours_wake(&s->way, wake);
    }
    struct weft_case *c = &s->cases[chosen];
    if (s->has_others && weft__select_kinds[c->kind]->taken != NULL) {
        weft__select_kinds[c->kind]->taken(c);
    }
    return chosen;
}

bool weft__select_ours(struct weft_case *cases, int n, const void *caller, int *chosen)
{
    struct weft__select_ours s;
    s.cases = cases;
    s.n = n;
    if (n > WEFT__SELECT_INLINE_MAX || !weft__ours_begin(&s.way) ||
        !weft__gate_try_enter(s.way.gate)) {
        return false;
    }
    struct weft__wait *wake = NULL;
    int ready = look(&s);
    int i = take_one(&s, ready, &wake);
    if (i >= 0) {
        *chosen = end_at_once(&s, i, wake);
        return true;
    }
    if (ready >= 0 && s.default_case >= 0) {
        weft__gate_leave(s.way.gate);
        *chosen = s.default_case;
        return true;
    }
    if (ready < 0 || s.n_objects == 0 ||
        !(weft__ours_is_free(&s.way) || weft__ours_has_no_deadline(&s.way))) {
        weft__gate_leave(s.way.gate);
        return false;
    }
    *chosen = wait_for_one(&s, caller);
    return true;
}
