/* SPDX-License-Identifier: MIT */
/*
 * g.h - the descriptor of a coroutine (G) and its states.
 *
 *   FREE --1--> RUNNABLE --2--> RUNNING --6--> DEAD --7--> FREE
 *                 ^               |  ^
 *                 |               3  3a
 *                 |               v  |       4
 *                 +<---5b--- PARKING ------------> PARKED
 *                 |               |5a                |
 *                 |               v                  |
 *                 +<-------- NOTIFIED                |
 *                 +<---------------5c----------------+
 *
 *   state     stack used by      g is linked in          may change the state
 *   FREE      none is bound      a list of free ones     the P (or lock) that owns the list
 *   RUNNABLE  nobody             exactly one queue       the M that takes it out
 *   RUNNING   its coroutine      nothing (m->cur == g)   the coroutine itself
 *   PARKING   its coroutine      its waiters             the next context (4), whoever wins the
 *                                                        claim (5a), the coroutine (3a)
 *   NOTIFIED  its coroutine      nothing                 the next context, which queues it (5b), or
 *                                                        the coroutine, which goes on (3a)
 *   PARKED    nobody             its waiters             whoever wins the claim (5c)
 *   DEAD      the next context   nothing                 the next context
 *
 *   1  spawn     plain store; the queue publishes it [RUNQ-PUSH].  No stack is bound yet.
 *   2  run       plain store; the M alone has it; a stack is bound if it has none.
 *   3  park      the state first, then the waiter is made visible, then the switch: no lock is
 *                held across it.
 *   3a go on     the coroutine finds before its switch that it was notified or that it need not
 *                wait after all, and returns to RUNNING.
 *   4  at rest   by the next context: compare-exchange, release [G-PARK]: the registers are saved,
 *                anyone may resume the stack.
 *   5a, 5c ready by the winner of the claim: PARKING -> NOTIFIED, or PARKED -> RUNNABLE with
 *   acquire
 *                [G-PARK], and then into a queue.
 *   5b           the next context finds NOTIFIED where it expected PARKING, and queues g.
 *   6  return    by the coroutine, on its last switch out; the next context gives the stack back.
 *   7  recycle   by the next context, into its P's list of free descriptors.
 *
 * Not an edge: RUNNABLE -> PARKED.  Nobody but the coroutine itself can park it.
 */
#ifndef WEFT_CORO_G_H
#define WEFT_CORO_G_H

#include "../arch/context.h"
#include "../arch/san.h"
#include "../base/atomic.h"
#include "../base/compiler.h"
#include "../stack/stack.h"

enum weft__g_state {
    G_FREE,
    G_RUNNABLE,
    G_RUNNING,
    G_PARKING,
    G_NOTIFIED,
    G_PARKED,
    G_DEAD,
};

/* What a coroutine waits for: shown in dumps, and one value a place in the code. */
enum weft__wait_reason {
    WAIT_NONE,
    WAIT_CHAN_SEND,
    WAIT_CHAN_RECV,
    WAIT_CHAN_NULL,
    WAIT_SELECT,
    WAIT_SELECT_DRAIN,
    WAIT_SELECT_NONE,
    WAIT_SLEEP,
    WAIT_TICK,
    WAIT_JOIN,
    WAIT_MUTEX,
    WAIT_GROUP,
    WAIT_ONCE,
    WAIT_READ,
    WAIT_WRITE,
    WAIT_ACCEPT,
    WAIT_ACCEPT_LIMIT,
    WAIT_CONNECT,
    WAIT_FD,
    WAIT_CLOSE,
    WAIT_REASON_COUNT,
};

enum {
    G_FLAG_PINNED = 1,  /* runs on one M only: p_home's */
    G_FLAG_OWN_FP = 4,  /* fp is saved and restored at its switches */
    G_FLAG_RESULT = 8,  /* entry takes the form that returns an int; handle is set */
};

struct weft_runtime;
struct weft__scope_frame;
struct weft__wait;
struct weft_co;

/* Two cache lines: the first is what a switch touches, the second what spawn and reports do. */
struct weft__g {
    struct weft__ctx ctx;   /* the saved stack pointer while it does not run */
    _Atomic uint32_t state; /* enum weft__g_state */
    uint16_t flags;
    uint16_t p_home;                 /* for PINNED and PLACED */
    struct weft__g *next;            /* in the one queue or list that holds it */
    struct weft__stack *stack;       /* NULL until it first runs */
    struct weft__scope_frame *scope; /* the innermost open deadline scope */
    struct weft_runtime *rt;         /* whose it is, for ever: slabs belong to one runtime */
    union {
        void (*plain)(void *);
        int (*with_result)(void *);
    } entry;
    void *arg;

    _Atomic uint64_t id;
    _Atomic(const char *) site;     /* where it was spawned; a constant string */
    _Atomic(char *) name;           /* NULL, or a block of the runtime's names */
    struct weft_co *handle;         /* what join waits in; NULL for go() */
    _Atomic(struct weft__wait *) wait; /* of the last park; lies on its stack */
    _Atomic uint8_t wait_reason;
    uint8_t stack_shift; /* the class of the stack that it wants */
    struct weft__fp_control fp;
} WEFT__ALIGNED_LINE;

_Static_assert(sizeof(void *) != 8 || sizeof(struct weft__ctx) != 8 ||
                   sizeof(struct weft__g) == 128,
               "a descriptor is two cache lines");

#define WEFT__G_NAME_BYTES 32

#endif
