/* SPDX-License-Identifier: MIT */
/*
 * epoll.c - the driver that waits for readiness and then makes the system call itself.
 *
 * Every reactor has an epoll set with its wake_fd in it.  An operation waits in the list of its
 * fd's entry; the fd is in the epoll set of one reactor, its home, where its events arrive and are
 * reported by whoever reaps.
 *
 *   fd            in the set                       events
 *   ours          from its first wait to its       edge-triggered, both directions: an event that
 *                 CLOSE                            finds nobody waiting is kept in entry->ready
 *   somebody's    while operations wait on it      level-triggered, one-shot, the directions that
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
 * Whoever comes second sees what the first one did.  A set that is edge-triggered reports every new
 * arrival, and -EAGAIN in step 1 says that none was left before.
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

#include "../base/fatal.h"
#include "../base/sys.h"
#include "driver.h"

#define EVENTS_MAX 128
#define WAKE_DATA UINT64_MAX
#define OWN_EVENTS (EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET)
#define OUT_EVENTS (POLLOUT | POLLWRNORM | POLLWRBAND)

enum { IN = 1, OUT = 2 };

static int epoll_fd(const struct weft__reactor *r)
{
    return (int)(intptr_t)r->driver_state;
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

static uint64_t event_data(const struct weft__fd *entry, int fd)
{
    return (uint64_t)(uint32_t)fd | (uint64_t)weft__fd_generation(entry) << 32;
}

/* Put the fd into its home's set or change what it is there for.  The kernel's view may differ
 * from ours where somebody else closed the fd or made it again: then the other call is right. */
static int set_registration(struct weft__reactor_group *group, struct weft__fd *entry, int fd,
                            uint32_t events)
{
    int epfd = epoll_fd(&group->reactors[entry->home]);
    uint64_t data = event_data(entry, fd);
    bool is_known = entry->registered != 0;
    int rc = weft__sys_epoll_ctl(epfd, is_known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, events, data);
    if (rc == -ENOENT) {
        rc = weft__sys_epoll_ctl(epfd, EPOLL_CTL_ADD, fd, events, data);
    } else if (rc == -EEXIST) {
        rc = weft__sys_epoll_ctl(epfd, EPOLL_CTL_MOD, fd, events, data);
    }
    return rc;
}

static void deregister(struct weft__reactor_group *group, struct weft__fd *entry, int fd)
{
    if (entry->registered != 0) {
        /* Explicitly, also before a close: a dup of the fd would keep it in the set. */
        (void)weft__sys_epoll_ctl(epoll_fd(&group->reactors[entry->home]), EPOLL_CTL_DEL, fd, 0, 0);
    }
    entry->registered = 0;
    entry->home = -1;
}

/* See to it that events arrive for all that waits on the entry; r is the home if it has none.
 * The poll(2) bits are those of epoll. */
static int arm(struct weft__reactor *r, struct weft__fd *entry, int fd)
{
    unsigned wanted = IN | OUT;
    uint32_t events = OWN_EVENTS;
    if (!is_own(entry)) {
        wanted = 0;
        events = EPOLLONESHOT;
        for (struct weft__op *op = entry->in_flight; op != NULL; op = op->fd_next) {
            wanted |= directions(op);
            events |= (uint32_t)weft__op_events(op) & (EPOLLPRI | EPOLLRDHUP | 0x3ff);
        }
        if (wanted == 0) {
            deregister(r->group, entry, fd);
            return 0;
        }
    } else if (entry->registered != 0) {
        return 0;
    }
    if (entry->home < 0) {
        entry->home = (int16_t)(r - r->group->reactors);
    }
    int rc = set_registration(r->group, entry, fd, events);
    if (rc < 0) {
        return rc;
    }
    entry->registered = (uint8_t)wanted;
    return 0;
}

/* Arm again for those that still wait.  If that fails (the fd was closed by somebody else, no
 * memory), nothing would ever end them: the failure does. */
