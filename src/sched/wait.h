/* SPDX-License-Identifier: MIT */
/*
 * wait.h - one wait of one coroutine or plain thread, and the claim that decides who ends it.
 *
 * A wait lives on the stack of the one who waits.  What may end it (a sender, a closer, a timer, an
 * operation, a case of a select) must claim it; the one winner writes `value` and wakes it, and
 * until that wake the wait and all that hangs on it stay where they are.
 *
 * Who may look at a wait at all?  Whoever holds the lock under which it is linked: the channel's
 * for a waiter in its queue, the wheel's for a timer, the reactor for an operation.  The one who
 * waits takes those locks to unlink itself before it returns, so nobody is left looking.
 *
 * Where only one party can end a wait (no deadline, one queue) it is not contested, and a claim
 * costs nothing: whoever unlinks the waiter under the queue's lock has won.
 *
 * A select all of whose objects are biased to one gate (base/gate.h), and that nothing but those
 * objects can end, costs as little as long as none of these biases was ended: whoever finds it is
 * inside that gate, and takes it out of all its queues at once.  It is contested as well, since
 * after the end of a bias others may find it: the gate's epoch tells [GATE-CLAIM].
 */
#ifndef WEFT_SCHED_WAIT_H
#define WEFT_SCHED_WAIT_H

#include <stdint.h>

#include "../base/atomic.h"
#include "../base/compiler.h"
#include "../base/lock.h"
#include "../coro/g.h"
#include "../reactor/op.h"
#include "../reactor/wheel.h"

struct weft__p;

/* Who may end a wait. */
enum weft__contest {
    CONTEST_NONE, /* one party */
    CONTEST_OPEN, /* several: they must compete for the claim */
    CONTEST_GATE, /* the same, but that they all are inside one gate in its epoch `epoch` */
};

struct weft__wait {
    struct weft__g *g;            /* NULL: a plain thread waits on thread_word */
    struct weft__waiter *waiters; /* where it is linked; chained by sibling */
    const void *object;           /* for reports: what it waits for, an address or an fd */
    const void *caller;           /* and from where: a return address into the user\'s code */
    _Atomic uint32_t claimed;
    _Atomic uint32_t thread_word; /* 0 waiting, 1 woken */
    uint8_t contest; /* enum weft__contest */
    bool is_bounded; /* a plain thread's, or one that several parties may end */
    bool timer_won;  /* written by the timer before its wake */
    int value;       /* written by the winner before its wake */
    int deadline_value;
    union {
        int64_t deadline_ns; /* INT64_MAX: none */
        uint64_t epoch;      /* of CONTEST_GATE, which has none */
    };
    struct weft__p *timer_p;
    struct weft__timer timer;
    struct weft__op *timer_op; /* whose end it is; set for TIMER_OP and under scopes */
};

/* What a timer of the wheel does when it fires. */
enum weft__timer_kind {
    TIMER_WAIT, /* claims the wait that it is part of */
    TIMER_OP,   /* cancels the operation of the weft__op_wait whose wait it is part of */
};

/* An operation and the wait for it.  The reactor carries a pointer to this as op->owner. */
struct weft__op_wait {
    struct weft__op op;
    struct weft__wait *wait;
    struct weft__op_set *set; /* one of several, in a select; NULL: alone */
    int value;                /* in a set: what the wait's value becomes */
};

/* Several operations behind one wait.  `state` counts those in flight, plus DRAINING once the
 * coroutine waits for the last of them. */
#define WEFT__OP_SET_DRAINING 0x80000000u
struct weft__op_set {
    _Atomic uint32_t state;
    struct weft__g *g; /* who waits */
};

/* A place in the queue of a channel, lock, handle, ...; linked under that object's lock. */
struct weft__waiter {
    struct weft__waiter *next, **prev_next; /* prev_next is NULL when not linked */
    struct weft__waiter *sibling;           /* the next waiter of the same wait */
    struct weft__waitq *queue;              /* where it was linked */
    struct weft__wait *wait;
    void *value; /* where a value is copied to or from */
    int index;   /* what the wait's value becomes */
    int rc;      /* the outcome, written by the winner */
};

/*
 * What a coroutine waits with in one queue, where nobody but who takes it out there ends the wait:
 * it lies in the first frame on its stack, so that the call that waits needs no frame, and most of
 * it is the same in each wait.  Its name is `own` in the descriptor.
 */
struct weft__own_wait {
    struct weft__wait wait;
    struct weft__waiter waiter; /* `rc` is what the call returns */
    int exit_result;            /* after weft_exit() */
    int unwanted;               /* a result that nobody asked for goes here */
} WEFT__ALIGNED_LINE;

struct weft__waitq {
    struct weft__waiter *first, **last;
    struct weft__lock *lock; /* the object's, which protects the queue */
};

/* Those who wait until the process has a free descriptor again: one a runtime. */
struct weft__fd_waits {
    struct weft__lock lock; /* RANK_CHAN; protects queue */
    struct weft__waitq queue;
    _Atomic uint32_t count;
};

static inline void weft__waitq_init(struct weft__waitq *q, struct weft__lock *lock)
{
    q->lock = lock;
    q->first = NULL;
    q->last = &q->first;
}

/* Every waiter hangs on its wait as well: a coroutine that is discarded while it waits must be
 * taken out of objects that live on. */
static inline void weft__waiter_note(struct weft__waitq *q, struct weft__waiter *w)
{
    w->queue = q;
    w->sibling = w->wait->waiters;
    w->wait->waiters = w;
}

