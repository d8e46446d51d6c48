/* SPDX-License-Identifier: MIT */
/* park.c - see park.h. */
#include "park.h"

#include <errno.h>

#include "../base/clock.h"
#include "../base/forked.h"
#include "../base/random.h"
#include "../base/self.h"
#include "../base/sys.h"
#include "../sched/glance.h"
#include "../sched/queue.h"
#include "../sched/watch.h"

/* So many runnable ones make it worth while to go behind them. */
#define BEHIND_MIN WEFT__BOUND(4u, 1u)
#define BEHIND_MAX WEFT__BOUND(64u, 2u)

struct weft__reactor_group *weft__park_reactors(void)
{
    return &weft__m_self()->rt->reactors;
}

struct weft__pool *weft__park_pool(void)
{
    return &weft__m_self()->rt->pool;
}

struct weft__kept_names *weft__park_kept_names(struct weft_runtime *rt)
{
    return &rt->kept_names;
}

bool weft__park_may_spin(void)
{
    struct weft__m *m = weft__m_self();
    return m == NULL || m->rt->procs > 1;
}

/* To all that waits here, in the global queue, and for a poll. */
WEFT__COLD void weft__park_give_way_slow(void)
{
    struct weft__m *m = weft__m_self();
    weft__gate_uncall(m->p->gate);
    weft__p_look_soon(m->p);
    weft__switch_yield(m, m->cur);
}

bool weft__park_go_behind(void)
{
    struct weft__m *m = weft__m_self();
    struct weft__p *p = m->p;
    uint32_t n = weft__runq_count(&p->woken);
    if (n < BEHIND_MIN || n > BEHIND_MAX ||
        (!p->is_alone && (atomic_load_explicit(&p->rt->n_idle, memory_order_relaxed) != 0 ||
                          atomic_load_explicit(&p->rt->n_spinning, memory_order_relaxed) != 0))) {
        return false;
    }
    weft__mutexes_check(m, "yields in a call for I/O", NULL);
    weft__switch_yield(m, m->cur);
    return true;
}

uint64_t weft__park_random(void)
{
    return weft__random_next(&weft__m_self()->p->random);
}

/* A plain thread waits for its word. */
static WEFT__COLD int wait_on_thread(struct weft__wait *w)
{
    int64_t deadline_ns = w->deadline_ns;
    weft__refuse_in_child("a thread waits" WEFT__IN_CHILD);
    /* acquire [WAIT-THREAD]: the outcome is visible. */
    while (atomic_load_explicit(&w->thread_word, memory_order_acquire) == 0) {
        int rc = weft__sys_futex_wait(&w->thread_word, 0, deadline_ns);
        if (rc == -ETIMEDOUT) {
            if (weft__wait_claim(w, w->deadline_value)) {
                return w->value;
            }
            deadline_ns = INT64_MAX; /* somebody is about to wake us */
        }
    }
    return w->value;
}

/* Arm the timer, or find that the deadline has passed already: true if that ended the wait. */
static bool begin_deadline(struct weft__wait *w)
{
    if (w->deadline_ns <= weft__clock_ns()) {
        if (weft__wait_claim(w, w->deadline_value)) {
            weft__park_abandon(w);
            return true;
        }
        return false; /* somebody was faster and is about to wake us */
    }
    weft__timer_init(&w->timer, TIMER_WAIT);
    weft__timer_arm(weft__m_self()->p, w);
    return false;
}

/* A scope around the caller was cancelled before it could wait: true if that ended the wait. */
static WEFT__COLD bool end_at_once(struct weft__wait *w)
{
    if (weft__wait_claim(w, -ECANCELED)) {
        weft__park_abandon(w);
        return true;
    }
    return false; /* somebody was faster and is about to wake us */
}

/* What whoever waited is told. */
static inline int outcome(const struct weft__wait *w)
{
    if (WEFT__UNLIKELY(w->value == -ETIMEDOUT || w->value == -ECANCELED)) {
        int answer = weft__scope_answer(w->g);
        return answer != 0 ? answer : w->value;
    }
    return w->value;
}

