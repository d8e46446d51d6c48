/* SPDX-License-Identifier: MIT */
/*
 * group.h - a group inside, and its children.
 *
 * A child is a coroutine whose code runs in a scope of the group's (child.c).  Its record is made
 * by the one who starts it, and then is freed, or kept in `ended` until weft_group_next() takes it.
 * In such a scope is also who waits for one of the runtime's places to start a child.
 *
 * Whoever cancels them does so under the group's lock, and each takes itself out of `members` under
 * it before its scope is closed: so every scope in there is open.  One who waits for the end of all
 * takes the lock once more before he returns: the last child's unlock is its last touch.
 */
#ifndef WEFT_GROUP_GROUP_H
#define WEFT_GROUP_GROUP_H

#include <weft/group.h>

#include "../coro/ends.h"
#include "../park/cancel.h"
#include "../park/park.h"

struct weft__child;

/* A coroutine that is in a scope of the group's. */
struct weft__member {
    struct weft__member *next, **prev_next; /* in `members` */
    struct weft__scope_frame scope;
};

struct weft__group {
    const void *self;       /* this group, while it is open */
    struct weft__lock lock; /* RANK_CHAN; protects all below */
    int64_t count;          /* children started, or about to be, and not ended */
    int64_t limit;
    struct weft__member *members;
    struct weft__child *ended, **ended_last; /* the oldest end first */
    struct weft__waitq starters;             /* wait for room */
    struct weft__waitq waiters;              /* wait for the end of all */
    struct weft__waitq takers;               /* wait for the next end */
    int first_error;
    bool cancels_on_error;
    bool keeps_ends;
    bool is_cancelled;
};

struct weft__child {
    struct weft__group *group;
    struct weft__member member; /* while its code runs */
    struct weft__child *next;   /* in `ended` */
    struct weft__cleanup on_exit; /* by weft_exit(), child.c is left behind */
    int (*fn)(void *);
    struct weft_ended end; /* arg is set from the beginning */
    int restarts;          /* left; -1: any number */
    int64_t backoff_ns;    /* before the next one */
    int64_t backoff_max_ns;
};

/* group.c, under the lock: cancel all children; a child has ended, or could not be started. */
void weft__group_cancel_locked(struct weft__group *g);
void weft__group_leave_locked(struct weft__group *g);

/* member.c: the caller goes into a scope of the group's, which is cancelled if the group was; and
 * out of it again, under the lock. */
void weft__member_enter(struct weft__group *g, struct weft__member *m);
void weft__member_leave_locked(struct weft__member *m);

/* child.c: the entry of a child; its argument is the record. */
int weft__child_main(void *child);

#endif
