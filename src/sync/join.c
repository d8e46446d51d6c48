/* SPDX-License-Identifier: MIT */
/* join.c - waiting for the end of a coroutine, by weft_join() and in a select. */
#include "join.h"

#include <weft/go.h>

#include "../base/fatal.h"
#include "../park/park.h"
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

int weft_join(struct weft_co *co, int *result)
{
    check_not_released(co);
    if (weft__handle_is_done(co)) {
        return take_result(co, result);
    }
    struct weft__wait w;
    struct weft__waiter waiter = {.wait = &w, .index = 0};
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
    weft__park_begin(&w, WAIT_JOIN, co, __builtin_return_address(0));
    weft__waitq_add(&co->waiters, &waiter);
    weft__unlock(&co->lock);
    int rc = weft__park_wait(&w);
    if (rc == 0) {
        return take_result(co, result); /* whoever woke us has unlinked us */
    }
    weft__lock(&co->lock);
    weft__waitq_remove(&co->waiters, &waiter);
    weft__unlock(&co->lock);
    return rc;
}

void weft_detach(struct weft_co *co)
{
    if (!weft__handle_release(co)) {
        weft__fatal("a coroutine's handle was joined or detached twice");
    }
}

bool weft_done(const struct weft_co *co)
{
    check_not_released(co);
    return weft__handle_is_done(co);
}

static struct weft__lock *lock_of(const struct weft_case *c)
{
    return &((struct weft_co *)c->object)->lock;
}

static int check(const struct weft_case *c, const struct weft_runtime *rt)
{
    (void)rt;
    check_not_released(c->object);
    return 0;
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

static void link_waiter(struct weft_case *c, struct weft__waiter *w)
{
    weft__waitq_add(&((struct weft_co *)c->object)->waiters, w);
}

static void unlink_waiter(struct weft_case *c, struct weft__waiter *w)
{
    weft__waitq_remove(&((struct weft_co *)c->object)->waiters, w);
}

static void won(struct weft_case *c, struct weft__waiter *w)
{
    (void)w;
    taken(c);
}

const struct weft__select_ops weft__join_ops = {
    .lock_of = lock_of,
    .check = check,
    .try_locked = try_locked,
    .taken = taken,
    .link = link_waiter,
    .unlink = unlink_waiter,
    .won = won,
};
