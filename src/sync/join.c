/* SPDX-License-Identifier: MIT */
/* join.c - waiting for the end of a coroutine, by weft_join() and in a select. */
#include "join.h"

#include <weft/go.h>

#include "../base/fatal.h"
#include "../park/cancel.h"
#include "../park/ours.h"
#include "../sched/handle.h"

static void check_not_released(const struct weft_co *co)
{
    if (weft__handle_is_released(co)) {
        weft__fatal("a coroutine's handle was used after it was joined or detached");
    }
}

static int take_result(struct weft_co *co, int *result)
{
    if (result != NULL) {
        *result = co->result;
    }
    if (!weft__handle_release(co)) {
        weft__fatal("a coroutine's handle was joined or detached twice");
    }
    return 0;
}

static int give(int taken, int *result)
{
    if (result != NULL) {
        *result = taken;
    }
    return 0;
}

/* A scope has ended the wait. */
static WEFT__COLD int leave_queue(struct weft_co *co, struct weft__waiter *waiter, int rc)
{
    weft__lock(&co->lock);
    weft__waitq_remove(&co->waiters, waiter);
    weft__unlock(&co->lock);
    return rc;
}

/* Whoever wakes us has taken the handle back, and written its result to `taken`. */
static WEFT__NOINLINE int join_any(struct weft_co *co, int *result, const void *caller)
{
    struct weft__wait w;
    int taken = 0;
    struct weft__waiter waiter = {.wait = &w, .index = 0, .value = &taken};
    weft__park_init(&w);
    weft__lock(&co->lock);
    if (weft__handle_has_ended(co)) {
        weft__unlock(&co->lock);
        return take_result(co, result);
    }
    if (w.g != NULL && co->g == w.g) {
        weft__unlock(&co->lock);
        weft__fatal("a coroutine joins itself");
    }
    if (co->waiters.first != NULL) {
        weft__unlock(&co->lock);
        weft__fatal("a coroutine's handle is joined by two at a time");
    }
    weft__park_begin(&w, WAIT_JOIN, co, caller);
    weft__waitq_add(&co->waiters, &waiter);
    weft__unlock(&co->lock);
    int rc = weft__park_wait(&w);
    return rc == 0 ? give(taken, result) : leave_queue(co, &waiter, rc);
}

/* The handle's lock is held, and ours. */
static WEFT__NOINLINE int join_scoped(struct weft__ours o, struct weft_co *co, int *result,
                                      const void *caller)
{
    if (!weft__ours_has_no_deadline(&o)) {
        weft__ours_unlock(&o, &co->lock);
        return join_any(co, result, caller);
    }
    int taken;
    struct weft__waiter waiter;
    waiter.value = &taken;
    int rc = weft__ours_wait_scoped(&o, &co->lock, &co->waiters, &waiter, WAIT_JOIN, co, caller);
    return WEFT__LIKELY(rc == 0) ? give(taken, result) : leave_queue(co, &waiter, rc);
}

static WEFT__NOINLINE int join_rest(struct weft_co *co, int *result, const void *caller)
{
    check_not_released(co);
    return weft__handle_is_done(co) ? take_result(co, result) : join_any(co, result, caller);
}

int weft_join(struct weft_co *co, int *result)
{
    struct weft__ours o;
    if (WEFT__UNLIKELY(!weft__ours_begin(&o)) || !weft__ours_lock(&o, &co->lock)) {
        return join_rest(co, result, __builtin_return_address(0));
    }
    if (WEFT__UNLIKELY(!weft__handle_is_new(co) || co->g == o.m->cur ||
                       co->waiters.first != NULL)) {
        weft__ours_unlock(&o, &co->lock);
        return join_rest(co, result, __builtin_return_address(0));
    }
    if (WEFT__UNLIKELY(!weft__ours_is_free(&o))) {
        return join_scoped(o, co, result, __builtin_return_address(0));
    }
    int *unwanted = &o.m->cur->own->unwanted;
    int *to = WEFT__EVEN(result != NULL) ? result : unwanted;
    return weft__ours_wait(&o, &co->lock, &co->waiters, true, to, WAIT_JOIN, co,
                           __builtin_return_address(0));
}

void weft_detach(struct weft_co *co)
{
    if (!weft__handle_release(co)) {
        weft__fatal("a coroutine's handle was joined or detached twice");
    }
}

void weft_cancel(struct weft_co *co)
{
    check_not_released(co);
    weft__cancel(&co->scope);
}

bool weft_done(const struct weft_co *co)
{
    check_not_released(co);
    return weft__handle_is_done(co);
}

static int check(const struct weft_case *c, const struct weft_runtime *rt)
{
    (void)rt;
    check_not_released(c->object);
    return 0;
}

static bool is_ready(const struct weft_case *c)
{
    return weft__handle_has_ended(c->object);
}

/* The handle is released without its lock: the one who comes second frees it. */
static bool try_locked(struct weft_case *c, struct weft__wait **wake)
{
    (void)wake;
    return weft__handle_has_ended(c->object);
}

static void taken(struct weft_case *c)
{
    c->rc = take_result(c->object, c->value);
}

static void won(struct weft_case *c, struct weft__waiter *w)
{
    (void)w;
    taken(c);
}

const struct weft__select_ops weft__join_ops = {
    .queue_at = offsetof(struct weft_co, waiters),
    .has_value = false, /* the handle is taken back by won(): handle.h */
    .check = check,
    .is_ready = is_ready,
    .try_locked = try_locked,
    .taken = taken,
    .won = won,
};
