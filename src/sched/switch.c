/* SPDX-License-Identifier: MIT */
/*
 * switch.c - from one coroutine to the next, directly where there is a next one on this P.
 *
 * A coroutine that parks, yields or ends looks at its P's own queues only and switches straight to
 * its successor; if there is none, or it is time to look further, it switches to the M's own
 * context, which steals, polls and sleeps (find.c).  It may be in a queue before its registers are
 * saved; nobody resumes it before they are: [G-SAVED] in g.h.
 *
 * One that has ended stands on its stack to the last: the next context gives it back, first thing
 * after the switch.  Or there is no switch: a coroutine that begins goes on where another one has
 * ended, on the same stack, from its first frame.
 */
#include "../arch/exceptions.h"
#include "../base/fatal.h"
#include "../base/forked.h"
#include "../base/self.h"
#include "../base/sys.h"
#include "../coro/ends.h"
#include "../coro/held.h"
#include "away.h"
#include "fault.h"
#include "own.h"
#include "queue.h"
#include "watch.h"

static WEFT__COLD void check_slow(uint8_t checks, const struct weft__g *g)
{
    if ((checks & CHECK_FORKED) != 0) {
        weft__fatal("a coroutine ends" WEFT__IN_CHILD);
    }
    weft__g_check_canary(g);
}

static inline bool has_checks(const struct weft__m *m)
{
    return WEFT__UNLIKELY(atomic_load_explicit(&m->rt->checks, memory_order_relaxed) != 0);
}

static inline bool has_check(const struct weft__m *m, enum weft__checks check)
{
    return (atomic_load_explicit(&m->rt->checks, memory_order_relaxed) & check) != 0;
}

/* By the coroutine itself, while a report can still name it. */
static inline void check(const struct weft__m *m, const struct weft__g *g)
{
    if (has_check(m, CHECK_CANARY | CHECK_FORKED)) {
        check_slow(atomic_load_explicit(&m->rt->checks, memory_order_relaxed), g);
    }
}

static inline bool has_starved(const struct weft__p *p)
{
    return WEFT__UNLIKELY(
        atomic_load_explicit(&p->rt->inject.starved_count, memory_order_relaxed) != 0);
}

static inline void give_stack(struct weft__p *p, struct weft__stack *stack)
{
    if (has_starved(p)) {
        weft__starved_pass_on(p, stack);
    } else if (!weft__stack_put_hot(&p->rt->stacks, &p->stack_cache, stack)) {
        weft__stack_put(&p->rt->stacks, &p->stack_cache, stack);
    }
}

void weft__g_give_stack(struct weft__p *p, struct weft__stack *stack)
{
    give_stack(p, stack);
}

/* The stack and the descriptor of a coroutine that has ended. */
static WEFT__NOINLINE void bury(struct weft__p *p, struct weft__g *g)
{
    struct weft__stack *stack = g->stack;
    g->stack = NULL;
    atomic_store_explicit(&g->ctx.sp, NULL, memory_order_relaxed); /* it has nothing saved */
    give_stack(p, stack);
    atomic_store_explicit(&g->state, G_FREE, memory_order_relaxed);
    weft__g_put(&p->rt->slabs, &p->g_cache, g);
}

/* First thing after a switch, in the context `self` that was switched to. */
static inline void arrive(struct weft__ctx *self)
{
    weft__san_enter(self);
    struct weft__m *m = weft__m_self();
    struct weft__g *dead = m->dead;
    if (dead != NULL) {
        m->dead = NULL;
        bury(m->p, dead);
    }
}

/* Is this the first switch to g?  The flags of one that has run before are not written: it may not
 * have quite left its last M, which reads them. */
static inline bool take_fresh(struct weft__g *g)
{
    bool is_fresh = (g->flags & G_FLAG_FRESH) != 0;
    if (is_fresh) {
        g->flags &= (uint16_t)~G_FLAG_FRESH;
    }
    return is_fresh;
}

/* From here on g runs: nobody else may switch to it [G-SAVED].  Returns where it was. */
static inline void *begin_run(struct weft__m *m, struct weft__g *g)
{
    void *sp = atomic_load_explicit(&g->ctx.sp, memory_order_relaxed); /* seen before */
    atomic_store_explicit(&g->ctx.sp, NULL, memory_order_relaxed);
    atomic_store_explicit(&g->state, G_RUNNING, memory_order_relaxed);
    weft__count(m->p->counts.switches);
    m->cur = g;
    return sp;
}

