/* SPDX-License-Identifier: MIT */
/*
 * entry.c - where every coroutine begins and ends.
 *
 * One that has ended stands on its stack to the last: the next context gives it back, first thing
 * after the switch.  Or there is no switch: a coroutine that begins goes on where another one has
 * ended, on the same stack, from its first frame.
 */
#include "../arch/exceptions.h"
#include "../base/fatal.h"
#include "../base/forked.h"
#include "../base/self.h"
#include "../coro/ends.h"
#include "../coro/held.h"
#include "handle_end.h"
#include "switch.h"
#include "watch.h"

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

/* Its stack has gone another way. */
static inline void free_up(struct weft__g *g)
{
    g->stack = NULL;
    atomic_store_explicit(&g->state, G_FREE, memory_order_relaxed);
}

/* A descriptor can be used again. */
static inline void give_descriptor(struct weft__p *p, struct weft__g *g)
{
    free_up(g);
    weft__g_put(&p->rt->slabs, &p->g_cache, g);
}

/*
 * By g itself, which ends, when its successor has all that it needs: both go where only this P
 * takes them from, and not before it has left.  False if that is not all, and nothing was done.
 */
static inline bool give_back_early(struct weft__p *p, struct weft__g *g)
{
#ifdef WEFT__KEEPS_BOOKS
    return false;
#endif
    if (WEFT__UNLIKELY(has_starved(p)) || WEFT__UNLIKELY(!weft__g_cache_has_room(&p->g_cache)) ||
        !weft__stack_put_hot(&p->rt->stacks, &p->stack_cache, g->stack)) {
        return false;
    }
    free_up(g);
    weft__g_keep(&p->g_cache, g);
    return true;
}

static WEFT__NOINLINE void bury_rest(struct weft__p *p, struct weft__g *g)
{
    give_stack(p, g->stack);
    give_descriptor(p, g);
}

/* First thing after the last switch of a coroutine, in the context that was switched to: give its
 * stack and its descriptor back. */
void weft__bury_dead(void)
{
    struct weft__m *m = weft__m_self();
    struct weft__p *p = m->p;
    struct weft__g *g = m->dead;
    if (g == NULL) {
        return;
    }
    m->dead = NULL;
    atomic_store_explicit(&g->ctx.sp, NULL, memory_order_relaxed); /* it has nothing saved */
    if (has_starved(p) || !weft__stack_put_hot(&p->rt->stacks, &p->stack_cache, g->stack)) {
        bury_rest(p, g);
        return;
    }
    give_descriptor(p, g);
}

/* One of this P's own; mostly the next one takes no call. */
static inline struct weft__g *pick(struct weft__p *p)
{
    struct weft__g *g =
        WEFT__LIKELY(!weft__queue_has_bound(p)) ? weft__queue_pick_short(p) : NULL;
    if (WEFT__LIKELY(g != NULL)) {
        p->tick++;
        return g;
    }
    return weft__queue_pick(p);
}

static inline void refuse_open_scope(const struct weft__g *g)
{
    if (WEFT__UNLIKELY(g->scope != NULL && g->scope->kind != SCOPE_BASE)) {
        weft__fatal("a coroutine ended with a scope open");
    }
}

/* Of the one that it runs in, if there is one. */
static inline void leave_scope(struct weft__g *g)
{
    refuse_open_scope(g);
    if (g->scope != NULL) {
        weft__scope_settle(g->scope); /* who has cancelled it may still look at the handle */
        g->scope = NULL;
    }
}

/* Nobody will ever give these locks back: whoever waits for one should learn why. */
static WEFT__COLD void leave_locks(struct weft__g *g)
{
    weft__report_left_locks(g);
    weft__held_outlive(g);
}

/* Others may have them now. */
static void give_up_places(struct weft_runtime *rt, struct weft__g *g)
{
    if ((g->flags & G_FLAG_PINNED) != 0) {
        struct weft__p *home = weft__p_at(rt, g->p_home);
        atomic_fetch_sub_explicit(&home->pinned_count, 1, memory_order_relaxed);
    }
    weft__limit_end(g);
}

static void drop_name(struct weft_runtime *rt, struct weft__g *g)
{
    char *name = atomic_load_explicit(&g->name, memory_order_relaxed);
    if (name != NULL) {
        atomic_store_explicit(&g->name, NULL, memory_order_relaxed);
        weft__g_name_free(&rt->slabs, name);
    }
}

/* Does it owe nothing but what most do?  One branch for all that is rare. */
static inline bool is_as_most(const struct weft__g *g)
{
    const unsigned rare = G_FLAG_PINNED | G_FLAG_COUNTED | G_FLAG_CANARY;
    const char *name = atomic_load_explicit(&g->name, memory_order_relaxed);
    return WEFT__LIKELY(((g->flags & rare) | (uintptr_t)g->held | (uintptr_t)name) == 0);
}

