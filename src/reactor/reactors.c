/* SPDX-License-Identifier: MIT */
/* reactors.c - the reactors of one runtime: which driver, start, stop; and what drivers share. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/fatal.h"
#include "../base/sys.h"
#include "../base/text.h"
#include "driver.h"

/*
 * [REACTOR-WAKE]  A wake is never lost, and costs a system call only if none is pending.
 *
 *   waker                                owner
 *   1 write what there is to see         1 take reap_lock
 *   2 exchange wake_pending to 1         2 read wake_pending: 1 -> do not sleep
 *   3 it was 0: end the sleep            3 sleep, till it is ended: now or at once
 *                                        4 exchange wake_pending to 0
 *                                        5 look for what there is to see
 *
 * A waker that finds 1 may leave the rest to the one who set it: the owner has not done its step 4
 * after that, so its step 5 is still to come and its exchange reads our value or a later one.  An
 * end that comes after step 4 ends one later sleep for nothing.
 */
bool weft__reactor_begin_wake(struct weft__reactor *r)
{
    /* acq_rel [REACTOR-WAKE] */
    bool is_ours = atomic_exchange_explicit(&r->wake_pending, 1, memory_order_acq_rel) == 0;
    weft__perturb();
    return is_ours;
}

void weft__reactor_wake(struct weft__reactor *r)
{
    if (weft__reactor_begin_wake(r)) {
        uint64_t one = 1;
        ssize_t n;
        do {
            n = weft__sys_write(r->wake_fd, &one, sizeof one);
        } while (n == -EINTR);
    }
}

void weft__reactor_pass_wake(struct weft__reactor *r)
{
    /* acq_rel [REACTOR-WAKE]: an exchange, not a store, so that the owner's exchange still sees
     * what the waker wrote before its own. */
    (void)atomic_exchange_explicit(&r->wake_pending, 1, memory_order_acq_rel);
}

bool weft__reactor_is_woken(const struct weft__reactor *r)
{
    return atomic_load_explicit(&r->wake_pending, memory_order_relaxed) != 0;
}

void weft__reactor_clear_wake(struct weft__reactor *r)
{
    /* The common case has no wake and pays no read-modify-write. */
    if (atomic_load_explicit(&r->wake_pending, memory_order_relaxed) != 0) {
        /* acq_rel [REACTOR-WAKE] */
        (void)atomic_exchange_explicit(&r->wake_pending, 0, memory_order_acq_rel);
    }
}

void weft__reactor_request(struct weft__reactor *r, struct weft__op *op)
{
    struct weft__op *head = atomic_load_explicit(&r->requests, memory_order_relaxed);
    do {
        op->request_next = head;
        weft__perturb();
        /* release [REACTOR-REQUEST]: publishes the op as we leave it. */
    } while (!atomic_compare_exchange_weak_explicit(&r->requests, &head, op, memory_order_release,
                                                    memory_order_relaxed));
}

struct weft__op *weft__reactor_take_requests(struct weft__reactor *r)
{
    if (atomic_load_explicit(&r->requests, memory_order_relaxed) == NULL) {
        return NULL;
    }
    /* acquire [REACTOR-REQUEST]: all pushes are read-modify-writes, so that taking the last one
     * shows what every one of them published. */
    return atomic_exchange_explicit(&r->requests, NULL, memory_order_acquire);
}

void weft__reactor_report(struct weft__reactor *r, struct weft__op_list *from,
                          struct weft__op_list *done)
{
    uint64_t n = 0;
    for (struct weft__op *op = from->first; op != NULL; op = op->next) {
        n++;
    }
    if (n > 0) {
        /* Owner and reapers count at once.  Relaxed: exact only when nobody does. */
        atomic_fetch_add_explicit(&r->n_completed, n, memory_order_relaxed);
        weft__op_list_join(done, from);
    }
}

static int count_of(const struct weft__reactor_group *group)
{
    /* acquire [REACTORS-ADD] */
    return atomic_load_explicit(&group->count, memory_order_acquire);
}

uint64_t weft__reactors_submitted(const struct weft__reactor_group *group)
{
    uint64_t n = 0;
    for (int i = 0; i < count_of(group); i++) {
        n += atomic_load_explicit(&group->reactors[i].n_submitted, memory_order_relaxed);
    }
    return n;
}

uint64_t weft__reactors_in_flight(const struct weft__reactor_group *group)
{
    uint64_t n_completed = 0;
    for (int i = 0; i < count_of(group); i++) {
        n_completed += atomic_load_explicit(&group->reactors[i].n_completed, memory_order_relaxed);
    }
    uint64_t n_submitted = weft__reactors_submitted(group);
    return n_submitted > n_completed ? n_submitted - n_completed : 0;
}

