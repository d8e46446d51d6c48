/* SPDX-License-Identifier: MIT */
/*
 * barrier.c - n meet, and go on together.
 *
 * The last to come takes all others out of the queue and tells each, under the lock, that they have
 * met.  One whose scope has ended its wait goes by that as well: if they have met before it could
 * take the lock it was counted, and goes on with the others; else it takes itself out of the count.
 */
#include <weft/barrier.h>

#include "../base/fatal.h"
#include "../base/sys.h"
#include "room.h"

enum {
    NOT_YET = 0,
    HAS_MET = 1,
};

struct weft_barrier {
    struct weft__room room; /* protects n_here */
    int n;                  /* how many meet */
    int n_here;             /* how many of them wait */
};

struct weft_barrier *weft_barrier_make(int n)
{
    if (n < 1) {
        weft__fatal("weft_barrier_make: less than one is to meet");
    }
    struct weft_barrier *b = weft__alloc(sizeof *b);
    if (b != NULL) {
        weft__room_init(&b->room);
        b->n = n;
        b->n_here = 0;
    }
    return b;
}

void weft_barrier_free(struct weft_barrier *b)
{
    if (b != NULL) {
        weft__room_free(&b->room, b, "weft_barrier_free: somebody waits at the barrier");
    }
}

/* Under the lock. */
static void let_all_go(struct weft_barrier *b)
{
    struct weft__waiter *w;
    b->n_here = 0;
    while ((w = weft__waitq_first(&b->room.waiters)) != NULL) {
        weft__waitq_take(&b->room.waiters, w);
        w->rc = HAS_MET;
        if (weft__wait_claim(w->wait, 0)) {
            weft__park_wake(w->wait);
        }
    }
}

void weft__barrier_discard(void *barrier)
{
    struct weft_barrier *b = barrier;
    weft__lock(&b->room.lock);
    b->n_here--;
    weft__room_leave(&b->room, b);
}

int weft_barrier_wait(struct weft_barrier *b)
{
    struct weft__seat s;
    weft__lock(&b->room.lock);
    if (b->n_here + 1 == b->n) {
        let_all_go(b);
        weft__room_unlock(&b->room);
        return 1;
    }
    b->n_here++;
    s.waiter.index = 0;
    s.waiter.rc = NOT_YET;
    weft__room_enter(&b->room, &s, WAIT_BARRIER, b, __builtin_return_address(0));
    int rc = weft__room_wait(&b->room, &s);
    if (s.waiter.rc == HAS_MET) {
        rc = 0;
    } else {
        b->n_here--;
    }
    weft__room_leave(&b->room, b);
    return rc;
}
