/* SPDX-License-Identifier: MIT */
/*
 * select_ops.h - what an object must offer to stand in a case of a select.
 *
 * select/ locks the objects of all cases (in order of their locks' addresses), tries each, and if
 * none can go on links a waiter in each.  A new primitive adds a table of these functions and an
 * entry in select/kinds.c, and nothing else changes.
 */
#ifndef WEFT_PARK_SELECT_OPS_H
#define WEFT_PARK_SELECT_OPS_H

#include <weft/select.h>

#include "../base/lock.h"
#include "../sched/wait.h"

struct weft_runtime;

struct weft__select_ops {
    /* The lock that protects the object's waiters; the object is not NULL. */
    struct weft__lock *(*lock_of)(const struct weft_case *c);

    /* May a coroutine of rt use the object?  0, or -errno for the whole select. */
    int (*check)(const struct weft_case *c, const struct weft_runtime *rt);

    /* Under the lock: carry the case out if it needs no waiting, and set c->rc.  *wake receives a
     * wait whose claim was won by it and that is to be woken after the unlock. */
    bool (*try_locked)(struct weft_case *c, struct weft__wait **wake);

    /* try_locked has carried it out, and the lock is free again: what remains to do; or NULL. */
    void (*taken)(struct weft_case *c);

    /* Under the lock: link w, with w->wait and w->index set, and take it out again if it still is
     * linked. */
    void (*link)(struct weft_case *c, struct weft__waiter *w);
    void (*unlink)(struct weft_case *c, struct weft__waiter *w);

    /* The case was chosen while the coroutine waited: set c->rc from w.  Without the lock. */
    void (*won)(struct weft_case *c, struct weft__waiter *w);
};

#endif