/* Is it a matter of the stack alone to leave `from` for `to`, neither of which may be NULL? */
static inline bool is_plain(const struct weft__g *from, const struct weft__g *to)
{
    return WEFT__LIKELY(((from->flags | to->flags) & (G_FLAGS_OWN | G_FLAG_FRESH)) == 0);
}

/* Leave `from` for `to`, where that is_plain().  Returns when somebody resumes `from`, perhaps on
 * another thread. */
static WEFT__ALWAYS_INLINE void leave_for(struct weft__m *m, struct weft__g *from,
                                          struct weft__g *to)
{
    void *sp = begin_run(m, to);
    weft__san_leave(&from->ctx, &to->ctx, false);
    weft__ctx_switch((void **)&from->ctx.sp, sp);
    arrive(&from->ctx);
}

/* The same for any two; and for the M's own context if `to` is NULL. */
static void leave(struct weft__m *m, struct weft__g *from, struct weft__g *to, bool is_dying)
{
    struct weft__exceptions exceptions;
    struct weft__ctx *ctx = &m->ctx;
    void *sp;
    bool has_exceptions = has_check(m, CHECK_EXCEPTIONS) && weft__exceptions_take(&exceptions);
    if (WEFT__UNLIKELY(((from->flags | (to != NULL ? to->flags : 0)) & G_FLAGS_OWN) != 0)) {
        weft__own_switch(m, from, to);
    }
    if (to != NULL) {
        ctx = &to->ctx;
        sp = begin_run(m, to);
    } else {
        sp = atomic_load_explicit(&ctx->sp, memory_order_relaxed); /* our own */
        m->cur = NULL;
    }
    weft__san_leave(&from->ctx, ctx, is_dying);
    if (to != NULL && take_fresh(to)) {
        weft__ctx_enter((void **)&from->ctx.sp, sp);
    } else {
        weft__ctx_switch((void **)&from->ctx.sp, sp);
    }
    arrive(&from->ctx);
    if (WEFT__UNLIKELY(has_exceptions)) {
        weft__exceptions_give(&exceptions);
    }
}

static WEFT__COLD struct weft__g *put_off(struct weft__p *p, struct weft__g *g)
{
    p->pending = g;
    return NULL;
}

static inline void lay_out_on(struct weft__g *g, struct weft__stack *stack);

/* g has no saved stack pointer.  One that has not begun needs a stack, and only one that lies ready
 * is taken here: getting one otherwise needs system calls and more room than a coroutine should
 * spend of its first page.  One that has not quite left another M is waited for on our M's context.
 */
static inline bool can_begin(struct weft__p *p, struct weft__g *g)
{
    if (g->stack != NULL || g->stack_shift != p->rt->stacks.default_shift) {
        return false;
    }
    struct weft__stack *stack = weft__stack_get_hot(&p->stack_cache);
    if (stack == NULL) {
        return false;
    }
    lay_out_on(g, stack);
    return true;
}

/* May g be switched to at once? */
static inline bool can_run(struct weft__p *p, struct weft__g *g)
{
    /* acquire [G-SAVED] */
    return WEFT__LIKELY(atomic_load_explicit(&g->ctx.sp, memory_order_acquire) != NULL) ||
           can_begin(p, g);
}

/* One of this P's own; mostly the next one takes no call. */
static inline struct weft__g *pick(struct weft__p *p)
{
    struct weft__g *g = weft__queue_has_bound(p) ? NULL : weft__queue_pick_short(p);
    if (g != NULL) {
        p->tick++;
        return g;
    }
    return weft__queue_pick(p);
}

/* The successor of a coroutine that leaves: one of this P's own, or NULL for the M's context. */
static inline struct weft__g *successor(struct weft__p *p)
{
    if (WEFT__UNLIKELY(weft__p_must_poll(p))) {
        return NULL; /* time for the reactor, the timers and the global queue */
    }
    struct weft__g *g = weft__queue_pick(p);
    if (g == NULL || WEFT__LIKELY(can_run(p, g))) {
        return g;
    }
    return put_off(p, g);
}

