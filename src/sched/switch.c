/* SPDX-License-Identifier: MIT */
/*
 * switch.c - from one coroutine to the next, directly where there is a next one on this P.
 *
 * A coroutine that parks, yields or ends looks at its P's own queues only and switches straight to
 * its successor; if there is none, or it is time to look further, it switches to the M's own
 * context, which steals, polls and sleeps (find.c).  Nobody can resume a coroutine before its
 * registers are saved: what makes it visible again (PARKED, a queue, the free list) is done by the
 * next context, first thing after the switch: the post action.
 */
#include "../base/fatal.h"
#include "../base/self.h"
#include "sched.h"

static WEFT__COLD void canary_is_dead(void)
{
    weft__fatal("stack overflow: the canary at the low end of its stack is overwritten; give it a "
                "larger stack (stack_bytes, WEFT_STACK)");
}

static WEFT__COLD void check_slow(uint8_t checks, const struct weft__g *g)
{
    if ((checks & CHECK_FORKED) != 0) {
        weft__fatal("a coroutine waits in the child of a fork; there only exec and _exit work");
    }
    if (g->stack->guard == GUARD_KIND_CANARY && !weft__canary_is_intact(g->stack->low)) {
        canary_is_dead();
    }
}

/* By the coroutine itself, while a report can still name it. */
static inline void check(const struct weft__m *m, const struct weft__g *g)
{
    uint8_t checks = atomic_load_explicit(&m->rt->checks, memory_order_relaxed);
    if (WEFT__UNLIKELY(checks != 0)) {
        check_slow(checks, g);
    }
}

/* Do what the context that was left needs done.  `m` is the M of this thread. */
static inline void run_post(struct weft__m *m)
{
    struct weft__g *g = m->post_g;
    enum weft__post post = m->post;
    m->post = POST_NONE;
    if (post == POST_PARK) {
        uint32_t state = G_PARKING;
        weft__perturb();
        if (m->rt->procs == 1 &&
            atomic_load_explicit(&g->state, memory_order_relaxed) == G_PARKING) {
            atomic_store_explicit(&g->state, G_PARKED, memory_order_relaxed);
            return;
        }
        /* release [G-PARK]: the stack may now be resumed by anyone.  acquire [G-NOTIFY] if it was
         * notified: the outcome of its wait goes with it to whoever runs it. */
        if (WEFT__LIKELY(atomic_compare_exchange_strong_explicit(
                &g->state, &state, G_PARKED, memory_order_release, memory_order_acquire))) {
            return;
        }
        WEFT__ASSERT(state == G_NOTIFIED);
        atomic_store_explicit(&g->state, G_RUNNABLE, memory_order_relaxed);
        weft__queue_woken(g, false);
    } else if (post == POST_YIELD) {
        weft__queue_woken(g, false);
    } else if (post == POST_DEAD) {
        struct weft__p *p = m->p;
        struct weft__stack *stack = g->stack;
        g->stack = NULL;
        struct weft__g *starved = weft__starved_take(p);
        if (WEFT__UNLIKELY(starved != NULL && starved->stack_shift == stack->shift)) {
            starved->stack = stack;
            weft__g_bind_stack(p, starved);
            weft__queue_woken(starved, false);
        } else {
            weft__stack_put(&p->rt->stacks, &p->stack_cache, stack);
            if (starved != NULL) {
                weft__inject_add(&p->rt->inject, starved); /* find a place and try again */
            }
        }
        atomic_store_explicit(&g->state, G_FREE, memory_order_relaxed);
        weft__g_put(&p->rt->slabs, &p->g_cache, g);
    }
}

/* First thing after a switch, in the context `self` that was switched to. */
static inline void arrive(struct weft__ctx *self)
{
    weft__san_enter(self);
    run_post(weft__m_self());
}

/*
 * Leave `from` for `to`, or for the M's own context if it is NULL.  Returns when somebody resumes
 * `from`, perhaps on another thread.
 */
static void leave(struct weft__m *m, struct weft__g *from, struct weft__g *to, enum weft__post post)
{
    check(m, from);
    m->post = post;
    m->post_g = from;
    m->cur = to;
    struct weft__ctx *ctx = &m->ctx;
    if (to != NULL) {
        atomic_store_explicit(&to->state, G_RUNNING, memory_order_relaxed);
        weft__count(m->p->counts.switches);
        ctx = &to->ctx;
    }
    bool owns_fp = (from->flags & G_FLAG_OWN_FP) != 0;
    if (WEFT__UNLIKELY(owns_fp)) {
        weft__fp_save(&from->fp);
        weft__fp_load(&m->fp);
    }
    if (to != NULL && WEFT__UNLIKELY((to->flags & G_FLAG_OWN_FP) != 0)) {
        weft__fp_load(&to->fp);
    }
    weft__san_leave(&from->ctx, ctx, post == POST_DEAD);
    weft__ctx_switch(&from->ctx.sp, ctx->sp);
    arrive(&from->ctx);
}

