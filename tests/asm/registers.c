/* SPDX-License-Identifier: MIT */
/* registers.c - what a context owns is the same after a switch away and back. */
#include "torture.h"

#include <pthread.h>

#define SWITCH_COUNT 1000000

static void *main_sp, *co_sp, *last_sp;
static struct test_stack co_stack, last_stack;

static struct torture main_torture = {.owner = 1}, co_torture = {.owner = 2};

static void switch_and_compare(struct torture *t, void **save, void **load, uint64_t round)
{
    leave_and_compare(t, save, load, round, weft__ctx_switch);
}

static void *co_tortures(void *arg)
{
    (void)arg;
    for (uint64_t round = 0;; round++)
        switch_and_compare(&co_torture, &co_sp, &main_sp, round * 3);
    return NULL; /* not reached */
}

/* Goal: every callee-saved register survives, for both sides of a switch.
 * Method: both contexts load all of them with values that no other register, context or round
 * has, switch, and compare; a million switches in all. */
TEST(callee_saved_registers_survive)
{
    co_stack = stack_make();
    co_sp = weft__ctx_make(co_stack.top, co_tortures, NULL, NULL);
    for (uint64_t round = 0; round < SWITCH_COUNT / 2; round++)
        switch_and_compare(&main_torture, &main_sp, &co_sp, round);
}

/* One that ends at once, with the context whose pointer is in *arg. */
static void *co_ends(void *arg)
{
    return *(void **)arg;
}

/* Goal: the context that an entry returns goes on with all its callee-saved registers, whichever
 * call the one that ended began by.
 * Method: leave with known registers, by each call in turn, for a context that ends at once. */
TEST(the_context_that_an_entry_returns_goes_on)
{
    co_stack = stack_make();
    for (uint64_t round = 0; round < SWITCH_COUNT / 2; round++) {
        leave_fn *const way = ways[round % WAY_COUNT];
        co_sp = new_for(way, co_stack.top, co_ends, &main_sp, NULL);
        leave_and_compare(&main_torture, &main_sp, &co_sp, round, way);
    }
}

/* Is left for a context that ends with this one, then for main; ends with one that has not run. */
static void *co_chains(void *arg)
{
    const uint64_t round = (uintptr_t)arg;
    leave_fn *const way = ways[round / 3 % WAY_COUNT];

    last_sp = new_for(way, last_stack.top, co_ends, &co_sp, NULL);
    leave_and_compare(&co_torture, &co_sp, &last_sp, round, way);
    switch_and_compare(&co_torture, &co_sp, &main_sp, round + 1);
    last_sp = weft__ctx_make(last_stack.top, co_ends, &main_sp, NULL);
    return last_sp;
}

/* Goal: the same for contexts that end after they were left and gone on with, and that end with
 * another coroutine or with one that never ran.
 * Method: a chain of three contexts, with the calls that they begin by in each order. */
TEST(contexts_that_end_in_a_chain_go_on)
{
    co_stack = stack_make();
    last_stack = stack_make();
    for (uint64_t round = 0; round < SWITCH_COUNT / 10; round++) {
        leave_fn *const way = ways[round % WAY_COUNT];
        co_sp = new_for(way, co_stack.top, co_chains, (void *)(uintptr_t)round, NULL);
        leave_and_compare(&main_torture, &main_sp, &co_sp, round, way);
        switch_and_compare(&main_torture, &main_sp, &co_sp, round + 1);
    }
}

/* Goal: the save area has the layout of context.h, by which the unwinder reads parked contexts.
 * Method: leave with known registers, by each of the calls, and look at the words from the
 * other context's side. */
static uint64_t layout_regs[REGISTER_COUNT];
static const int layout_result = 5;

static void *co_looks_at_save_area(void *way)
{
    CHECK(area_holds(main_sp, layout_regs));
    if (has_result(*(leave_fn *const *)way))
        CHECK_EQ(((void **)main_sp)[WEFT__CTX_RESULT], &layout_result);
    return main_sp;
}

