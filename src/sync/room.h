/* SPDX-License-Identifier: MIT */
/*
 * room.h - where those wait who cannot go on: the lock of an object, its queue, and how many have
 * yet to leave.
 *
 *     weft__lock(&room.lock); may the caller go on?  then weft__room_unlock(), and that is all
 *     weft__room_enter()     else it takes a seat; gives the lock back
 *     weft__room_wait()      returns with the lock held again
 *     ...a wait that a scope has ended: put right what the caller leaves behind...
 *     weft__room_leave()     gives the lock back
 *
 * Who ends a wait does so under the lock (a runtime that is being stopped takes its waiters out of
 * objects that live on), and whoever was woken takes the lock once more: so nobody can free the
 * object while the one who woke him is still in there.  And the one who woke may free it at once:
 * then the last of those who leave gives the memory back.
 */
#ifndef WEFT_SYNC_ROOM_H
#define WEFT_SYNC_ROOM_H

#include "../park/park.h"

struct weft__room {
    struct weft__lock lock; /* RANK_CHAN; protects all below, and what the object says */
    struct weft__waitq waiters;
    uint32_t inside; /* from weft__room_enter() to weft__room_leave() */
    bool is_freed;
};

struct weft__seat {
    struct weft__wait wait;
    struct weft__waiter waiter; /* index, value and rc are the object's to use */
};

static inline void weft__room_init(struct weft__room *r)
{
    weft__lock_init_biased(&r->lock, RANK_CHAN);
    weft__waitq_init(&r->waiters, &r->lock);
    r->inside = 0;
    r->is_freed = false;
}

static inline void weft__room_unlock(struct weft__room *r)
{
    if (WEFT__UNLIKELY(weft__lock_has_settled(&r->lock)) &&
        weft__waitq_first(&r->waiters) == NULL) {
        weft__unlock_and_bias(&r->lock);
    } else {
        weft__unlock(&r->lock);
    }
}

/* The caller becomes the last in the queue; s->waiter.index is set, to what its wait is worth. */
void weft__room_enter(struct weft__room *r, struct weft__seat *s, enum weft__wait_reason reason,
                      const void *object, const void *caller);

/* Wait until somebody claims the waiter and wakes it: its index, or a negative value if a scope
 * ended the wait.  Either way it is not in the queue any more. */
int weft__room_wait(struct weft__room *r, struct weft__seat *s);

/* The object that the room is part of is gone if it was freed and nobody else is inside. */
void weft__room_leave(struct weft__room *r, void *object);

/* Free an object; fatal with `in_use` if somebody waits. */
void weft__room_free(struct weft__room *r, void *object, const char *in_use);

#endif
