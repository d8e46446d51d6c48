/* SPDX-License-Identifier: MIT */
/*
 * pool.h - threads for calls that block: as many as are needed up to a limit; idle ones leave.
 *
 * The pool knows no coroutine: a job is a record with two functions, as an operation is to a
 * driver.  One who has a job announces it first, which sees to it that a thread will come to it,
 * and may fail; then submits it, which cannot.
 *
 * A thread is free while it runs no job: it is starting, looking at the queue, or idle.
 *
 *   A job that is announced or queued has a free thread of its own that will look at the queue, or
 *   all the threads that may be, or can be, had are at work; each of them looks when it is done.
 *
 * One word counts that, so who announces takes no lock.  Nor does he who submits wait for one: a
 * thread of the pool that holds the lock may have lost its CPU to others, for milliseconds, and a P
 * is not to wait for it.  He leaves the job in the inbox, and if the lock is not free, whoever has
 * it sees to the job [POOL-INBOX].
 *
 * So two jobs that wait for each other both run, as long as the limit allows.  An idle thread waits
 * on a word of its own, and the one that became idle last is called first: the others leave one by
 * one, each after a single sleep.
 */
#ifndef WEFT_POOL_POOL_H
#define WEFT_POOL_POOL_H

#include "../arch/context.h"
#include "../base/lock.h"
#include "../base/sys.h"

struct weft__job {
    struct weft__job *next, **prev_next; /* in the queue; prev_next is NULL when it is in none */
    /* By the thread that takes it, under the pool's lock: may it still run? */
    bool (*may_begin)(struct weft__job *job);
    /* The job may be gone before this returns. */
    void (*run)(struct weft__job *job);
};

struct weft__pool {
    struct weft__lock lock; /* RANK_POOL; protects the queue and the lists, and who leaves */
    _Atomic bool is_closed;
    struct weft__job *first, **last;
    uint32_t n_uncalled;            /* of the queue: no idle thread was called for them */
    struct weft__pool_thread *all;  /* that have begun, and whom nobody has joined yet */
    struct weft__pool_thread *idle; /* the one that became so last is the first */
    uint32_t threads_max;
    int64_t idle_ns;            /* how long an idle thread stays */
    char name[16];              /* of its threads */
    struct weft__fp_control fp; /* and their floating-point environment, */
    /* and the CPUs that they run on; NULL: those of whoever starts them. */
    const struct weft__cpu_set *cpus;

    _Atomic(struct weft__job *) inbox; /* submitted and not yet in the queue, the newest first */
    _Atomic int32_t n_spare;           /* free threads less jobs that are announced or queued */
    _Atomic uint32_t n_starting;       /* of n_threads */

    _Atomic uint32_t n_threads; /* a futex: that exist or are being started */
    _Atomic uint32_t n_present; /* those that certainly exist, for the verdict of deadlock.c */
    _Atomic uint32_t n_peak;    /* of n_threads */
    _Atomic uint32_t n_queued;  /* jobs announced or queued, that no thread has taken */
    _Atomic uint32_t n_running; /* jobs */
    _Atomic uint64_t n_begun;   /* jobs so far */
};

/* prefix: of the threads' names.  They have the caller's floating-point environment. */
void weft__pool_init(struct weft__pool *pool, uint32_t threads_max, int64_t idle_ns,
                     const char *prefix);

/* There will be a job.  0; or -EAGAIN or -ENOMEM if no thread can be had and none is there. */
int weft__pool_announce(struct weft__pool *pool);

/* Queue the job that was announced. */
void weft__pool_submit(struct weft__pool *pool, struct weft__job *job);

/* By the one who has submitted the job.  True: it was still queued, and never begins; false: a
 * thread has taken it.  Afterwards nobody looks at it, unless it has begun. */
bool weft__pool_withdraw(struct weft__pool *pool, struct weft__job *job);

/* No job begins any more; threads leave when they have done theirs: wait until n_threads is 0.  To
 * submit and to withdraw does no harm. */
void weft__pool_close(struct weft__pool *pool);

/* All have left, and nobody announces anything any more. */
void weft__pool_free(struct weft__pool *pool);

#endif
