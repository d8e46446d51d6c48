/* SPDX-License-Identifier: MIT */
/*
 * switch.c - from one coroutine to the next, directly where there is a next one on this P.
 *
 * A coroutine that parks, yields or ends looks at its P's own queues only and switches straight to
 * its successor; if there is none, or it is time to look further, it switches to the M's own
 * context, which steals, polls and sleeps (find.c).  It may be in a queue before its registers are
 * saved; nobody resumes it before they are: [G-SAVED] in g.h.
 *
 * How it begins and ends is in entry.c.
 */
#include "../arch/exceptions.h"
#include "../base/self.h"
#include "away.h"
#include "switch.h"

/* Is it a matter of the stack alone to leave `from` for `to`, neither of which may be NULL?
 * `more`: flags that keep `from` from it, too, and which `to` never has. */
static inline bool is_plain(const struct weft__g *from, const struct weft__g *to, unsigned more)
{
    return WEFT__LIKELY(((from->flags | to->flags) & (G_FLAGS_APART | more)) == 0);
}

/* A result for those who want none: it is where it was written last. */
static inline const int *no_result(const struct weft__g *g)
{
    return (const int *)&g->state;
}

/*
 * Leave `from` for `to`, where that is_plain().  Returns *rc when somebody resumes it, perhaps on
 * another thread.
 *
 * Where nothing is left to be done after this but to return to the user, it is the last call on the
 * way (a jump, for a compiler), and the switch itself returns there: so the two whom it leads from
 * and to may be at different depths of Weft, and stand at the same.
 */
static WEFT__ALWAYS_INLINE int leave_for(struct weft__m *m, struct weft__g *from,
                                         struct weft__g *to, void *sp, const int *rc)
{
    (void)weft__begin_run_at(m, to, sp);
    weft__san_leave(&from->ctx, &to->ctx, false);
#ifdef WEFT__KEEPS_BOOKS
    weft__ctx_switch((void **)&from->ctx.sp, sp);
    weft__arrive(&from->ctx);
    return *rc;
#else
    return weft__ctx_wait((void **)&from->ctx.sp, sp, rc);
#endif
}

/* The same for any two; and for the M's own context if `to` is NULL. */
void weft__switch_leave(struct weft__m *m, struct weft__g *from, struct weft__g *to, bool is_dying)
{
    struct weft__exceptions exceptions;
    struct weft__ctx *ctx = &m->ctx;
    void *sp;
    bool has_exceptions =
        (from->flags & G_FLAG_EXCEPTIONS) != 0 && weft__exceptions_take(&exceptions);
    if (WEFT__UNLIKELY(((from->flags | (to != NULL ? to->flags : 0)) & G_FLAGS_OWN) != 0)) {
        weft__own_switch(m, from, to);
    }
    if (to != NULL) {
        ctx = &to->ctx;
        sp = weft__begin_run(m, to);
    } else {
        sp = atomic_load_explicit(&ctx->sp, memory_order_relaxed); /* our own */
        m->cur = NULL;
    }
    weft__san_leave(&from->ctx, ctx, is_dying);
    weft__ctx_switch((void **)&from->ctx.sp, sp);
    weft__arrive(&from->ctx);
    if (WEFT__UNLIKELY(has_exceptions)) {
        weft__exceptions_give(&exceptions);
    }
}

/*
 * The short way to leave: the next one has run before and is saved, and no call is made but the
 * switch itself, so nothing has to be kept over one, which is half of what it would cost.
 *
 * Who finds that it is time to look around takes a glance first (glance.h), and goes the short way
 * after all if that will do: each way has a second copy for that.
 */

/* Where `to` was, if `from` may be left for it the short way; else NULL. */
static WEFT__ALWAYS_INLINE void *short_way(const struct weft__g *from, const struct weft__g *to,
                                           unsigned more)
{
    /* acquire [G-SAVED] */
    return to != NULL && is_plain(from, to, more)
               ? atomic_load_explicit(&to->ctx.sp, memory_order_acquire)
               : NULL;
}

/* The stack for `to`, if it has not begun and `from` may be left for it with no more than that. */
static inline struct weft__stack *stack_to_begin(struct weft__p *p,
                                                 const struct weft__g *from,
                                                 const struct weft__g *to)
{
#ifdef WEFT__KEEPS_BOOKS
    return NULL;
#endif
    if (to == NULL || to->stack != NULL || !is_plain(from, to, 0)) {
        return NULL;
    }
    return weft__take_stack(p, to);
}

/* As leave_for(), for one that begins. */
static inline int begin(struct weft__m *m, struct weft__g *from, struct weft__g *to,
                        struct weft__stack *stack, const int *rc)
{
    weft__g_stand_on(to, stack);
    weft__begin_on_stack(m, to);
    return weft__ctx_begin((void **)&from->ctx.sp, stack->top, weft__g_main, to, weft__bury_dead,
                           rc);
}