/* The successor of a coroutine that leaves: one of this P's own, or NULL for the M's context. */
static inline struct weft__g *successor(struct weft__p *p)
{
    if (WEFT__UNLIKELY(weft__p_must_poll(p))) {
        return NULL; /* time for the reactor, the timers and the global queue */
    }
    struct weft__g *g = weft__queue_pick(p);
    if (g != NULL && g->stack == NULL) {
        /* Only a stack that lies ready is taken here: getting one otherwise needs system calls and
         * more room than a coroutine should spend of its first page. */
        if (p->stack_cache.first == NULL || g->stack_shift != p->rt->stacks.default_shift ||
            !weft__g_bind_stack(p, g)) {
            p->pending = g;
            return NULL;
        }
    }
    return g;
}

/* The coroutine is PARKING and its waiter can be seen: switch away, unless it was woken already. */
void weft__switch_park(struct weft__m *m, struct weft__g *g)
{
    weft__count(m->p->counts.parks);
    weft__perturb();
    /* acquire [G-NOTIFY]: the outcome of the wait is visible if we do not switch at all. */
    if (atomic_load_explicit(&g->state, memory_order_acquire) == G_NOTIFIED) {
        atomic_store_explicit(&g->state, G_RUNNING, memory_order_relaxed);
        return;
    }
    leave(m, g, successor(m->p), POST_PARK);
}

void weft__switch_yield(struct weft__m *m, struct weft__g *g)
{
    struct weft__p *p = m->p;
    /* One that has not started goes ahead of the yielding one: it must not starve behind
     * coroutines that only ever yield to each other. */
    struct weft__g *unstarted =
        weft__deque_is_empty(&p->unstarted) ? NULL : weft__deque_steal(&p->unstarted);
    if (unstarted == NULL && WEFT__UNLIKELY(weft__inject_has_overflow(&p->rt->inject))) {
        (void)weft__inject_take(&p->rt->inject, &unstarted, 1, true);
    }
    if (unstarted != NULL) {
        weft__queue_woken(unstarted, false);
    }
    struct weft__g *next = NULL;
    if (!weft__p_must_poll(p)) {
        next = successor(p);
        if (next == NULL && p->pending == NULL) {
            return; /* alone on this P */
        }
    }
    atomic_store_explicit(&g->state, G_RUNNABLE, memory_order_relaxed);
    leave(m, g, next, POST_YIELD);
}

static _Noreturn void finish(struct weft__g *g, int result)
{
    struct weft__m *m = weft__m_self();
    struct weft__p *p = m->p;
    check(m, g);
    if (WEFT__UNLIKELY(g->scope != NULL)) {
        weft__fatal("a coroutine ended with a deadline scope open");
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
    if (WEFT__UNLIKELY((g->flags & G_FLAG_PINNED) != 0)) {
        atomic_fetch_sub_explicit(&p->rt->p[g->p_home].pinned_count, 1, memory_order_relaxed);
    }
    weft__count(p->counts.ended);
    atomic_store_explicit(&g->state, G_DEAD, memory_order_relaxed);
    leave(m, g, successor(p), POST_DEAD);
    __builtin_unreachable();
}

/* Where every coroutine begins, on its own stack. */
static void g_main(void *arg)
{
    struct weft__g *g = arg;
    arrive(&g->ctx);
    int result = 0;
    if ((g->flags & G_FLAG_RESULT) != 0) {
        result = g->entry.with_result(g->arg);
    } else {
        g->entry.plain(g->arg);
    }
    finish(g, result);
}

/* Give a coroutine that has not started its stack and first frame; false if none can be had. */
bool weft__g_bind_stack(struct weft__p *p, struct weft__g *g)
{
    struct weft__stack *stack = g->stack;
    if (stack == NULL) {
        stack = weft__stack_get(&p->rt->stacks, &p->stack_cache, g->stack_shift);
        if (WEFT__UNLIKELY(stack == NULL)) {
            return false;
        }
        g->stack = stack;
    }
    if (WEFT__UNLIKELY(stack->guard == GUARD_KIND_CANARY)) {
        atomic_fetch_or_explicit(&p->rt->checks, CHECK_CANARY, memory_order_relaxed);
    }
    stack->fiber = weft__san_fiber_renew(stack->fiber);
    weft__san_stack(&g->ctx, stack->low, (size_t)(stack->top - stack->low), stack->fiber);
    g->ctx.sp = weft__ctx_make(stack->top, g_main, g);
    return true;
}

/* By the M, on its own context: run g until something comes back here. */
void weft__switch_to_g(struct weft__m *m, struct weft__g *g)
{
    m->cur = g;
    atomic_store_explicit(&g->state, G_RUNNING, memory_order_relaxed);
    weft__count(m->p->counts.switches);
    if (WEFT__UNLIKELY((g->flags & G_FLAG_OWN_FP) != 0)) {
        weft__fp_load(&g->fp);
    }
    weft__san_leave(&m->ctx, &g->ctx, 0);
    weft__ctx_switch(&m->ctx.sp, g->ctx.sp);
    arrive(&m->ctx);
}
