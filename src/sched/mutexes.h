/* SPDX-License-Identifier: MIT */
/*
 * mutexes.h - in the checked build: pthread mutexes that a coroutine holds while it leaves its
 * thread.
 *
 * Such a mutex belongs to the thread: whoever runs there next, and wants it, waits for a coroutine
 * that cannot go on; and the one who holds it may come back on another thread.  So the checked
 * build is called at each lock and unlock (mutexes.c), notes the mutexes of the coroutine that runs
 * on a thread, and reports those that are held when it waits, yields or ends: once a pair of
 * places.
 *
 * The sanitizers have their own say in the locks, so it is not done beside them.
 */
#ifndef WEFT_SCHED_MUTEXES_H
#define WEFT_SCHED_MUTEXES_H

#include "../arch/san.h"

#if defined(WEFT_DEBUG) && !defined(WEFT__ASAN) && !defined(WEFT__TSAN)
#define WEFT__WATCHES_MUTEXES 1
#endif

struct weft__m;

#ifdef WEFT__WATCHES_MUTEXES

#define WEFT__HELD_MAX 16 /* more at a time are not noted */

/* The mutexes that were locked by the coroutine that runs on an M; the oldest first. */
struct weft__mutexes {
    int count;
    struct {
        const void *mutex;
        const void *where; /* the return address of the lock */
    } locks[WEFT__HELD_MAX];
};

/* The coroutine that runs on m is about to leave it: it `does` something ("waits") in a call from
 * `where`, or NULL.  Nothing that it holds is noted any more. */
void weft__mutexes_check(struct weft__m *m, const char *does, const void *where);

/* The same for one whose wait has begun. */
void weft__mutexes_check_wait(struct weft__m *m);

#else

static inline void weft__mutexes_check(struct weft__m *m, const char *does, const void *where)
{
    (void)m;
    (void)does;
    (void)where;
}

static inline void weft__mutexes_check_wait(struct weft__m *m)
{
    (void)m;
}

#endif
#endif
