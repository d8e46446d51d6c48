/* SPDX-License-Identifier: MIT */
/*
 * select.c - one wait for several cases.
 *
 *   1 try     the cases in random order, one lock at a time: most selects end here
 *   2 link    lock all objects in order of their locks' addresses, try again in random order, and
 *             if nothing can go on link a waiter in each; unlock all; submit the fds' operations
 *   3 wait    whoever claims the one wait first has chosen: a sender, a closer, an operation, the
 *             timer
 *   4 unlink  take out the waiters of the other cases, let the kernel finish their operations
 *
 * Step 2 holds all locks at once so that no other party can meet a half-linked select: a peer that
 * is itself selecting is claimed under its object's lock while our own wait is not visible
 * anywhere, and so no claim ever has to be taken back.
 */
#include "select.h"

#include <errno.h>

#include "../base/clock.h"
#include "../base/fatal.h"
#include "../base/random.h"
#include "../base/sys.h"

static uint32_t random_below(struct weft__select *s, uint32_t n)
{
    return weft__random_below(&s->random, n);
}

/* A fresh random order of the cases (Fisher and Yates). */
static void shuffle(struct weft__select *s)
{
    for (int i = 0; i < s->n; i++) {
        int j = (int)random_below(s, (uint32_t)i + 1);
        s->order[i] = s->order[j];
        s->order[j] = i;
    }
}

/*
 * Locks.  Those that are biased to our own P (base/lock.h) cost one entry of its gate for all of
 * them together; the others are taken before it, in order of their addresses, and never while we
 * hold the gate.  A bias to another P is ended first, while we hold nothing.
 */

/* Sort the indices of the others (heap sort: any number of cases, no recursion, no allocation). */
static void sift_down(struct weft__select *s, int root, int n)
{
    for (int child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && s->at[s->locks[child]].lock < s->at[s->locks[child + 1]].lock) {
            child++;
        }
        if (s->at[s->locks[root]].lock >= s->at[s->locks[child]].lock) {
            return;
        }
        int t = s->locks[root];
        s->locks[root] = s->locks[child];
        s->locks[child] = t;
    }
}

static void sort_locks(struct weft__select *s)
{
    for (int i = s->n_locks / 2 - 1; i >= 0; i--) {
        sift_down(s, i, s->n_locks);
    }
    for (int n = s->n_locks - 1; n > 0; n--) {
        int t = s->locks[0];
        s->locks[0] = s->locks[n];
        s->locks[n] = t;
        sift_down(s, 0, n);
    }
}

/* Which locks are biased to us, and which are not. */
static void sort_out_locks(struct weft__select *s)
{
    s->n_locks = 0;
    s->n_biased = 0;
    for (int i = 0; i < s->n; i++) {
        struct weft__select_at *at = &s->at[i];
        if (at->lock == NULL) {
            continue;
        }
        at->is_biased = weft__lock_is_ours(at->lock);
        if (at->is_biased) {
            s->n_biased++;
        } else {
            s->locks[s->n_locks++] = i;
        }
    }
    sort_locks(s);
}

/* The same lock may stand behind several cases; it is taken once. */
static bool is_repeated(const struct weft__select *s, int k)
{
    return k > 0 && s->at[s->locks[k]].lock == s->at[s->locks[k - 1]].lock;
}

static void unlock_all(struct weft__select *s)
{
    if (s->n_biased > 0) {
        weft__gate_leave(weft__gate_self());
    }
    for (int k = s->n_locks - 1; k >= 0; k--) {
        if (!is_repeated(s, k)) {
            weft__unlock(s->at[s->locks[k]].lock);
        }
    }
}

/* Are all locks biased to our P? */
static bool are_ours(const struct weft__select *s)
{
    for (int i = 0; i < s->n; i++) {
        if (s->at[i].lock != NULL && !weft__lock_is_ours(s->at[i].lock)) {
            return false;
        }
    }
    return true;
}

/* Inside our gate: has somebody ended the bias of one of them meanwhile? */
static bool are_still_ours(const struct weft__select *s)
{
    for (int i = 0; i < s->n; i++) {
        if (s->at[i].lock != NULL && s->at[i].is_biased && !weft__lock_is_ours(s->at[i].lock)) {
            return false;
        }
    }
    return true;
}

