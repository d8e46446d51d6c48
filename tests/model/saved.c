/* SPDX-License-Identifier: MIT */
/*
 * saved.c - coroutines that leave and are resumed elsewhere: [G-SAVED] of coro/g.h.
 *
 * Real coroutines on real stacks, run by two Ms; the switch itself is the library's, in two steps
 * that others can come between: the context is left, then its stack pointer is stored.
 */
#include <park/park.h>

#include "procs.h"

#define COROUTINES 3
#define STACK_SHIFT 15

static struct weft__g gs[COROUTINES];
static struct weft__stack stacks[COROUTINES];
static char memory[COROUTINES][1 << STACK_SHIFT] __attribute__((aligned(64)));
static int n_stacks, n_coroutines;
static _Atomic uint32_t n_left; /* coroutines that have not ended */

/* ---- the switch ---- */

/* The registers of a context that does not run, by the address of its stack pointer: written when
 * it is left, read when it is resumed. */
static struct saved {
    void **at;
    struct model_cell registers; /* its value is the stack pointer */
} saved[COROUTINES + 2];
static int n_saved;

static struct switching {
    void *left, **save, *load;
    char stack[4096] __attribute__((aligned(64)));
} switching[MODEL_THREADS_MAX];

static struct saved *saved_at(void **at)
{
    for (int i = 0; i < n_saved; i++)
        if (saved[i].at == at)
            return &saved[i];
    saved[n_saved] = (struct saved){.at = at};
    return &saved[n_saved++];
}

/* On a stack of the M's, so that the one that was left is free: only now does it look saved. */
static void *store_pointer(void *arg)
{
    struct switching *s = arg;

    model_put(&saved_at(s->save)->registers, (long)(intptr_t)s->left);
    /* What the assembly does, and in this order. */
    model_store(s->save, sizeof *s->save, (uint64_t)(uintptr_t)s->left, memory_order_release,
                MODEL_AT("ctx.sp"));
    for (int i = 0; i < n_saved; i++)
        if (saved[i].registers.value == (long)(intptr_t)s->load)
            (void)model_get(&saved[i].registers);
    return s->load;
}

/* The sources' weft__ctx_switch(), weft__ctx_wait() and weft__ctx_begin(). */
void model_ctx_switch(void **save, void *load);
void model_ctx_switch(void **save, void *load)
{
    struct switching *s = &switching[ex.cur->id];

    if (load == NULL)
        model_fail("a context is resumed that is not saved");
    s->save = save;
    s->load = load;
    weft__ctx_switch(&s->left, weft__ctx_make(s->stack + sizeof s->stack, store_pointer, s, NULL));
}

int model_ctx_wait(void **save, void *load, const int *result);
int model_ctx_wait(void **save, void *load, const int *result)
{
    model_ctx_switch(save, load);
    return *result;
}

int model_ctx_begin(void **save, void *top, void *(*entry)(void *), void *arg,
                    void (*after)(void), const int *result);
int model_ctx_begin(void **save, void *top, void *(*entry)(void *), void *arg,
                    void (*after)(void), const int *result)
{
    model_ctx_switch(save, weft__ctx_make(top, entry, arg, after));
    return *result;
}

/* ---- stacks ---- */

struct weft__stack *weft__stack_get(struct weft__stacks *s, struct weft__stack_cache *cache,
                                    int shift)
{
    struct weft__stack *stack = weft__stack_get_hot(cache);

    (void)s;
    if (stack)
        return stack;
    MODEL_CHECK(n_stacks < COROUTINES && shift == STACK_SHIFT);
    stack = &stacks[n_stacks];
    stack->low = memory[n_stacks];
    stack->top = memory[n_stacks++] + sizeof memory[0];
    stack->shift = STACK_SHIFT;
    return stack;
}

/* The caches have room for all. */
void weft__stack_put(struct weft__stacks *s, struct weft__stack_cache *cache,
                     struct weft__stack *stack)
{
    (void)s;
    (void)cache;
    (void)stack;
    model_fail("a stack does not go into the cache of its P");
}

/* ---- the coroutines ---- */

static void begin(void)
{
    procs_begin(2);
    procs_rt.stacks.default_shift = STACK_SHIFT;
    memset(gs, 0, sizeof gs);
    memset(stacks, 0, sizeof stacks);
    n_stacks = n_coroutines = n_saved = 0;
}

