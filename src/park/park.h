/* SPDX-License-Identifier: MIT */
/*
 * park.h - the only door from channels, locks, timers and I/O to the scheduler: wait, and end a
 * wait.  Nothing above sees an M, a P or a queue.
 *
 * A wait goes like this (a receive, say):
 *
 *     struct weft__wait w;
 *     weft__park_init(&w);                          who waits, and until when at most
 *     lock the channel; nothing is there
 *     weft__park_begin(&w, WAIT_CHAN_RECV, ch);     PARKED: from here on it may be woken
 *     link a waiter that points to w
 *     unlock
 *     weft__park_wait(&w)                           switch away; returns what the winner wrote
 *     lock, unlink the waiter if it still is linked, unlock      unless the winner did it
 *
 * and its end, by somebody else:
 *
 *     lock the channel
 *     waiter = weft__waitq_claim_first(&ch->receivers)
 *     copy the value to waiter->value               its stack holds still until the wake
 *     weft__park_wake(waiter->wait)                 the last touch
 *     unlock
 *
 * Plain threads wait by the same calls, on a futex.
 */
#ifndef WEFT_PARK_PARK_H
#define WEFT_PARK_PARK_H

#include <sys/types.h>

#include <errno.h>

#include "../sched/machine.h"
#include "../sched/scope_frame.h"
#include "../sched/wait.h"

struct weft_runtime;
struct weft__reactor_group;
struct weft__pool;
struct weft__kept_names;

/* The runtime whose coroutine calls; NULL on a plain thread. */
static inline struct weft_runtime *weft__park_runtime(void)
{
    struct weft__g *g = weft__g_self();
    return g != NULL ? g->rt : NULL;
}

/* The calling coroutine; fatal with the name of the `call` on a plain thread. */
static inline struct weft__g *weft__park_self(const char *call)
{
    return weft__m_in_coroutine(call)->cur;
}

/* Set up a wait of the caller: its nearest deadline scope, if any, is its deadline. */
static inline void weft__park_init(struct weft__wait *w)
{
    struct weft__g *g = weft__g_self();
    w->g = g;
    w->waiters = NULL;
    atomic_init(&w->claimed, 0);
    w->contest = CONTEST_NONE;
    w->is_bounded = false;
    w->value = 0;
    w->timer_won = false;
    w->timer_p = NULL;
    w->deadline_ns = INT64_MAX;
    if (g == NULL) {
        atomic_init(&w->thread_word, 0);
        w->is_bounded = true;
    } else if (WEFT__UNLIKELY(g->scope != NULL)) {
        w->deadline_ns = g->scope->nearest_ns;
        w->deadline_value = -ETIMEDOUT;
        w->contest = CONTEST_OPEN;
        w->is_bounded = true;
    }
}

/* The caller must not go on before it is woken: no scope ends this wait. */
static inline void weft__park_for_ever(struct weft__wait *w)
{
    w->deadline_ns = INT64_MAX;
    w->contest = CONTEST_NONE;
    w->is_bounded = w->g == NULL;
}

/* Lower the deadline: when it passes first, weft__park_wait() returns `value`. */
static inline void weft__park_until(struct weft__wait *w, int64_t deadline_ns, int value)
{
    /* At the same moment success wins over a scope. */
    if (deadline_ns <= w->deadline_ns && deadline_ns != INT64_MAX) {
        w->deadline_ns = deadline_ns;
        w->deadline_value = value;
        w->contest = CONTEST_OPEN;
        w->is_bounded = true;
    }
}

/* Several parties may end this wait (a select, a deadline): they must compete for the claim. */
static inline void weft__park_contest(struct weft__wait *w)
{
    w->contest = CONTEST_OPEN;
    w->is_bounded = true;
}

/* What reports say of a coroutine that waits, and then its state. */
static inline void weft__park_publish(struct weft__wait *w, struct weft__g *g,
                                      enum weft__wait_reason reason, const void *object,
                                      const void *caller)
{
    atomic_store_explicit(&g->wait_reason, (uint8_t)reason, memory_order_relaxed);
    w->object = object;
    w->caller = caller;
    atomic_store_explicit(&g->wait, w, memory_order_relaxed);
    /* Whoever finds the waiter finds this first: it is published by the lock, the wheel or the
     * reactor that makes the waiter visible. */
    atomic_store_explicit(&g->state, G_PARKED, memory_order_relaxed);
}

/* The caller is about to become visible as a waiter.  After this comes weft__park_wait(), or
 * weft__park_abandon() if nobody has seen the wait yet.  `caller` is a return address into the
 * code that called Weft: __builtin_return_address(0) of the public function. */
static inline void weft__park_begin(struct weft__wait *w, enum weft__wait_reason reason,
                                    const void *object, const void *caller)
{
    if (w->g != NULL) {
        weft__park_publish(w, w->g, reason, object, caller);
    }
}

