/* SPDX-License-Identifier: MIT */
/* machine.h - an M: an OS thread that runs a P, or is spare; and which coroutine runs on it. */
#ifndef WEFT_SCHED_MACHINE_H
#define WEFT_SCHED_MACHINE_H

#include "../base/self.h"
#include "../coro/g.h"

struct weft__p;

struct weft__m {
    struct weft__g *cur;  /* the coroutine that runs on this thread; NULL on the M's own context */
    struct weft__p *p;    /* NULL while spare */
    struct weft__g *dead; /* left its stack for good: the next context gives it back */
    struct weft__ctx ctx; /* the M's own context, while a coroutine runs */
    struct weft_runtime *rt;
    struct weft__fp_control fp; /* the thread's floating-point environment */
    uint64_t thread;
    int thread_id; /* the kernel's */
    _Atomic uint32_t assigned; /* 1: `p` was given to this spare M, or it must leave */
    struct weft__m *next;      /* in the runtime's list of all Ms */
    struct weft__m *next_spare;
    void *alt_stack; /* for fault reports */
};

/* The coroutine that runs on this thread; NULL on a plain thread and on an M's own context. */
static inline struct weft__g *weft__g_self(void)
{
    struct weft__m *m = weft__m_self();
    return m != NULL ? m->cur : NULL;
}

_Noreturn void weft__m_not_in_coroutine(const char *what);

/* The M of the calling thread, if a coroutine runs on it; fatal with `what` otherwise. */
static inline struct weft__m *weft__m_in_coroutine(const char *what)
{
    struct weft__m *m = weft__m_self();
    if (WEFT__UNLIKELY(m == NULL || m->cur == NULL)) {
        weft__m_not_in_coroutine(what);
    }
    return m;
}

int weft__m_start(struct weft_runtime *rt, struct weft__p *p);
void weft__m_hand_off(struct weft__m *m);
void weft__p_ask_hand_off(struct weft__p *p);

/* switch.c: leave the coroutine that runs, whose wait has begun, for the next one.  Returns when it
 * has been made runnable, perhaps on another thread. */
void weft__switch_park(struct weft__m *m, struct weft__g *g);

#endif
