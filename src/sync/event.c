/* SPDX-License-Identifier: MIT */
/* event.c - something that has happened, or not: set, reset, and waited for by many. */
#include "event.h"

#include <weft/event.h>

#include "../base/fatal.h"
#include "../base/sys.h"
#include "room.h"

struct weft_event {
    struct weft__room room; /* protects the changes of is_set, and each look by a waiter */
    _Atomic uint32_t is_set;
};

struct weft_event *weft_event_make(void)
{
    struct weft_event *e = weft__alloc(sizeof *e);
    if (e != NULL) {
        weft__room_init(&e->room);
        atomic_init(&e->is_set, 0);
    }
    return e;
}

void weft_event_free(struct weft_event *e)
{
    if (e != NULL) {
        weft__room_free(&e->room, e, "weft_event_free: somebody waits for the event");
    }
}

void weft_event_set(struct weft_event *e)
{
    struct weft__waiter *w;
    weft__lock(&e->room.lock);
    /* release [EVENT-SET]: for those who look without the lock. */
    atomic_store_explicit(&e->is_set, 1, memory_order_release);
    while ((w = weft__waitq_claim_first(&e->room.waiters)) != NULL) {
        weft__park_wake(w->wait);
    }
    weft__room_unlock(&e->room);
}

void weft_event_reset(struct weft_event *e)
{
    weft__lock(&e->room.lock);
    atomic_store_explicit(&e->is_set, 0, memory_order_relaxed);
    weft__room_unlock(&e->room);
}

bool weft_event_is_set(const struct weft_event *e)
{
    /* acquire [EVENT-SET]: what was written before the set is visible. */
    return atomic_load_explicit(&e->is_set, memory_order_acquire) != 0;
}

/* Under the lock. */
static bool has_happened(const struct weft_event *e)
{
    return atomic_load_explicit(&e->is_set, memory_order_relaxed) != 0;
}

int weft_event_wait(struct weft_event *e)
{
    struct weft__seat s;
    weft__lock(&e->room.lock); /* who set it is out when we are in: the caller may free it then */
    if (has_happened(e)) {
        weft__room_unlock(&e->room);
        return 0;
    }
    s.waiter.index = 0;
    weft__room_enter(&e->room, &s, WAIT_EVENT, e, __builtin_return_address(0));
    int rc = weft__room_wait(&e->room, &s);
    weft__room_leave(&e->room, e);
    return rc;
}

void weft__event_discard(void *event)
{
    struct weft_event *e = event;
    weft__lock(&e->room.lock);
    weft__room_leave(&e->room, e);
}

static int check(const struct weft_case *c, const struct weft_runtime *rt)
{
    (void)c;
    (void)rt;
    return 0;
}

static bool is_ready(const struct weft_case *c)
{
    return has_happened(c->object);
}

static bool try_locked(struct weft_case *c, struct weft__wait **wake)
{
    (void)wake;
    c->rc = 0;
    return has_happened(c->object);
}

static void won(struct weft_case *c, struct weft__waiter *w)
{
    struct weft_event *e = c->object;
    (void)w;
    c->rc = 0;
    weft__lock(&e->room.lock); /* who woke us may still be in there */
    weft__unlock(&e->room.lock);
}

const struct weft__select_ops weft__event_ops = {
    .queue_at = offsetof(struct weft_event, room.waiters),
    .has_value = false,
    .check = check,
    .is_ready = is_ready,
    .try_locked = try_locked,
    .taken = NULL,
    .won = won,
};
