/* SPDX-License-Identifier: MIT */
/*
 * race.c - connecting to the first of several addresses that answers (RFC 8305).
 *
 * Each attempt is a child of a group.  It puts what comes of it, an fd or an error, into a channel
 * that has room for all of them, so that none waits there; the caller takes the outcomes, and
 * starts the next attempt when one has failed or the delay has passed.  When one has won, or the
 * caller's scope has ended, the group's end cancels the others and waits for them; what still
 * connected meanwhile is in the channel, and is closed.
 */
#include <weft/chan.h>
#include <weft/group.h>
#include <weft/select.h>

#include <errno.h>
#include <string.h>

#include "../base/fatal.h"
#include "../base/sys.h"
#include "../park/park.h"
#include "dial.h"
#include "names.h"

#define ATTEMPT_DELAY_NS ((int64_t)250000000)

struct race {
    struct weft_group group;
    struct weft_chan *outcomes; /* ints: an fd or -errno */
    struct weft_dial_opts opts;
    int n;
    _Atomic int n_begun; /* attempts that have taken their address; each takes the next */
    int n_started;
    const struct weft_addr *order[];
};

static int attempt(void *arg)
{
    struct race *r = arg;
    /* relaxed: what is taken was written before the attempts were started. */
    int i = atomic_fetch_add_explicit(&r->n_begun, 1, memory_order_relaxed);
    int fd = weft__dial(r->order[i], &r->opts, __builtin_return_address(0));
    int rc = weft_chan_send(r->outcomes, &fd);
    WEFT__ASSERT(rc == 0); /* there is room, and the channel is open */
    (void)rc;
    return 0;
}

/* One of each of two kinds in turns, as long as there are both: the first's family, and others. */
void weft__dial_order(const struct weft_addr *addrs, int n, const struct weft_addr **order)
{
    int family = addrs[0].storage.ss_family;
    int at[2] = {0, 0}; /* where to look for the next of the others, and of the family */
    for (int i = 0, wants = 1; i < n; wants = !wants) {
        int k = at[wants];
        while (k < n && (addrs[k].storage.ss_family == family) != wants) {
            k++;
        }
        at[wants] = k + 1;
        if (k < n) {
            order[i++] = &addrs[k];
        }
    }
}

static struct race *race_make(const struct weft_addr *addrs, int n,
                              const struct weft_dial_opts *opts)
{
    struct race *r = weft__alloc(sizeof *r + (size_t)n * sizeof r->order[0]);
    if (r == NULL) {
        return NULL;
    }
    r->outcomes = weft_chan_make(sizeof(int), (size_t)n);
    if (r->outcomes == NULL) {
        weft__free(r);
        return NULL;
    }
    r->n = n;
    r->opts = *opts;
    weft__dial_order(addrs, n, r->order);
    return r;
}

static void race_free(struct race *r)
{
    weft_chan_unref(r->outcomes);
    weft__free(r);
}

/* 0, or what a scope around the caller says.  One that cannot be started has failed. */
static int start_next(struct race *r)
{
    const struct weft_child_opts opts = {
        .size = sizeof opts, .name = "weft_dial", .site = WEFT_SITE};
    int rc = weft_group_go_opts(&r->group, attempt, r, &opts, false);
    r->n_started++;
    return rc == -ENOMEM || rc == -EAGAIN ? weft_chan_send(r->outcomes, &rc) : rc;
}

static bool is_no_way(int rc)
{
    switch (rc) {
    case -ENETUNREACH:
    case -EHOSTUNREACH:
    case -EADDRNOTAVAIL:
    case -EAFNOSUPPORT:
    case -ENETDOWN:
        return true;
    default:
        return false;
    }
}

/* The fd of the winner, or why there is none. */
static int run(struct race *r)
{
    int error = 0;
    for (int n_failed = 0; n_failed < r->n;) {
        bool has_next = r->n_started < r->n;
        int rc = has_next ? start_next(r) : 0;
        if (rc != 0) {
            return rc;
        }
        int outcome = 0;
        struct weft_case cases[] = {weft_case_recv(r->outcomes, &outcome),
                                    weft_case_after(r->opts.attempt_delay_ns)};
        int i = weft_select(cases, r->n_started < r->n ? 2 : 1);
        if (i < 0 || (i == 0 && outcome >= 0)) {
            return i < 0 ? i : outcome;
        }
        if (i == 0) {
            n_failed++;
            error = error == 0 || is_no_way(error) || !is_no_way(outcome) ? outcome : error;
        }
    }
    return error;
}

static int dial_any(const struct weft_addr *addrs, int n, const struct weft_dial_opts *opts,
                    const void *caller)
{
    const struct weft_group_opts group_opts = {.size = sizeof group_opts,
                                               .on_error = WEFT_GROUP_RUNS_ON};
    if (n == 1) {
        return weft__dial(&addrs[0], opts, caller);
    }
    struct race *r = race_make(addrs, n, opts);
    if (r == NULL) {
        return -ENOMEM;
    }
    weft_group_begin(&r->group, &group_opts);
    int fd = run(r);
    (void)weft_group_end(&r->group);
    int late;
    while (weft_chan_try_recv(r->outcomes, &late) == 0) {
        if (late >= 0) {
            (void)weft_close(late);
        }
    }
    race_free(r);
    return fd;
}

static struct weft_dial_opts opts_of(const struct weft_dial_opts *given)
{
    struct weft_dial_opts opts = {.size = sizeof opts};
    if (given != NULL) {
        if (given->size < sizeof opts) {
            weft__fatal("weft_dial_with: bad options: `size` is too small");
        }
        if (given->attempt_delay_ns < 0) {
            weft__fatal("weft_dial_with: bad options: `attempt_delay_ns` is negative");
        }
        opts = *given;
    }
    if (opts.attempt_delay_ns == 0) {
        opts.attempt_delay_ns = ATTEMPT_DELAY_NS;
    }
    return opts;
}

int weft_dial_any(const struct weft_addr *addrs, int n, const struct weft_dial_opts *given)
{
    struct weft_dial_opts opts = opts_of(given);
    (void)weft__park_self("weft_dial_any()");
    return n < 1 ? -EINVAL : dial_any(addrs, n, &opts, __builtin_return_address(0));
}

static int dial_by_name(const char *where, const struct weft_dial_opts *opts, const void *caller)
{
    struct weft_addr *addrs = weft__alloc(WEFT_RESOLVE_MAX * sizeof *addrs);
    if (addrs == NULL) {
        return -ENOMEM;
    }
    int rc = weft__resolve_text(where, addrs, WEFT_RESOLVE_MAX, NULL, caller);
    if (rc > 0) {
        rc = dial_any(addrs, rc, opts, caller);
    }
    weft__free(addrs);
    return rc;
}

static int dial_text(const char *where, const struct weft_dial_opts *given, const void *caller)
{
    struct weft_dial_opts opts = opts_of(given);
    struct weft_addr addr;
    (void)weft__park_self("weft_dial()");
    int rc = weft_addr_parse(&addr, where);
    /* All that localhost is, not 127.0.0.1 alone. */
    if (rc == -EINVAL || strncmp(where, "localhost:", 10) == 0) {
        return dial_by_name(where, &opts, caller);
    }
    return rc != 0 ? rc : weft__dial(&addr, &opts, caller);
}

int weft_dial_opts(const char *where, const struct weft_dial_opts *opts)
{
    return dial_text(where, opts, __builtin_return_address(0));
}

int weft_dial(const char *where)
{
    return dial_text(where, NULL, __builtin_return_address(0));
}