/* For the coroutines that begin in the frame where it is, one after the other. */
static inline void weft__own_wait_init(struct weft__own_wait *own)
{
    own->wait.waiters = &own->waiter;
    own->wait.contest = CONTEST_NONE;
    own->wait.value = 0;
    own->waiter.wait = &own->wait;
    own->waiter.sibling = NULL;
    own->waiter.index = 0;
}

static inline void weft__waitq_append(struct weft__waitq *q, struct weft__waiter *w)
{
    w->next = NULL;
    w->prev_next = q->last;
    *q->last = w;
    q->last = &w->next;
}

/* The same for a queue that is empty. */
static inline void weft__waitq_append_first(struct weft__waitq *q, struct weft__waiter *w)
{
    w->next = NULL;
    w->prev_next = &q->first;
    q->first = w;
    q->last = &w->next;
}

static inline void weft__waitq_add(struct weft__waitq *q, struct weft__waiter *w)
{
    weft__waiter_note(q, w);
    weft__waitq_append(q, w);
}

/* The same for the only waiter of a wait, both of which are new. */
static inline void weft__waitq_add_only(struct weft__waitq *q, struct weft__waiter *w,
                                        struct weft__wait *wait)
{
    w->queue = q;
    w->sibling = NULL;
    w->wait = wait;
    wait->waiters = w;
    weft__waitq_append(q, w);
}

static inline void weft__waitq_add_first(struct weft__waitq *q, struct weft__waiter *w)
{
    weft__waiter_note(q, w);
    w->next = q->first;
    w->prev_next = &q->first;
    if (w->next != NULL) {
        w->next->prev_next = &w->next;
    } else {
        q->last = &w->next;
    }
    q->first = w;
}

static inline struct weft__waiter *weft__waitq_first(const struct weft__waitq *q)
{
    return q->first;
}

/* Unlink; does nothing if it is not linked. */
static inline void weft__waitq_remove(struct weft__waitq *q, struct weft__waiter *w)
{
    if (w->prev_next == NULL) {
        return;
    }
    *w->prev_next = w->next;
    if (w->next != NULL) {
        w->next->prev_next = w->prev_next;
    } else {
        q->last = w->prev_next;
    }
    w->prev_next = NULL;
}

/* The same for w that is the first. */
static inline void weft__waitq_take(struct weft__waitq *q, struct weft__waiter *w)
{
    q->first = w->next;
    if (WEFT__UNLIKELY(w->next != NULL)) {
        w->next->prev_next = &q->first;
    } else {
        q->last = &q->first;
    }
    w->prev_next = NULL;
}

/* Try to be the one who ends the wait.  After true, write the outcome and wake it. */
static inline bool weft__wait_claim(struct weft__wait *w, int value)
{
    if (w->contest != CONTEST_NONE) {
        weft__perturb();
        uint32_t open = atomic_load_explicit(&w->claimed, memory_order_acquire); /* [WAIT-CLAIM] */
        if (open != 0) {
            return false; /* mostly one case of a select, after another one has won */
        }
        /* acq_rel [WAIT-CLAIM]: one modification order decides; the loser that will unlink itself
         * sees what the winner did. */
        if (!atomic_compare_exchange_strong_explicit(&w->claimed, &open, 1, memory_order_acq_rel,
                                                     memory_order_acquire)) {
            return false;
        }
    }
    w->value = value;
    return true;
}

/* Has somebody claimed a contested wait?  For its owner, before it waits at all. */
static inline bool weft__wait_is_claimed(const struct weft__wait *w)
{
    /* acquire [WAIT-CLAIM] */
    return atomic_load_explicit(&w->claimed, memory_order_acquire) != 0;
}

/* Is there nobody in a queue, or one whose wait nobody else can end? */
static inline bool weft__waitq_is_plain(const struct weft__waitq *q)
{
    return q->first == NULL || q->first->wait->contest == CONTEST_NONE;
}

/* Inside gate, to which q is biased: is the first in q one whom nobody outside can find? */
static inline bool weft__waitq_is_all_in(const struct weft__waitq *q,
                                         const struct weft__gate *gate)
{
    const struct weft__wait *w = q->first->wait;
    /* relaxed [GATE-CLAIM]: in that epoch only this thread writes it. */
    return w->contest == CONTEST_GATE && w->epoch == weft__gate_epoch(gate) &&
           atomic_load_explicit(&w->claimed, memory_order_relaxed) == 0;
}

/* Then claim it: all its waiters are taken out, and `claimed` stays 0. */
static inline struct weft__waiter *weft__waitq_claim_all(struct weft__waitq *q)
{
    struct weft__waiter *first = q->first;
    for (struct weft__waiter *w = first->wait->waiters; w != NULL; w = w->sibling) {
        weft__waitq_remove(w->queue, w);
    }
    first->wait->value = first->index;
    return first;
}

/* weft__waitq_claim_first() of a queue that is plain; the wait's value is what it began with. */
static inline struct weft__waiter *weft__waitq_claim_plain(struct weft__waitq *q)
{
    struct weft__waiter *w = q->first;
    if (w != NULL) {
        weft__waitq_take(q, w);
    }
    return w;
}

/* Take the first waiter that can be claimed out of a queue and claim it; those that somebody else
 * has claimed are unlinked on the way (they unlink themselves as well).  NULL if there is none. */
static inline struct weft__waiter *weft__waitq_claim_first(struct weft__waitq *q)
{
    struct weft__waiter *w;
    while ((w = q->first) != NULL) {
        weft__waitq_take(q, w);
        if (weft__wait_claim(w->wait, w->index)) {
            return w;
        }
    }
    return NULL;
}

#endif
