/* SPDX-License-Identifier: MIT */
/* select.h - a select under way: shared by select.c (the protocol) and others.c (fds and timers).
 * */
#ifndef WEFT_SELECT_SELECT_H
#define WEFT_SELECT_SELECT_H

#include <weft/select.h>

#include "../park/park.h"
#include "../park/select_ops.h"

/* Cases that need no allocation.  With their waiters they take half a KiB of the stack: a parked
 * coroutine should stay within its first page. */
#define WEFT__SELECT_INLINE_MAX 8

/* One case while it is waited for. */
struct weft__select_at {
    const struct weft__select_ops *ops; /* NULL: an fd, a timer, the default, or never ready */
    struct weft__lock *lock;            /* of its object; NULL likewise */
    struct weft__waiter waiter;
    bool is_biased; /* the lock, to our own P */
    bool is_fd;
    bool is_ready; /* an fd that poll() found ready; rc is in the case */
};

struct weft__select {
    const struct weft_runtime *rt; /* of the caller */
    struct weft_case *cases;
    int n;
    int n_objects; /* cases with a lock */
    int n_locks;   /* of these, not biased to us: in locks[] */
    int n_biased;  /* and those that are */
    int n_fds;
    int default_case;  /* -1: none */
    int timer_case;    /* the earliest one, -1: none */
    int ready_fd_case; /* the one that was ready when it was submitted */
    int64_t timer_ns;
    uint64_t random;
    struct weft__select_at *at;
    int *order;                /* the cases, shuffled */
    int *locks;                /* those with a lock that is not biased to us, sorted */
    struct weft__op_wait *ops; /* n_fds of them, allocated */
    int n_submitted;           /* of ops */
    struct weft__op_set set;
    struct weft__wait wait;
};

/* What weft__select_submit() returns besides 0 and -errno. */
#define WEFT__SELECT_FD_READY 1

/* kinds.c: those that wait in an object; NULL for the others. */
extern const struct weft__select_ops *const weft__select_kinds[WEFT_CASE_DEFAULT + 1];

static inline const struct weft__select_ops *weft__select_ops_of(int kind)
{
    return kind >= WEFT_CASE_NONE && kind <= WEFT_CASE_DEFAULT ? weft__select_kinds[kind] : NULL;
}

/* The whole select, each returns what weft_select() does: by the short way if its objects are all
 * biased to the caller's P (ours.c), and by the long one (select.c). */
int weft__select_ours(struct weft_case *cases, int n, const void *caller);
int weft__select_any(struct weft_case *cases, int n, const void *caller);

/* others.c */
int weft__select_prepare(struct weft__select *s);
void weft__select_poll_fds(struct weft__select *s);
bool weft__select_try_other(struct weft__select *s, int i);
void weft__select_set_timer(struct weft__select *s);
int weft__select_submit(struct weft__select *s);
void weft__select_drain(struct weft__select *s, const void *caller);
void weft__select_other_won(struct weft__select *s, int i);
void weft__select_end(struct weft__select *s);

#endif