static void begin_coroutine(int p, void (*fn)(void *))
{
    struct weft__g *g = &gs[n_coroutines++];

    g->rt = &procs_rt;
    g->entry.plain = fn;
    g->stack_shift = STACK_SHIFT;
    atomic_init(&g->state, G_RUNNABLE);
    weft__deque_push(&procs_p[p].unstarted, g);
    atomic_init(&n_left, (uint32_t)n_coroutines);
}

/* The last one ends the runtime. */
static void end_one(void)
{
    if (atomic_fetch_sub_explicit(&n_left, 1, memory_order_acq_rel) == 1) {
        atomic_store_explicit(&procs_rt.is_stopping, 1, memory_order_seq_cst);
        weft__idle_wake_all(&procs_rt);
    }
}

static void run(struct weft__m *m)
{
    struct weft__g *g;

    while ((g = procs_find(m)) != NULL)
        weft__switch_to_g(m, g);
}

static void first(void)
{
    run(procs_run(0));
}

static void second(void)
{
    run(procs_run(1));
}

static void all_have_ended(void)
{
    for (int i = 0; i < n_coroutines; i++)
        MODEL_CHECK(atomic_load_explicit(&gs[i].state, memory_order_relaxed) == G_FREE);
}

/* One waits for another: the smallest thing that can be waited for. */
static struct weft__lock lock;
static struct weft__waitq queue;
static bool is_given;
static struct model_cell data;

static void waiter(void *arg)
{
    volatile int on_the_stack = 17;

    (void)arg;
    weft__lock(&lock);
    if (!is_given) {
        struct weft__wait w;
        struct weft__waiter waiting = {.wait = &w, .index = 4};

        weft__park_init(&w);
        weft__park_begin(&w, WAIT_ONCE, &queue, NULL);
        weft__waitq_add(&queue, &waiting);
        weft__unlock(&lock);
        MODEL_CHECK(weft__park_wait(&w) == 4);
    } else {
        weft__unlock(&lock);
    }
    MODEL_CHECK(on_the_stack == 17);
    MODEL_CHECK(model_get(&data) == 1);
    end_one();
}

static void giver(void *arg)
{
    (void)arg;
    model_put(&data, 1);
    weft__lock(&lock);
    is_given = true;
    struct weft__waiter *w = weft__waitq_claim_first(&queue);

    if (w != NULL)
        weft__park_wake(w->wait);
    weft__unlock(&lock);
    end_one();
}

static void begin_waiter_and_giver(void)
{
    begin();
    weft__lock_init(&lock, RANK_CHAN);
    weft__waitq_init(&queue, &lock);
    is_given = false;
    model_cell_init(&data);
    begin_coroutine(0, waiter);
    begin_coroutine(1, giver);
}

/* Both on one P: the giver runs when the waiter leaves, or is stolen. */
static void begin_on_one_p(void)
{
    begin();
    weft__lock_init(&lock, RANK_CHAN);
    weft__waitq_init(&queue, &lock);
    is_given = false;
    model_cell_init(&data);
    begin_coroutine(0, giver);
    begin_coroutine(0, waiter);
}

static void yielder(void *arg)
{
    volatile int on_the_stack = 18;

    (void)arg;
    weft__switch_yield(weft__m_self(), weft__m_self()->cur);
    MODEL_CHECK(on_the_stack == 18);
    end_one();
}

static void begin_yielders(void)
{
    begin();
    begin_coroutine(0, yielder);
    begin_coroutine(0, yielder);
}

/* Goal: a coroutine that waits is resumed once, by one M, when its registers are saved, however
 * early it was made runnable; and two that leave for each other do not wait for one another.
 * Method: cells that stand for the saved registers; a switch to one that is not saved fails. */
MODEL_TEST(a_coroutine_is_resumed_once_it_is_saved, .begin = begin_waiter_and_giver,
           .thread = {first, second}, .end = all_have_ended, .preemptions = 2, .late = 1)

MODEL_TEST(a_coroutine_is_resumed_on_the_p_that_it_left, .begin = begin_on_one_p,
           .thread = {first, second}, .end = all_have_ended, .preemptions = 2, .late = 1)

MODEL_TEST(a_coroutine_that_yields_is_stolen_once_it_is_saved, .begin = begin_yielders,
           .thread = {first, second}, .end = all_have_ended, .preemptions = 2, .late = 1)
