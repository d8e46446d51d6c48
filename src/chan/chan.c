/* SPDX-License-Identifier: MIT */
/* chan.c - send, receive, close; see chan.h for the invariants. */
#include "chan.h"

#include <errno.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/fatal.h"
#include "../base/sys.h"
#include "../park/ours.h"
#include "transfer.h"

#define WAITERS_LOOKED_AT 16

static inline bool may_use(const struct weft_chan *ch)
{
    return weft__park_runtime() == ch->rt || ch->is_shared;
}

/* A NULL channel is one that never can go on: wait until a scope ends it. */
static WEFT__COLD int wait_for_ever(const char *call, const void *caller)
{
    (void)weft__park_self(call);
    struct weft__wait w;
    weft__park_init(&w);
    weft__park_begin(&w, WAIT_CHAN_NULL, NULL, caller);
    return weft__park_wait(&w);
}

/* Do only coroutines wait in q?  Of a crowd the first are looked at, and it is taken for mixed. */
static bool is_free_of_threads(const struct weft__waitq *q)
{
    int n_looks = 0;
    for (const struct weft__waiter *w = q->first; w != NULL; w = w->next) {
        if (w->wait->g == NULL || ++n_looks > WAITERS_LOOKED_AT) {
            return false;
        }
    }
    return true;
}

static WEFT__COLD void unlock_settled(struct weft_chan *ch)
{
    if (is_free_of_threads(&ch->receivers) && is_free_of_threads(&ch->senders)) {
        weft__unlock_and_bias(&ch->lock);
    } else {
        weft__unlock(&ch->lock);
    }
}

/* A channel of one runtime may come to rest on a P. */
static inline void unlock(struct weft_chan *ch)
{
    if (!ch->is_shared && WEFT__UNLIKELY(weft__lock_has_settled(&ch->lock))) {
        unlock_settled(ch);
    } else {
        weft__unlock(&ch->lock);
    }
}

/* The wait was ended by a scope, or a deadline: rc says by which. */
static WEFT__COLD int leave_queue(struct weft_chan *ch, struct weft__waitq *q,
                                  struct weft__waiter *waiter, int rc)
{
    weft__lock(&ch->lock);
    weft__waitq_remove(q, waiter);
    unlock(ch);
    return rc;
}

/* Wait in one of the queues, under the lock, which is released.  Returns 0, -EPIPE if the channel
 * was closed meanwhile, or -ETIMEDOUT: then nothing was transferred. */
static WEFT__NOINLINE int wait_in(struct weft_chan *ch, struct weft__waitq *q,
                                  enum weft__wait_reason reason, void *value, int64_t deadline_ns,
                                  const void *caller)
{
    struct weft__wait w;
    struct weft__waiter waiter = {.wait = &w, .value = value, .index = 0};
    weft__park_init(&w);
    weft__park_until(&w, deadline_ns, -ETIMEDOUT);
    weft__park_begin(&w, reason, ch, caller);
    weft__waitq_add(q, &waiter);
    unlock(ch);
    int rc = weft__park_wait(&w);
    /* Whoever claimed it has unlinked it. */
    return rc == 0 ? waiter.rc : leave_queue(ch, q, &waiter, rc);
}

/* Send without waiting: 0, -EPIPE, -ENOMEM, or -EAGAIN with the lock still held if wants_lock. */
static inline int send_now(struct weft_chan *ch, const void *value,
                                                          bool wants_lock)
{
    struct weft__wait *wake = NULL;
    weft__lock(&ch->lock);
    int rc = weft__chan_send_locked(ch, value, &wake);
    if (wake != NULL) {
        weft__park_wake(wake);
    }
    if (rc != -EAGAIN || !wants_lock) {
        unlock(ch);
    }
    return rc;
}

static inline int recv_now(struct weft_chan *ch, void *value,
                                                          bool wants_lock)
{
    struct weft__wait *wake = NULL;
    weft__lock(&ch->lock);
    int rc = weft__chan_recv_locked(ch, value, &wake);
    if (wake != NULL) {
        weft__park_wake(wake);
    }
    if (rc != -EAGAIN || !wants_lock) {
        unlock(ch);
    }
    return rc;
}

