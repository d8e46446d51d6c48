/* SPDX-License-Identifier: MIT */
/*
 * driver.h - the contract of the reactor: one interface, a driver a kernel interface.
 *
 * Every P has a reactor; the reactors of one runtime form a group, which shares the driver and the
 * table of fds.  The reactor knows no coroutine and no scheduler: it takes operations (op.h) and
 * gives back lists of those that are complete.
 *
 *   call      who may call
 *   start     the thread that starts the runtime
 *   submit    the owner: the thread that runs the P.  A P may change threads between calls.
 *   cancel    any thread of the runtime, while it keeps the op alive (it cannot return yet)
 *   wait      the owner
 *   reap      any thread: takes what is complete if nobody else is doing so
 *   send      any thread: for an owner that is kept from its wait
 *   wake      any thread at all
 *   stop      one thread, after all others have left
 *
 * An operation whose submit returned 0 is reported exactly once, by a wait or reap of any reactor
 * of the group.
 */
#ifndef WEFT_REACTOR_DRIVER_H
#define WEFT_REACTOR_DRIVER_H

#include "../base/lock.h"
#include "fdtable.h"
#include "op.h"

/* What a build has.  WEFT_LIBKQUEUE: it has libkqueue, which makes kqueue of epoll. */
#if defined(__linux__)
#define WEFT__HAVE_EPOLL 1
#else
#define WEFT__HAVE_EPOLL 0
#endif
#if !defined(__linux__) || defined(WEFT_LIBKQUEUE)
#define WEFT__HAVE_KQUEUE 1
#else
#define WEFT__HAVE_KQUEUE 0
#endif

struct weft__reactor;
struct weft__readiness;

struct weft__driver {
    const char *name; /* "io_uring", "epoll", "kqueue" */

    /* A read that is submitted waits for what comes, and does not see what was there before: the
     * caller tries first, always. */
    bool by_edges;

    /* Make one reactor ready.  0 or -errno: nothing is left behind then. */
    int (*start)(struct weft__reactor *r);
    void (*stop)(struct weft__reactor *r);

    /*
     * Take an operation.
     *   0       in flight: it will be reported.
     *   1       complete at once: op->result is set, it will not be reported.
     *   -errno  not taken (no memory, fd not open, closing): nothing has happened.
     * What io_uring carries out itself is sent by the next wait.  A caller that expects success
     * calls weft__op_try() first; submit tries again only where an event may have been missed.
     */
    int (*submit)(struct weft__reactor *r, struct weft__op *op);

    /*
     * Ask for an operation to end.  It is still reported, with `error` as its result unless
     * something happened before: success wins, and so does the error of an earlier cancel.
     * Harmless if it is complete already.  `from` is the reactor of the calling thread's P, NULL
     * if it has none: what completes at once is reported by its next wait, with NULL by that of the
     * reactor where it was submitted, which is woken.  Not for a CLOSE, which ends by itself.
     */
    void (*cancel)(struct weft__reactor *from, struct weft__op *op, int error);

    /*
     * Send what was submitted and append what is complete to `done`; if nothing is, sleep until
     * something is, weft__reactor_wake() was called, or deadline_ns (monotonic, absolute; 0 does
     * not sleep, INT64_MAX has no limit).  Takes WEFT__EVENTS_MAX events at most; the rest comes
     * next time.  May return early with nothing, as after a signal.
     */
    void (*wait)(struct weft__reactor *r, int64_t deadline_ns, struct weft__op_list *done);

    /* As wait without sleeping and sending, for threads that do not own r. */
    void (*reap)(struct weft__reactor *r, struct weft__op_list *done);

    /* Send what submit and cancel have taken, if nobody else is doing so, and append what is
     * complete by that.  What is sent now is the caller's to the kernel: should the thread end
     * meanwhile, the operations are sent once more. */
    void (*send)(struct weft__reactor *r, struct weft__op_list *done);

    /* Make the wait that sleeps, or the next one, return.  Cheap when one is pending already. */
    void (*wake)(struct weft__reactor *r);

    /* Of a driver that is told of readiness (readiness.h): its half of the work.  Else NULL. */
    const struct weft__readiness *readiness;
};

extern const struct weft__driver weft__driver_epoll;
extern const struct weft__driver weft__driver_kqueue;
#ifndef WEFT_NO_LIBURING
extern const struct weft__driver weft__driver_uring;
#endif

/* Taken at a time.  Few: what the kernel and the handling of an event bring into the caches shall
 * still be there when its coroutine runs. */