/* The rest of a park.  `next` was taken out of a queue; NULL: find one. */
static WEFT__NOINLINE int park_slow(struct weft__m *m, struct weft__g *g, struct weft__g *next,
                                    const int *rc)
{
    struct weft__p *p = m->p;
    weft__switch_check(g);
    if (next == NULL) {
        next = weft__successor(p);
    } else if (!weft__can_run(p, next)) {
        next = weft__put_off(p, next);
    }
    weft__switch_leave(m, g, next, false);
    return *rc;
}

static WEFT__NOINLINE int park_rest(struct weft__m *m, struct weft__g *g, struct weft__g *next,
                                    const int *rc)
{
    struct weft__stack *stack = stack_to_begin(m->p, g, next);
    return stack != NULL ? begin(m, g, next, stack, rc) : park_slow(m, g, next, rc);
}

static WEFT__ALWAYS_INLINE void begin_park(struct weft__m *m, struct weft__p *p,
                                           struct weft__gate *gate)
{
    weft__count_turn(&p->counts.parks);
    weft__gate_leave(gate);
    weft__mutexes_check_wait(m);
    weft__perturb();
}

/* To the youngest that has not started, if there is one. */
static WEFT__ALWAYS_INLINE int park_for_unstarted(struct weft__m *m, struct weft__g *g,
                                                  struct weft__gate *gate, const int *rc)
{
    struct weft__p *p = m->p;
    struct weft__g *next = weft__deque_pop(&p->unstarted);
    begin_park(m, p, gate);
    struct weft__stack *stack = stack_to_begin(p, g, next);
    return WEFT__LIKELY(stack != NULL) ? begin(m, g, next, stack, rc) : park_slow(m, g, next, rc);
}

static WEFT__NOINLINE int park_without_next(struct weft__m *m, struct weft__g *g,
                                            struct weft__gate *gate, const int *rc)
{
    struct weft__p *p = m->p;
    struct weft__g *next = weft__queue_pick_woken(p);
    if (next == NULL) {
        return park_for_unstarted(m, g, gate, rc);
    }
    begin_park(m, p, gate);
    void *sp = short_way(g, next, 0);
    return WEFT__LIKELY(sp != NULL) ? leave_for(m, g, next, sp, rc) : park_rest(m, g, next, rc);
}

/* In the turn `tick`.  Each of the three queues has a way of its own: what is known of those in it
 * need not be asked. */
static WEFT__ALWAYS_INLINE int park_now(struct weft__m *m, struct weft__g *g,
                                        struct weft__gate *gate, const int *rc, uint32_t tick)
{
    struct weft__p *p = m->p;
    struct weft__g *next = NULL;
    if (WEFT__LIKELY(!weft__queue_has_bound(p))) {
        p->tick = tick + 1;
        next = weft__queue_next(p);
        if (WEFT__UNLIKELY(next == NULL)) {
            return park_without_next(m, g, gate, rc);
        }
        next = weft__queue_pick_next(p, next);
    }
    begin_park(m, p, gate);
    void *sp = short_way(g, next, 0);
    return WEFT__LIKELY(sp != NULL) ? leave_for(m, g, next, sp, rc) : park_rest(m, g, next, rc);
}

static WEFT__NOINLINE int park_due(struct weft__m *m, struct weft__g *g, struct weft__gate *gate,
                                   const int *rc)
{
    if (weft__p_glance(m->p)) {
        return park_now(m, g, gate, rc, m->p->tick);
    }
    begin_park(m, m->p, gate);
    return park_slow(m, g, NULL, rc);
}

/* In the gate.  The coroutine is PARKED, and can be seen as soon as the gate is left: it may have
 * been woken already then. */
static WEFT__ALWAYS_INLINE int park(struct weft__m *m, struct weft__g *g, struct weft__gate *gate,
                                    const int *rc)
{
    uint32_t tick = m->p->tick;
    return WEFT__UNLIKELY(weft__p_must_poll_at(m->p, tick)) ? park_due(m, g, gate, rc)
                                                            : park_now(m, g, gate, rc, tick);
}

int weft__switch_park_inside(struct weft__g *g, struct weft__gate *gate, struct weft__m *m)
{
    return park(m, g, gate, &g->own->waiter.rc);
}

void weft__switch_park(struct weft__m *m, struct weft__g *g)
{
    struct weft__gate *gate = m->p->gate;
    weft__gate_enter(gate);
    (void)park(m, g, gate, no_result(g));
}

/* One that has not started goes ahead of the one that yields: it must not starve behind coroutines
 * that only ever yield to each other. */
