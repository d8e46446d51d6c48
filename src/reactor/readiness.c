/* SPDX-License-Identifier: MIT */
/*
 * readiness.c - waiting for readiness and then making the system call: the decisions.
 *
 * An operation waits in the list of its fd's entry; the fd is registered with the kernel at one
 * reactor, its home, where its events arrive and are reported by whoever reaps.
 *
 *   fd            registered                       events
 *   ours          from its first wait to its       edge-triggered: an event that finds nobody
 *                 CLOSE                            waiting is kept in entry->ready
 *   somebody's    while operations wait on it      anew with each operation, the directions that
 *                                                  are waited for; their close() is invisible
 *
 * All of an entry is under its lock (RANK_FD), which is held across the non-blocking calls of
 * weft__op_try(): that keeps the oldest waiter first and CLOSE away.  An event carries the
 * generation of the fd's life it belongs to; one of an earlier life is ignored.
 *
 * No event is lost between a caller's own try and its wait:
 *
 *   caller                                 handler of the event
 *   1 tries: -EAGAIN                       1 takes the entry's lock
 *   2 takes the entry's lock               2 somebody waits: tries it
 *   3 links the op                           nobody does: sets `ready`
 *   4 `ready` is set: clears it and tries  3 unlocks
 *
 * Whoever comes second sees what the first one did.  What is edge-triggered reports every new
 * arrival, and -EAGAIN in step 1 says that none was left before.
 */
#include "readiness.h"

#include <errno.h>
#include <poll.h>

#include "../base/fatal.h"

#define OUT_EVENTS (POLLOUT | POLLWRNORM | POLLWRBAND)

enum { IN = WEFT__DIR_IN, OUT = WEFT__DIR_OUT };

static const struct weft__readiness *kernel(const struct weft__reactor *r)
{
    return r->group->driver->readiness;
}

/* Which directions an operation waits for: never none, since errors end all of them. */
static unsigned directions(const struct weft__op *op)
{
    int events = weft__op_events(op);
    unsigned d = (events & OUT_EVENTS) != 0 ? OUT : 0;
    return (events & ~OUT_EVENTS) != 0 || d == 0 ? d | IN : d;
}

static bool is_own(struct weft__fd *entry)
{
    return atomic_load_explicit(&entry->is_own, memory_order_relaxed);
}

static void end(struct weft__fd *entry, struct weft__op *op, ssize_t result,
                struct weft__op_list *out)
{
    op->result = result;
    weft__fd_unlink(entry, op);
    weft__op_list_add(out, op);
}

static void end_all(struct weft__fd *entry, int error, struct weft__op_list *out)
{
    while (entry->in_flight != NULL) {
        end(entry, entry->in_flight, error, out);
    }
}

static void disarm(struct weft__reactor *r, struct weft__fd *entry, int fd)
{
    if (entry->registered != 0) {
        kernel(r)->disarm(&r->group->reactors[entry->home], entry, fd);
    }
    entry->registered = 0;
    entry->home = -1;
}

/* See to it that events arrive for all that waits on the entry, of which `anew` has just come; r is
 * the home if it has none. */
static int arm(struct weft__reactor *r, struct weft__fd *entry, int fd, unsigned anew)
{
    unsigned wanted = anew;
    if (is_own(entry)) {
        if ((wanted & ~(unsigned)entry->registered) == 0) {
            return 0;
        }
    } else {
        for (struct weft__op *op = entry->in_flight; op != NULL; op = op->fd_next) {
            wanted |= directions(op);
        }
        if (wanted == 0) {
            disarm(r, entry, fd);
            return 0;
        }
    }
    if (entry->home < 0) {
        entry->home = (int16_t)(r - r->group->reactors);
    }
    return kernel(r)->arm(&r->group->reactors[entry->home], entry, fd, wanted, anew);
}

/* Arm again for those that still wait.  If that fails (the fd was closed by somebody else, no
 * memory), nothing would ever end them: the failure does. */
static void arm_rest(struct weft__reactor *r, struct weft__fd *entry, int fd,
                     struct weft__op_list *out)
{
    int rc = arm(r, entry, fd, 0);
    if (rc < 0) {
        end_all(entry, rc, out);
        disarm(r, entry, fd);
    }
}

