/* SPDX-License-Identifier: MIT */
/* group.c - opening, waiting for, cancelling and closing a group; see group.h. */
#include "group.h"

#include <errno.h>

#include "../base/fatal.h"
#include "../base/sys.h"
#include "../sched/limit.h"
#include "../sched/sched.h"
#include "../sched/spawn.h"

_Static_assert(sizeof(struct weft__group) <= sizeof(struct weft_group),
               "the public storage holds a group");

static struct weft__group *open_group(struct weft_group *group)
{
    struct weft__group *g = (struct weft__group *)group;
    if (g->self != g) {
        weft__fatal("a group was used that is not open");
    }
    return g;
}

void weft_group_begin(struct weft_group *group, const struct weft_group_opts *opts)
{
    static const struct weft_group_opts defaults = {.size = sizeof defaults};
    struct weft__group *g = (struct weft__group *)group;
    if (opts == NULL) {
        opts = &defaults;
    }
    if (opts->size < sizeof *opts || opts->limit < 0 || opts->on_error < WEFT_GROUP_CANCELS ||
        opts->on_error > WEFT_GROUP_RUNS_ON) {
        weft__fatal("weft_group_begin: bad options: a size that is too small, a negative limit, or "
                    "no such policy");
    }
    g->self = g;
    weft__lock_init(&g->lock, RANK_CHAN);
    g->count = 0;
    g->limit = opts->limit > 0 ? opts->limit : INT64_MAX;
    g->members = NULL;
    g->ended = NULL;
    g->ended_last = &g->ended;
    weft__waitq_init(&g->starters, &g->lock);
    weft__waitq_init(&g->waiters, &g->lock);
    weft__waitq_init(&g->takers, &g->lock);
    g->first_error = 0;
    g->cancels_on_error = opts->on_error == WEFT_GROUP_CANCELS;
    g->keeps_ends = opts->keep_ends != 0;
    g->is_cancelled = false;
}

/* All who wait in q are told `rc`. */
static void wake_all(struct weft__waitq *q, int rc)
{
    struct weft__waiter *w;
    while ((w = weft__waitq_claim_first(q)) != NULL) {
        w->rc = rc;
        weft__park_wake(w->wait);
    }
}

void weft__group_cancel_locked(struct weft__group *g)
{
    if (g->is_cancelled) {
        return;
    }
    g->is_cancelled = true;
    for (struct weft__member *m = g->members; m != NULL; m = m->next) {
        weft__cancel_mark(&m->scope);
    }
    weft__cancel_fence();
    for (struct weft__member *m = g->members; m != NULL; m = m->next) {
        weft__cancel_deliver(&m->scope);
    }
    wake_all(&g->starters, -ECANCELED);
}

void weft__group_leave_locked(struct weft__group *g)
{
    struct weft__waiter *starter = weft__waitq_claim_first(&g->starters);
    if (starter != NULL) {
        starter->rc = 0; /* the place is his: the count stays */
        weft__park_wake(starter->wait);
        return;
    }
    g->count--;
    if (g->count == 0) {
        wake_all(&g->waiters, 0);
        wake_all(&g->takers, 0);
    }
}

/* Wait in q, under the lock, which is given back and held again afterwards.  The waiter's rc, or
 * -errno of a scope; no scope counts if it is `for_ever`. */
static int wait_locked(struct weft__group *g, struct weft__waitq *q, enum weft__wait_reason reason,
                       bool for_ever, const void *caller)
{
    struct weft__wait w;
    struct weft__waiter waiter = {.wait = &w, .index = 0, .rc = 0};
    weft__park_init(&w);
    if (for_ever) {
        weft__park_for_ever(&w);
    }
    weft__park_begin(&w, reason, g, caller);
    weft__waitq_add(q, &waiter);
    weft__unlock(&g->lock);
    int rc = weft__park_wait(&w);
    weft__lock(&g->lock); /* whoever woke us may still be in there */
    weft__waitq_remove(q, &waiter);
    return rc == 0 ? waiter.rc : rc;
}

/* A place for one more child in the group. */
static int take_place(struct weft__group *g, bool may_wait, const void *caller)
{
    int rc = 0;
    weft__lock(&g->lock);
    if (g->is_cancelled) {
        rc = -ECANCELED;
    } else if (g->count < g->limit) {
        g->count++;
    } else {
        rc = may_wait ? wait_locked(g, &g->starters, WAIT_GROUP_ROOM, false, caller) : -EAGAIN;
    }
    weft__unlock(&g->lock);
    return rc;
}

/* And in the runtime, if that has a limit, too: a cancel of the group ends the wait for it. */
static int take_place_in_runtime(struct weft__group *g, bool may_wait, const void *caller)
{
    struct weft__limit *limit = &weft__park_self("")->rt->limit;
    struct weft__member starter;
    if (limit->max == 0) {
        return 0;
    }
    weft__member_enter(g, &starter);
    int rc = weft__limit_take(limit, may_wait, caller);
    weft__lock(&g->lock);
    weft__member_leave_locked(&starter);
    weft__unlock(&g->lock);
    return rc;
}

