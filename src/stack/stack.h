/* SPDX-License-Identifier: MIT */
/*
 * stack.h - stacks: address space for a million of them, guarded, cached, given back after a burst.
 *
 *   region    one reservation of address space for many stacks of one size, PROT_NONE at first and
 *             made accessible in chunks; few mappings, whatever the number of stacks
 *   stack     | guard | ............ usable ............ | colour |   grows down from `top`
 *   cache     a P keeps some hot stacks (memory still there) without a lock; more go to the shared
 *             hot list, and those beyond its bound lose their memory when a P is idle (cold list)
 *
 * A stack's own memory holds nothing of ours: its descriptor is in a table beside the region, so
 * that a cold stack really costs nothing and a parked coroutine touches one page.
 */
#ifndef WEFT_STACK_STACK_H
#define WEFT_STACK_STACK_H

#include "../base/atomic.h"
#include "../base/lock.h"
#include "guard.h"

/* Sizes are powers of two from 16 KiB to 1 GiB, a class each. */
#define WEFT__STACK_SHIFT_MIN 14
#define WEFT__STACK_CLASSES 17

struct weft__stack {
    struct weft__stack *next;      /* in a cache */
    char *low;                     /* lowest usable byte, right above the guard */
    char *top;                     /* where the first frame goes; coloured */
    void *fiber;                   /* ThreadSanitizer's */
    struct weft__stack_call *call; /* the call that is carried out here; NULL: a coroutine's own */
    uint8_t shift;                 /* size is 1 << shift, guard included */
    uint8_t guard;                 /* enum weft__guard_kind of this one */
};

/* A call by a coroutine on another stack than its own: what is below.  Lies there. */
struct weft__stack_call {
    struct weft__stack *below;
    void *sp; /* the context that goes on after the call */
};

struct weft__stack_region {
    struct weft__stack_region *next;
    char *base;
    uint32_t count;        /* stacks that fit */
    _Atomic uint32_t used; /* handed out at least once */
    uint32_t committed;    /* made accessible */
    uint32_t guarded;      /* have their guards already, all of them by madvise */
    size_t stride;         /* bytes from one stack to the next */
    struct weft__stack table[];
};

struct weft__stacks {
    struct weft__lock lock;                        /* RANK_STACK; protects all below */
    struct weft__stack *hot[WEFT__STACK_CLASSES];  /* memory still there */
    struct weft__stack *cold[WEFT__STACK_CLASSES]; /* memory given back */
    _Atomic(struct weft__stack_region *) regions[WEFT__STACK_CLASSES]; /* newest first */
    _Atomic uint32_t hot_count;                                        /* over all classes */
    _Atomic uint64_t made_count;                                       /* stacks that exist */
    struct weft__guards guards;
    uint8_t default_shift;
};

/* A P's own hot stacks, of the default size; owner only. */
struct weft__stack_cache {
    struct weft__stack *first;
    uint32_t count;
};

#define WEFT__STACK_CACHE_MAX 64 /* a P keeps at most so many */
#define WEFT__STACK_HOT_MAX 1024 /* the shared list keeps the memory of at most so many */

/* 0, or -EINVAL for a bad size, -ENOSYS for a guard that this kernel lacks. */
int weft__stacks_init(struct weft__stacks *s, size_t stack_bytes, enum weft_guard guard);
void weft__stacks_free(struct weft__stacks *s);

/* The class of a size, rounded up; -1 if out of range. */
int weft__stack_shift(size_t bytes);

/*
 * A stack of the class; NULL when there is no address space, memory or mapping for one.  May make
 * system calls and use 1 KiB of stack: not for a coroutine's own stack.
 */
struct weft__stack *weft__stack_get(struct weft__stacks *s, struct weft__stack_cache *cache,
                                    int shift);

/* Give a stack back, hot.  Nobody may stand on it any more. */
void weft__stack_put(struct weft__stacks *s, struct weft__stack_cache *cache,
                     struct weft__stack *stack);

/* A stack of the default size that lies ready; NULL if there is none.  Needs no room. */
static inline struct weft__stack *weft__stack_get_hot(struct weft__stack_cache *cache)
{
    struct weft__stack *stack = cache->first;
    if (stack != NULL) {
        cache->first = stack->next;
        cache->count--;
    }
    return stack;
}

/* Give one of the default size back, if there is room for it. */
static inline bool weft__stack_put_hot(const struct weft__stacks *s,
                                       struct weft__stack_cache *cache, struct weft__stack *stack)
{
    if (stack->shift != s->default_shift || cache->count >= WEFT__STACK_CACHE_MAX) {
        return false;
    }
    stack->next = cache->first;
    cache->first = stack;
    cache->count++;
    return true;
}

/* Hand a P's cache over to the shared list. */
void weft__stack_cache_flush(struct weft__stacks *s, struct weft__stack_cache *cache);

/* Give back the memory of at most `max` shared hot stacks, and keep that of `keep`; false if there
 * are no more.  What it was is added to *given, unless that is NULL. */
bool weft__stacks_trim(struct weft__stacks *s, uint32_t keep, uint32_t max, uint64_t *given);

/* Is the memory of more than WEFT__STACK_HOT_MAX there? */
static inline bool weft__stacks_have_surplus(const struct weft__stacks *s)
{
    return atomic_load_explicit(&s->hot_count, memory_order_relaxed) > WEFT__STACK_HOT_MAX;
}

/* The stack whose guard or usable part holds an address, found without a lock: for the report of a
 * fault.  NULL if it is none of ours.  *in_guard says which part. */
struct weft__stack *weft__stack_find(struct weft__stacks *s, uintptr_t address, bool *in_guard);

#endif