static inline void weft__park_abandon(struct weft__wait *w)
{
    if (w->g != NULL) {
        atomic_store_explicit(&w->g->state, G_RUNNING, memory_order_relaxed);
    }
}

/* For a plain thread, or where several parties may end it. */
int weft__park_wait_slow(struct weft__wait *w);

/*
 * The short way (ours.h): inside the gate, which is left, after the waiters were linked.  w has a
 * coroutine under a scope, no deadline, and nothing is set in it but what reports need and
 * `waiters`.
 */
int weft__park_wait_scoped(struct weft__wait *w, struct weft__m *m, struct weft__gate *gate);

/*
 * Wait until somebody has claimed w and woken it.  Returns the value that the winner gave, or
 * -ETIMEDOUT or -ECANCELED when a scope ended the wait; then the scopes have been told.  May return
 * on another thread.
 */
static inline int weft__park_wait(struct weft__wait *w)
{
    if (WEFT__UNLIKELY(w->is_bounded)) {
        return weft__park_wait_slow(w);
    }
    weft__switch_park(weft__m_self(), w->g);
    return w->value;
}

/*
 * By a coroutine: wait for a time, and for nothing else.  0 when it has come, or the -errno of a
 * scope.  May return on another thread.
 */
int weft__park_sleep(int64_t deadline_ns, enum weft__wait_reason reason, const void *object,
                     const void *caller);

/* End a wait whose claim the caller has won.  The wait is gone afterwards. */
void weft__park_wake(struct weft__wait *w);

/* The same of one in a crowd, which has waited for long and runs soon, but not at once: what it
 * waits with is fetched meanwhile. */
void weft__park_wake_cold(struct weft__wait *w);

/* Has a surrounding scope ended?  0, or its -ETIMEDOUT or -ECANCELED; the scopes have been told
 * then. */
int weft__park_check_scope(void);

/* The same question without telling the scopes. */
bool weft__park_has_ended(void);

/* By a coroutine that is about to wait for what may come soon: let those go first that its P has to
 * run.  False at once if they are so few that nothing would come meanwhile, or so many that the P
 * would look at its reactor too late, or if another P looks for work and would take this up at
 * once.  May return on another thread. */
bool weft__park_go_behind(void);

/* Is there another P, or for a plain thread any, on which whoever is waited for may run now? */
bool weft__park_may_spin(void);

/*
 * A coroutine that has run for some ms gives way, if the look-out has called upon it: in a call
 * that may wait, before that has taken or locked anything.  May return on another thread.
 */
void weft__park_give_way_slow(void);

static inline void weft__park_give_way(void)
{
    const struct weft__gate *gate = weft__gate_self();
    if (gate != NULL && WEFT__UNLIKELY(weft__gate_is_called(gate))) {
        weft__park_give_way_slow();
    }
}

/* A random seed for one decision of the calling coroutine. */
uint64_t weft__park_random(void);

/* The threads for blocking calls of the caller's runtime. */
struct weft__pool *weft__park_pool(void);

/* What is kept of name services with a runtime. */
struct weft__kept_names *weft__park_kept_names(struct weft_runtime *rt);

/* The fds and the driver of the caller's runtime. */
struct weft__reactor_group *weft__park_reactors(void);

/*
 * Submit an operation, wait until the kernel has let go of it, return its result.  The end of a
 * scope cancels it, unless it is one that must not be left half done (may_end false).
 */
ssize_t weft__park_op(struct weft__op *op, bool may_end, enum weft__wait_reason reason,
                      const void *caller);

/* The caller could do something at once that it might have had to wait for: one that is always in
 * luck yields now and then, or its P would do nothing else. */
void weft__park_spend(void);

/* Those who wait until a descriptor is free, in the caller's runtime. */
struct weft__fd_waits *weft__park_fd_waits(void);
/* A descriptor may be free: the oldest of those who wait for one tries again. */
void weft__park_descriptor_is_free(struct weft__fd_waits *waits);
void weft__park_count_accept_wait(void);

/* On a plain thread: close fd if no runtime has anything in flight on it, else -EBUSY. */
int weft__park_close_outside(int fd);

/* Before the caller's runtime closes fd: if it is a socket of another one, that one has to know, or
 * would take the next file of this number for it.  0, or -EBUSY: something is in flight there. */
int weft__park_take_over(int fd);

/* Has any runtime an operation in flight on fd?  Never so in the child of a fork. */
bool weft__park_is_awaited(int fd);

/* Submit one operation of a set (a select's): 0 in flight, 1 complete at once (op.result is set),
 * -errno not taken.  The wait has begun and is contested. */
int weft__park_submit(struct weft__op_wait *ow);

/* Cancel those of a set that are still in flight and wait until the kernel has let go of all. */
void weft__park_drain(struct weft__op_set *set, struct weft__op_wait *ows, int n,
                      const void *caller);

#endif