/* Does nothing keep the coroutine that runs from leaving the short way?  On that way the next one
 * has run before and is saved, and no call is made but the switch itself: so nothing has to be kept
 * over one, which is half of what it would cost. */
static inline bool may_leave_short(const struct weft__m *m, const struct weft__p *p)
{
    return WEFT__LIKELY(!has_checks(m) && !weft__p_must_poll(p) && !weft__queue_has_bound(p));
}

/* May `from` be left for `to` the short way? */
static inline bool is_short(const struct weft__g *from, const struct weft__g *to)
{
    return to != NULL && is_plain(from, to) &&
           /* acquire [G-SAVED] */
           WEFT__LIKELY(atomic_load_explicit(&to->ctx.sp, memory_order_acquire) != NULL);
}

/* Leave `from` for `to`, which has not begun, if that is all there is to it. */
static inline bool begin_next(struct weft__m *m, struct weft__g *from, struct weft__g *to)
{
#if defined(WEFT__ASAN) || defined(WEFT__TSAN)
    return false; /* they keep books about the stack */
#endif
    if (to->stack != NULL || has_checks(m) || !is_plain(from, to) || !can_begin(m->p, to)) {
        return false;
    }
    (void)take_fresh(to);
    weft__ctx_enter((void **)&from->ctx.sp, begin_run(m, to));
    arrive(&from->ctx);
    return true;
}

/* The rest of a park.  `next` was taken out of a queue; NULL: find one. */
static WEFT__NOINLINE void park_slow(struct weft__m *m, struct weft__g *g, struct weft__g *next)
{
    struct weft__p *p = m->p;
    if (next != NULL && begin_next(m, g, next)) {
        return;
    }
    check(m, g);
    if (next == NULL) {
        next = successor(p);
    } else if (!can_run(p, next)) {
        next = put_off(p, next);
    }
    leave(m, g, next, false);
}

/* The coroutine is PARKED, and can be seen as soon as the gate is left: it may have been woken
 * already then. */
void weft__switch_park_inside(struct weft__m *m, struct weft__g *g, struct weft__gate *gate)
{
    struct weft__p *p = m->p;
    struct weft__g *next = NULL;
    weft__count(p->counts.parks);
    if (may_leave_short(m, p)) {
        p->tick++;
        next = weft__queue_pick_inside(p);
    }
    weft__gate_leave(gate);
    weft__mutexes_check_wait(m);
    weft__perturb();
    if (is_short(g, next)) {
        leave_for(m, g, next);
        return;
    }
    park_slow(m, g, next);
}

void weft__switch_park(struct weft__m *m, struct weft__g *g)
{
    struct weft__gate *gate = m->p->gate;
    weft__gate_enter(gate);
    weft__switch_park_inside(m, g, gate);
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
        next = can_run(p, next) ? next : put_off(p, next);
    } else {
        if (has_unstarted(p) && !p->is_down) { /* it would not run there */
            queue_an_unstarted(p);
        }
        next = successor(p);
    }
    if (next == NULL && p->pending == NULL && !weft__p_must_poll(p)) {
        return; /* alone on this P */
    }
    check(m, g);
    atomic_store_explicit(&g->state, G_RUNNABLE, memory_order_relaxed);
    weft__queue_woken(g, false);
    weft__perturb();
    leave(m, g, next, false);
}

static WEFT__COLD void tell_and_leave(struct weft__m *m, struct weft__g *g, struct weft__g *next)
{
    weft__idle_wake_one(m->rt);
    leave(m, g, next, false);
}

void weft__switch_yield(struct weft__m *m, struct weft__g *g)
{
    struct weft__p *p = m->p;
    struct weft__g *next = NULL;
    if (may_leave_short(m, p) && !has_unstarted(p)) {
        p->tick++;
        next = weft__queue_pick_short(p);
        if (is_short(g, next) && weft__queue_may_yield(g)) {
            atomic_store_explicit(&g->state, G_RUNNABLE, memory_order_relaxed);
            if (WEFT__LIKELY(weft__runq_push(&p->woken, g))) {
                weft__perturb();
                if (WEFT__UNLIKELY(weft__queue_must_tell(p))) {
                    tell_and_leave(m, g, next);
                    return;
                }
                leave_for(m, g, next);
                return;
            }
        }
    }
    yield_slow(m, g, next);
}

