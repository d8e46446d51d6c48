/* SPDX-License-Identifier: MIT */
/*
 * kqueue.c - readiness.c over kqueue, for macOS and the BSDs: a queue for each reactor.
 *
 * A direction of an fd is a filter of its own, EVFILT_READ or EVFILT_WRITE, always with EV_CLEAR:
 * it reports at once if the fd is ready, then each arrival once.
 *
 *   ours          a filter is there from the first wait in its direction on
 *   somebody's    a filter is begun anew by each operation, which so is told if the fd is ready,
 *                 and goes when nobody waits for it any more
 *
 * A wake is an EVFILT_USER that is triggered; EV_CLEAR takes it back when it has been reported.
 * A queue is not inherited by fork(2).
 */
#include <errno.h>
#include <sys/event.h>

#include "../base/compiler.h"
#include "../base/sys.h"
#include "readiness.h"

#define WAKE_IDENT 0
#define CHANGES_MAX 4 /* both filters deleted and added */

static int queue_of(const struct weft__reactor *r)
{
    return (int)(intptr_t)r->driver_state;
}

static struct kevent change_of(int fd, int filter, int flags, uint32_t life)
{
    struct kevent change;
    EV_SET(&change, (uintptr_t)fd, (short)filter, (unsigned short)(flags | EV_RECEIPT), 0, 0,
           (void *)(uintptr_t)life);
    return change;
}

/* Carry out all changes, with the outcome of each in receipts[].data: 0 or an errno.  Without
 * EV_RECEIPT the first that fails would end the call, and events would come where none is read. */
static int change(const struct weft__reactor *home, const struct kevent *changes,
                  struct kevent *receipts, int n)
{
    for (int i = 0; i < n; i++) {
        receipts[i] = changes[i];
        receipts[i].data = 0;
    }
    int rc = weft__sys_kevent(queue_of(home), changes, n, receipts, n, 0);
    return rc < 0 ? rc : 0;
}

/* What a kernel says of a file that it has no events for. */
static int refusal(int error)
{
    return error == EINVAL || error == ENODEV || error == EOPNOTSUPP ? -EPERM : -error;
}

/*
 * Where a filter is added, one that may be there is deleted before: natively a filter goes with its
 * file, but libkqueue keeps it, and would take the number's next file for the old one.  A file on a
 * disk is not waited for: EVFILT_READ is silent at its end.
 */
static int kqueue_arm(struct weft__reactor *home, struct weft__fd *entry, int fd, unsigned wanted,
                      unsigned anew)
{
    bool is_own = atomic_load_explicit(&entry->is_own, memory_order_relaxed);
    unsigned known = entry->registered;
    unsigned add = is_own ? wanted & ~known : (wanted & ~known) | anew;
    unsigned drop = is_own ? 0 : known & ~wanted;
    if (!is_own && known == 0 && weft__sys_is_file(fd)) {
        return -EPERM;
    }
    struct kevent changes[CHANGES_MAX];
    struct kevent receipts[CHANGES_MAX];
    uint32_t life = weft__fd_generation(entry);
    int n = 0;
    for (unsigned d = WEFT__DIR_IN; d <= WEFT__DIR_OUT; d <<= 1) {
        int filter = d == WEFT__DIR_IN ? EVFILT_READ : EVFILT_WRITE;
        if (((add | drop) & d) != 0) {
            changes[n++] = change_of(fd, filter, EV_DELETE, life);
        }
        if ((add & d) != 0) {
            changes[n++] = change_of(fd, filter, EV_ADD | EV_CLEAR, life);
        }
    }
    int rc = n > 0 ? change(home, changes, receipts, n) : 0;
    if (rc < 0) {
        return rc;
    }
    known &= ~(drop | add);
    for (int i = 0; i < n; i++) {
        if ((changes[i].flags & EV_ADD) == 0) {
            continue;
        }
        if (receipts[i].data != 0) {
            rc = refusal((int)receipts[i].data);
        } else {
            known |= changes[i].filter == EVFILT_READ ? WEFT__DIR_IN : WEFT__DIR_OUT;
        }
    }
    entry->registered = (uint8_t)known;
    return rc;
}

/* Before a close as well: libkqueue would keep the filters. */
static void kqueue_disarm(struct weft__reactor *home, struct weft__fd *entry, int fd)
{
    struct kevent changes[2];
    struct kevent receipts[2];
    int n = 0;
    if ((entry->registered & WEFT__DIR_IN) != 0) {
        changes[n++] = change_of(fd, EVFILT_READ, EV_DELETE, 0);
    }
    if ((entry->registered & WEFT__DIR_OUT) != 0) {
        changes[n++] = change_of(fd, EVFILT_WRITE, EV_DELETE, 0);
    }
    (void)change(home, changes, receipts, n);
}

/* EV_EOF: no more comes, or goes; an error is told the same way. */
static struct weft__event told(const struct kevent *ev)
{
    if (ev->filter == EVFILT_USER) {
        return (struct weft__event){.fd = WEFT__EVENT_WAKE};
    }
    return (struct weft__event){
        .fd = (int)ev->ident,
        .life = (uint32_t)(uintptr_t)ev->udata,
        .ready = ev->filter == EVFILT_READ ? WEFT__DIR_IN : WEFT__DIR_OUT,
        .more = (ev->flags & EV_EOF) != 0,
    };
}

static int kqueue_take(struct weft__reactor *r, struct weft__event *events, int64_t deadline_ns)
{
    struct kevent raw[WEFT__EVENTS_MAX];
    int n = weft__sys_kevent(queue_of(r), NULL, 0, raw, WEFT__EVENTS_MAX, deadline_ns);
    for (int i = 0; i < n; i++) {
        events[i] = told(&raw[i]);
    }
    return n < 0 ? 0 : n;
}

static void kqueue_wake(struct weft__reactor *r)
{
    if (weft__reactor_begin_wake(r)) {
        weft__sys_kevent_trigger(queue_of(r), WAKE_IDENT);
    }
}

static int kqueue_start(struct weft__reactor *r)
{
    int kq = weft__sys_kqueue();
    if (kq < 0) {
        return kq;
    }
    struct kevent wake;
    EV_SET(&wake, WAKE_IDENT, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, NULL);
    int rc = weft__sys_kevent(kq, &wake, 1, NULL, 0, 0);
    if (rc < 0) {
        (void)weft__sys_close(kq);
        return rc;
    }
    r->driver_state = (void *)(intptr_t)kq;
    return 0;
}

static void kqueue_stop(struct weft__reactor *r)
{
    (void)weft__sys_close(queue_of(r));
}

static const struct weft__readiness kqueue_readiness = {
    .arm = kqueue_arm,
    .disarm = kqueue_disarm,
    .take = kqueue_take,
};

const struct weft__driver weft__driver_kqueue = {
    .name = "kqueue",
    .by_edges = true,
    .readiness = &kqueue_readiness,
    .start = kqueue_start,
    .stop = kqueue_stop,
    .submit = weft__readiness_submit,
    .cancel = weft__readiness_cancel,
    .wait = weft__readiness_wait,
    .reap = weft__readiness_reap,
    .send = weft__readiness_send,
    .wake = kqueue_wake,
};
