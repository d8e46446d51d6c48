/* SPDX-License-Identifier: MIT */
/* handle.h - the handle of a coroutine: its end, its value, and who waits for them. */
#ifndef WEFT_SCHED_HANDLE_H
#define WEFT_SCHED_HANDLE_H

#include "../base/lock.h"
#include "scope_frame.h"
#include "wait.h"

/*
 * `state` decides who frees it: the coroutine sets DONE when it ends, the holder RELEASED by join
 * or detach, both under the lock; whoever comes second frees it after the unlock.  For one who
 * waits in weft_join() the coroutine sets both: the value of the waiter is where its result goes,
 * and such a waiter does not touch the handle again.  Others have no value there.
 */
enum {
    CO_DONE = 1,
    CO_RELEASED = 2,
};

struct weft_co {
    struct weft__lock lock; /* RANK_CHAN; protects all below; state is read without, too */
    _Atomic uint32_t state;
    int result;
    bool was_abandoned; /* it never ended: its runtime was stopped */
    bool ends_runtime;  /* which stops with it */
    struct weft__g *g;  /* the coroutine, until it has ended */
    struct weft__waitq waiters;
    struct weft__scope_frame scope; /* the outermost of the coroutine, ended by weft_cancel() */
};

struct weft__p;

/* The handles that a P keeps for new coroutines, the oldest first: a released one rests for a
 * while, so that a handle that is joined twice is found out instead of being some other
 * coroutine's. */
#define WEFT__HANDLES_MAX 64
#define WEFT__HANDLES_REST (WEFT__HANDLES_MAX / 2) /* it keeps so many before it gives one out */
struct weft__handle_cache {
    struct weft_co *ring[WEFT__HANDLES_MAX]; /* those from head to tail, which run freely */
    uint32_t head;
    uint32_t tail;
};

static inline uint32_t weft__handle_cache_count(const struct weft__handle_cache *c)
{
    return c->tail - c->head;
}

static inline struct weft_co *weft__handle_cache_first(const struct weft__handle_cache *c)
{
    return c->ring[c->head % WEFT__HANDLES_MAX];
}

/*
 * The one that has rested longest, if it is as it was set up but for the state and whose scope it
 * is; NULL if there is none.  Mostly only the coroutine and who joined it, both on one P, had to do
 * with it; nobody waits in it then, and its g is NULL.
 */
static inline struct weft_co *weft__handle_first(const struct weft__handle_cache *c,
                                                 struct weft__gate *gate)
{
    if (weft__handle_cache_count(c) <= WEFT__HANDLES_REST) {
        return NULL;
    }
    struct weft_co *co = weft__handle_cache_first(c);
    /* relaxed [LOCK-BIAS]: the handle is ours alone. */
    bool is_as_set_up =
        WEFT__LIKELY(atomic_load_explicit(&co->lock.gate, memory_order_relaxed) == gate) &&
        weft__gate_is_worth_it(gate) && (co->was_abandoned | co->ends_runtime) == 0 &&
        weft__scope_is_as_set_up(&co->scope);
    return WEFT__LIKELY(is_as_set_up) ? co : NULL;
}

/* co was seen to be the first. */
static inline void weft__handle_take(struct weft__handle_cache *c, struct weft_co *co)
{
    c->head++;
    atomic_init(&co->state, 0);
    co->scope.g = NULL; /* it has not begun */
}

static inline bool weft__handle_cache_is_full(const struct weft__handle_cache *c)
{
    return weft__handle_cache_count(c) == WEFT__HANDLES_MAX;
}

/* Of one that is not full. */
static inline void weft__handle_cache_add(struct weft__handle_cache *c, struct weft_co *co)
{
    uint32_t tail = c->tail;
    c->tail = tail + 1;
    c->ring[tail % WEFT__HANDLES_MAX] = co;
}

/* p: the P of this thread, NULL on a plain thread.  NULL for lack of memory. */
struct weft_co *weft__handle_make(struct weft__p *p);

/* One that nobody has seen. */
void weft__handle_drop(struct weft__p *p, struct weft_co *co);

void weft__handle_cache_free(struct weft__handle_cache *c);

/* Has it ended?  With all that it wrote visible. */
static inline bool weft__handle_is_done(const struct weft_co *co)
{
    /* acquire [HANDLE-DONE] */
    return (atomic_load_explicit(&co->state, memory_order_acquire) & CO_DONE) != 0;
}

/* Under the lock: has it neither ended nor been released? */
static inline bool weft__handle_is_new(const struct weft_co *co)
{
    return atomic_load_explicit(&co->state, memory_order_relaxed) == 0;
}

/* Under the lock: set the bit of one side, or of both.  Returns what was set before. */
static inline uint32_t weft__handle_set(struct weft_co *co, uint32_t bits)
{
    uint32_t before = atomic_load_explicit(&co->state, memory_order_relaxed);
    /* release [HANDLE-DONE]: for those who look without the lock. */
    atomic_store_explicit(&co->state, before | bits, memory_order_release);
    return before;
}

/* The same under the lock. */
static inline bool weft__handle_has_ended(const struct weft_co *co)
{
    return (atomic_load_explicit(&co->state, memory_order_relaxed) & CO_DONE) != 0;
}

static inline bool weft__handle_is_released(const struct weft_co *co)
{
    return (atomic_load_explicit(&co->state, memory_order_relaxed) & CO_RELEASED) != 0;
}

/* The holder's last touch; false if it was released before. */
bool weft__handle_release(struct weft_co *co);

/* The coroutine has ended with `result`: everybody who waits is claimed and made runnable.  (The
 * short way: handle_end.h.) */
void weft__handle_finish(struct weft_co *co, int result);

/* It never will: its runtime has been stopped.  Those who wait get `result`. */
void weft__handle_abandon(struct weft_co *co, int result);

#endif
