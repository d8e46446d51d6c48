/* SPDX-License-Identifier: MIT */
/*
 * wheel.h - the timer wheel: a level of 4,096 slots of 1 ms (2^20 ns), three of 256 slots above it,
 * and below them a fine level of 256 slots of 4 us that holds the current millisecond, so that
 * deadlines are exact.
 *
 * Pure data: no clock, no lock, no allocation.  The caller passes the time and keeps others out.
 * Timers are embedded in what waits; the wheel only links them.
 */
#ifndef WEFT_REACTOR_WHEEL_H
#define WEFT_REACTOR_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/compiler.h"

#define WEFT__WHEEL_LEVELS 5       /* the fine one, then 4 */
#define WEFT__WHEEL_TICK_SHIFT 12  /* a fine slot is 2^12 ns */
#define WEFT__WHEEL_FINE_SLOTS 256 /* those come first, then those of level 1, ... */
#define WEFT__WHEEL_SLOTS (WEFT__WHEEL_FINE_SLOTS + 4096 + 3 * 256)

/* The timers of a slot above the fine level, which is emptied as a whole, hang in so many lists:
 * each timer lies in other memory, and several at a time are fetched from there. */
#define WEFT__WHEEL_LANES 7

struct weft__timer {
    struct weft__timer *next, **prev_next; /* in a slot; prev_next is NULL when not armed */
    int64_t deadline_ns;
    uint16_t slot; /* of the wheel, while armed */
    uint16_t kind; /* the caller's: what to do when it fires */
};

struct weft__wheel_fine {
    int64_t min_ns; /* a lower bound of its deadlines; exact unless its earliest was removed */
    struct weft__timer *first;
};

/* A cache line. */
struct weft__wheel_coarse {
    int64_t min_ns;
    struct weft__timer *first[WEFT__WHEEL_LANES];
} WEFT__ALIGNED_LINE;

struct weft__wheel {
    int64_t elapsed_tick; /* all slots before it are empty */
    uint64_t armed_count;
    unsigned lane; /* where the next timer above the fine level goes */
    uint64_t words[WEFT__WHEEL_LEVELS];     /* the words of bits, from the level's first, not 0 */
    uint64_t bits[WEFT__WHEEL_SLOTS / 64];  /* slots that are not empty */
    struct weft__wheel_fine fine[WEFT__WHEEL_FINE_SLOTS];
    struct weft__wheel_coarse coarse[WEFT__WHEEL_SLOTS - WEFT__WHEEL_FINE_SLOTS];
};

/* An empty wheel that begins at now_ns; w is zeroed. */
void weft__wheel_init(struct weft__wheel *w, int64_t now_ns);

static inline void weft__timer_init(struct weft__timer *t, uint16_t kind)
{
    t->prev_next = (struct weft__timer **)0;
    t->kind = kind;
}

static inline bool weft__timer_is_armed(const struct weft__timer *t)
{
    return t->prev_next != (struct weft__timer **)0;
}

/*
 * It is now_ns, or later: for a wheel that was not advanced for long, since nothing was due.  What
 * is armed next then lies no higher than it must.  Cheap; fires nothing.
 */
void weft__wheel_catch_up(struct weft__wheel *w, int64_t now_ns);

/* Arm a timer that is not armed.  Any deadline goes: one in the past fires at the next advance,
 * one beyond the last level waits there; INT64_MAX is allowed.  O(1). */
void weft__wheel_add(struct weft__wheel *w, struct weft__timer *t, int64_t deadline_ns);

/* Disarm a timer; false if it was not armed.  O(1). */
bool weft__wheel_remove(struct weft__wheel *w, struct weft__timer *t);

/*
 * Take out the timers whose deadline is <= now_ns, at most max of them, linked by `next` in the
 * order of their fine slots (earlier slots first), and return the first, NULL if there are none.
 * They are disarmed.  A timer never fires before its exact deadline.  Time that goes backwards
 * counts as standing still.
 */
struct weft__timer *weft__wheel_advance(struct weft__wheel *w, int64_t now_ns, int max);

/*
 * When to call weft__wheel_advance() next: never later than the earliest deadline, and exact
 * unless the earliest timer of its slot was removed; INT64_MAX if nothing is armed.
 */
int64_t weft__wheel_next_ns(const struct weft__wheel *w);

#endif