static void arm_rest(struct weft__reactor *r, struct weft__fd *entry, int fd,
                     struct weft__op_list *out)
{
    int rc = arm(r, entry, fd);
    if (rc < 0) {
        end_all(entry, rc, out);
        deregister(r->group, entry, fd);
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
            is_empty |= (op->flags & WEFT__OP_SHORT) != 0;
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

static void handle_event(struct weft__reactor *r, const struct epoll_event *ev,
                         struct weft__op_list *out)
{
    int fd = (int)(uint32_t)ev->data.u64;
    struct weft__fd *entry = weft__fd_find(&r->group->fds, fd);
    unsigned ready = 0;
    if ((ev->events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP)) != 0) {
        ready |= IN;
    }
    if ((ev->events & EPOLLOUT) != 0) {
        ready |= OUT;
    }
    if ((ev->events & (EPOLLERR | EPOLLHUP)) != 0) {
        ready |= IN | OUT;
    }
    weft__lock(&entry->lock);
    if (weft__fd_generation(entry) == (uint32_t)(ev->data.u64 >> 32)) {
        bool more = (ev->events & (EPOLLPRI | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0;
        try_waiting(entry, ready, more, out);
        if (!is_own(entry)) {
            entry->ready = 0; /* level-triggered: the kernel keeps it */
            arm_rest(r, entry, fd, out);
        }
    }
    weft__unlock(&entry->lock);
}

/* An fd that epoll refuses (-EPERM) is always ready, and has no way to say "not now". */
static int carry_out(struct weft__op *op)
{
    op->flags |= WEFT__OP_BLOCKS;
    op->result = weft__op_try(op, false);
    return op->result == -EAGAIN ? -EPERM : 1;
}

/* End all that is in flight and close.  The close itself is under the lock (weft__fd_close()), so
 * a lingering socket keeps others from this one fd, and nobody else. */
static int close_fd(struct weft__reactor *r, struct weft__fd *entry, struct weft__op *op)
{
    weft__lock(&entry->lock);
    end_all(entry, -EBADF, &r->ready);
    deregister(r->group, entry, op->fd);
    op->result = weft__fd_close(entry, op->fd);
    weft__unlock(&entry->lock);
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
    int rc = arm(r, entry, op->fd);
    if (rc < 0) {
        weft__fd_unlink(entry, op);
        return rc;
    }
    unsigned d = directions(op);
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

static int epoll_submit(struct weft__reactor *r, struct weft__op *op)
{
    struct weft__fd *entry = weft__fd_get(&r->group->fds, op->fd);
    op->reactor = r;
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

static void epoll_cancel(struct weft__reactor *from, struct weft__op *op, int error)
{
    struct weft__reactor *r = op->reactor;
    struct weft__fd *entry = weft__fd_find(&r->group->fds, op->fd);
    struct weft__op_list out;
    weft__op_list_init(&out);
    weft__lock(&entry->lock);
    if (op->fd_prev != NULL) {
        /* Tells whoever waited that it was a cancel, and not the kernel, that said so. */
        atomic_store_explicit(&op->cancel_error, error, memory_order_relaxed);
        end(entry, op, error, &out);
        if (!is_own(entry)) {
            arm_rest(r, entry, op->fd, &out);
        }
    }
    weft__unlock(&entry->lock);
    if (from != NULL) {
        weft__op_list_join(&from->ready, &out);
        return;
    }
    struct weft__op *next;
    for (op = out.first; op != NULL; op = next) {
        next = op->next;
        r = op->reactor;
        weft__reactor_request(r, op);
        weft__reactor_wake(r); /* op may be gone by now */
    }
}

/* Take events, at most EVENTS_MAX; with reap_lock held, under which the lower rank of an entry
 * cannot be taken: they are handled after its unlock.  An error counts as no events: the next call
 * meets it.  wake_fd is edge-triggered and never read: its event does its work by arriving. */
static int take_events(struct weft__reactor *r, struct epoll_event *events, int64_t deadline_ns)
{
    int n = weft__sys_epoll_wait(epoll_fd(r), events, EVENTS_MAX, deadline_ns);
    return n < 0 ? 0 : n;
}

static void handle_events(struct weft__reactor *r, const struct epoll_event *events, int n,
                          struct weft__op_list *out)
{
    for (int i = 0; i < n; i++) {
        if (events[i].data.u64 != WAKE_DATA) {
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

static void epoll_wait_owner(struct weft__reactor *r, int64_t deadline_ns,
                             struct weft__op_list *done)
{
    struct epoll_event events[EVENTS_MAX];
    struct weft__op_list out;
    weft__op_list_init(&out);
    weft__op_list_join(&out, &r->ready);
    take_requests(r, &out);
    weft__lock(&r->reap_lock);
    if (out.first != NULL || weft__reactor_is_woken(r)) {
        deadline_ns = 0;
    }
    int n = take_events(r, events, deadline_ns);
    weft__unlock(&r->reap_lock);
    weft__reactor_clear_wake(r);
    take_requests(r, &out);
    handle_events(r, events, n, &out);
    weft__reactor_report(r, &out, done);
}

static void epoll_reap(struct weft__reactor *r, struct weft__op_list *done)
{
    struct epoll_event events[EVENTS_MAX];
    if (!weft__try_lock(&r->reap_lock)) {
        return;
    }
    int n = take_events(r, events, 0);
    for (int i = 0; i < n; i++) {
        if (events[i].data.u64 == WAKE_DATA) {
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
static void epoll_send(struct weft__reactor *r, struct weft__op_list *done)
{
    (void)r;
    (void)done;
}

static int epoll_start(struct weft__reactor *r)
{
    int epfd = weft__sys_epoll_create();
    if (epfd < 0) {
        return epfd;
    }
    int rc = weft__sys_eventfd();
    if (rc < 0) {
        goto out_epoll;
    }
    r->wake_fd = rc;
    rc = weft__sys_epoll_ctl(epfd, EPOLL_CTL_ADD, r->wake_fd, EPOLLIN | EPOLLET, WAKE_DATA);
    if (rc < 0) {
        goto out_wake;
    }
    r->driver_state = (void *)(intptr_t)epfd;
    return 0;
out_wake:
    (void)weft__sys_close(r->wake_fd);
out_epoll:
    (void)weft__sys_close(epfd);
    return rc;
}

static void epoll_stop(struct weft__reactor *r)
{
    (void)weft__sys_close(r->wake_fd);
    (void)weft__sys_close(epoll_fd(r));
}

const struct weft__driver weft__driver_epoll = {
    .name = "epoll",
    .by_edges = true,
    .start = epoll_start,
    .stop = epoll_stop,
    .submit = epoll_submit,
    .cancel = epoll_cancel,
    .wait = epoll_wait_owner,
    .reap = epoll_reap,
    .send = epoll_send,
    .wake = weft__reactor_wake,
};
