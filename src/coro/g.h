/* SPDX-License-Identifier: MIT */
/*
 * g.h - the descriptor of a coroutine (G) and its states.
 *
 *   FREE --1--> RUNNABLE --2--> RUNNING --5--> DEAD --6--> FREE
 *                 ^  ^            |  ^
 *                 |  +-----4------+  3a
 *                 3b              3  |
 *                 |               v  |
 *                 +------------- PARKED
 *
 *   state     what it does            g is linked in          may change the state
 *   FREE      no stack is bound       a list of free ones     the P (or lock) that owns the list
 *   RUNNABLE  waits for its turn      exactly one queue       the M that takes it out
 *   RUNNING   its code runs           nothing (m->cur == g)   the coroutine itself
 *   PARKED    waits for something     its waiters             whoever wins the claim (3b), the
 *                                                             coroutine that need not wait (3a)
 *   DEAD      its code has returned   nothing                 the next context
 *   OUTSIDE   its code runs, perhaps  nothing (m->cur == g)   the coroutine itself
 *             without a P
 *
 *   1  spawn     plain store; the queue publishes it [RUNQ-PUSH].  No stack is bound yet.
 *   2  run       plain store; the M alone has it; a stack is bound if it has none.
 *   3  park      the state first, then the waiter is made visible, then the switch: no lock is
 *                held across it.
 *   3a go on     the coroutine finds before its switch that it need not wait after all: nobody else
 *                can have claimed it then.
 *   3b ready     by the winner of the claim, perhaps before the coroutine has switched away.
 *   4  yield     by the coroutine, before its switch.
 *   5  return    by the coroutine, on its last switch out; the next context gives the stack back.
 *   6  recycle   by the next context, into its P's list of free descriptors.
 *
 * RUNNING to OUTSIDE and back, or by a queue to RUNNABLE: plain stores by the coroutine
 * (sched/outside.c).
 *
 * Each change is a plain store: the claim of a wait, and the queue after it, decide who may make
 * it.  What a thief or a waker cannot know from the state is whether the stack is still in use: a
 * coroutine is PARKED, or RUNNABLE in somebody's queue, a moment before it has switched away.  That
 * is what ctx.sp says:
 *
 * [G-SAVED]  ctx.sp is NULL from the moment a coroutine is taken to run until weft__ctx_switch()
 * stores it with release, when all registers are saved.  Whoever takes a coroutine out of a queue
 * loads it with acquire and does not run it while it is NULL; and he waits for it on his M's own
 * context, so that two coroutines which leave for each other on two Ms never wait for one another.
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
    G_PARKED,
    G_DEAD,
    G_OUTSIDE,
};

/* What a coroutine waits for: shown in dumps, and one value a place in the code. */
enum weft__wait_reason {
    WAIT_NONE,
    WAIT_CHAN_SEND,
    WAIT_CHAN_RECV,
    WAIT_CHAN_NULL,
    WAIT_ONESHOT,
    WAIT_BROADCAST,
    WAIT_WATCH,
    WAIT_SELECT,
    WAIT_SELECT_DRAIN,
    WAIT_SELECT_NONE,
    WAIT_SLEEP,
    WAIT_TICK,
    WAIT_JOIN,
    WAIT_MUTEX,
    WAIT_RW_READ,
    WAIT_RW_WRITE,
    WAIT_COND,
    WAIT_SEM,
    WAIT_BARRIER,
    WAIT_EVENT,
    WAIT_GROUP,
    WAIT_ONCE,
    WAIT_CHILDREN,
    WAIT_GROUP_ROOM,
    WAIT_PLACE,
    WAIT_FUTURE,
    WAIT_FUTURE_ANY,
    WAIT_WAKER,
    WAIT_READ,
    WAIT_WRITE,
    WAIT_ACCEPT,
    WAIT_ACCEPT_LIMIT,
    WAIT_CONNECT,
    WAIT_FD,
    WAIT_CLOSE,
    WAIT_FILE,
    WAIT_PATH,
    WAIT_FILE_LOCK,
    WAIT_PROCESS,
    WAIT_SIGNAL,
    WAIT_BLOCKING,
    WAIT_NAME,
    WAIT_REASON_COUNT,
};

enum {
    G_FLAG_PINNED = 1, /* runs on one M only: p_home's */
    G_FLAG_OWN_FP = 4, /* fp is saved and restored at its switches */
    G_FLAG_RESULT = 8, /* entry takes the form that returns an int; handle is set */
    G_FLAG_SCOPED = 16, /* it runs in the scope of its handle */
    G_FLAG_OWN_ERRNO = 32, /* errno is saved and restored at its switches */
    G_FLAG_COUNTED = 64,   /* it has a place of its runtime's limit */
    G_FLAG_STAYS = 128, /* runs on one P only, p_home: nobody steals in its runtime */
    G_FLAG_CANARY = 256, /* it stands on a stack that is guarded by a canary alone */
    G_FLAG_EXCEPTIONS = 512, /* it may leave C++ exceptions behind at its switches */
};

struct weft_runtime;
struct weft__scope_frame;
struct weft__held;
struct weft__wait;
struct weft__own_wait;
struct weft__end;
struct weft_co;

/* Two cache lines: the first is what a switch touches, the second what spawn and reports do. */
struct weft__g {
    struct weft__ctx ctx;   /* the saved stack pointer while it does not run */
    _Atomic uint32_t state; /* enum weft__g_state */
    uint16_t flags;
    union {
        uint16_t p_home;      /* for PINNED and STAYS, and one that was placed */
        uint16_t batch_count; /* of the first of a batch */
    };
    struct weft__g *next;            /* in the one queue or list that holds it */
    struct weft__stack *stack;       /* NULL until it first runs */
    union {
        struct weft__scope_frame *scope; /* the innermost open scope */
        struct weft__g *next_batch;      /* of the first of a batch, free or not yet begun */
        struct weft__g *ahead;           /* of the others in it: one that comes later, or NULL */
    };
    struct weft_runtime *rt;         /* whose it is, for ever: slabs belong to one runtime */
    union {
        union {
            void (*plain)(void *);
            int (*with_result)(void *);
        } entry;                    /* until it begins */
        struct weft__own_wait *own; /* from then on: what it mostly waits with (sched/wait.h) */
    };
    union {
        void *arg;               /* until it begins */
        struct weft__held *held; /* from then on: the locks that it holds */
    };

    _Atomic uint64_t id;
    _Atomic(const char *) site;        /* where it was spawned; a constant string */
    _Atomic(char *) name;              /* NULL, or a block of the runtime's names */
    struct weft_co *handle;            /* what join waits in; NULL for go() */
    _Atomic(struct weft__wait *) wait; /* of the last park; lies on its stack */
    _Atomic uint8_t wait_reason;
    uint8_t stack_shift; /* the class of the stack that it wants */
    bool is_contested;   /* its last wait is, and it has not come back from it: stop.c */
    struct weft__fp_control fp;
    _Atomic int own_errno;  /* with OWN_ERRNO, while it does not run; published by ctx.sp */
    struct weft__end *ends; /* what it owes at its end: ends.h; NULL in one that is FREE */
} WEFT__ALIGNED_LINE;

_Static_assert(sizeof(void *) != 8 || sizeof(struct weft__ctx) != 8 ||
                   sizeof(struct weft__g) == 128,
               "a descriptor is two cache lines");

#define WEFT__G_NAME_BYTES 32

#endif