static WEFT__COLD void queue_an_unstarted(struct weft__p *p)
{
    struct weft__g *g = weft__queue_take_oldest(p);
    if (g == NULL && weft__inject_has_overflow(p->inject)) {
        g = weft__inject_take_oldest(p->inject);
    }
    if (g != NULL) {
        weft__queue_woken(g, false);
    }
}

static inline bool has_unstarted(const struct weft__p *p)
{
    return !weft__deque_is_empty(&p->unstarted) ||
           WEFT__UNLIKELY(weft__inject_has_overflow(p->inject));
}

/* The rest of weft__switch_yield(), `next` as in park_slow(). */
static WEFT__NOINLINE void yield_slow(struct weft__m *m, struct weft__g *g, struct weft__g *next)
{
    struct weft__p *p = m->p;
    if (next != NULL) {
        next = weft__can_run(p, next) ? next : weft__put_off(p, next);
    } else {
        if (has_unstarted(p) && !p->is_down) { /* it would not run there */
            queue_an_unstarted(p);
        }
        next = weft__successor(p);
    }
    if (next == NULL && p->pending == NULL && !weft__p_must_poll(p)) {
        return; /* alone on this P */
    }
    weft__count(p->counts.yields);
    weft__switch_check(g);
    atomic_store_explicit(&g->state, G_RUNNABLE, memory_order_relaxed);
    weft__queue_woken(g, false);
    weft__perturb();
    weft__switch_leave(m, g, next, false);
}

static WEFT__COLD void tell_and_leave(struct weft__m *m, struct weft__g *g, struct weft__g *next)
{
    weft__idle_wake_one(m->rt);
    weft__switch_leave(m, g, next, false);
}

static WEFT__ALWAYS_INLINE void yield_now(struct weft__m *m, struct weft__g *g)
{
    struct weft__p *p = m->p;
    struct weft__g *next = NULL;
    if (WEFT__LIKELY(!weft__queue_has_bound(p)) && WEFT__LIKELY(!has_unstarted(p))) {
        p->tick++;
        next = weft__queue_pick_short(p);
        void *sp = short_way(g, next, G_FLAG_PINNED); /* those are never in our own queues */
        if (WEFT__LIKELY(sp != NULL) && !weft__perturb_migrates()) {
            atomic_store_explicit(&g->state, G_RUNNABLE, memory_order_relaxed);
            if (WEFT__LIKELY(weft__runq_push(&p->woken, g))) {
                weft__count_turn(&p->counts.yields);
                weft__perturb();
                if (WEFT__UNLIKELY(weft__queue_must_tell(p))) {
                    tell_and_leave(m, g, next);
                    return;
                }
                (void)leave_for(m, g, next, sp, no_result(g));
                return;
            }
        }
    }
    yield_slow(m, g, next);
}

static WEFT__NOINLINE void yield_due(struct weft__m *m, struct weft__g *g)
{
    if (weft__p_glance(m->p)) {
        yield_now(m, g);
    } else {
        yield_slow(m, g, NULL);
    }
}

void weft__switch_yield(struct weft__m *m, struct weft__g *g)
{
    if (WEFT__UNLIKELY(weft__p_must_poll(m->p))) {
        yield_due(m, g);
    } else {
        yield_now(m, g);
    }
}

void weft__switch_inside(struct weft__m *m, struct weft__g *g)
{
    weft__switch_check(g);
    atomic_store_explicit(&g->state, G_RUNNABLE, memory_order_relaxed);
    weft__queue_woken(g, false);
    weft__perturb();
    weft__away_end(m->rt);
    weft__switch_leave(m, g, NULL, false);
    weft__count(weft__m_self()->p->counts.yields);
}

/* The same with the stack that it has been given already, or any that can be had; false if none
 * can. */
bool weft__g_bind_stack(struct weft__p *p, struct weft__g *g)
{
    struct weft__stack *stack = g->stack;
    if (stack == NULL) {
        stack = weft__stack_get(&p->rt->stacks, &p->stack_cache, g->stack_shift);
    }
    if (WEFT__UNLIKELY(stack == NULL)) {
        return false;
    }
    weft__lay_out_on(g, stack);
    return true;
}

/* By the M, on its own context: run g until something comes back here. */
void weft__switch_to_g(struct weft__m *m, struct weft__g *g)
{
    weft__count(m->p->counts.begun);
    if (WEFT__UNLIKELY((g->flags & G_FLAGS_OWN) != 0)) {
        weft__own_load(g);
    }
    void *sp = weft__begin_run(m, g);
    weft__san_leave(&m->ctx, &g->ctx, 0);
    weft__ctx_switch((void **)&m->ctx.sp, sp);
    weft__arrive(&m->ctx);
}
