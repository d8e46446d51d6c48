/* SPDX-License-Identifier: MIT */
/*
 * rank.h - the order in which locks may be taken: only upwards, a lower number first.
 *
 * A thread that holds a rank may take a higher one.  The same rank twice is allowed for channels
 * alone, which select takes in order of their addresses.  Checked in debug builds (lock.c).
 */
#ifndef WEFT_BASE_RANK_H
#define WEFT_BASE_RANK_H

enum weft__rank {
    RANK_PROCESS, /* the list of runtimes, the watch thread's life; held over start and stop */
    RANK_SIGNALS, /* who has asked for which signals, and what they were before */
    RANK_START,   /* one runtime's start, stop and handles to it */
    RANK_WHEEL,   /* a P's timer wheel; held while fired timers claim and ready their waits */
    RANK_CHAN,    /* one channel, mutex, wait group, once or handle: its waiters and state */
    RANK_FD,      /* one entry of the fd table: operations in flight, registration, closing */
    RANK_REACTOR, /* a reactor's completion side and its lists; taken by try-lock from others */
    RANK_POOL,    /* the pool of threads for blocking calls: its queue and its threads */
    RANK_BOUND,   /* a P's queue of pinned and placed coroutines */
    RANK_INJECT,  /* the global queue and the list of coroutines that wait for a stack */
    RANK_IDLE,    /* the set of idle Ps */
    RANK_G,       /* the shared list of free descriptors and the list of slabs */
    RANK_STACK,   /* the stack arena and the shared caches */
    RANK_GATE,    /* the list of gates that no P has */
    RANK_COUNT,
};

#endif
