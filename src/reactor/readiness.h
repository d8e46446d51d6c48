/* SPDX-License-Identifier: MIT */
/*
 * readiness.h - what the drivers have in common that are told when an fd is ready, and then make
 * the system call themselves: all but how they speak to the kernel.
 */
#ifndef WEFT_REACTOR_READINESS_H
#define WEFT_REACTOR_READINESS_H

#include "driver.h"

/* The directions an fd is waited for in; bits of entry->registered and entry->ready. */
enum { WEFT__DIR_IN = 1, WEFT__DIR_OUT = 2 };

/* What the kernel tells of an fd. */
struct weft__event {
    int fd;        /* WEFT__EVENT_WAKE: the end of a sleep, and no more */
    uint32_t life; /* the generation of the fd when it was registered */
    uint8_t ready; /* directions */
    bool more;     /* of what is not gone when the bytes have been read: an end, an error */
};

#define WEFT__EVENT_WAKE (-1)

/* The driver's half. */
struct weft__readiness {
    /*
     * Let the events of the directions `wanted` arrive at `home`, the entry's, which is under its
     * lock; sets entry->registered to what it is registered for, at least `wanted`.  `anew`: those
     * of an operation that is just being submitted.
     *   ours          edge-triggered, till the disarm at its close; called only if something is
     *                 missing
     *   somebody's    an event comes if it is ready for a direction of `anew`, and whenever more
     *                 arrives; the fd may have been closed and be another file than last time
     * 0; -EPERM if the kernel cannot wait for such a file; another -errno.
     */
    int (*arm)(struct weft__reactor *home, struct weft__fd *entry, int fd, unsigned wanted,
               unsigned anew);
    void (*disarm)(struct weft__reactor *home, struct weft__fd *entry, int fd);

    /* Take at most WEFT__EVENTS_MAX events, and sleep till the deadline if there are none; with
     * reap_lock held.  A failure counts as no events: the next call meets it. */
    int (*take)(struct weft__reactor *r, struct weft__event *events, int64_t deadline_ns);
};

/* The calls of struct weft__driver. */
int weft__readiness_submit(struct weft__reactor *r, struct weft__op *op);
void weft__readiness_cancel(struct weft__reactor *from, struct weft__op *op, int error);
void weft__readiness_wait(struct weft__reactor *r, int64_t deadline_ns,
                          struct weft__op_list *done);
void weft__readiness_reap(struct weft__reactor *r, struct weft__op_list *done);
void weft__readiness_send(struct weft__reactor *r, struct weft__op_list *done);

#endif