TEST(the_save_area_has_the_promised_layout)
{
    uint64_t out[OUT_COUNT];

    co_stack = stack_make();
    for (int w = 0; w < WAY_COUNT; w++) {
        registers_fill(layout_regs, 1, (uint64_t)w);
        co_sp = weft__ctx_make(co_stack.top, co_looks_at_save_area, (void *)&ways[w], NULL);
        /* An unwinder looks a return address up one byte before it: that must be ours, too. */
        const uintptr_t start_pc = ((uintptr_t *)co_sp)[WEFT__CTX_PC];
        CHECK(is_in_start(start_pc));
        CHECK(is_in_start(start_pc - 1));
        co_sp = new_for(ways[w], co_stack.top, co_looks_at_save_area, (void *)&ways[w], NULL);
        test_switch_registers(&main_sp, co_sp, layout_regs, out, ways[w], &layout_result);
    }
}

/* Goal: a context may be left on one thread and continued on another.
 * Method: the coroutine does one turn on each side; its locals and registers must agree. */
static void *thread_turns(void *arg)
{
    for (uint64_t round = 0; round < 1000; round++)
        switch_and_compare(arg, &main_sp, &co_sp, round);
    return NULL;
}

TEST(a_context_continues_on_another_thread)
{
    struct torture thread_torture = {.owner = 3};
    pthread_t thread;

    co_stack = stack_make();
    co_sp = weft__ctx_make(co_stack.top, co_tortures, NULL, NULL);
    for (int i = 0; i < 10; i++) {
        switch_and_compare(&main_torture, &main_sp, &co_sp, 5);
        CHECK_EQ(pthread_create(&thread, NULL, thread_turns, &thread_torture), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
}

#if defined(__x86_64__)
/*
 * A leaf that keeps 16 words in its red zone and switches from inline code, stepping over the
 * zone as such code must.  Returns how many of the words are other than value afterwards.
 */
HIDDEN long test_switch_red_zone(void **save, void *load, uint64_t value);

/* clang-format off */
__asm__(
    ".pushsection .text\n"
    ".globl test_switch_red_zone\n"
    ".hidden test_switch_red_zone\n"
    ".type test_switch_red_zone, @function\n"
    "test_switch_red_zone:\n"
    ".cfi_startproc\n"
    "    endbr64\n"
    "    pushq %rbx\n    .cfi_adjust_cfa_offset 8\n    .cfi_rel_offset rbx, 0\n"
    "    movq %rdx, %rbx\n"
    "    movq $-16, %rcx\n"
    "1:  movq %rdx, (%rsp,%rcx,8)\n"
    "    incq %rcx\n"
    "    jnz 1b\n"
    "    leaq -128(%rsp), %rsp\n    .cfi_adjust_cfa_offset 128\n"
    "    call weft__ctx_switch\n"
    "    leaq 128(%rsp), %rsp\n    .cfi_adjust_cfa_offset -128\n"
    "    xorl %eax, %eax\n"
    "    movq $-16, %rcx\n"
    "2:  cmpq %rbx, (%rsp,%rcx,8)\n"
    "    je 3f\n"
    "    incq %rax\n"
    "3:  incq %rcx\n"
    "    jnz 2b\n"
    "    popq %rbx\n    .cfi_adjust_cfa_offset -8\n    .cfi_restore rbx\n"
    "    ret\n"
    ".cfi_endproc\n"
    ".size test_switch_red_zone, . - test_switch_red_zone\n"
    ".popsection\n");
/* clang-format on */

static void *co_uses_red_zone(void *arg)
{
    (void)arg;
    for (uint64_t round = 0;; round++)
        CHECK_EQ(test_switch_red_zone(&co_sp, main_sp, ~round), 0);
    return NULL; /* not reached */
}

/* Goal: a switch leaves alone what lies above the stack pointer it is called with, so that a leaf
 * that steps over its red zone finds it whole afterwards.
 * Method: both contexts fill theirs, step over it, switch, and compare. */
TEST(the_red_zone_of_a_leaf_survives)
{
    co_stack = stack_make();
    co_sp = weft__ctx_make(co_stack.top, co_uses_red_zone, NULL, NULL);
    for (uint64_t round = 0; round < SWITCH_COUNT / 2; round++)
        CHECK_EQ(test_switch_red_zone(&main_sp, co_sp, round), 0);
}
#endif
