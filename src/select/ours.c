/* SPDX-License-Identifier: MIT */
/*
 * ours.c - the short way of a select: its objects are all biased to the caller's P (base/lock.h).
 *
 * Then their locks are one gate, in which nothing of them changes: so one look finds which cases
 * are ready, chance picks one of those, and if there is none the waiters are linked before anybody
 * can come.  What it cannot do (fds, timers, scopes with a deadline, many cases, locks of others),
 * select.c does.
 *
 * Mostly all cases are of channels: for them this is compiled apart, without a call but the switch.
 */
#include "../base/random.h"
#include "../chan/transfer.h"
#include "../park/ours.h"
#include "select.h"

/* What a look at the cases answers, if not which are ready, a bit each. */
enum {
    LOOK_NOT_OURS = -1,
    LOOK_HAS_OTHERS = -2, /* than cases of channels */
};

/* One that waits. */
struct waiting {
    struct weft__waiter waiters[WEFT__SELECT_INLINE_MAX]; /* queue NULL: never ready */
    struct weft__wait wait;
};

static inline bool is_of(const struct weft__gate *gate, const struct weft__lock *lock)
{
    /* relaxed [LOCK-BIAS]: inside our gate it does not change. */
    return WEFT__LIKELY(atomic_load_explicit(&lock->gate, memory_order_relaxed) == gate);
}

/* ---- which are ready ---- */

/* In the gate. */
static WEFT__ALWAYS_INLINE int look_at_channels(const struct weft__ours *way,
                                                const struct weft_case *cases, int n)
{
    const struct weft_runtime *rt = way->m->rt;
    int ready = 0;
    for (int i = 0; i < n; i++) {
        const struct weft_chan *ch = cases[i].object;
        int kind = cases[i].kind;
        if (WEFT__UNLIKELY((kind != WEFT_CASE_RECV && kind != WEFT_CASE_SEND) || ch == NULL)) {
            return LOOK_HAS_OTHERS;
        }
        if (WEFT__UNLIKELY(!is_of(way->gate, &ch->lock) || !weft__chan_is_for(ch, rt))) {
            return LOOK_NOT_OURS;
        }
        bool is_ready = WEFT__LIKELY(kind == WEFT_CASE_RECV) ? weft__chan_can_recv(ch)
                                                             : weft__chan_can_send(ch);
        ready |= (int)is_ready << i;
    }
    return ready;
}

/* The same for any cases; *n_objects: those that may become ready, *default_case: -1 for none. */
static int look_at_all(const struct weft__ours *way, const struct weft_case *cases, int n,
                       int *n_objects, int *default_case)
{
    int ready = 0;
    *n_objects = 0;
    *default_case = -1;
    for (int i = 0; i < n; i++) {
        const struct weft_case *c = &cases[i];
        const struct weft__select_ops *ops = weft__select_ops_of(c->kind);
        if (c->kind == WEFT_CASE_DEFAULT) {
            *default_case = i;
        } else if (ops != NULL && c->object != NULL) {
            if (ops->check(c, way->m->rt) != 0 || !is_of(way->gate, weft__select_lock(ops, c))) {
                return LOOK_NOT_OURS;
            }
            ready |= (int)ops->is_ready(c) << i;
            ++*n_objects;
        } else if (c->kind < WEFT_CASE_NONE || c->kind > WEFT_CASE_SEND) {
            return LOOK_NOT_OURS;
        }
    }
    return ready;
}

/* ---- one that is ready ---- */

/* One of the bits that are set, all alike likely. */
static inline int choose(struct weft__p *p, int bits)
{
    uint32_t n = 0;
    if ((bits & (bits - 1)) != 0) {
        for (int left = bits; left != 0; left &= left - 1) {
            n++;
        }
        n = weft__random_below(&p->random, n);
    }
    while (n-- > 0) {
        bits &= bits - 1;
    }
    return __builtin_ctz((unsigned)bits);
}

/* In the gate: carry out one that is ready; -1 if none of them was, after all: whom it met had been
 * claimed by somebody else. */
