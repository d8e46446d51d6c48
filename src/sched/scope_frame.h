/* SPDX-License-Identifier: MIT */
/*
 * scope_frame.h - what a scope looks like inside: every wait under one reads it.
 *
 * The frames of a coroutine form a chain from the innermost outwards; the outermost is its root.
 * Only the coroutine changes the chain.  A canceller, on any thread, marks one frame and then ends
 * the wait that the coroutine is in, if it is in one:
 *
 *     the coroutine                        the canceller
 *     root->wait = the wait                root->n_busy + 1
 *     fence                                frame->cancelled_ns, root->has_cancelled
 *     has_cancelled?  need not wait        fence
 *     ... switched away ...                root->wait?  claim it and wake, or cancel its operation
 *     root->wait = NULL                    root->n_busy - 1
 *     fence
 *     wait while n_busy > 0
 *
 * [SCOPE-CANCEL]  Either the coroutine sees the mark before it waits, or the canceller sees the
 * wait; and either the canceller sees that the wait is over, or the coroutine sees the canceller
 * and stays in the wait until he is done: so he may look at it, and at the chain, which does not
 * change meanwhile.  Cancels are rare, so theirs is the heavy fence (base/fence.h).
 *
 * Cancellers do not wait for each other: who cancels a group holds the roots of all its members at
 * a time, in no order, and one of them twice if a child is about to start another.  The claim, or
 * the operation, decides between two who end the same wait.
 */
#ifndef WEFT_SCHED_SCOPE_FRAME_H
#define WEFT_SCHED_SCOPE_FRAME_H

#include <stdint.h>
#include <string.h>

#include "../base/atomic.h"
#include "../coro/g.h"
#include "wait.h"

enum weft__scope_kind {
    SCOPE_PLAIN,
    SCOPE_SHIELD, /* what lies around it does not count inside */
    SCOPE_BASE,   /* of a handle, or of a child of a group: all of its coroutine's code is inside */
};

#define WEFT__SCOPE_TOO_LATE (INT64_MAX - 1)

struct weft__scope_frame {
    struct weft__scope_frame *parent;
    struct weft__scope_frame *root;   /* the outermost of the coroutine; NULL: not open */
    struct weft__g *g;                /* whose it is; of a root not before the coroutine begins */
    int64_t deadline_ns;              /* its own */
    int64_t nearest_ns;               /* of its own and those around it that count */
    _Atomic int64_t cancelled_ns;     /* when it was cancelled; INT64_MAX: it was not; or
                                         WEFT__SCOPE_TOO_LATE: the deadline has answered before */
    _Atomic(struct weft__wait *) wait; /* root: the wait that the coroutine is in */
    _Atomic uint32_t n_busy;           /* root: cancellers who look at the coroutine */
    _Atomic bool has_cancelled;        /* root: a frame of the coroutine was cancelled */
    uint8_t kind;                      /* enum weft__scope_kind */
    bool has_ended_calls;              /* it was itself the cause of one */
    uint8_t cause; /* enum weft_cause: who ended the last call that was ended in it */
};

_Static_assert(offsetof(struct weft__scope_frame, cause) ==
                   offsetof(struct weft__scope_frame, has_cancelled) + 3,
               "weft__scope_is_as_set_up() looks at four of them at once");

/* Set up a frame; one without a parent is a root. */
static inline void weft__scope_init(struct weft__scope_frame *s, struct weft__scope_frame *parent,
                                    int64_t deadline_ns, enum weft__scope_kind kind)
{
    s->parent = parent;
    s->root = parent != NULL ? parent->root : s;
    s->g = NULL;
    s->deadline_ns = deadline_ns;
    s->nearest_ns = deadline_ns;
    if (parent != NULL && kind != SCOPE_SHIELD && parent->nearest_ns < deadline_ns) {
        s->nearest_ns = parent->nearest_ns;
    }
    atomic_init(&s->cancelled_ns, INT64_MAX);
    atomic_init(&s->wait, NULL);
    atomic_init(&s->n_busy, 0);
    atomic_init(&s->has_cancelled, false);
    s->kind = (uint8_t)kind;
    s->has_ended_calls = false;
    s->cause = 0;
}

/* Has nothing come of a root since it was set up, but that its coroutine was inside? */
static inline bool weft__scope_is_as_set_up(const struct weft__scope_frame *s)
{
    /* Four bytes, side by side, of which nobody else has any more to do with one. */
    static const unsigned char set_up[] = {false, SCOPE_BASE, false, 0};
    return memcmp((const char *)s + offsetof(struct weft__scope_frame, has_cancelled), set_up,
                  sizeof set_up) == 0;
}

/* g, the caller, goes into s, which was set up with its innermost frame as the parent. */
static inline void weft__scope_push(struct weft__g *g, struct weft__scope_frame *s)
{
    s->g = g;
    g->scope = s;
}

/* And out of it: s is the innermost.  Afterwards no canceller looks at it who was in there. */
void weft__scope_pop(struct weft__scope_frame *s);

/* Has a scope around g ended?  Then the innermost that has answers: all are told, and its
 * -ETIMEDOUT or -ECANCELED is returned; else 0. */
int weft__scope_answer(struct weft__g *g);

/* The same question, without telling anybody. */
bool weft__scope_has_ended(const struct weft__g *g);

/* g, under a scope, waits in w, or op's end is what it waits for.  True if a scope was cancelled
 * before; w is visible to cancellers in any case. */
bool weft__scope_wait_begin(struct weft__g *g, struct weft__wait *w, struct weft__op *op);
/* It does so no longer: afterwards no canceller looks at the wait. */
void weft__scope_wait_end(struct weft__g *g);

/* s is cancelled: by its own coroutine, or by one who holds its root. */
void weft__scope_mark(struct weft__scope_frame *s);

/* Wait until the cancellers are out who are inside. */
void weft__scope_wait_for_canceller(struct weft__scope_frame *root);

/* No canceller is inside any more who was before the call. */
static inline void weft__scope_settle(struct weft__scope_frame *root)
{
    /* acquire [SCOPE-BUSY]: they have let go of all that they looked at. */
    if (WEFT__UNLIKELY(atomic_load_explicit(&root->n_busy, memory_order_acquire) != 0)) {
        weft__scope_wait_for_canceller(root);
    }
}

/* A canceller begins and ends to look at the coroutine. */
void weft__scope_hold(struct weft__scope_frame *root);
void weft__scope_let_go(struct weft__scope_frame *root);

/* g, which has begun, will never run again: no canceller looks at its wait. */
void weft__scope_forget(struct weft__g *g);

#endif
