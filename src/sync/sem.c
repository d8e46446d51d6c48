/* SPDX-License-Identifier: MIT */
/*
 * sem.c - weighted semaphores.
 *
 * Strictly in order: nobody passes one who waits, however many permits there are, so that a request
 * for many is not starved by those for few.  Permits are handed over by the one who releases them,
 * to the first as long as there are enough for it.
 */
#include <weft/sem.h>

#include <errno.h>

#include "../base/fatal.h"
#include "../base/sys.h"
#include "room.h"

struct weft_sem {
    struct weft__room room; /* protects permits */
    int64_t permits;        /* free ones */
};

struct sem_seat {
    struct weft__seat seat;
    int64_t n;
};

struct weft_sem *weft_sem_make(int64_t permits)
{
    if (permits < 0) {
        weft__fatal("weft_sem_make: the number of permits is negative");
    }
    struct weft_sem *s = weft__alloc(sizeof *s);
    if (s != NULL) {
        weft__room_init(&s->room);
        s->permits = permits;
    }
    return s;
}

void weft_sem_free(struct weft_sem *s)
{
    if (s != NULL) {
        weft__room_free(&s->room, s, "weft_sem_free: somebody waits for the semaphore");
    }
}

static inline void check_count(int64_t n)
{
    if (WEFT__UNLIKELY(n < 1)) {
        weft__fatal("a semaphore is asked for, or given, less than one permit");
    }
}

static inline bool try_take(struct weft_sem *s, int64_t n)
{
    bool can = weft__waitq_first(&s->room.waiters) == NULL && n <= s->permits;
    if (can) {
        s->permits -= n;
    }
    return can;
}

/* Under the lock: hand out permits from the front of the queue, as far as they go. */
static void hand_out(struct weft_sem *s)
{
    struct weft__waiter *w;
    while ((w = weft__waitq_first(&s->room.waiters)) != NULL) {
        int64_t n = WEFT__CONTAINER(w, struct sem_seat, seat.waiter)->n;
        if (n > s->permits) {
            return;
        }
        weft__waitq_take(&s->room.waiters, w);
        if (weft__wait_claim(w->wait, 0)) {
            s->permits -= n;
            weft__park_wake(w->wait);
        }
    }
}

/* Under the lock, which is given back. */
static WEFT__COLD int wait_for(struct weft_sem *s, int64_t n, const void *caller)
{
    struct sem_seat at;
    at.n = n;
    at.seat.waiter.index = 0;
    weft__room_enter(&s->room, &at.seat, WAIT_SEM, s, caller);
    int rc = weft__room_wait(&s->room, &at.seat);
    if (rc < 0) {
        hand_out(s); /* those behind us may need fewer */
    }
    weft__room_leave(&s->room, s);
    return rc;
}

void weft__sem_discard(void *sem)
{
    struct weft_sem *s = sem;
    weft__lock(&s->room.lock);
    hand_out(s);
    weft__room_leave(&s->room, s);
}

int weft_sem_acquire(struct weft_sem *s, int64_t n)
{
    check_count(n);
    weft__lock(&s->room.lock);
    if (WEFT__UNLIKELY(!try_take(s, n))) {
        return wait_for(s, n, __builtin_return_address(0));
    }
    weft__room_unlock(&s->room);
    return 0;
}

int weft_sem_try_acquire(struct weft_sem *s, int64_t n)
{
    check_count(n);
    weft__lock(&s->room.lock);
    bool is_taken = try_take(s, n);
    weft__room_unlock(&s->room);
    return is_taken ? 0 : -EAGAIN;
}

void weft_sem_release(struct weft_sem *s, int64_t n)
{
    check_count(n);
    weft__lock(&s->room.lock);
    if (WEFT__UNLIKELY(s->permits > INT64_MAX - n)) {
        weft__unlock(&s->room.lock);
        weft__fatal("weft_sem_release: the semaphore has too many permits");
    }
    s->permits += n;
    hand_out(s);
    weft__room_unlock(&s->room);
}
