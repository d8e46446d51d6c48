/* SPDX-License-Identifier: MIT */
/* others.c - the cases of a select that are no queue under a lock: fds, timeouts, ticks, default.
 * */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/fatal.h"
#include "../base/sys.h"
#include "../time/ticker.h"
#include "select.h"

/* fds that are polled together without an allocation. */
#define POLL_INLINE 16

static int64_t due_ns(const struct weft_case *c)
{
    return c->kind == WEFT_CASE_TICK ? weft__ticker_due_ns(c->object) : c->ns;
}

/* Look at each case once: its table and lock, whether it may be used, which timer is earliest. */
int weft__select_prepare(struct weft__select *s)
{
    s->n_fds = 0;
    s->n_objects = 0;
    s->default_case = -1;
    s->timer_case = -1;
    s->timer_ns = INT64_MAX;
    s->ops = NULL;
    s->n_submitted = 0;
    for (int i = 0; i < s->n; i++) {
        struct weft_case *c = &s->cases[i];
        struct weft__select_at *at = &s->at[i];
        s->order[i] = i;
        at->lock = NULL;
        at->waiter.prev_next = NULL;
        at->is_fd = false;
        at->is_ready = false;
        at->ops = weft__select_ops_of(c->kind);
        if (at->ops != NULL && c->object != NULL) {
            int rc = at->ops->check(c, s->rt);
            if (rc != 0) {
                return rc;
            }
            at->lock = weft__select_lock(at->ops, c);
            s->n_objects++;
        } else if (c->kind == WEFT_CASE_READABLE || c->kind == WEFT_CASE_WRITABLE) {
            at->is_fd = true;
            s->n_fds++;
        } else if (c->kind == WEFT_CASE_DEFAULT) {
            s->default_case = i;
        } else if (c->kind == WEFT_CASE_AFTER || (c->kind == WEFT_CASE_TICK && c->object != NULL)) {
            if (due_ns(c) < s->timer_ns) {
                s->timer_ns = due_ns(c);
                s->timer_case = i;
            }
        } else if (c->kind < WEFT_CASE_NONE || c->kind > WEFT_CASE_DEFAULT) {
            weft__fatal("weft_select: a case has an unknown kind");
        }
    }
    return 0;
}

static short events_of(const struct weft_case *c)
{
    return c->kind == WEFT_CASE_READABLE ? POLLIN : POLLOUT;
}

/* One poll(2) over all fds of the select, or over as many as fit. */
void weft__select_poll_fds(struct weft__select *s)
{
    if (s->n_fds == 0) {
        return;
    }
    struct pollfd fds[POLL_INLINE];
    int index[POLL_INLINE];
    for (int i = 0; i < s->n;) {
        unsigned n = 0;
        for (; i < s->n && n < POLL_INLINE; i++) {
            if (s->at[i].is_fd) {
                fds[n] = (struct pollfd){.fd = s->cases[i].fd, .events = events_of(&s->cases[i])};
                index[n++] = i;
            }
        }
        if (n == 0 || weft__sys_poll(fds, n, 0) <= 0) {
            continue;
        }
        for (unsigned k = 0; k < n; k++) {
            short seen = fds[k].revents;
            if (seen != 0) {
                s->at[index[k]].is_ready = true;
                s->cases[index[k]].rc = (seen & POLLNVAL) != 0 ? -EBADF : seen;
            }
        }
    }
}

/* A case without a lock: is it ready? */
bool weft__select_try_other(struct weft__select *s, int i)
{
    struct weft_case *c = &s->cases[i];
    if (s->at[i].is_fd) {
        return s->at[i].is_ready;
    }
    bool is_timer = c->kind == WEFT_CASE_AFTER || (c->kind == WEFT_CASE_TICK && c->object != NULL);
    if (!is_timer || due_ns(c) > weft__clock_ns()) {
        return false;
    }
    weft__select_other_won(s, i);
    return true;
}

void weft__select_set_timer(struct weft__select *s)
{
    if (s->timer_case >= 0) {
        weft__park_until(&s->wait, s->timer_ns, s->timer_case);
    }
}

/* An operation for each fd.  0: all in flight (or there are none); WEFT__SELECT_FD_READY: one was
 * ready at once; -errno: one could not be watched. */
int weft__select_submit(struct weft__select *s)
{
    if (s->n_fds == 0) {
        return 0;
    }
    s->ops = weft__alloc((size_t)s->n_fds * sizeof *s->ops);
    if (s->ops == NULL) {
        return -ENOMEM;
    }
    atomic_init(&s->set.state, 0);
    s->set.g = s->wait.g;
    for (int i = 0; i < s->n; i++) {
        if (!s->at[i].is_fd) {
            continue;
        }
        struct weft__op_wait *ow = &s->ops[s->n_submitted];
        weft__op_init(&ow->op, WEFT__OP_POLL, s->cases[i].fd, ow);
        ow->op.events = events_of(&s->cases[i]);
        ow->wait = &s->wait;
        ow->set = &s->set;
        ow->value = i;
        int rc = weft__park_submit(ow);
        if (rc != 0) {
            /* Refused counts as ready: the case's rc says why. */
            s->cases[i].rc = rc < 0 ? rc : ow->op.result;
            s->ready_fd_case = i;
            s->at[i].is_ready = true;
            return WEFT__SELECT_FD_READY;
        }
        s->n_submitted++;
    }
    return 0;
}

/* Nothing of the fds' operations may be left in flight when the select returns. */
void weft__select_drain(struct weft__select *s, const void *caller)
{
    if (s->ops != NULL) {
        weft__park_drain(&s->set, s->ops, s->n_submitted, caller);
    }
}

static void fd_won(struct weft__select *s, int i)
{
    for (int k = 0; !s->at[i].is_ready && k < s->n_submitted; k++) {
        if (s->ops[k].value == i) {
            s->cases[i].rc = s->ops[k].op.result;
            return;
        }
    }
}

void weft__select_other_won(struct weft__select *s, int i)
{
    struct weft_case *c = &s->cases[i];
    if (s->at[i].is_fd) {
        fd_won(s, i);
    } else {
        c->rc = c->kind == WEFT_CASE_TICK ? weft__ticker_take(c->object) : 0;
    }
}

void weft__select_end(struct weft__select *s)
{
    weft__free(s->ops);
}