static void lock_all(struct weft__select *s)
{
    for (;;) {
        sort_out_locks(s);
        for (int k = 0; k < s->n_locks; k++) {
            if (!is_repeated(s, k)) {
                weft__lock(s->at[s->locks[k]].lock);
                weft__lock_note_use(s->at[s->locks[k]].lock);
            }
        }
        if (s->n_biased == 0) {
            return;
        }
        weft__gate_enter(weft__gate_self());
        if (WEFT__LIKELY(are_still_ours(s))) {
            return;
        }
        unlock_all(s);
    }
}

/* Can case i go on now?  Carries it out then.  `locked`: its lock is held already. */
static bool try_case(struct weft__select *s, int i, bool locked)
{
    struct weft_case *c = &s->cases[i];
    struct weft__select_at *at = &s->at[i];
    if (at->lock != NULL) {
        if (!locked) {
            weft__lock(at->lock);
            weft__lock_note_use(at->lock);
        }
        struct weft__wait *wake = NULL;
        bool done = at->ops->try_locked(c, &wake);
        if (wake != NULL) {
            weft__park_wake(wake);
        }
        if (!locked) {
            weft__unlock(at->lock);
        }
        return done;
    }
    return weft__select_try_other(s, i);
}

/* Step 1, and step 2's second look: the index of the case carried out, or -1. */
static int try_all(struct weft__select *s, bool locked)
{
    for (int k = 0; k < s->n; k++) {
        if (try_case(s, s->order[k], locked)) {
            return s->order[k];
        }
    }
    return -1;
}

/* A case was carried out without waiting, and no lock is held any more. */
static int taken(struct weft__select *s, int chosen)
{
    const struct weft__select_at *at = &s->at[chosen];
    if (at->lock != NULL && at->ops->taken != NULL) {
        at->ops->taken(&s->cases[chosen]);
    }
    return chosen;
}

static void link_all(struct weft__select *s)
{
    for (int i = 0; i < s->n; i++) {
        struct weft__select_at *at = &s->at[s->order[i]];
        if (at->lock != NULL) {
            at->waiter.wait = &s->wait;
            weft__select_link(at->ops, &s->cases[s->order[i]], &at->waiter, s->order[i]);
        }
    }
}

/* Take out the waiters that are biased to our P; true if there are others. */
static bool unlink_ours(struct weft__select *s, int but)
{
    struct weft__gate *gate = weft__gate_self();
    bool has_others = false;
    weft__gate_enter(gate);
    for (int i = 0; i < s->n; i++) {
        struct weft__select_at *at = &s->at[i];
        if (at->lock == NULL || i == but) {
            continue;
        }
        /* relaxed [LOCK-BIAS]: inside our gate it does not change. */
        if (atomic_load_explicit(&at->lock->gate, memory_order_relaxed) == gate) {
            weft__select_unlink(at->ops, &s->cases[i], &at->waiter);
        } else {
            has_others = true;
        }
    }
    weft__gate_leave(gate);
    return has_others;
}

static void unlink_all(struct weft__select *s, int but)
{
    if (s->n_objects == 0 || !unlink_ours(s, but)) {
        return;
    }
    for (int i = 0; i < s->n; i++) {
        struct weft__select_at *at = &s->at[i];
        if (at->lock != NULL && i != but) {
            weft__lock(at->lock);
            weft__select_unlink(at->ops, &s->cases[i],
                                &at->waiter); /* does nothing the second time */
            weft__unlock(at->lock);
        }
    }
}

/* Nothing could go on when each case was looked at alone.  Is that so of all of them at one moment?
 * A value that another coroutine moves from a channel not yet looked at to one looked at before
 * must not make a select take its default. */
static int try_all_at_once(struct weft__select *s)
{
    if (s->n_objects < 2) {
        return -1;
    }
    lock_all(s);
    int chosen = try_all(s, true);
    unlock_all(s);
    return chosen;
}