void weft__switch_inside(struct weft__m *m, struct weft__g *g)
{
    check(m, g);
    atomic_store_explicit(&g->state, G_RUNNABLE, memory_order_relaxed);
    weft__queue_woken(g, false);
    weft__perturb();
    weft__away_end(m->rt);
    leave(m, g, NULL, false);
}

static inline void refuse_open_scope(const struct weft__g *g)
{
    if (WEFT__UNLIKELY(g->scope != NULL && g->scope->kind != SCOPE_BASE)) {
        weft__fatal("a coroutine ended with a scope open");
    }
}

/* Nobody will ever give these locks back: whoever waits for one should learn why. */
static WEFT__COLD void leave_locks(struct weft__g *g)
{
    weft__report_left_locks(g);
    weft__held_outlive(g);
}

/* Others may have them now. */
static WEFT__COLD void give_up_places(struct weft_runtime *rt, struct weft__g *g)
{
    if ((g->flags & G_FLAG_PINNED) != 0) {
        struct weft__p *home = weft__p_at(rt, g->p_home);
        atomic_fetch_sub_explicit(&home->pinned_count, 1, memory_order_relaxed);
    }
    weft__limit_end(g);
}

/* What a coroutine owes to others when it ends. */
static inline void settle(struct weft__m *m, struct weft__g *g, int result)
{
    struct weft__p *p = m->p;
    check(m, g);
    refuse_open_scope(g);
    weft__mutexes_check(m, "ends", NULL);
    if (g->scope != NULL) {
        weft__scope_settle(g->scope); /* who has cancelled it may still look at the handle */
        g->scope = NULL;
    }
    if (WEFT__UNLIKELY(g->held != NULL)) {
        leave_locks(g);
    }
    if (WEFT__UNLIKELY((g->flags & (G_FLAG_PINNED | G_FLAG_COUNTED)) != 0)) {
        give_up_places(p->rt, g); /* first: who joins it finds its place free */
    }
    if (g->handle != NULL) {
        weft__handle_finish(g->handle, result);
        g->handle = NULL;
    }
    char *name = atomic_load_explicit(&g->name, memory_order_relaxed);
    if (WEFT__UNLIKELY(name != NULL)) {
        atomic_store_explicit(&g->name, NULL, memory_order_relaxed);
        weft__g_name_free(&p->rt->slabs, name);
    }
    weft__count(p->counts.ended);
}

/* Can `next`, which has not started, begin on the stack of g, which has ended?  The sanitizers keep
 * books about each stack, which a switch closes. */
static inline bool can_follow(const struct weft__p *p, const struct weft__g *g,
                              const struct weft__g *next)
{
#if defined(WEFT__ASAN) || defined(WEFT__TSAN)
    return false;
#endif
    return next->stack == NULL && next->stack_shift == g->stack->shift &&
           ((next->flags | g->flags) & G_FLAGS_OWN) == 0 && !has_starved(p);
}

/* Leave g for good, for `next` or the M's own context: where that is. */
static inline void *end_on(struct weft__m *m, struct weft__g *g, struct weft__g *next)
{
#if defined(WEFT__ASAN) || defined(WEFT__TSAN)
    leave(m, g, next, true); /* they want to be told right before the switch */
    __builtin_unreachable();
#endif
    if (WEFT__UNLIKELY(((g->flags | (next != NULL ? next->flags : 0)) & G_FLAGS_OWN) != 0)) {
        weft__own_switch(m, g, next);
    }
    if (next != NULL) {
        (void)take_fresh(next);
        return begin_run(m, next);
    }
    m->cur = NULL;
    return atomic_load_explicit(&m->ctx.sp, memory_order_relaxed); /* our own */
}

/* Returns the coroutine that follows on this stack; if there is none, NULL, and *sp is where to go
 * on. */
