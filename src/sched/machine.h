/* SPDX-License-Identifier: MIT */
/* machine.h - an M: an OS thread that runs a P, or is spare; and which coroutine runs on it. */
#ifndef WEFT_SCHED_MACHINE_H
#define WEFT_SCHED_MACHINE_H

#include "../base/self.h"
#include "../coro/g.h"
#include "mutexes.h"

struct weft__p;

struct weft__m {
    struct weft__g *cur;  /* the coroutine that runs on this thread; NULL on the M's own context */
    struct weft__p *p;    /* NULL while spare, and while `cur` is outside without it */
    struct weft__g *dead; /* left its stack for good: the next context gives it back */
    struct weft__ctx ctx; /* the M's own context, while a coroutine runs */
    struct weft_runtime *rt;
    struct weft__fp_control fp; /* the thread's floating-point environment */
    uint64_t thread;
    bool has_thread; /* `thread` is set; under the lock of the Ms */
    int thread_id;   /* the kernel's */
    int cpu;  /* place.h: what its thread is bound to, */
    int role; /* and called after */
    _Atomic uint32_t assigned; /* 1: `p` was given to this spare M, or it must leave */
    struct weft__m *next;      /* in the runtime's list of all Ms */
    struct weft__m *next_spare;
    uint32_t outside_depth; /* calls of weft_blocking_enter() that are open */
    void *alt_stack;        /* for fault reports */
    struct weft__g *forker; /* in the child of a fork: who made it; `cur` is NULL then */
#ifdef WEFT__WATCHES_MUTEXES
    struct weft__mutexes mutexes;
#endif
};

/* The coroutine that runs on this thread; NULL on a plain thread and on an M's own context. */
static inline struct weft__g *weft__g_self(void)
{
    struct weft__m *m = weft__m_self();
    return m != NULL ? m->cur : NULL;
}

/* For reports, and for what no code of a coroutine may do: its M, also while it is outside. */
static inline struct weft__m *weft__m_of_thread(void)
{
    struct weft__m *m = weft__m_self();
    return m != NULL ? m : weft__m_outside();
}

_Noreturn void weft__m_not_in_coroutine(const char *call);

/* The M of the calling thread, if a coroutine runs on it; otherwise fatal with the name of the
 * `call`: "weft_yield()". */
static inline struct weft__m *weft__m_in_coroutine(const char *call)
{
    struct weft__m *m = weft__m_self();
    if (WEFT__UNLIKELY(m == NULL || m->cur == NULL)) {
        weft__m_not_in_coroutine(call);
    }
    return m;
}

int weft__m_start(struct weft_runtime *rt, struct weft__p *p);
void weft__m_hand_off(struct weft__m *m);
bool weft__m_give_away(struct weft__m *m);
void weft__p_ask_hand_off(struct weft__p *p);

/* switch.c: leave the coroutine that runs, whose wait has begun, for the next one.  Returns when it
 * has been made runnable, perhaps on another thread. */
void weft__switch_park(struct weft__m *m, struct weft__g *g);
/* The same by one who is in the gate of its P, where its waiter was linked; the gate is left.  For
 * one who waits with what is its own (wait.h) this may be the last act of the call that waits:
 * returns the rc that is there.  g comes first since it does so in what this ends in. */
int weft__switch_park_inside(struct weft__g *g, struct weft__gate *gate, struct weft__m *m);

/* switch.c: leave the coroutine that runs on an M without a P until some P takes it up, and leave
 * the thread to its M, as a spare one. */
void weft__switch_inside(struct weft__m *m, struct weft__g *g);

/* switch.c: end the coroutine that runs, from any depth, after its cleanups. */
_Noreturn void weft__switch_exit(int result);

#endif