static WEFT__NOINLINE int send_any(struct weft_chan *ch, const void *value, const void *caller)
{
    if (WEFT__UNLIKELY(ch == NULL)) {
        return wait_for_ever("weft_chan_send() of NULL", caller);
    }
    if (WEFT__UNLIKELY(!may_use(ch))) {
        return -EXDEV;
    }
    if (WEFT__LIKELY(ch->capacity != WEFT_CHAN_UNBOUNDED)) {
        weft__park_give_way();
    }
    int rc = send_now(ch, value, true);
    if (rc != -EAGAIN) {
        return rc;
    }
    return wait_in(ch, &ch->senders, WAIT_CHAN_SEND, (void *)(uintptr_t)value, INT64_MAX, caller);
}

static WEFT__NOINLINE int recv_any(struct weft_chan *ch, void *value, const void *caller)
{
    if (WEFT__UNLIKELY(ch == NULL)) {
        return wait_for_ever("weft_chan_recv() of NULL", caller);
    }
    if (WEFT__UNLIKELY(!may_use(ch))) {
        return -EXDEV;
    }
    weft__park_give_way();
    int rc = recv_now(ch, value, true);
    if (rc != -EAGAIN) {
        return rc;
    }
    return wait_in(ch, &ch->receivers, WAIT_CHAN_RECV, value, INT64_MAX, caller);
}

static WEFT__ALWAYS_INLINE bool lock_ours(struct weft__ours *o, struct weft_chan *ch)
{
    return WEFT__LIKELY(weft__ours_begin(o)) && WEFT__LIKELY(o->m->rt == ch->rt) &&
           WEFT__LIKELY(weft__ours_lock(o, &ch->lock));
}

/* Wait in a channel that is ours, under a scope. */
static WEFT__NOINLINE int wait_scoped(struct weft__m *m, struct weft_chan *ch,
                                      struct weft__waitq *q, enum weft__wait_reason reason,
                                      void *value, const void *caller)
{
    const struct weft__ours o = {.m = m, .gate = m->p->gate};
    if (!weft__ours_has_no_deadline(&o)) {
        return wait_in(ch, q, reason, value, INT64_MAX, caller);
    }
    struct weft__waiter waiter;
    waiter.value = value;
    int rc = weft__ours_wait_scoped(&o, &ch->lock, q, &waiter, reason, ch, caller);
    return WEFT__LIKELY(rc == 0) ? waiter.rc : leave_queue(ch, q, &waiter, rc);
}

/* Wait in a channel that is ours. */
static WEFT__ALWAYS_INLINE int wait_ours(const struct weft__ours *o, struct weft_chan *ch,
                                         struct weft__waitq *q, enum weft__wait_reason reason,
                                         void *value, const void *caller)
{
    if (WEFT__UNLIKELY(!weft__ours_is_free(o))) {
        return wait_scoped(o->m, ch, q, reason, value, caller);
    }
    return weft__ours_wait(o, &ch->lock, q, false, value, reason, ch, caller);
}

/* In a channel that is ours, and locked. */
static WEFT__ALWAYS_INLINE int send_ours(const struct weft__ours *o, struct weft_chan *ch,
                                         const void *value, enum weft__chan_form form,
                                         const void *caller)
{
    struct weft__wait *wake = NULL;
    int rc = weft__chan_put(ch, value, form, &wake);
    if (rc == -EAGAIN && WEFT__LIKELY(ch->capacity != WEFT_CHAN_UNBOUNDED)) {
        return wait_ours(o, ch, &ch->senders, WAIT_CHAN_SEND, (void *)(uintptr_t)value, caller);
    }
    weft__ours_unlock(o, &ch->lock);
    if (WEFT__UNLIKELY(rc != 0)) {
        return rc == -EAGAIN ? send_any(ch, value, caller) : rc;
    }
    return wake != NULL ? weft__ours_wake_last(o, wake) : 0;
}

static WEFT__ALWAYS_INLINE int recv_ours(const struct weft__ours *o, struct weft_chan *ch,
                                         void *value, enum weft__chan_form form, const void *caller)
{
    struct weft__wait *wake = NULL;
    int rc = weft__chan_take(ch, value, form, &wake);
    if (rc == -EAGAIN) {
        return wait_ours(o, ch, &ch->receivers, WAIT_CHAN_RECV, value, caller);
    }
    weft__ours_unlock(o, &ch->lock);
    return wake != NULL ? weft__ours_wake_last(o, wake) : rc;
}