static inline struct weft__g *finish(struct weft__g *g, int result, void **sp)
{
    struct weft__m *m = weft__m_self();
    if (WEFT__UNLIKELY(m == NULL)) {
        weft__fatal("a coroutine ended between weft_blocking_enter() and weft_blocking_leave()");
    }
    struct weft__p *p = m->p;
    settle(m, g, result);
    struct weft__g *next = weft__p_must_poll(p) ? NULL : pick(p);
    if (next != NULL && can_follow(p, g, next)) {
        next->stack = g->stack;
        g->stack = NULL;
        atomic_store_explicit(&g->state, G_FREE, memory_order_relaxed);
        weft__g_put(&p->rt->slabs, &p->g_cache, g);
        (void)begin_run(m, next);
        return next;
    }
    if (next != NULL && !can_run(p, next)) {
        next = put_off(p, next);
    }
    atomic_store_explicit(&g->state, G_DEAD, memory_order_relaxed);
    m->dead = g;
    *sp = end_on(m, g, next);
    return NULL;
}

static WEFT__COLD void run_ends(struct weft__g *g)
{
    refuse_open_scope(g); /* cleanups wait, and would look at it */
    weft__ends_run(g, true);
}

static inline int call_entry(struct weft__g *g)
{
    void *arg = g->arg;
    g->held = NULL; /* in its place */
    if ((g->flags & G_FLAG_RESULT) == 0) {
        g->entry.plain(arg);
        return 0;
    }
    if ((g->flags & G_FLAG_SCOPED) != 0) {
        weft__scope_push(g, &g->handle->scope);
    }
    return g->entry.with_result(arg);
}

/* Where every coroutine begins: on its own stack, or where another one has ended. */
static void *g_main(void *arg)
{
    struct weft__g *g = arg;
    void *sp = NULL;
    arrive(&g->ctx);
    while (g != NULL) {
        int result = call_entry(g);
        if (WEFT__UNLIKELY(g->ends != NULL)) {
            run_ends(g);
        }
        g = finish(g, result, &sp);
    }
    return sp;
}

/* g ends on a stack that it was called on: nobody will return to those below. */
static WEFT__COLD void give_stacks_below(struct weft__p *p, const struct weft__g *g)
{
    struct weft__stack *stack = g->stack;
    while (stack->call != NULL) {
        struct weft__stack *below = stack->call->below;
        /* The fiber that runs here is that of the lowest stack; it must live until we are off. */
        void *fiber = below->fiber;
        below->fiber = stack->fiber;
        stack->fiber = fiber;
        stack->call = below->call;
        below->call = NULL;
        give_stack(p, below);
    }
}

/* By a coroutine that ends here, however deep it stands: nobody follows on its stack, for g_main()
 * is out of reach. */
_Noreturn void weft__switch_exit(int result)
{
    struct weft__g *g = weft__g_self();
    g->entry.exit_result = result;
    weft__ends_run(g, false);
    struct weft__m *m = weft__m_self();
    give_stacks_below(m->p, g);
    settle(m, g, result);
    struct weft__g *next = successor(m->p);
    atomic_store_explicit(&g->state, G_DEAD, memory_order_relaxed);
    m->dead = g;
    leave(m, g, next, true);
    __builtin_unreachable();
}

/* Give a coroutine that has not started its stack and first frame. */
static inline void lay_out_on(struct weft__g *g, struct weft__stack *stack)
{
    weft__g_stand_on(g, stack);
    stack->fiber = weft__san_fiber_renew(stack->fiber);
    weft__san_stack(&g->ctx, stack->low, (size_t)(stack->top - stack->low), stack->fiber);
    atomic_store_explicit(&g->ctx.sp, weft__ctx_make(stack->top, g_main, g), memory_order_relaxed);
    g->flags |= G_FLAG_FRESH;
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
    lay_out_on(g, stack);
    return true;
}

/* By the M, on its own context: run g until something comes back here. */
void weft__switch_to_g(struct weft__m *m, struct weft__g *g)
{
    if (WEFT__UNLIKELY((g->flags & G_FLAGS_OWN) != 0)) {
        weft__own_load(g);
    }
    void *sp = begin_run(m, g);
    (void)take_fresh(g);
    weft__san_leave(&m->ctx, &g->ctx, 0);
    weft__ctx_switch((void **)&m->ctx.sp, sp);
    arrive(&m->ctx);
}
