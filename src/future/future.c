/* SPDX-License-Identifier: MIT */
/* future.c - see future.h: making, completing and awaiting one. */
#include "future.h"

#include <errno.h>
#include <string.h>

#include "../base/fatal.h"
#include "../base/sys.h"

/* The lowest -errno there can be. */
#define ERROR_MIN (-4095)

static struct weft_future *future_of(const struct weft_promise *p)
{
    if (WEFT__UNLIKELY(p == NULL)) {
        weft__fatal("a promise that is NULL was used");
    }
    return (struct weft_future *)(uintptr_t)p;
}

static void check(const struct weft_future *f)
{
    if (WEFT__UNLIKELY(f == NULL)) {
        weft__fatal("a future that is NULL was used");
    }
}

struct weft_promise *weft_promise_make(size_t bytes)
{
    if (bytes > WEFT_FUTURE_BYTES_MAX) {
        weft__fatal("weft_promise_make: bytes is larger than WEFT_FUTURE_BYTES_MAX");
    }
    struct weft_future *f = weft__alloc(sizeof *f + bytes);
    if (f == NULL) {
        return NULL;
    }
    weft__lock_init(&f->lock, RANK_CHAN);
    weft__waitq_init(&f->waiters, &f->lock);
    atomic_init(&f->outcome, WEFT__FUTURE_PENDING);
    atomic_init(&f->refs, 1);
    atomic_init(&f->promise_refs, 1);
    f->bytes = (uint32_t)bytes;
    return (struct weft_promise *)f;
}

struct weft_future *weft_promise_future(struct weft_promise *p)
{
    return weft_future_ref(future_of(p));
}

struct weft_promise *weft_promise_ref(struct weft_promise *p)
{
    /* relaxed: the caller has a reference already; the order comes with the last [FUTURE-REF]. */
    atomic_fetch_add_explicit(&future_of(p)->promise_refs, 1, memory_order_relaxed);
    return p;
}

struct weft_future *weft_future_ref(struct weft_future *f)
{
    check(f);
    /* relaxed: as above. */
    atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

/* Under the lock, of one that is pending. */
static void complete_locked(struct weft_future *f, int outcome)
{
    /* release [FUTURE-DONE]: publishes the value, and what the caller did before. */
    atomic_store_explicit(&f->outcome, outcome, memory_order_release);
    weft__perturb();
    struct weft__waiter *w;
    while ((w = weft__waitq_claim_first(&f->waiters)) != NULL) {
        weft__park_wake(w->wait);
    }
}

static int complete(struct weft_future *f, int outcome, const void *value)
{
    weft__lock(&f->lock);
    bool is_first = weft__future_look(f) == WEFT__FUTURE_PENDING;
    if (is_first) {
        if (outcome == 0 && f->bytes != 0) {
            memcpy(f->value, value, f->bytes);
        }
        complete_locked(f, outcome);
    }
    weft__unlock(&f->lock);
    return is_first ? 0 : -EALREADY;
}

int weft_promise_resolve(struct weft_promise *p, const void *value)
{
    return complete(future_of(p), 0, value);
}

int weft_promise_reject(struct weft_promise *p, int error)
{
    if (error >= 0 || error < ERROR_MIN) {
        weft__fatal("weft_promise_reject: the error is no negative errno");
    }
    return complete(future_of(p), error, NULL);
}

void weft_promise_unref(struct weft_promise *p)
{
    if (p == NULL) {
        return;
    }
    struct weft_future *f = future_of(p);
    /* acq_rel [FUTURE-REF]: what others did with the promise comes before it is broken. */
    uint32_t before = atomic_fetch_sub_explicit(&f->promise_refs, 1, memory_order_acq_rel);
    if (before == 0) {
        weft__fatal("weft_promise_unref: the promise has no reference left");
    }
    if (before == 1) {
        /* Mostly this comes too late; but then whoever completed it is out of the lock, also one
         * who did so by somebody else's reference. */
        (void)complete(f, -EPIPE, NULL);
        weft_future_unref(f);
    }
}

void weft_future_unref(struct weft_future *f)
{
    if (f == NULL) {
        return;
    }
    /* acq_rel [FUTURE-REF]: the one who frees comes after everything others did with it. */
    uint32_t before = atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel);
    if (before == 0) {
        weft__fatal("weft_future_unref: the future has no reference left");
    }
    if (before > 1) {
        return;
    }
    if (weft__waitq_first(&f->waiters) != NULL) {
        weft__fatal("weft_future_unref: the last reference to a future was given back while "
                    "somebody waits in it");
    }
    weft__free(f);
}

