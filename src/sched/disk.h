/* SPDX-License-Identifier: MIT */
/*
 * disk.h - calls that wait for a disk: they stand in a line, which a few jobs of the pool serve.
 *
 * A disk that answers in a fraction of a millisecond is kept busy by a few threads.  With one for
 * each coroutine that reads, the threads take the CPUs from the Ps, and each call costs a P the
 * wake of a thread; here whoever is done with one takes the next.
 *
 * Nobody relies on it that a few are enough.  A disk that answers late is to be asked everything at
 * once: when most calls take longer than slow_ns (some do, where threads lose their CPUs), calls
 * are jobs of their own for open_ns, as others are.  And what keeps a server may be anything (a
 * file of the network, a lock): who has waited patience_ns longer than the line should take leaves
 * it, for a job of his own.
 *
 *   who comes                            a server that finds nobody
 *   1 puts himself into the inbox        1 is a server no more
 *   2 fence                              2 fence
 *   3 makes a server if one may be       3 looks again, and is one again if somebody is there
 *
 * [DISK-LINE]  One of the two sees the other's step 1.  None of those who come takes the lock: a
 * server that has it may have lost its CPU, and a P is not to wait for that.
 *
 * A stop lets the threads of the pool end before it discards anybody (stop.c): so nobody looks at
 * the inbox or the line any more when those in it are gone.
 *
 * The functions are in park/disk.c: they wait.
 */
#ifndef WEFT_SCHED_DISK_H
#define WEFT_SCHED_DISK_H

#include "../pool/pool.h"
#include "wait.h"

#define WEFT__DISK_SERVERS 64

struct weft__disk {
    uint32_t servers_max; /* at a time */
    int64_t slow_ns, open_ns, patience_ns;

    _Atomic(struct weft__waiter *) inbox; /* those who have come, the newest first */
    _Atomic uint32_t n_waiting;           /* there and in the line */
    _Atomic uint64_t serving;             /* a bit a server */
    _Atomic int64_t mean_ns;              /* that a call took lately */
    _Atomic int64_t open_until_ns;        /* until then calls are jobs of their own; 0: never */

    struct weft__lock lock; /* RANK_CHAN; protects the rest */
    struct weft__waitq line;
    uint32_t n_timed, n_slow; /* calls since the last mean */
    int64_t timed_ns;

    struct weft__disk_server {
        struct weft__job job;
        struct weft__disk *disk;
    } server[WEFT__DISK_SERVERS];
};

void weft__disk_init(struct weft__disk *d, int procs);

#endif