static void init_reactor(struct weft__reactor_group *group, struct weft__reactor *r)
{
    r->group = group;
    weft__lock_init(&r->reap_lock, RANK_REACTOR);
    weft__op_list_init(&r->ready);
    atomic_init(&r->requests, NULL);
    atomic_init(&r->wake_pending, 0);
    atomic_init(&r->n_submitted, 0);
    atomic_init(&r->n_completed, 0);
    r->wake_fd = -1;
    r->driver_state = NULL;
}

/* Start all reactors with one driver, or none. */
static int start_with(struct weft__reactor_group *group, const struct weft__driver *driver)
{
    group->driver = driver;
    for (int i = 0; i < count_of(group); i++) {
        init_reactor(group, &group->reactors[i]);
        int rc = driver->start(&group->reactors[i]);
        if (rc < 0) {
            while (i-- > 0) {
                driver->stop(&group->reactors[i]);
            }
            return rc;
        }
    }
    return 0;
}

/* By the driver of the system that tells of readiness. */
static int start_readiness(struct weft__reactor_group *group, struct weft__reactor_choice choice)
{
#if WEFT__HAVE_EPOLL
    if (choice.want_epoll) {
        return start_with(group, &weft__driver_epoll);
    }
#endif
#if WEFT__HAVE_KQUEUE
    if (choice.want_kqueue) {
        return start_with(group, &weft__driver_kqueue);
    }
#endif
    return -ENOSYS;
}

static int start_wanted(struct weft__reactor_group *group, struct weft__reactor_choice choice)
{
    int rc = -ENOSYS;
    group->why = choice.want_kqueue ? "kqueue asked for" : "epoll asked for";
    if (choice.want_uring) {
#ifndef WEFT_NO_LIBURING
        rc = start_with(group, &weft__driver_uring);
        if (rc == 0) {
            group->why = choice.want_epoll ? "probed" : "io_uring asked for";
            return 0;
        }
        struct weft__text t;
        weft__text_init(&t, group->why_text, sizeof group->why_text);
        weft__text_add(&t, "io_uring refused: ");
        weft__text_add(&t, strerror(-rc));
        group->why = group->why_text;
#else
        group->why = WEFT__HAVE_EPOLL ? "built without liburing" : "the system's own";
#endif
    }
    return choice.want_epoll || choice.want_kqueue ? start_readiness(group, choice) : rc;
}

int weft__reactors_start(struct weft__reactor_group *group, int count,
                         struct weft__reactor_choice choice)
{
    WEFT__ASSERT(count > 0 && count <= INT16_MAX);
    group->reactors = weft__alloc_line(sizeof *group->reactors *
                                       ((size_t)count + WEFT__REACTORS_MORE));
    if (group->reactors == NULL) {
        return -ENOMEM;
    }
    atomic_init(&group->count, count);
    group->choice = choice;
    int rc = start_wanted(group, choice);
    if (rc < 0) {
        weft__free(group->reactors);
        group->reactors = NULL;
        atomic_init(&group->count, 0);
    }
    return rc;
}

int weft__reactors_add(struct weft__reactor_group *group)
{
    int i = count_of(group);
    init_reactor(group, &group->reactors[i]);
    int rc = group->driver->start(&group->reactors[i]);
    if (rc == 0) {
        /* release [REACTORS-ADD]: those who go through all of them find it started. */
        atomic_store_explicit(&group->count, i + 1, memory_order_release);
    }
    return rc;
}

/* Cancel all that is in flight.  The first reactor plays the caller's own. */
static void cancel_all(struct weft__reactor_group *group)
{
    int n = atomic_load_explicit(&group->fds.n_chunks, memory_order_relaxed);
    for (int i = 0; i < n; i++) {
        struct weft__fd *first = weft__fd_find(&group->fds, i * WEFT__FD_CHUNK);
        for (int k = 0; first != NULL && k < WEFT__FD_CHUNK; k++) {
            /* Nobody else is here: the list changes by our own cancel alone. */
            struct weft__op *next;
            for (struct weft__op *op = first[k].in_flight; op != NULL; op = next) {
                next = op->fd_next;
                group->driver->cancel(&group->reactors[0], op, -ECANCELED);
            }
        }
    }
}

void weft__reactors_stop(struct weft__reactor_group *group)
{
    cancel_all(group);
    struct weft__op_list done;
    weft__op_list_init(&done);
    while (weft__reactors_in_flight(group) > 0) {
        for (int i = 0; i < count_of(group); i++) {
            group->driver->wait(&group->reactors[i], 0, &done);
        }
        /* What has not ended at once ends within a moment, and at any of the reactors. */
        for (int i = 0; i < count_of(group) && weft__reactors_in_flight(group) > 0; i++) {
            group->driver->wait(&group->reactors[i], weft__clock_ns() + 1000000, &done);
        }
    }
    for (int i = 0; i < count_of(group); i++) {
        group->driver->stop(&group->reactors[i]);
    }
    weft__fdtable_free(&group->fds);
    weft__free(group->reactors);
    group->reactors = NULL;
    atomic_init(&group->count, 0);
}