int weft__park_wait_scoped(struct weft__wait *w, struct weft__m *m, struct weft__gate *gate)
{
    struct weft__g *g = w->g;
    atomic_init(&w->claimed, 0);
    w->contest = CONTEST_OPEN;
    g->is_contested = true;
    if (WEFT__LIKELY(!weft__scope_wait_begin(g, w, NULL))) {
        (void)weft__switch_park_inside(g, gate, m);
    } else {
        weft__gate_leave(gate);
        if (!end_at_once(w)) {
            weft__switch_park(m, g);
        }
    }
    g->is_contested = false;
    weft__scope_wait_end(g);
    return outcome(w);
}

int weft__park_wait_slow(struct weft__wait *w)
{
    struct weft__g *g = w->g;
    if (WEFT__UNLIKELY(g == NULL)) {
        return wait_on_thread(w);
    }
    bool is_scoped = g->scope != NULL && w->contest != CONTEST_NONE;
    bool has_ended = is_scoped && weft__scope_wait_begin(g, w, NULL) && end_at_once(w);
    if (!has_ended && w->deadline_ns != INT64_MAX) {
        has_ended = begin_deadline(w);
    }
    if (!has_ended) {
        g->is_contested = true;
        weft__switch_park(weft__m_self(), g);
        g->is_contested = false;
        weft__timer_disarm(w);
    }
    if (is_scoped) {
        weft__scope_wait_end(g);
    }
    return outcome(w);
}

/* Under no scope the timer alone ends the wait: its first frame has all that this takes, in memory
 * that is used anyway. */
static int sleep_short(struct weft__m *m, int64_t deadline_ns, enum weft__wait_reason reason,
                       const void *object, const void *caller)
{
    struct weft__g *g = m->cur;
    struct weft__own_wait *own = g->own;
    struct weft__wait *w = &own->wait;
    w->waiters = NULL; /* it stands in no queue */
    w->deadline_ns = deadline_ns;
    w->deadline_value = 0;
    weft__timer_init(&w->timer, TIMER_WAIT);
    weft__park_publish(w, g, reason, object, caller);
    weft__timer_arm(m->p, w);
    weft__switch_park(m, g);
    w->waiters = &own->waiter;
    return 0;
}

int weft__park_sleep(int64_t deadline_ns, enum weft__wait_reason reason, const void *object,
                     const void *caller)
{
    struct weft__m *m = weft__m_self();
    if (WEFT__LIKELY(m->cur->scope == NULL) && deadline_ns != INT64_MAX) {
        return sleep_short(m, deadline_ns, reason, object, caller);
    }
    struct weft__wait w;
    weft__park_init(&w);
    weft__park_until(&w, deadline_ns, 0);
    weft__park_begin(&w, reason, object, caller);
    return weft__park_wait(&w);
}

void weft__park_wake(struct weft__wait *w)
{
    weft__wait_wake(w);
}

void weft__park_wake_cold(struct weft__wait *w)
{
    if (w->g != NULL) {
        weft__queue_fetch(w->g);
    }
    weft__wait_wake(w);
}

bool weft__park_has_ended(void)
{
    struct weft__g *g = weft__g_self();
    return WEFT__UNLIKELY(g != NULL && g->scope != NULL) && weft__scope_has_ended(g);
}

int weft__park_check_scope(void)
{
    struct weft__g *g = weft__g_self();
    return WEFT__UNLIKELY(g != NULL && g->scope != NULL) ? weft__scope_answer(g) : 0;
}

/* An operation under a scope is in flight: until when at most, and who may end it. */
static WEFT__COLD void bound_op(struct weft__wait *w, struct weft__op *op, int64_t deadline_ns)
{
    struct weft__p *p = weft__m_self()->p;
    w->deadline_ns = deadline_ns;
    if (weft__scope_wait_begin(w->g, w, op)) {
        p->rt->reactors.driver->cancel(p->reactor, op, -ECANCELED);
    } else if (deadline_ns != INT64_MAX) {
        weft__timer_init(&w->timer, TIMER_OP);
        weft__timer_arm(p, w); /* one that has passed fires at the next look at the wheel */
    }
}