/* End the wait of a select that nobody outside our gate can find. */
static inline int end_select(const struct weft__ours *o, struct weft_chan *ch,
                             struct weft__waiter *w)
{
    w->rc = 0;
    weft__ours_unlock(o, &ch->lock);
    return weft__ours_wake_last(o, w->wait);
}

static WEFT__NOINLINE int send_to_select(struct weft__ours o, struct weft_chan *ch,
                                         const void *value)
{
    struct weft__waiter *r = weft__waitq_claim_all(&ch->receivers);
    if (r->value != NULL) {
        weft__chan_copy(ch, r->value, value, CHAN_FORM_SHORT);
    }
    return end_select(&o, ch, r);
}

/* Nothing is buffered. */
static WEFT__NOINLINE int recv_from_select(struct weft__ours o, struct weft_chan *ch, void *value)
{
    struct weft__waiter *s = weft__waitq_claim_all(&ch->senders);
    if (value != NULL) {
        weft__chan_copy(ch, value, s->value, CHAN_FORM_SHORT);
    }
    return end_select(&o, ch, s);
}

/* Kept apart from the short forms, which are as fast as they are because they make no calls. */
static WEFT__NOINLINE int send_rest(struct weft__ours o, struct weft_chan *ch, const void *value,
                                     const void *caller)
{
    return send_ours(&o, ch, value, CHAN_FORM_ANY, caller);
}

static WEFT__NOINLINE int recv_rest(struct weft__ours o, struct weft_chan *ch, void *value,
                                     const void *caller)
{
    return recv_ours(&o, ch, value, CHAN_FORM_ANY, caller);
}

int weft_chan_send(struct weft_chan *ch, const void *value)
{
    struct weft__ours o;
    if (WEFT__UNLIKELY(ch == NULL) || !lock_ours(&o, ch)) {
        return send_any(ch, value, __builtin_return_address(0));
    }
    if (WEFT__UNLIKELY(!weft__chan_is_short(ch, &ch->receivers))) {
        return weft__chan_meets_select(ch, &ch->receivers, o.gate)
                   ? send_to_select(o, ch, value)
                   : send_rest(o, ch, value, __builtin_return_address(0));
    }
    return send_ours(&o, ch, value, CHAN_FORM_SHORT, __builtin_return_address(0));
}

int weft_chan_recv(struct weft_chan *ch, void *value)
{
    struct weft__ours o;
    if (WEFT__UNLIKELY(ch == NULL) || !lock_ours(&o, ch)) {
        return recv_any(ch, value, __builtin_return_address(0));
    }
    if (WEFT__UNLIKELY(!weft__chan_is_short(ch, &ch->senders))) {
        return ch->count == 0 && weft__chan_meets_select(ch, &ch->senders, o.gate)
                   ? recv_from_select(o, ch, value)
                   : recv_rest(o, ch, value, __builtin_return_address(0));
    }
    return recv_ours(&o, ch, value, CHAN_FORM_SHORT, __builtin_return_address(0));
}

int weft_chan_try_send(struct weft_chan *ch, const void *value)
{
    return ch == NULL ? -EAGAIN : send_now(ch, value, false);
}

int weft_chan_try_recv(struct weft_chan *ch, void *value)
{
    return ch == NULL ? -EAGAIN : recv_now(ch, value, false);
}

int weft_chan_send_foreign(struct weft_chan *ch, const void *value, int64_t timeout_ns)
{
    if (weft__park_runtime() != NULL) {
        return -EXDEV;
    }
    int rc = send_now(ch, value, timeout_ns > 0);
    if (rc != -EAGAIN) {
        return rc;
    }
    if (timeout_ns <= 0) {
        return -ETIMEDOUT;
    }
    return wait_in(ch, &ch->senders, WAIT_CHAN_SEND, (void *)(uintptr_t)value,
                   weft__clock_after(weft__clock_ns(), timeout_ns), NULL);
}

int weft_chan_recv_foreign(struct weft_chan *ch, void *value, int64_t timeout_ns)
{
    if (weft__park_runtime() != NULL) {
        return -EXDEV;
    }
    int rc = recv_now(ch, value, timeout_ns > 0);
    if (rc != -EAGAIN) {
        return rc;
    }
    if (timeout_ns <= 0) {
        return -ETIMEDOUT;
    }
    return wait_in(ch, &ch->receivers, WAIT_CHAN_RECV, value,
                   weft__clock_after(weft__clock_ns(), timeout_ns), NULL);
}
