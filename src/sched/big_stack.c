/* SPDX-License-Identifier: MIT */
/*
 * big_stack.c - a call on another stack, by the same coroutine.
 *
 * The context of the caller is saved on its stack like that of any coroutine that waits, a first
 * frame is built on the other stack, and that is entered; when fn has returned, the saved context
 * goes on.  Meanwhile g->stack is the other stack, so that switches, checks and reports see where
 * the coroutine really is; stack->call leads to the stack below.
 *
 * No helper coroutine and no assembly of its own: who waits in fn saves its registers on the stack
 * that it stands on, and nothing else of a switch knows which one that is.  ThreadSanitizer, which
 * keeps the calls of a coroutine and not its memory, is not told of a switch at all.
 */
#include <weft/stack.h>

#include <errno.h>

#include "../base/fatal.h"
#include "../coro/ends.h"
#include "fault.h"
#include "sched.h"

struct big_call {
    struct weft__stack_call stack;
    struct weft__g *g;
    int (*fn)(void *);
    void *arg;
    int result;
    struct weft__ctx below; /* what the sanitizers know of the stack below */
};

/* The first frame on the other stack.  No variable of it has an address: AddressSanitizer gives up
 * its frames in the call before the last. */
static void *run(void *arg)
{
    struct big_call *c = arg;
    weft__san_enter(&c->g->ctx);
    c->result = c->fn(c->arg);
    weft__san_leave_stack(&c->below);
    return c->stack.sp;
}

int weft_call_on_big_stack(int (*fn)(void *), void *arg, size_t bytes)
{
    struct weft__m *m = weft__m_self();
    if (m == NULL || m->cur == NULL) {
        return -EPERM;
    }
    int shift = weft__stack_shift(bytes);
    if (shift < 0) {
        weft__fatal("weft_call_on_big_stack: `bytes` is out of range (16 KiB to 1 GiB)");
    }
    struct weft__p *p = m->p;
    struct weft__g *g = m->cur;
    struct weft__stack *stack = weft__stack_get(&p->rt->stacks, &p->stack_cache, shift);
    if (stack == NULL) {
        return -ENOMEM;
    }
    struct weft__scope_frame *scope = g->scope;
    struct big_call c = {.stack = {.below = g->stack}, .g = g, .fn = fn, .arg = arg};
    weft__san_copy(&c.below, &g->ctx);
    weft__san_stack(&g->ctx, stack->low, (size_t)(stack->top - stack->low),
                    weft__san_fiber_current());
    stack->call = &c.stack;
    weft__g_stand_on(g, stack);
    weft__san_enter_stack(&c.below, &g->ctx);
    (void)weft__ctx_begin(&c.stack.sp, stack->top, run, &c, NULL, &c.result);
    /* Back, perhaps on another thread. */
    weft__san_enter(&c.below);
    weft__san_copy(&g->ctx, &c.below);
    if (WEFT__UNLIKELY(g->scope != scope)) {
        weft__fatal("a function that was called on a big stack returned with a scope open");
    }
    weft__ends_check_stack(g);
    weft__g_check_canary(g);
    g->stack = c.stack.below;
    stack->call = NULL;
    weft__g_give_stack(weft__m_self()->p, stack);
    return c.result;
}