/* The kernel has let go of it. */
static WEFT__COLD ssize_t unbind_op(struct weft__wait *w, const struct weft__op *op)
{
    weft__timer_disarm(w);
    weft__scope_wait_end(w->g);
    int error = atomic_load_explicit(&op->cancel_error, memory_order_relaxed);
    if (error != 0 && op->result == error) {
        int answer = weft__scope_answer(w->g);
        return answer != 0 ? answer : error;
    }
    return op->result;
}

ssize_t weft__park_op(struct weft__op *op, bool may_end, enum weft__wait_reason reason,
                      const void *caller)
{
    struct weft__wait w;
    struct weft__op_wait *ow = WEFT__CONTAINER(op, struct weft__op_wait, op);
    weft__park_init(&w);
    ow->wait = &w;
    ow->set = NULL;
    op->owner = ow;
    bool is_scoped = w.is_bounded && may_end;
    int64_t deadline_ns = w.deadline_ns;
    weft__park_for_ever(&w); /* the operation alone ends it; a scope only cancels the operation */
    struct weft__m *m = weft__m_self();
    struct weft__p *p = m->p;
    weft__park_begin(&w, reason, (const void *)(intptr_t)op->fd, caller);
    int rc = p->rt->reactors.driver->submit(p->reactor, op);
    if (rc != 0) {
        weft__park_abandon(&w);
        return rc < 0 ? rc : op->result;
    }
    weft__count(p->counts.ops);
    weft__p_expect_poll(p);
    if (WEFT__UNLIKELY(is_scoped)) {
        bound_op(&w, op, deadline_ns);
    }
    weft__switch_park(m, w.g);
    weft__queue_fetch_next(weft__m_self()->p);
    return WEFT__UNLIKELY(is_scoped) ? unbind_op(&w, op) : op->result;
}

void weft__park_spend(void)
{
    struct weft__m *m = weft__m_self();
    struct weft__p *p = m->p;
    if (p->spent_tick != p->tick) {
        p->spent_tick = p->tick;
        p->spent = 0;
    }
    if (++p->spent >= WEFT__SPEND_MAX) {
        weft__mutexes_check(m, "yields in a call for I/O", NULL);
        weft__switch_yield(m, m->cur);
    }
}

int weft__park_submit(struct weft__op_wait *ow)
{
    struct weft__p *p = weft__m_self()->p;
    ow->op.owner = ow;
    /* relaxed: the drain and the completions come after, through the reactor. */
    atomic_fetch_add_explicit(&ow->set->state, 1, memory_order_relaxed);
    int rc = p->rt->reactors.driver->submit(p->reactor, &ow->op);
    if (rc != 0) {
        atomic_fetch_sub_explicit(&ow->set->state, 1, memory_order_relaxed);
        return rc;
    }
    weft__count(p->counts.ops);
    weft__p_expect_poll(p);
    return 0;
}

void weft__park_drain(struct weft__op_set *set, struct weft__op_wait *ows, int n,
                      const void *caller)
{
    /* acquire [OP-SET]: with nothing left, all results are visible. */
    if (atomic_load_explicit(&set->state, memory_order_acquire) == 0) {
        return;
    }
    struct weft__m *m = weft__m_self();
    struct weft__wait w;
    weft__park_init(&w);
    weft__park_begin(&w, WAIT_SELECT_DRAIN, NULL, caller);
    for (int i = 0; i < n; i++) {
        m->rt->reactors.driver->cancel(m->p->reactor, &ows[i].op, -ECANCELED);
    }
    /* acq_rel [OP-SET]: from here on the one who completes the last operation wakes us. */
    uint32_t left =
        atomic_fetch_or_explicit(&set->state, WEFT__OP_SET_DRAINING, memory_order_acq_rel);
    if (left == 0) {
        weft__park_abandon(&w);
        return;
    }
    weft__switch_park(m, w.g);
}

struct weft__fd_waits *weft__park_fd_waits(void)
{
    return &weft__m_self()->rt->fd_waits;
}

