/* SPDX-License-Identifier: MIT */
/*
 * timers.c - a P's timer wheel: armed by the coroutines on the P, fired by it, or by a P that has
 * nothing else to do.
 *
 * A timer is part of a wait.  It fires under the wheel's lock, and the one who waits takes that
 * lock to disarm it before the wait goes away: so whoever fires it may look at the wait.  Once it
 * has won the claim, nobody else ends the wait, and the wake is the last touch.
 *
 * Mostly nobody but the P itself has to do with its wheel: its lock is biased to the P until
 * somebody has, and again when the P has been alone with it for a while.  (A read-modify-write
 * waits for all stores before it, and who comes to wait may have written to memory that was long
 * out of use.)
 */
#include <errno.h>

#include "../base/clock.h"
#include "../base/self.h"
#include "glance.h"
#include "queue.h"

/* At most so many are fired in one hold of the lock. */
#define BATCH 64
/* To sleep and wake up takes as much CPU (17 us on a virtual machine) as to fire a dozen timers.  A
 * P on whose wheel so many fire in a millisecond, and that is about to sleep for less than this,
 * sleeps for so long at least, and then has several to fire. */
#define GATHER_NS (100 * WEFT_US)
#define GATHER_MIN 32

static void update_next(struct weft__p *p)
{
    atomic_store_explicit(&p->wheel_next_ns, weft__wheel_next_ns(&p->wheel), memory_order_relaxed);
}

/* Arm w's timer for w->deadline_ns on this P, whose coroutine calls. */
void weft__timer_arm(struct weft__p *p, struct weft__wait *w)
{
    w->timer_p = p;
    weft__p_expect_poll(p);
    weft__lock(&p->wheel_lock);
    weft__wheel_catch_up(&p->wheel, p->polled_ns);
    weft__wheel_add(&p->wheel, &w->timer, w->deadline_ns);
    int64_t next = atomic_load_explicit(&p->wheel_next_ns, memory_order_relaxed);
    if (w->deadline_ns < next) {
        atomic_store_explicit(&p->wheel_next_ns, w->deadline_ns, memory_order_relaxed);
    }
    if (WEFT__UNLIKELY(weft__lock_has_settled(&p->wheel_lock))) {
        weft__unlock_and_bias(&p->wheel_lock);
    } else {
        weft__unlock(&p->wheel_lock);
    }
}

/* Disarm it, whether it fired or not; afterwards nobody looks at the wait through it. */
void weft__timer_disarm(struct weft__wait *w)
{
    struct weft__p *p = w->timer_p;
    if (p == NULL || w->timer_won) {
        return;
    }
    weft__lock(&p->wheel_lock);
    weft__lock_note_use(&p->wheel_lock);
    (void)weft__wheel_remove(&p->wheel, &w->timer);
    if (p->wheel.armed_count == 0) {
        update_next(p);
    }
    weft__unlock(&p->wheel_lock);
    w->timer_p = NULL;
}

/* `self` is the P of this thread, if it has one, and need not be the one whose wheel it was. */
static void fire(struct weft__p *self, struct weft__p *p, struct weft__timer *t)
{
    struct weft__wait *w = WEFT__CONTAINER(t, struct weft__wait, timer);
    if (t->kind == TIMER_OP) {
        /* The operation decides: what has happened wins over the deadline. */
        p->rt->reactors.driver->cancel(self != NULL ? self->reactor : NULL, w->timer_op,
                                       -ETIMEDOUT);
        return;
    }
    if (weft__wait_claim(w, w->deadline_value)) {
        w->timer_won = true;
        weft__queue_fetch(w->g);
        weft__g_ready(w->g, false);
    }
}

/* Have their descriptors fetched, which were as long out of use as the timers. */
static void fetch_who_wait(const struct weft__timer *t)
{
    for (; t != NULL; t = t->next) {
        const struct weft__wait *w = WEFT__CONTAINER(t, struct weft__wait, timer);
        weft__prefetch(w->g, sizeof *w->g);
    }
}

/* Does what was fired fill the queue of the one who fires?  The rest waits until some of it has
 * run: in the global queue it would come behind what fires later. */
static bool is_filled(const struct weft__p *self)
{
    return self != NULL && weft__runq_count(&self->woken) >= WEFT__RUNQ_CAP / 2;
}

/*
 * By the thread that runs `self`, or by the look-out, with NULL: fire what is due on p's wheel at
 * now_ns, as long as there is room; returns how many.  A wheel of another P is left alone while
 * somebody is busy with it.
 */
int weft__timers_fire(struct weft__p *self, struct weft__p *p, int64_t now_ns)
{
    struct weft__p_counts *counts = self != NULL ? &self->counts : &p->rt->served;
    int fired = 0;
    int in_batch;
    do {
        in_batch = 0;
        if (atomic_load_explicit(&p->wheel_next_ns, memory_order_relaxed) > now_ns) {
            break;
        }
        if (self == p) {
            weft__lock(&p->wheel_lock);
        } else if (!weft__try_lock(&p->wheel_lock)) {
            break;
        }
        weft__lock_note_use(&p->wheel_lock);
        struct weft__timer *t = weft__wheel_advance(&p->wheel, now_ns, BATCH);
        fetch_who_wait(t);
        while (t != NULL) {
            struct weft__timer *next = t->next; /* t is gone once it has fired */
            weft__count(counts->timers);        /* before the coroutine can ask */
            fire(self, p, t);
            t = next;
            in_batch++;
        }
        update_next(p);
        weft__unlock(&p->wheel_lock);
        fired += in_batch;
    } while (in_batch == BATCH && !is_filled(self));
    return fired;
}

bool weft__timers_are_dense(const struct weft__p *p)
{
    return p->lets_gather && p->polled_ns - p->rated_ns < 2 * WEFT_MS;
}

/* How often do timers fire? */
static void rate(struct weft__p *p)
{
    int64_t elapsed_ms = (p->polled_ns - p->rated_ns) / WEFT_MS;
    if (elapsed_ms > 0) {
        uint64_t count = atomic_load_explicit(&p->counts.timers, memory_order_relaxed);
        p->lets_gather = count - p->rated_count >= GATHER_MIN * (uint64_t)elapsed_ms;
        p->rated_count = count;
        p->rated_ns = p->polled_ns;
    }
}

int64_t weft__timers_sleep_until(struct weft__p *p)
{
    int64_t next_ns = atomic_load_explicit(&p->wheel_next_ns, memory_order_relaxed);
    int64_t gathered_ns = p->polled_ns + GATHER_NS;
    if (next_ns < gathered_ns) {
        rate(p);
        if (p->lets_gather) {
            return gathered_ns;
        }
    }
    if (next_ns == INT64_MAX || p->is_down || p->is_relief) {
        return next_ns; /* these do not stay awake (aside.c) */
    }
    return weft__early_ask(&p->early, next_ns, weft__clock_ns());
}

/* It slept until deadline_ns, or something else ended that. */
void weft__timers_after_sleep(struct weft__p *p, int64_t deadline_ns, bool is_quiet)
{
    if (atomic_load_explicit(&p->wheel_next_ns, memory_order_relaxed) != INT64_MAX) {
        weft__p_note_time(p, weft__clock_ns());
        if (is_quiet) {
            weft__early_learn(&p->early, deadline_ns, p->polled_ns);
        }
        (void)weft__timers_fire(p, p, p->polled_ns);
    }
}

bool weft__timers_are_near(const struct weft__p *p)
{
    int64_t next_ns = atomic_load_explicit(&p->wheel_next_ns, memory_order_relaxed);
    return weft__early_is_near(&p->early, next_ns, p->polled_ns);
}