/* Try what waits for one of the directions, oldest first.  more: what the event tells of is not
 * gone when the bytes have been read. */
static void try_waiting(struct weft__fd *entry, unsigned ready, bool more,
                        struct weft__op_list *out)
{
    unsigned left = ready; /* directions that did not say -EAGAIN yet */
    bool is_empty = false;
    struct weft__op *next;
    for (struct weft__op *op = entry->in_flight; op != NULL && left != 0; op = next) {
        next = op->fd_next;
        unsigned d = directions(op);
        if ((d & left) == 0) {
            continue;
        }
        ssize_t n = weft__op_try(op, op->is_socket);
        if (n != -EAGAIN) {
            is_empty |= (op->flags & WEFT__OP_SHORT) != 0 && weft__fd_drains(entry);
            end(entry, op, n, out);
        } else if (op->kind != WEFT__OP_POLL) {
            /* A POLL that fails says nothing of the others: it may ask for less. */
            left &= ~d;
        }
    }
    /* Nobody was told to wait in these: the next one shall try before it waits.  Not if a read has
     * emptied the socket: whoever comes later tries by himself first, and one that has done so and
     * is about to wait has missed nothing. */
    entry->ready |= (uint8_t)(is_empty && !more ? left & ~(unsigned)IN : left);
}

static void handle_event(struct weft__reactor *r, const struct weft__event *ev,
                         struct weft__op_list *out)
{
    struct weft__fd *entry = weft__fd_find(&r->group->fds, ev->fd);
    weft__lock(&entry->lock);
    if (weft__fd_generation(entry) == ev->life) {
        try_waiting(entry, ev->ready, ev->more, out);
        if (!is_own(entry)) {
            entry->ready = 0; /* whoever comes next is told anew */
            arm_rest(r, entry, ev->fd, out);
        }
    }
    weft__unlock(&entry->lock);
}

/* An fd that the kernel does not wait for (-EPERM) is always ready, and has no way to say "not
 * now". */
static int carry_out(struct weft__op *op)
{
    op->flags |= WEFT__OP_BLOCKS;
    op->result = weft__op_try(op, false);
    return op->result == -EAGAIN ? -EPERM : 1;
}

/*
 * What has been ended without an event: reported by the next wait of r, or by whoever reaps it
 * before.  The owner's next wait alone would not do, since what runs on its P next may compute.
 * Afterwards the operations may be gone.
 */
static void keep(struct weft__reactor *r, struct weft__op_list *ended)
{
    struct weft__op *next;
    for (struct weft__op *op = ended->first; op != NULL; op = next) {
        next = op->next;
        weft__reactor_request(r, op);
    }
}

/* End all that is in flight and close.  The close itself is under the lock (weft__fd_close()), so
 * a lingering socket keeps others from this one fd, and nobody else. */
static int close_fd(struct weft__reactor *r, struct weft__fd *entry, struct weft__op *op)
{
    struct weft__op_list ended;
    weft__op_list_init(&ended);
    weft__lock(&entry->lock);
    end_all(entry, -EBADF, &ended);
    disarm(r, entry, op->fd);
    op->result = weft__fd_close(entry, op->fd);
    weft__unlock(&entry->lock);
    keep(r, &ended);
    return 1;
}

/* Link the operation and let events come.  1 if it is complete. */
static int begin_wait(struct weft__reactor *r, struct weft__fd *entry, struct weft__op *op)
{
    if (!weft__fd_has_room(entry, r->group->choice.fd_ops_max)) {
        return -EBUSY;
    }
    op->is_socket = is_own(entry);
    weft__fd_link(entry, op);
    weft__perturb();
    unsigned d = directions(op);
    int rc = arm(r, entry, op->fd, d);
    if (rc < 0) {
        weft__fd_unlink(entry, op);
        return rc;
    }
    if ((entry->ready & d) == 0) {
        return 0;
    }
    op->result = weft__op_try(op, op->is_socket);
    if (op->result == -EAGAIN) {
        entry->ready &= (uint8_t)~d;
        return 0;
    }
    weft__fd_unlink(entry, op);
    return 1;
}