static int take_one(const struct weft__ours *way, struct weft_case *cases, int ready,
                    struct weft__wait **wake)
{
    while (ready > 0) {
        int i = choose(way->m->p, ready);
        if (weft__select_kinds[cases[i].kind]->try_locked(&cases[i], wake)) {
            return i;
        }
        ready &= ~(1 << i);
    }
    return -1;
}

static WEFT__NOINLINE int wake_and_say(struct weft__p *p, struct weft__g *g, int i)
{
    weft__queue_ready_here(p, g);
    return i;
}

/* Case i was carried out, in the gate, which is left. */
static WEFT__ALWAYS_INLINE int end_at_once(const struct weft__ours *way, int i,
                                           const struct weft__wait *wake)
{
    weft__gate_leave(way->gate);
    if (wake == NULL || WEFT__LIKELY(weft__queue_ready_short(way->m->p, wake->g))) {
        return i;
    }
    return wake_and_say(way->m->p, wake->g, i);
}

/* ---- none is ---- */

static WEFT__ALWAYS_INLINE struct weft__waitq *queue_of(const struct weft_case *c, bool has_others)
{
    if (!has_others) {
        struct weft_chan *ch = c->object;
        return WEFT__LIKELY(c->kind == WEFT_CASE_RECV) ? &ch->receivers : &ch->senders;
    }
    const struct weft__select_ops *ops = weft__select_ops_of(c->kind);
    return ops != NULL && c->object != NULL ? weft__select_queue(ops, c) : NULL;
}

/* In the gate. */
static WEFT__ALWAYS_INLINE void link_all(struct waiting *s, const struct weft_case *cases, int n,
                                         bool has_others)
{
    struct weft__waiter *last = NULL;
    for (int i = 0; i < n; i++) {
        const struct weft_case *c = &cases[i];
        struct weft__waiter *w = &s->waiters[i];
        w->queue = queue_of(c, has_others);
        if (w->queue != NULL) {
            bool has_value = !has_others || weft__select_kinds[c->kind]->has_value;
            w->wait = &s->wait;
            w->index = i;
            w->value = has_value ? c->value : NULL;
            w->sibling = last;
            weft__waitq_append(w->queue, w);
            last = w;
        }
    }
    s->wait.waiters = last;
}

/* Take out the waiters that did not win.  Whoever wins unlinks his; but the biases may be ended by
 * now, and the caller be on another P.  (One who won inside our gate has taken out all.) */
