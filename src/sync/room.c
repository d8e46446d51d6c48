/* SPDX-License-Identifier: MIT */
/* room.c - see room.h. */
#include "room.h"

#include "../base/fatal.h"
#include "../base/sys.h"
#include "../sched/lifecycle.h"

void weft__room_enter(struct weft__room *r, struct weft__seat *s, enum weft__wait_reason reason,
                      const void *object, const void *caller)
{
    weft__park_init(&s->wait);
    s->waiter.wait = &s->wait;
    weft__park_begin(&s->wait, reason, object, caller);
    weft__waitq_add(&r->waiters, &s->waiter);
    r->inside++;
    weft__unlock(&r->lock);
}

int weft__room_wait(struct weft__room *r, struct weft__seat *s)
{
    int rc = weft__park_wait(&s->wait);
    weft__lock(&r->lock);
    weft__waitq_remove(&r->waiters, &s->waiter);
    return rc;
}

void weft__room_leave(struct weft__room *r, void *object)
{
    r->inside--;
    bool is_last = r->is_freed && r->inside == 0;
    weft__room_unlock(r);
    if (is_last) {
        weft__free(object);
    }
}

void weft__room_free(struct weft__room *r, void *object, const char *in_use)
{
    weft__lock(&r->lock);
    bool has_waiters = weft__waitq_first(&r->waiters) != NULL;
    bool is_empty = r->inside == 0;
    r->is_freed = true;
    weft__unlock(&r->lock);
    if (has_waiters) {
        weft__fatal(in_use);
    }
    if (is_empty) {
        weft__free(object);
    }
}

void weft__room_discard(uint8_t reason, void *object)
{
    static void (*const discards[WAIT_REASON_COUNT])(void *) = {
        [WAIT_SEM] = weft__sem_discard,         [WAIT_RW_READ] = weft__rwlock_discard,
        [WAIT_RW_WRITE] = weft__rwlock_discard, [WAIT_BARRIER] = weft__barrier_discard,
        [WAIT_COND] = weft__cond_discard,       [WAIT_EVENT] = weft__event_discard,
    };
    if (discards[reason] != NULL) {
        discards[reason](object);
    }
}
