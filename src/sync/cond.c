/* SPDX-License-Identifier: MIT */
/*
 * cond.c - condition variables.
 *
 * A waiter is in the queue before it gives the mutex back: so whoever changes the condition under
 * the mutex, and signals then, finds it.  Nothing but a signal or a scope ends its wait.  Which of
 * the two, the claim decides: a signal passes over those whose scope was faster, so it reaches
 * somebody if there is anybody.
 *
 * The mutex is taken again whatever has ended the wait, and no scope has a say in that: the caller
 * must be able to rely on holding it.
 */
#include <weft/cond.h>

#include "../base/fatal.h"
#include "../base/sys.h"
#include "mutex.h"
#include "room.h"

struct weft_cond {
    struct weft__room room;
};

struct weft_cond *weft_cond_make(void)
{
    struct weft_cond *c = weft__alloc(sizeof *c);
    if (c != NULL) {
        weft__room_init(&c->room);
    }
    return c;
}

void weft_cond_free(struct weft_cond *c)
{
    if (c != NULL) {
        weft__room_free(&c->room, c, "weft_cond_free: somebody waits for the condition");
    }
}

int weft_cond_wait(struct weft_cond *c, struct weft_mutex *m)
{
    const void *caller = __builtin_return_address(0);
    struct weft__seat s;
    if (!weft__mutex_is_mine(m)) {
        weft__fatal("weft_cond_wait: the caller does not hold the mutex");
    }
    s.waiter.index = 0;
    weft__lock(&c->room.lock);
    weft__room_enter(&c->room, &s, WAIT_COND, c, caller);
    weft_mutex_unlock(m);
    int rc = weft__room_wait(&c->room, &s);
    weft__room_leave(&c->room, c);
    weft__mutex_lock_again(m, caller);
    return rc;
}

void weft__cond_discard(void *cond)
{
    struct weft_cond *c = cond;
    weft__lock(&c->room.lock);
    weft__room_leave(&c->room, c);
}

void weft_cond_signal(struct weft_cond *c)
{
    weft__lock(&c->room.lock);
    struct weft__waiter *w = weft__waitq_claim_first(&c->room.waiters);
    if (w != NULL) {
        weft__park_wake(w->wait);
    }
    weft__room_unlock(&c->room);
}

void weft_cond_broadcast(struct weft_cond *c)
{
    struct weft__waiter *w;
    weft__lock(&c->room.lock);
    while ((w = weft__waitq_claim_first(&c->room.waiters)) != NULL) {
        weft__park_wake(w->wait);
    }
    weft__room_unlock(&c->room);
}