int weft_future_cancel(struct weft_future *f)
{
    check(f);
    weft__lock(&f->lock);
    bool is_first = weft__future_look(f) == WEFT__FUTURE_PENDING;
    void (*fn)(void *) = is_first ? f->on_cancel : NULL;
    void *arg = f->on_cancel_arg;
    if (is_first) {
        f->is_cancelled = true;
        complete_locked(f, -ECANCELED);
    }
    weft__unlock(&f->lock);
    if (fn != NULL) {
        fn(arg);
    }
    return is_first ? 0 : -EALREADY;
}

int weft_promise_on_cancel(struct weft_promise *p, void (*fn)(void *), void *arg)
{
    struct weft_future *f = future_of(p);
    weft__lock(&f->lock);
    bool is_early = weft__future_look(f) == WEFT__FUTURE_PENDING;
    if (is_early) {
        f->on_cancel = fn;
        f->on_cancel_arg = arg;
    }
    weft__unlock(&f->lock);
    return is_early ? 0 : -EALREADY;
}

bool weft_promise_is_cancelled(const struct weft_promise *p)
{
    const struct weft_future *f = future_of(p);
    return weft__future_look(f) != WEFT__FUTURE_PENDING && f->is_cancelled;
}

bool weft_future_is_done(const struct weft_future *f)
{
    check(f);
    return weft__future_look(f) != WEFT__FUTURE_PENDING;
}

/* Of one that is complete. */
static int take(const struct weft_future *f, void *value)
{
    int outcome = weft__future_look(f);
    if (outcome == 0 && value != NULL) {
        memcpy(value, f->value, f->bytes);
    }
    return outcome;
}

int weft__future_wait(struct weft_future *f, const void *caller)
{
    if (weft__future_look(f) != WEFT__FUTURE_PENDING) {
        return 0;
    }
    struct weft__wait w;
    struct weft__waiter waiter = {.wait = &w, .index = 0};
    weft__park_init(&w);
    weft__lock(&f->lock);
    if (weft__future_look(f) != WEFT__FUTURE_PENDING) {
        weft__unlock(&f->lock);
        return 0;
    }
    weft__park_begin(&w, WAIT_FUTURE, f, caller);
    weft__waitq_add(&f->waiters, &waiter);
    weft__unlock(&f->lock);
    int rc = weft__park_wait(&w);
    if (rc < 0) { /* else whoever woke us has unlinked it */
        weft__lock(&f->lock);
        weft__waitq_remove(&f->waiters, &waiter);
        weft__unlock(&f->lock);
    }
    return rc;
}

int weft_future_await(struct weft_future *f, void *value)
{
    check(f);
    int rc = weft__future_wait(f, __builtin_return_address(0));
    return rc == 0 ? take(f, value) : rc;
}

int weft_future_try_await(struct weft_future *f, void *value)
{
    return weft_future_is_done(f) ? take(f, value) : -EAGAIN;
}

/* ---- in a case of a select ---- */

static int check_case(const struct weft_case *c, const struct weft_runtime *rt)
{
    (void)c;
    (void)rt;
    return 0;
}

static bool is_ready(const struct weft_case *c)
{
    return weft_future_is_done(c->object);
}

static bool try_locked(struct weft_case *c, struct weft__wait **wake)
{
    (void)wake;
    return is_ready(c);
}

static void taken(struct weft_case *c)
{
    c->rc = take(c->object, c->value);
}

static void won(struct weft_case *c, struct weft__waiter *w)
{
    (void)w;
    taken(c);
}

const struct weft__select_ops weft__future_ops = {
    .queue_at = offsetof(struct weft_future, waiters),
    .has_value = false, /* it is read from the future */
    .check = check_case,
    .is_ready = is_ready,
    .try_locked = try_locked,
    .taken = taken,
    .won = won,
};