static WEFT__NOINLINE void unlink_all(struct waiting *s, int n, int but)
{
    struct weft__gate *gate = weft__gate_self();
    bool has_others = false;
    weft__gate_enter(gate);
    for (int i = 0; i < n; i++) {
        struct weft__waitq *q = s->waiters[i].queue;
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
    for (int i = 0; WEFT__UNLIKELY(has_others) && i < n; i++) {
        struct weft__waitq *q = s->waiters[i].queue;
        if (q != NULL && i != but) {
            weft__lock(q->lock);
            weft__waitq_remove(q, &s->waiters[i]); /* does nothing the second time */
            weft__unlock(q->lock);
        }
    }
}

/* In the gate, which is left; no scope has a deadline.  The index of the case that was chosen, or
 * what a scope says. */
static WEFT__ALWAYS_INLINE int wait_for_one(const struct weft__ours *way, struct weft_case *cases,
                                            int n, bool has_others, const void *caller)
{
    struct weft__g *g = way->m->cur;
    struct waiting s;
    s.wait.g = g;
    s.wait.contest = CONTEST_GATE;
    s.wait.epoch = weft__gate_epoch(way->gate);
    atomic_init(&s.wait.claimed, 0);
    weft__park_publish(&s.wait, g, WAIT_SELECT, cases, caller);
    link_all(&s, cases, n, has_others);
    int chosen;
    if (WEFT__LIKELY(g->scope == NULL)) {
        g->is_contested = true;
        (void)weft__switch_park_inside(g, way->gate, way->m);
        g->is_contested = false;
        chosen = s.wait.value;
    } else {
        chosen = weft__park_wait_scoped(&s.wait, way->m, way->gate);
    }
    /* relaxed: the claim came before the wake. */
    if (WEFT__UNLIKELY(atomic_load_explicit(&s.wait.claimed, memory_order_relaxed) != 0)) {
        unlink_all(&s, n, chosen);
    }
    if (WEFT__UNLIKELY(chosen < 0)) {
        return chosen;
    }
    if (!has_others) {
        cases[chosen].rc = s.waiters[chosen].rc;
    } else {
        weft__select_kinds[cases[chosen].kind]->won(&cases[chosen], &s.waiters[chosen]);
    }
    return chosen;
}

/* In the gate, which is left. */
static WEFT__NOINLINE int go_the_long_way(struct weft__ours way, struct weft_case *cases, int n,
                                          const void *caller)
{
    weft__gate_leave(way.gate);
    return weft__select_any(cases, n, caller);
}

/* May the caller wait on the short way? */
static inline bool may_wait(const struct weft__ours *way)
{
    return WEFT__LIKELY(weft__ours_is_free(way)) || weft__ours_has_no_deadline(way);
}

static WEFT__NOINLINE int wait_for_channels(struct weft__ours way, struct weft_case *cases, int n,
                                            const void *caller)
{
    return WEFT__LIKELY(may_wait(&way)) ? wait_for_one(&way, cases, n, false, caller)
                                        : go_the_long_way(way, cases, n, caller);
}

/* ---- the whole ---- */

/* In the gate: cases of channels, of which those are ready. */
static WEFT__NOINLINE int select_ready(struct weft__ours way, struct weft_case *cases, int n,
                                       int ready, const void *caller)
{
    struct weft__wait *wake = NULL;
    int i = take_one(&way, cases, ready, &wake);
    return i >= 0 ? end_at_once(&way, i, wake) : wait_for_channels(way, cases, n, caller);
}

/* In the gate: any cases. */
static WEFT__NOINLINE int select_others(struct weft__ours way, struct weft_case *cases, int n,
                                        const void *caller)
{
    int n_objects, default_case;
    struct weft__wait *wake = NULL;
    int ready = look_at_all(&way, cases, n, &n_objects, &default_case);
    int i = take_one(&way, cases, ready, &wake);
    if (i >= 0) {
        (void)end_at_once(&way, i, wake);
        if (weft__select_kinds[cases[i].kind]->taken != NULL) {
            weft__select_kinds[cases[i].kind]->taken(&cases[i]);
        }
        return i;
    }
    if (ready >= 0 && default_case >= 0) {
        weft__gate_leave(way.gate);
        return default_case;
    }
    return ready >= 0 && n_objects > 0 && may_wait(&way)
               ? wait_for_one(&way, cases, n, true, caller)
               : go_the_long_way(way, cases, n, caller);
}

int weft__select_ours(struct weft_case *cases, int n, const void *caller)
{
    struct weft__ours way;
    /* One that has no cases, or a negative number of them, is unusual as well. */
    if (WEFT__UNLIKELY((unsigned)n - 1 >= WEFT__SELECT_INLINE_MAX || cases == NULL) ||
        WEFT__UNLIKELY(!weft__ours_begin(&way)) ||
        WEFT__UNLIKELY(!weft__gate_try_enter(way.gate))) {
        return weft__select_any(cases, n, caller);
    }
    int ready = look_at_channels(&way, cases, n);
    if (ready == 0) {
        return wait_for_channels(way, cases, n, caller);
    }
    if (WEFT__UNLIKELY(ready < 0)) {
        return ready == LOOK_HAS_OTHERS ? select_others(way, cases, n, caller)
                                        : go_the_long_way(way, cases, n, caller);
    }
    int i = choose(way.m->p, ready);
    struct weft_case *c = &cases[i];
    struct weft_chan *ch = c->object;
    struct weft__wait *wake = NULL;
    if (WEFT__LIKELY(c->kind == WEFT_CASE_RECV && weft__chan_is_short(ch, &ch->senders))) {
        int rc = weft__chan_take(ch, c->value, CHAN_FORM_SHORT, &wake);
        if (WEFT__LIKELY(rc == 0)) {
            c->rc = rc;
            return end_at_once(&way, i, wake);
        }
    }
    return select_ready(way, cases, n, ready, caller);
}
