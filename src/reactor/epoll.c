/* SPDX-License-Identifier: MIT */
/*
 * epoll.c - readiness.c over epoll: a set for each reactor, with its wake_fd in it.
 *
 *   ours          edge-triggered, in both directions from its first wait on
 *   somebody's    level-triggered, one-shot: armed again after each event while somebody waits
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

#include "../base/sys.h"
#include "readiness.h"

#define WAKE_DATA UINT64_MAX
#define OWN_EVENTS (EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET)

static int epoll_fd(const struct weft__reactor *r)
{
    return (int)(intptr_t)r->driver_state;
}

static uint64_t event_data(const struct weft__fd *entry, int fd)
{
    return (uint64_t)(uint32_t)fd | (uint64_t)weft__fd_generation(entry) << 32;
}

/* Put the fd into the home's set or change what it is there for.  The kernel's view may differ
 * from ours where somebody else closed the fd or made it again: then the other call is right. */
static int set_registration(const struct weft__reactor *home, const struct weft__fd *entry, int fd,
                            uint32_t events)
{
    int epfd = epoll_fd(home);
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

/* The poll(2) bits are those of epoll. */
static int epoll_arm(struct weft__reactor *home, struct weft__fd *entry, int fd, unsigned wanted,
                     unsigned anew)
{
    (void)anew; /* a registration that is changed reports what is ready */
    uint32_t events = OWN_EVENTS;
    if (atomic_load_explicit(&entry->is_own, memory_order_relaxed)) {
        wanted = WEFT__DIR_IN | WEFT__DIR_OUT;
    } else {
        events = EPOLLONESHOT;
        for (struct weft__op *op = entry->in_flight; op != NULL; op = op->fd_next) {
            events |= (uint32_t)weft__op_events(op) & (EPOLLPRI | EPOLLRDHUP | 0x3ff);
        }
    }
    int rc = set_registration(home, entry, fd, events);
    if (rc < 0) {
        return rc;
    }
    entry->registered = (uint8_t)wanted;
    return 0;
}

static void epoll_disarm(struct weft__reactor *home, struct weft__fd *entry, int fd)
{
    (void)entry;
    /* Explicitly, also before a close: a dup of the fd would keep it in the set. */
    (void)weft__sys_epoll_ctl(epoll_fd(home), EPOLL_CTL_DEL, fd, 0, 0);
}

static struct weft__event told(const struct epoll_event *ev)
{
    uint64_t data = ev->data.u64;
    if (data == WAKE_DATA) {
        return (struct weft__event){.fd = WEFT__EVENT_WAKE};
    }
    unsigned ready = 0;
    if ((ev->events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP)) != 0) {
        ready |= WEFT__DIR_IN;
    }
    if ((ev->events & EPOLLOUT) != 0) {
        ready |= WEFT__DIR_OUT;
    }
    if ((ev->events & (EPOLLERR | EPOLLHUP)) != 0) {
        ready |= WEFT__DIR_IN | WEFT__DIR_OUT;
    }
    return (struct weft__event){
        .fd = (int)(uint32_t)data,
        .life = (uint32_t)(data >> 32),
        .ready = (uint8_t)ready,
        .more = (ev->events & (EPOLLPRI | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0,
    };
}

/* wake_fd is edge-triggered and never read: its event does its work by arriving. */
static int epoll_take(struct weft__reactor *r, struct weft__event *events, int64_t deadline_ns)
{
    struct epoll_event raw[WEFT__EVENTS_MAX];
    int n = weft__sys_epoll_wait(epoll_fd(r), raw, WEFT__EVENTS_MAX, deadline_ns);
    for (int i = 0; i < n; i++) {
        events[i] = told(&raw[i]);
    }
    return n < 0 ? 0 : n;
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

static const struct weft__readiness epoll_readiness = {
    .arm = epoll_arm,
    .disarm = epoll_disarm,
    .take = epoll_take,
};

const struct weft__driver weft__driver_epoll = {
    .name = "epoll",
    .by_edges = true,
    .readiness = &epoll_readiness,
    .start = epoll_start,
    .stop = epoll_stop,
    .submit = weft__readiness_submit,
    .cancel = weft__readiness_cancel,
    .wait = weft__readiness_wait,
    .reap = weft__readiness_reap,
    .send = weft__readiness_send,
    .wake = weft__reactor_wake,
};
