/* SPDX-License-Identifier: MIT */
/* end.c - the end of a context, by its entry's return or from a depth, and what is called after. */
#include "torture.h"

#define ROUNDS 20000
#define DEPTH_MAX 20

static void *main_sp, *co_sp;
static struct test_stack co_stack, last_stack;
static struct torture main_torture = {.owner = 1}, co_torture = {.owner = 2};

/* The end that is under way: whose stack is left, who goes on there, and what has been called. */
static const struct test_stack *left;
static void *goes_on;
static int n_called, n_ends;
static uintptr_t called_at;

/* After an end: looks where it stands.  Nobody touches any more what was left. */
static void look_around(void)
{
    called_at = (uintptr_t)__builtin_frame_address(0);
    n_called++;
    CHECK_EQ(mprotect(left->low, STACK_BYTES, PROT_NONE), 0);
}

/* What it gives back is not what the one that goes on waits for; its registers are its own. */
static int look_around_and_return(void)
{
    look_around();
    return 0x5a5a5a5a;
}

static after_fn *const afters[2] = {look_around, (after_fn *)look_around_and_return};

/* By the one that has gone on: it was called this often in all, below what was saved. */
static void check_called(int expected)
{
    const uintptr_t sp = (uintptr_t)goes_on;

    n_ends++;
    CHECK_EQ(n_called, expected);
    if (called_at != 0) {
        CHECK_LT(called_at, sp);
        CHECK_GT(called_at, sp - 1024);
        CHECK_EQ(mprotect(left->low, STACK_BYTES, PROT_READ | PROT_WRITE), 0);
    }
    called_at = 0;
}

/* Ends at a depth with callee-saved registers of its own. */
static NEVER_RETURNS NOINLINE void end_deep(int depth, after_fn *after)
{
    static uint64_t in[REGISTER_COUNT], out[OUT_COUNT];

    if (depth > 0) {
        end_deep(depth - 1, after);
    } else {
        registers_fill(in, 6, (uint64_t)n_ends);
        test_switch_registers(goes_on, (void *)after, in, out, END, NULL);
    }
    STAY_ON_STACK();
}

/* How the next ones end. */
struct ending {
    int depth; /* -1: the entry returns */
    after_fn *after;
    bool is_at_once; /* if it is not to be called, the entry says so when it returns */
};

static struct ending co_ending, last_ending;

static NEVER_RETURNS void *end_on(const struct ending *how, const struct test_stack *stack,
                                  void *next)
{
    left = stack;
    goes_on = next;
    if (how->depth >= 0) {
        end_deep(how->depth, how->after);
        TEST_FAIL("a context that has ended goes on");
    }
    return (char *)next + (how->is_at_once ? WEFT__CTX_AT_ONCE : 0);
}

static NEVER_RETURNS void *co_ends_with_main(void *arg)
{
    (void)arg;
    main_torture.result = n_ends ^ 0x12345;
    return end_on(&co_ending, &co_stack, main_sp);
}

static struct ending ending_of(uint64_t round)
{
    after_fn *const after = round % 3 == 0 ? NULL : afters[round % 3 - 1];

    return (struct ending){(int)(round % (DEPTH_MAX + 2)) - 1, after,
                           after == NULL && round / 66 % 2 == 0};
}

/* What its beginning is told: to be called if the entry returns, or not at all. */
static after_fn *after_entry(const struct ending *how)
{
    return how->depth < 0 && !how->is_at_once ? how->after : look_around;
}

/* Goal: at each end, by a return or from a depth, what is to be called after it is called once, on
 * the stack of the one that goes on, below what that one saved; and not on what was left, which
 * may be gone by then.  The one that goes on has all its registers, and what it waits for.
 * Method: leave in each way for contexts that end at once.  What is called locks the stack that
 * was left and remembers its frame. */
TEST(after_an_end_a_function_is_called_below_the_save_area)
{
    co_stack = stack_make();
    for (uint64_t round = 0; round < ROUNDS; round++) {
        const int before = n_called;
        leave_fn *const way = ways[round / 2 % WAY_COUNT];
        co_ending = ending_of(round);
        co_sp = new_for(way, co_stack.top, co_ends_with_main, NULL, after_entry(&co_ending));
        leave_from(places[round % 2], &main_torture, &main_sp, &co_sp, round, way);
        check_called(before + (co_ending.after != NULL));
    }
}

static NEVER_RETURNS void *last_ends_with_co(void *arg)
{
    (void)arg;
    co_torture.result = n_ends ^ 0x54321;
    return end_on(&last_ending, &last_stack, co_sp);
}

static NEVER_RETURNS void *last_ends_with_main(void *arg)
{
    (void)arg;
    check_called((int)(uintptr_t)arg);
    CHECK(stack_has(&last_stack, (uintptr_t)__builtin_frame_address(0)));
    main_torture.result = n_ends ^ 0x23456;
    return end_on(&last_ending, &last_stack, main_sp);
}

/* Is gone on with at the end of one, then by main; and ends with one that has not begun. */
static NEVER_RETURNS void *co_chains(void *arg)
{
    const uint64_t round = (uintptr_t)arg;
    leave_fn *const way = ways[round / 3 % WAY_COUNT];
    void *last_sp;
    const int before = n_called;

    last_ending = ending_of(round / 2);
    last_sp = new_for(way, last_stack.top, last_ends_with_co, NULL, after_entry(&last_ending));
    leave_from(places[round % 2], &co_torture, &co_sp, &last_sp, round, way);
    check_called(before + (last_ending.after != NULL));
    leave_and_compare(&co_torture, &co_sp, &main_sp, round + 1, WAIT);
    last_ending = ending_of(round / 5);
    last_sp = weft__ctx_make(last_stack.top, last_ends_with_main,
                             (void *)(uintptr_t)(n_called + (co_ending.after != NULL)),
                             after_entry(&last_ending));
    return end_on(&co_ending, &co_stack, last_sp);
}

/* Goal: the same where coroutines go on: one that has been left, and one that has not begun.
 * Method: a chain of three contexts. */
TEST(after_an_end_coroutines_go_on)
{
    co_stack = stack_make();
    last_stack = stack_make();
    for (uint64_t round = 0; round < ROUNDS / 2; round++) {
        leave_fn *const way = ways[round % WAY_COUNT];
        co_ending = ending_of(round);
        co_sp = new_for(way, co_stack.top, co_chains, (void *)(uintptr_t)round,
                        after_entry(&co_ending));
        leave_and_compare(&main_torture, &main_sp, &co_sp, round, way);
        const int before = n_called;
        leave_from(places[round % 2], &main_torture, &main_sp, &co_sp, round + 1, WAIT);
        check_called(before + (co_ending.after != NULL) + (last_ending.after != NULL));
    }
}