int weft__readiness_submit(struct weft__reactor *r, struct weft__op *op)
{
    struct weft__fd *entry = weft__fd_get(&r->group->fds, op->fd);
    op->reactor = r;
    if (weft__op_is_of_file(op)) {
        return -EOPNOTSUPP;
    }
    if (entry == NULL) {
        return op->fd < 0 ? -EBADF : -ENOMEM;
    }
    if (op->kind == WEFT__OP_CLOSE) {
        return close_fd(r, entry, op);
    }
    if (op->kind == WEFT__OP_CONNECT && (op->flags & WEFT__OP_BEGUN) == 0) {
        op->result = weft__op_try(op, true);
        if ((op->flags & WEFT__OP_BEGUN) == 0) {
            return 1;
        }
    }
    weft__lock(&entry->lock);
    int rc = weft__fd_is_another(entry, op) ? -EBADF : begin_wait(r, entry, op);
    if (rc == 0) {
        weft__count(r->n_submitted);
    }
    weft__unlock(&entry->lock);
    return rc == -EPERM ? carry_out(op) : rc;
}

void weft__readiness_cancel(struct weft__reactor *from, struct weft__op *op, int error)
{
    struct weft__reactor *r = op->reactor;
    struct weft__fd *entry = weft__fd_find(&r->group->fds, op->fd);
    struct weft__op_list ended;
    weft__op_list_init(&ended);
    weft__lock(&entry->lock);
    if (op->fd_prev != NULL) {
        /* Tells whoever waited that it was a cancel, and not the kernel, that said so. */
        atomic_store_explicit(&op->cancel_error, error, memory_order_relaxed);
        end(entry, op, error, &ended);
        if (!is_own(entry)) {
            arm_rest(r, entry, op->fd, &ended);
        }
    }
    weft__unlock(&entry->lock);
    if (ended.first != NULL) {
        keep(from != NULL ? from : r, &ended);
        if (from == NULL) {
            r->group->driver->wake(r);
        }
    }
}

static void handle_events(struct weft__reactor *r, const struct weft__event *events, int n,
                          struct weft__op_list *out)
{
    for (int i = 0; i < n; i++) {
        if (events[i].fd != WEFT__EVENT_WAKE) {
            handle_event(r, &events[i], out);
        }
    }
}

static void take_requests(struct weft__reactor *r, struct weft__op_list *out)
{
    struct weft__op *next;
    for (struct weft__op *op = weft__reactor_take_requests(r); op != NULL; op = next) {
        next = op->request_next;
        weft__op_list_add(out, op);
    }
}

/* Events are taken with reap_lock held, under which the lower rank of an entry cannot be taken:
 * they are handled after its unlock. */
void weft__readiness_wait(struct weft__reactor *r, int64_t deadline_ns, struct weft__op_list *done)
{
    struct weft__event events[WEFT__EVENTS_MAX];
    struct weft__op_list out;
    weft__op_list_init(&out);
    take_requests(r, &out);
    weft__lock(&r->reap_lock);
    if (out.first != NULL || weft__reactor_is_woken(r)) {
        deadline_ns = 0;
    }
    int n = kernel(r)->take(r, events, deadline_ns);
    weft__unlock(&r->reap_lock);
    weft__reactor_clear_wake(r);
    take_requests(r, &out);
    handle_events(r, events, n, &out);
    weft__reactor_report(r, &out, done);
}

void weft__readiness_reap(struct weft__reactor *r, struct weft__op_list *done)
{
    struct weft__event events[WEFT__EVENTS_MAX];
    if (!weft__try_lock(&r->reap_lock)) {
        return;
    }
    int n = kernel(r)->take(r, events, 0);
    for (int i = 0; i < n; i++) {
        if (events[i].fd == WEFT__EVENT_WAKE) {
            weft__reactor_pass_wake(r);
        }
    }
    weft__unlock(&r->reap_lock);
    struct weft__op_list out;
    weft__op_list_init(&out);
    take_requests(r, &out);
    handle_events(r, events, n, &out);
    weft__reactor_report(r, &out, done);
}

/* Nothing waits to be sent. */
void weft__readiness_send(struct weft__reactor *r, struct weft__op_list *done)
{
    (void)r;
    (void)done;
}
