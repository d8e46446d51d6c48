/* SPDX-License-Identifier: MIT */
/* observe.h - seeing into a running program: the dump, the counters, which driver is at work. */
#ifndef WEFT_OBSERVE_H
#define WEFT_OBSERVE_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

struct weft_runtime;

/**
 * weft_dump - write every live coroutine of every runtime to an fd: id, name, state, what it waits
 * for and where, spawn site, and for parked ones the call stack.
 *
 * @fd  an fd that can be written; the thread may block on it.
 *
 * The same text goes to stderr when the process gets SIGQUIT, unless the program has its own
 * handler for it.  Coroutines go on running meanwhile; a line may be old when it is read.
 *
 * Returns    how many coroutines were written.
 * Errors     -EBADF, -EIO, ... as write(2)
 * Blocks     the thread, while it writes.
 * Threads    any thread.
 */
WEFT_API int weft_dump(int fd);

/* Counters since the start of a runtime; summed over its processors, each exact when it is idle. */
struct weft_stats {
    size_t size;               /* sizeof(struct weft_stats), set by the caller */
    uint64_t live;             /* coroutines that have not ended */
    uint64_t spawned;          /* coroutines started so far */
    uint64_t switches;         /* times a coroutine was left: it parked, yielded or ended */
    uint64_t parks;            /* times a coroutine waited */
    uint64_t steals;           /* coroutines taken from another processor */
    uint64_t sleeps;           /* times a thread went to sleep for lack of work */
    uint64_t wakes;            /* times a sleeping thread was woken by another */
    uint64_t ops;              /* operations handed to the reactor */
    uint64_t timers;           /* timers that fired */
    uint64_t stacks;           /* stacks in use or cached */
    uint64_t accept_waits;     /* times weft_accept() waited for a free descriptor */
    uint64_t blocking_calls;   /* of weft_blocking(), names and files, that have begun; reads of a
                                  disk that one thread makes in a row are one */
    uint64_t blocking_running; /* at work now */
    uint64_t blocking_queued;  /* waiting for a thread */
    uint64_t blocking_threads; /* of the pool, idle ones too */
    uint64_t blocking_peak;    /* most threads at a time so far */
    uint64_t outside;          /* coroutines that have given their processor away (WEFT_BLOCKING) */
    uint64_t stalls;           /* times a coroutine kept its processor for 10 ms without a switch */
    uint64_t relief;           /* relief processors at work now, since all others are kept so */
    uint64_t coroutines_max;   /* the limit of `live`; 0: none */
    uint64_t spawns_waiting;   /* for a place */
    uint64_t standing;         /* processors that run coroutines now: as many as quota and affinity
                                  allow, of those that there were at the start */
    uint64_t standing_changes; /* times that this number has changed */
};

/**
 * weft_runtime_stats - read the counters of a runtime.
 *
 * @rt     the runtime; NULL for the caller's.
 * @stats  `size` is set by the caller; receives what fits.
 *
 * Returns    0.
 * Errors     -EINVAL  size is too small, or rt is NULL on a plain thread
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API int weft_runtime_stats(const struct weft_runtime *rt, struct weft_stats *stats);

/**
 * weft_runtime_describe - one line that says which reactor, guard and processors are at work, and
 * why: "reactor io_uring (probed), guard madvise (probed), 2 processors, stacks of 256 KiB".
 *
 * @rt     the runtime; NULL for the caller's.
 * @text   receives the line with its end, cut if it does not fit.
 * @bytes  size of text.
 *
 * Returns    0.
 * Errors     -EINVAL  bytes is 0, or rt is NULL on a plain thread
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API int weft_runtime_describe(const struct weft_runtime *rt, char *text, size_t bytes);

/**
 * weft_runtime_reactor - the name of the driver at work.
 *
 * @rt  the runtime; NULL for the caller's.
 *
 * Returns    "io_uring" or "epoll"; "" if rt is NULL on a plain thread.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API const char *weft_runtime_reactor(const struct weft_runtime *rt);

/**
 * weft_runtime_guard - the name of the guard at work.
 *
 * @rt  the runtime; NULL for the caller's.
 *
 * Returns    "madvise", "mprotect" or "canary"; "" if rt is NULL on a plain thread.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API const char *weft_runtime_guard(const struct weft_runtime *rt);

WEFT_END_DECLS
#endif
