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
    /* Where in the object is the queue of those who wait in this kind of case?  In bytes; the
     * object is not NULL.  The lock is the queue's, which need not be in the object. */
    size_t queue_at;

    /* Does a value come or go by the waiter?  Then its `value` is the case's, else NULL. */
    bool has_value;

    /* May a coroutine of rt use the object?  0, or -errno for the whole select.  Takes no lock: the
     * caller may be in its gate. */
    int (*check)(const struct weft_case *c, const struct weft_runtime *rt);

    /* Under the lock: can the case go on, as far as a look can tell? */
    bool (*is_ready)(const struct weft_case *c);

    /* Under the lock: carry the case out if it needs no waiting, and set c->rc.  *wake receives a
     * wait whose claim was won by it and that is to be woken after the unlock. */
    bool (*try_locked)(struct weft_case *c, struct weft__wait **wake);

    /* try_locked has carried it out, and the lock is free again: what remains to do; or NULL. */
    void (*taken)(struct weft_case *c);

    /* The case was chosen while the coroutine waited: set c->rc from w.  Without the lock. */
    void (*won)(struct weft_case *c, struct weft__waiter *w);
};

static inline struct weft__waitq *weft__select_queue(const struct weft__select_ops *ops,
                                                     const struct weft_case *c)
{
    return (struct weft__waitq *)((char *)c->object + ops->queue_at);
}

static inline struct weft__lock *weft__select_lock(const struct weft__select_ops *ops,
                                                   const struct weft_case *c)
{
    return weft__select_queue(ops, c)->lock;
}

/* Under the lock: link w, whose wait is set, as a waiter for case `index`. */
static inline void weft__select_link(const struct weft__select_ops *ops, const struct weft_case *c,
                                     struct weft__waiter *w, int index)
{
    w->index = index;
    w->value = ops->has_value ? c->value : NULL;
    weft__waitq_add(weft__select_queue(ops, c), w);
}

/* Under the lock: take it out again if it still is linked. */
static inline void weft__select_unlink(const struct weft__select_ops *ops,
                                       const struct weft_case *c, struct weft__waiter *w)
{
    weft__waitq_remove(weft__select_queue(ops, c), w);
}

#endif