static WEFT__COLD void settle_rare(struct weft_runtime *rt, struct weft__g *g)
{
    weft__switch_check(g); /* first, while a report can still name it */
    if (g->held != NULL) {
        leave_locks(g);
    }
    give_up_places(rt, g); /* before the end is known: who joins it finds its place free */
    drop_name(rt, g);
}

/* What a coroutine owes to others when it ends.  Returns who is to run next, if that is known. */
static WEFT__ALWAYS_INLINE struct weft__g *settle(struct weft__m *m, struct weft__g *g, int result)
{
    struct weft__g *next = NULL;
    struct weft__p *p = m->p;
    struct weft_co *co = g->handle;
    weft__mutexes_check(m, "ends", NULL);
    /* One with a handle mostly is in its scope, one without in none: each has a copy in line. */
    if (co == NULL) {
        leave_scope(g);
    } else if (WEFT__LIKELY(g->scope != NULL)) {
        leave_scope(g);
    }
    if (!is_as_most(g)) {
        settle_rare(p->rt, g);
    }
    if (co != NULL) {
        next = weft__handle_end(m, p, co, result);
        g->handle = NULL;
    }
    weft__count_turn(&p->counts.ended);
    return next;
}

/* Can `next`, which has not started, begin on the stack of g, which has ended?  The sanitizers keep
 * books about each stack, which a switch closes. */
static inline bool can_follow(const struct weft__p *p, const struct weft__g *g,
                              const struct weft__g *next)
{
#ifdef WEFT__KEEPS_BOOKS
    return false;
#endif
    return next->stack == NULL && next->stack_shift == g->stack->shift &&
           ((next->flags | g->flags) & G_FLAGS_APART) == 0 && !has_starved(p);
}

/* Leave g for good, for `next` or the M's own context: where that is. */
static inline void *end_on(struct weft__m *m, struct weft__g *g, struct weft__g *next)
{
#ifdef WEFT__KEEPS_BOOKS
    weft__switch_leave(m, g, next, true); /* they want to be told right before the switch */
    __builtin_unreachable();
#endif
    if (WEFT__UNLIKELY(((g->flags | (next != NULL ? next->flags : 0)) & G_FLAGS_OWN) != 0)) {
        weft__own_switch(m, g, next);
    }
    if (next != NULL) {
        return weft__begin_run(m, next);
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
    if (WEFT__UNLIKELY(p == NULL)) {
        weft__fatal("a coroutine ends" WEFT__IN_CHILD);
    }
    struct weft__g *next = settle(m, g, result);
    if (next != NULL) {
        p->tick++;
    } else if (!weft__p_is_due(p)) {
        next = pick(p);
    }
    if (next != NULL && can_follow(p, g, next)) {
        next->stack = g->stack;
        give_descriptor(p, g);
        weft__begin_on_stack(m, next);
        return next;
    }
    if (WEFT__LIKELY(next != NULL)) {
        if (WEFT__LIKELY(weft__can_run(p, next))) {
            if (WEFT__LIKELY(give_back_early(p, g))) {
                *sp = (char *)end_on(m, g, next) + WEFT__CTX_AT_ONCE;
                return NULL;
            }
        } else {
            next = weft__put_off(p, next);
        }
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

static inline int call_entry(struct weft__g *g, struct weft__own_wait *own)
{
    void *arg = g->arg;
    g->held = NULL; /* in its place */
    own->wait.g = g;
    if ((g->flags & G_FLAG_RESULT) == 0) {
        void (*plain)(void *) = g->entry.plain;
        g->own = own; /* likewise */
        plain(arg);
        return 0;
    }
    int (*with_result)(void *) = g->entry.with_result;
    g->own = own;
    if ((g->flags & G_FLAG_SCOPED) != 0) {
        weft__scope_push(g, &g->handle->scope);
    }
    return with_result(arg);
}

/* Where every coroutine begins: on its own stack, or where another one has ended. */
void *weft__g_main(void *arg)
{
    struct weft__g *g = arg;
    struct weft__own_wait own;
    void *sp = NULL;
    weft__arrive(&g->ctx);
    weft__own_wait_init(&own);
    while (g != NULL) {
        int result = call_entry(g, &own);
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

/* By a coroutine that ends here, however deep it stands: nobody follows on its stack, for its first
 * frame is out of reach. */
_Noreturn void weft__switch_exit(int result)
{
    struct weft__g *g = weft__g_self();
    g->own->exit_result = result;
    weft__ends_run(g, false);
    struct weft__m *m = weft__m_self();
    give_stacks_below(m->p, g);
    struct weft__exceptions gone;
    if ((g->flags & G_FLAG_EXCEPTIONS) != 0) {
        (void)weft__exceptions_take(&gone); /* it may be in the middle of handling some */
    }
    struct weft__g *next = settle(m, g, result);
    if (next == NULL) {
        next = weft__successor(m->p);
    } else {
        m->p->tick++;
        next = weft__can_run(m->p, next) ? next : weft__put_off(m->p, next);
    }
    atomic_store_explicit(&g->state, G_DEAD, memory_order_relaxed);
    m->dead = g;
    weft__ctx_end(end_on(m, g, next), weft__bury_dead);
}