void weft__park_count_accept_wait(void)
{
    weft__count(weft__m_self()->p->counts.accept_waits);
}

void weft__park_descriptor_is_free(struct weft__fd_waits *waits)
{
    if (WEFT__LIKELY(atomic_load_explicit(&waits->count, memory_order_relaxed) == 0)) {
        return; /* one who comes now looks again by itself after its delay */
    }
    weft__lock(&waits->lock);
    struct weft__waiter *w = weft__waitq_claim_first(&waits->queue);
    if (w != NULL) {
        weft__park_wake(w->wait);
    }
    weft__unlock(&waits->lock);
}

/* -EBUSY if something is in flight on fd in this runtime; 1 if it was a socket of this runtime,
 * which is closed then, *rc saying how; else 0. */
static int close_in(struct weft_runtime *rt, int fd, int *rc)
{
    struct weft__fd *entry = weft__fd_find(&rt->reactors.fds, fd);
    if (entry == NULL) {
        return 0;
    }
    int outcome = 0;
    weft__lock(&entry->lock);
    bool is_own = atomic_load_explicit(&entry->is_own, memory_order_relaxed);
    if (entry->in_flight != NULL || entry->is_closing ||
        (!is_own && weft__fd_is_anybody_inside(entry))) {
        outcome = -EBUSY;
    } else if (is_own) {
        *rc = weft__fd_close(entry, fd);
        outcome = 1;
    }
    weft__unlock(&entry->lock);
    return outcome;
}

int weft__park_close_outside(int fd)
{
    int outcome = 0;
    int rc = 0;
    weft__refuse_in_child("weft_close() was called" WEFT__IN_CHILD);
    weft__lock(&weft__runtimes_lock);
    for (struct weft_runtime *rt = weft__runtimes; rt != NULL && outcome == 0; rt = rt->next) {
        outcome = close_in(rt, fd, &rc);
    }
    if (outcome == 0) {
        rc = weft__sys_close(fd);
    }
    for (struct weft_runtime *rt = weft__runtimes; rt != NULL && outcome >= 0; rt = rt->next) {
        weft__park_descriptor_is_free(&rt->fd_waits);
    }
    weft__unlock(&weft__runtimes_lock);
    return outcome < 0 ? outcome : rc;
}

static int take_over_from(struct weft_runtime *rt, int fd)
{
    struct weft__fd *entry = weft__fd_find(&rt->reactors.fds, fd);
    if (entry == NULL || !atomic_load_explicit(&entry->is_own, memory_order_relaxed)) {
        return 0;
    }
    int rc = 0;
    weft__lock(&entry->lock);
    if (entry->in_flight != NULL || entry->is_closing) {
        rc = -EBUSY;
    } else {
        weft__fd_give_up(entry);
    }
    weft__unlock(&entry->lock);
    return rc;
}

int weft__park_take_over(int fd)
{
    struct weft_runtime *mine = weft__park_runtime();
    int rc = 0;
    weft__lock(&weft__runtimes_lock);
    for (struct weft_runtime *rt = weft__runtimes; rt != NULL && rc == 0; rt = rt->next) {
        rc = rt == mine ? 0 : take_over_from(rt, fd);
    }
    weft__unlock(&weft__runtimes_lock);
    return rc;
}

static bool is_awaited_in(struct weft_runtime *rt, int fd)
{
    struct weft__fd *entry = weft__fd_find(&rt->reactors.fds, fd);
    if (entry == NULL) {
        return false;
    }
    weft__lock(&entry->lock);
    bool is_awaited = entry->in_flight != NULL;
    weft__unlock(&entry->lock);
    return is_awaited;
}

bool weft__park_is_awaited(int fd)
{
    bool is_awaited = false;
    if (atomic_load_explicit(&weft__is_forked, memory_order_relaxed)) {
        return false;
    }
    weft__lock(&weft__runtimes_lock);
    for (struct weft_runtime *rt = weft__runtimes; rt != NULL && !is_awaited; rt = rt->next) {
        is_awaited = is_awaited_in(rt, fd);
    }
    weft__unlock(&weft__runtimes_lock);
    return is_awaited;
}
