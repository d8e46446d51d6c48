/* SPDX-License-Identifier: MIT */
/* join.c - waiting for the end of a coroutine, by weft_join() and in a select. */
#include "join.h"

#include <weft/go.h>

#include "../base/fatal.h"
#include "../park/park.h"
#include "../sched/handle.h"

static bool is_done(const struct weft_co *co)
{
    /* acquire [HANDLE-DONE]: its value and all that it wrote are visible. */
    return atomic_load_explicit(&co->is_done, memory_order_acquire);
}

static void check_not_released(const struct weft_co *co)
{
    if (atomic_load_explicit(&co->is_released, memory_order_relaxed)) {
        weft__fatal("a coroutine's handle was used after it was joined or detached");
    }
}

/* The holder's reference goes, once. */
static void release(struct weft_co *co)
{
    if (atomic_exchange_explicit(&co->is_released, true, memory_order_relaxed)) {
        weft__fatal("a coroutine's handle was joined or detached twice");
    }
    weft__handle_unref(co);
}

static int take_result(struct weft_co *co, int *result)
{
    if (result != NULL) {
        *result = co->result;
    }
    release(co);
    return 0;
}

int weft_join(struct weft_co *co, int *result)
{
    check_not_released(co);
    if (is_done(co)) {
        return take_result(co, result);
    }
    struct weft__wait w;
    struct weft__waiter waiter = {.wait = &w, .index = 0};
    weft__park_init(&w);
    weft__lock(&co->lock);
    if (is_done(co)) {
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
    weft__lock(&co->lock); /* the one who woke us may still be in there: it must not be freed */
    weft__waitq_remove(&co->waiters, &waiter);
    weft__unlock(&co->lock);
    return rc == 0 ? take_result(co, result) : rc;
}

void weft_detach(struct weft_co *co)
{
    release(co);
}

bool weft_done(const struct weft_co *co)
{
    check_not_released(co);
    return is_done(co);
}

static struct weft__lock *lock_of(const struct weft_case *c)
{
    return &((struct weft_co *)c->object)->lock;
}

static int check(const struct weft_case *c)
{
    check_not_released(c->object);
    return 0;
}

/* The handle is released in won(), or here: but not under its own lock, which the unlock would then
 * find freed.  The quarantine of handles keeps it readable until then. */
static bool try_locked(struct weft_case *c, struct weft__wait **wake)
{
    (void)wake;
    struct weft_co *co = c->object;
    if (!is_done(co)) {
        return false;
    }
    c->rc = take_result(co, c->value);
    return true;
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
    struct weft_co *co = c->object;
    weft__lock(&co->lock); /* as in weft_join() */
    weft__unlock(&co->lock);
    c->rc = take_result(co, c->value);
}

const struct weft__select_ops weft__join_ops = {
    .lock_of = lock_of,
    .check = check,
    .try_locked = try_locked,
    .link = link_waiter,
    .unlink = unlink_waiter,
    .won = won,
};