static void run_plain(void *child)
{
    (void)weft__child_main(child);
}

/* Start the coroutine: the plain way if nothing is wanted that takes a handle. */
static int start(struct weft__child *c, const struct weft_child_opts *opts)
{
    if (opts->name == NULL && opts->stack_bytes == 0 && opts->handle == NULL) {
        return weft__go_placed(run_plain, c, opts->site);
    }
    struct weft_go_opts go_opts = {.size = sizeof go_opts,
                                   .name = opts->name,
                                   .stack_bytes = opts->stack_bytes,
                                   .site = opts->site};
    int rc;
    struct weft_co *co = weft__go_opts_placed(weft__child_main, c, &go_opts, &rc);
    if (co == NULL) {
        return rc;
    }
    if (opts->handle != NULL) {
        *opts->handle = co;
    } else {
        weft_detach(co);
    }
    return 0;
}

int weft_group_go_opts(struct weft_group *group, int (*fn)(void *), void *arg,
                       const struct weft_child_opts *opts, bool may_wait)
{
    struct weft__group *g = open_group(group);
    (void)weft__park_self("weft_group_go()");
    if (opts->size < sizeof *opts || opts->restarts < -1 || opts->backoff_ns < 0 ||
        opts->backoff_max_ns < 0) {
        weft__fatal("weft_group_go: bad options: a size that is too small, or a negative number");
    }
    struct weft__child *c = weft__alloc(sizeof *c);
    int rc = c != NULL ? take_place(g, may_wait, __builtin_return_address(0)) : -ENOMEM;
    if (rc != 0) {
        weft__free(c);
        return rc;
    }
    c->group = g;
    c->fn = fn;
    c->end.arg = arg;
    c->restarts = opts->restarts;
    c->backoff_ns = opts->backoff_ns > 0 ? opts->backoff_ns : 10 * WEFT_MS;
    c->backoff_max_ns = opts->backoff_max_ns > 0 ? opts->backoff_max_ns : 10 * WEFT_SEC;
    rc = take_place_in_runtime(g, may_wait, __builtin_return_address(0));
    if (rc == 0) {
        rc = start(c, opts);
    }
    if (rc != 0) {
        weft__lock(&g->lock);
        weft__group_leave_locked(g);
        weft__unlock(&g->lock);
        weft__free(c);
    }
    return rc;
}

/* Under the lock: until no child is left; the error of a scope that ended meanwhile, which has
 * cancelled them. */
static int wait_for_all(struct weft__group *g, bool for_ever, const void *caller)
{
    int rc = 0;
    while (g->count > 0) {
        int ended = wait_locked(g, &g->waiters, WAIT_CHILDREN, for_ever, caller);
        if (ended != 0) {
            rc = ended;
            for_ever = true;
            weft__group_cancel_locked(g);
        }
    }
    return rc;
}

int weft_group_wait(struct weft_group *group)
{
    struct weft__group *g = open_group(group);
    weft__lock(&g->lock);
    int rc = wait_for_all(g, false, __builtin_return_address(0));
    if (rc == 0) {
        rc = g->first_error;
    }
    weft__unlock(&g->lock);
    return rc;
}

int weft_group_next(struct weft_group *group, struct weft_ended *end)
{
    struct weft__group *g = open_group(group);
    int rc = 0;
    if (!g->keeps_ends) {
        weft__fatal("weft_group_next: the group was begun without .keep_ends");
    }
    weft__lock(&g->lock);
    while (rc == 0 && g->ended == NULL && g->count > 0) {
        rc = wait_locked(g, &g->takers, WAIT_CHILDREN, false, __builtin_return_address(0));
    }
    struct weft__child *c = rc == 0 ? g->ended : NULL;
    if (c != NULL) {
        g->ended = c->next;
        if (g->ended == NULL) {
            g->ended_last = &g->ended;
        }
    } else if (rc == 0) {
        rc = -ECHILD;
    }
    weft__unlock(&g->lock);
    if (c != NULL && end != NULL) {
        *end = c->end;
    }
    weft__free(c);
    return rc;
}

void weft_group_cancel(struct weft_group *group)
{
    struct weft__group *g = open_group(group);
    weft__lock(&g->lock);
    weft__group_cancel_locked(g);
    weft__unlock(&g->lock);
}

int64_t weft_group_count(struct weft_group *group)
{
    struct weft__group *g = open_group(group);
    weft__lock(&g->lock);
    int64_t count = g->count;
    weft__unlock(&g->lock);
    return count;
}

int weft_group_end(struct weft_group *group)
{
    struct weft__group *g = open_group(group);
    weft__lock(&g->lock);
    if (g->count > 0) {
        weft__group_cancel_locked(g);
        (void)wait_for_all(g, true, __builtin_return_address(0));
    }
    g->self = NULL;
    weft__unlock(&g->lock);
    while (g->ended != NULL) {
        struct weft__child *c = g->ended;
        g->ended = c->next;
        weft__free(c);
    }
    return g->first_error;
}