/* Steps 2 to 4. */
static int wait_for_one(struct weft__select *s, const void *caller)
{
    weft__park_init(&s->wait);
    weft__park_contest(&s->wait);
    weft__select_set_timer(s);
    lock_all(s);
    int chosen = try_all(s, true);
    if (chosen >= 0) {
        unlock_all(s);
        return taken(s, chosen);
    }
    enum weft__wait_reason reason =
        s->n_objects + s->n_fds == 0 && s->timer_case < 0 ? WAIT_SELECT_NONE : WAIT_SELECT;
    weft__park_begin(&s->wait, reason, s->cases, caller);
    link_all(s);
    unlock_all(s);
    int rc = weft__select_submit(s);
    if (rc == 0) {
        chosen = weft__park_wait(&s->wait);
    } else if (weft__wait_claim(&s->wait, rc)) {
        weft__park_abandon(&s->wait); /* an fd was ready, or could not be watched */
        chosen = rc == WEFT__SELECT_FD_READY ? s->ready_fd_case : rc;
    } else {
        chosen = weft__park_wait(&s->wait); /* another case was faster, and wakes us */
    }
    unlink_all(s, chosen);
    weft__select_drain(s, caller);
    if (chosen >= 0) {
        if (s->at[chosen].lock != NULL) {
            s->at[chosen].ops->won(&s->cases[chosen], &s->at[chosen].waiter);
        } else {
            weft__select_other_won(s, chosen);
        }
    }
    weft__select_end(s);
    return chosen;
}

static int select_with(struct weft__select *s, const void *caller)
{
    int rc = weft__select_prepare(s);
    if (rc != 0) {
        return rc;
    }
    if (s->default_case < 0) {
        weft__park_give_way();
    }
    shuffle(s);
    if (s->n_fds > 0) {
        weft__select_poll_fds(s);
    }
    /* Where all locks together cost as much as one, one look at all of them is enough. */
    int chosen = s->n_objects > 1 && are_ours(s) ? -1 : try_all(s, false);
    if (chosen < 0 && s->default_case >= 0) {
        chosen = try_all_at_once(s);
        chosen = chosen >= 0 ? chosen : s->default_case;
    }
    return chosen >= 0 ? taken(s, chosen) : wait_for_one(s, caller);
}

static WEFT__COLD int select_many(struct weft__select *s, const void *caller)
{
    size_t n = (size_t)s->n;
    s->at = weft__alloc(n * (sizeof *s->at + 2 * sizeof(int)));
    if (s->at == NULL) {
        return -ENOMEM;
    }
    s->order = (int *)(s->at + n);
    s->locks = s->order + n;
    int rc = select_with(s, caller);
    weft__free(s->at);
    return rc;
}

int weft__select_any(struct weft_case *cases, int n, const void *caller)
{
    (void)weft__park_self("weft_select()");
    if (n < 0 || (n > 0 && cases == NULL)) {
        weft__fatal("weft_select: the number of cases is negative, or there is no array");
    }
    struct weft__select s;
    s.rt = weft__park_runtime();
    s.cases = cases;
    s.n = n;
    s.random = weft__park_random();
    if (n > WEFT__SELECT_INLINE_MAX) {
        return select_many(&s, caller);
    }
    struct weft__select_at at[WEFT__SELECT_INLINE_MAX];
    int order[WEFT__SELECT_INLINE_MAX];
    int locks[WEFT__SELECT_INLINE_MAX];
    s.at = at;
    s.order = order;
    s.locks = locks;
    return select_with(&s, caller);
}

int weft_select(struct weft_case *cases, int n)
{
    return weft__select_ours(cases, n, __builtin_return_address(0));
}

struct weft_case *weft__select_slot(struct weft__select_block *b)
{
    if (b->n == WEFT_SELECT_BLOCK_MAX) {
        weft__fatal(
            "a WEFT_SELECT block has more than WEFT_SELECT_BLOCK_MAX cases; use weft_select()");
    }
    return &b->cases[b->n++];
}

bool weft__select_next(struct weft__select_block *b)
{
    if (b->pass == 0) {
        b->chosen = weft__select_ours(b->cases, b->n, __builtin_return_address(0));
        b->n = 0;
    }
    return ++b->pass < 2;
}