#define WEFT__EVENTS_MAX 16

/* Of the public header: which driver to take, and how it is made. */
struct weft__reactor_choice {
    bool want_uring;
    bool want_epoll;
    bool want_kqueue;
    unsigned ring_entries; /* 0: the driver's own number */
    unsigned ring_poll_ms; /* 0: no thread of the kernel's */
    unsigned workers_max;  /* threads of the kernel's for files, each thread's; 0: its own number */
    int fd_ops_max;        /* 0: any number */
    bool submits_at_once;  /* not with the next wait; for a driver that has something to send */
};

/* What the reactors of one runtime share. */
struct weft__reactor_group {
    const struct weft__driver *driver;
    const char *why;   /* a phrase for people: why this driver ("probed", "epoll asked for", ...) */
    char why_text[96]; /* where `why` is put together when it names an error */
    struct weft__reactor_choice choice;
    struct weft__fdtable fds;
    _Atomic int count;              /* grows by weft__reactors_add() */
    struct weft__reactor *reactors; /* `count` of them, and room for some more */
};

struct weft__reactor {
    struct weft__reactor_group *group;
    struct weft__lock reap_lock; /* RANK_REACTOR; the completion side; held by a sleeping owner */
    /* For io_uring: completions met in the middle of a submit.  Reported by the next wait; owner
     * only. */
    struct weft__op_list ready;
    /* Pushed by any thread, linked by request_next: for io_uring, what has to be sent (op->wants),
     * taken by the owner or by send; for epoll, operations ended by a cancel or a close, taken by
     * whoever reaps. */
    _Atomic(struct weft__op *) requests;
    _Atomic uint32_t wake_pending; /* 1: a wake was sent and not yet seen */
    _Atomic uint64_t n_submitted;  /* operations that went into flight here; owner only */
    _Atomic uint64_t n_completed;  /* and those reported by this reactor (not the same ones) */
    int wake_fd;                   /* an eventfd; -1 where a wake takes none */
    void *driver_state;            /* the driver's own: a ring, an epoll fd, a kqueue */
} WEFT__ALIGNED_LINE;

/* For the drivers, in reactors.c. */

/* Move the operations of `from` to `done` and count them as reported by r. */
void weft__reactor_report(struct weft__reactor *r, struct weft__op_list *from,
                          struct weft__op_list *done);
/* Push an operation on r->requests; the caller sees to it that it cannot be reported before. */
void weft__reactor_request(struct weft__reactor *r, struct weft__op *op);
/* Take all requests, newest first. */
struct weft__op *weft__reactor_take_requests(struct weft__reactor *r);

/* The wake of drivers whose sleep wake_fd ends. */
void weft__reactor_wake(struct weft__reactor *r);
/* The beginning of any wake: must the sleep be ended, or does another wake see to that? */
bool weft__reactor_begin_wake(struct weft__reactor *r);
/* Was a wake sent?  Called with reap_lock held right before sleeping. */
bool weft__reactor_is_woken(const struct weft__reactor *r);
/* A reaper met the end of a sleep that was meant for the owner: its next wait shall not sleep.
 * Called with reap_lock held. */
void weft__reactor_pass_wake(struct weft__reactor *r);
/* From here on a wake is sent anew.  What was written before the wakes so far is visible. */
void weft__reactor_clear_wake(struct weft__reactor *r);

/*
 * Start `count` reactors with the best driver of those wanted: io_uring first, probed by a real
 * operation; if it is refused (ENOSYS, EPERM, EACCES, ENOMEM, EMFILE, EINVAL, ...), epoll or
 * kqueue, if they are wanted too.  0 or -errno, -ENOSYS where the build has none of those wanted;
 * nothing is left behind on failure.
 */
int weft__reactors_start(struct weft__reactor_group *group, int count,
                         struct weft__reactor_choice choice);

/* Start one reactor more, of WEFT__REACTORS_MORE at most; by one thread at a time.  0 or -errno. */
#define WEFT__REACTORS_MORE 8
int weft__reactors_add(struct weft__reactor_group *group);

/* Cancel what is in flight, wait until the kernel has let go of it, close everything.  The
 * operations are not reported.  Fds stay open but for those of the reactor itself. */
void weft__reactors_stop(struct weft__reactor_group *group);

/* Operations in flight in the whole group; exact when no thread submits or reaps. */
uint64_t weft__reactors_in_flight(const struct weft__reactor_group *group);

/* All that ever went into flight. */
uint64_t weft__reactors_submitted(const struct weft__reactor_group *group);

#endif
