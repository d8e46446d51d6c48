/* SPDX-License-Identifier: MIT */
/*
 * asm_test.h - what the tests of the switch share: a stack, the code under test, a call of it that
 * loads every callee-saved register with a known value first, and a look at what it saved.
 */
#ifndef WEFT_TEST_ASM_TEST_H
#define WEFT_TEST_ASM_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../src/arch/context.h"
#include "../test.h"

#ifdef WEFT_VALGRIND
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_STACK_REGISTER(low, top) 0
#endif

#define HIDDEN __attribute__((visibility("hidden")))
#define NOINLINE __attribute__((noinline))

/* Keeps the call before it from becoming a tail call, so that the caller stays on the stack. */
#define STAY_ON_STACK() __asm__ volatile("" ::: "memory")

#define STACK_BYTES (256 * 1024)

/* Where a new context begins; asm/ has the code in the order switch, start, enter, make. */
HIDDEN void weft__ctx_start(void);

/* In weft__ctx_start: where entry returns to, and the last part, which belongs to the context that
 * entry returned. */
#if defined(__x86_64__)
#define START_RETURNED 6
#define START_TAIL 9
#else
#define START_RETURNED 12
#define START_TAIL 16
#endif

/* The two ways to leave a context.  Either will do where the other one has not run yet. */
typedef void leave_fn(void **save, void *load);
#define WAY_COUNT 2
static __attribute__((unused))
leave_fn *const ways[WAY_COUNT] = {weft__ctx_switch, weft__ctx_enter};

TEST_FN bool is_in_switch(uintptr_t pc)
{
    return pc >= (uintptr_t)weft__ctx_switch && pc < (uintptr_t)weft__ctx_start;
}

TEST_FN bool is_in_start(uintptr_t pc)
{
    return pc >= (uintptr_t)weft__ctx_start && pc < (uintptr_t)weft__ctx_enter;
}

TEST_FN bool is_in_tail(uintptr_t pc)
{
    return is_in_start(pc) && pc >= (uintptr_t)weft__ctx_start + START_TAIL;
}

TEST_FN bool is_in_enter(uintptr_t pc)
{
    return pc >= (uintptr_t)weft__ctx_enter && pc < (uintptr_t)weft__ctx_make;
}

/* In any of the three. */
TEST_FN bool is_in_code(uintptr_t pc)
{
    return is_in_switch(pc) || is_in_start(pc) || is_in_enter(pc);
}

struct test_stack {
    char *low, *top;
};

TEST_FN struct test_stack stack_make(void)
{
    char *low =
        (char *)mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(low != MAP_FAILED);
    (void)VALGRIND_STACK_REGISTER(low, low + STACK_BYTES);
    return (struct test_stack){low, low + STACK_BYTES};
}

TEST_FN bool stack_has(const struct test_stack *stack, uintptr_t address)
{
    return address >= (uintptr_t)stack->low && address <= (uintptr_t)stack->top;
}

/*
 * way(save, load) with every callee-saved register loaded from in[]; what they hold after the
 * return goes to out[].  Register i has the DWARF number register_dwarf(i).
 */
HIDDEN void test_switch_registers(void **save, void *load, const uint64_t *in, uint64_t *out,
                                  leave_fn *way);

#if defined(__x86_64__)

#define REGISTER_COUNT 6
TEST_FN int register_dwarf(int i)
{
    static const unsigned char numbers[REGISTER_COUNT] = {3, 6, 12, 13, 14, 15};
    return numbers[i];
}

/* clang-format off */
__asm__(
    ".pushsection .text\n"
    ".globl test_switch_registers\n"
    ".hidden test_switch_registers\n"
    ".type test_switch_registers, @function\n"
    "test_switch_registers:\n"
    ".cfi_startproc\n"
    "    endbr64\n"
    "    pushq %rbx\n    .cfi_adjust_cfa_offset 8\n    .cfi_rel_offset rbx, 0\n"
    "    pushq %rbp\n    .cfi_adjust_cfa_offset 8\n    .cfi_rel_offset rbp, 0\n"
    "    pushq %r12\n    .cfi_adjust_cfa_offset 8\n    .cfi_rel_offset r12, 0\n"
    "    pushq %r13\n    .cfi_adjust_cfa_offset 8\n    .cfi_rel_offset r13, 0\n"
    "    pushq %r14\n    .cfi_adjust_cfa_offset 8\n    .cfi_rel_offset r14, 0\n"
    "    pushq %r15\n    .cfi_adjust_cfa_offset 8\n    .cfi_rel_offset r15, 0\n"
    "    pushq %rcx\n    .cfi_adjust_cfa_offset 8\n"
    "    movq 0(%rdx), %rbx\n    movq 8(%rdx), %rbp\n    movq 16(%rdx), %r12\n"
    "    movq 24(%rdx), %r13\n    movq 32(%rdx), %r14\n    movq 40(%rdx), %r15\n"
    "    call *%r8\n"
    "    popq %rcx\n    .cfi_adjust_cfa_offset -8\n"
    "    movq %rbx, 0(%rcx)\n    movq %rbp, 8(%rcx)\n    movq %r12, 16(%rcx)\n"
    "    movq %r13, 24(%rcx)\n    movq %r14, 32(%rcx)\n    movq %r15, 40(%rcx)\n"
    "    popq %r15\n    .cfi_adjust_cfa_offset -8\n    .cfi_restore r15\n"
    "    popq %r14\n    .cfi_adjust_cfa_offset -8\n    .cfi_restore r14\n"
    "    popq %r13\n    .cfi_adjust_cfa_offset -8\n    .cfi_restore r13\n"
    "    popq %r12\n    .cfi_adjust_cfa_offset -8\n    .cfi_restore r12\n"
    "    popq %rbp\n    .cfi_adjust_cfa_offset -8\n    .cfi_restore rbp\n"
    "    popq %rbx\n    .cfi_adjust_cfa_offset -8\n    .cfi_restore rbx\n"
    "    ret\n"
    ".cfi_endproc\n"
    ".size test_switch_registers, . - test_switch_registers\n"
    ".popsection\n");
/* clang-format on */

#elif defined(__aarch64__)

#define REGISTER_COUNT 19 /* x19 .. x29, d8 .. d15 */
TEST_FN int register_dwarf(int i)
{
    return i < 11 ? 19 + i : 72 + (i - 11);
}

/* clang-format off */
#define PAIR(op, a, b, at) "    " op " " a ", " b ", [" at "]\n"
#define CFI_PAIR(a, b, at) ".cfi_rel_offset " a ", " at "\n.cfi_rel_offset " b ", " at " + 8\n"
#define RESTORED(a, b) ".cfi_restore " a "\n.cfi_restore " b "\n"
__asm__(
    ".pushsection .text\n"
    ".globl test_switch_registers\n"
    ".hidden test_switch_registers\n"
    ".type test_switch_registers, %function\n"
    ".p2align 2\n"
    "test_switch_registers:\n"
    ".cfi_startproc\n"
    "    hint #34\n" /* bti c */
    "    sub sp, sp, 176\n"
    ".cfi_adjust_cfa_offset 176\n"
    PAIR("stp", "x29", "x30", "sp, 0")   CFI_PAIR("x29", "x30", "0")
    PAIR("stp", "x19", "x20", "sp, 16")  CFI_PAIR("x19", "x20", "16")
    PAIR("stp", "x21", "x22", "sp, 32")  CFI_PAIR("x21", "x22", "32")
    PAIR("stp", "x23", "x24", "sp, 48")  CFI_PAIR("x23", "x24", "48")
    PAIR("stp", "x25", "x26", "sp, 64")  CFI_PAIR("x25", "x26", "64")
    PAIR("stp", "x27", "x28", "sp, 80")  CFI_PAIR("x27", "x28", "80")
    PAIR("stp", "d8", "d9", "sp, 96")    CFI_PAIR("d8", "d9", "96")
    PAIR("stp", "d10", "d11", "sp, 112") CFI_PAIR("d10", "d11", "112")
    PAIR("stp", "d12", "d13", "sp, 128") CFI_PAIR("d12", "d13", "128")
    PAIR("stp", "d14", "d15", "sp, 144") CFI_PAIR("d14", "d15", "144")
    "    str x3, [sp, 160]\n"
    PAIR("ldp", "x19", "x20", "x2, 0")   PAIR("ldp", "x21", "x22", "x2, 16")
    PAIR("ldp", "x23", "x24", "x2, 32")  PAIR("ldp", "x25", "x26", "x2, 48")
    PAIR("ldp", "x27", "x28", "x2, 64")  "    ldr x29, [x2, 80]\n"
    PAIR("ldp", "d8", "d9", "x2, 88")    PAIR("ldp", "d10", "d11", "x2, 104")
    PAIR("ldp", "d12", "d13", "x2, 120") PAIR("ldp", "d14", "d15", "x2, 136")
    "    blr x4\n"
    "    ldr x3, [sp, 160]\n"
    PAIR("stp", "x19", "x20", "x3, 0")   PAIR("stp", "x21", "x22", "x3, 16")
    PAIR("stp", "x23", "x24", "x3, 32")  PAIR("stp", "x25", "x26", "x3, 48")
    PAIR("stp", "x27", "x28", "x3, 64")  "    str x29, [x3, 80]\n"
    PAIR("stp", "d8", "d9", "x3, 88")    PAIR("stp", "d10", "d11", "x3, 104")
    PAIR("stp", "d12", "d13", "x3, 120") PAIR("stp", "d14", "d15", "x3, 136")
    PAIR("ldp", "x29", "x30", "sp, 0")   RESTORED("x29", "x30")
    PAIR("ldp", "x19", "x20", "sp, 16")  RESTORED("x19", "x20")
    PAIR("ldp", "x21", "x22", "sp, 32")  RESTORED("x21", "x22")
    PAIR("ldp", "x23", "x24", "sp, 48")  RESTORED("x23", "x24")
    PAIR("ldp", "x25", "x26", "sp, 64")  RESTORED("x25", "x26")
    PAIR("ldp", "x27", "x28", "sp, 80")  RESTORED("x27", "x28")
    PAIR("ldp", "d8", "d9", "sp, 96")    RESTORED("d8", "d9")
    PAIR("ldp", "d10", "d11", "sp, 112") RESTORED("d10", "d11")
    PAIR("ldp", "d12", "d13", "sp, 128") RESTORED("d12", "d13")
    PAIR("ldp", "d14", "d15", "sp, 144") RESTORED("d14", "d15")
    "    add sp, sp, 176\n"
    ".cfi_adjust_cfa_offset -176\n"
    "    ret\n"
    ".cfi_endproc\n"
    ".size test_switch_registers, . - test_switch_registers\n"
    ".popsection\n");
/* clang-format on */

#endif

/* The register values that belong to owner in a round: all different, none a valid pointer. */
TEST_FN void registers_fill(uint64_t *regs, uint64_t owner, uint64_t round)
{
    for (uint64_t i = 0; i < REGISTER_COUNT; i++)
        regs[i] = 0xbad0000000000000 | owner << 48 | i << 40 | (round & 0xffffffff);
}

/* The registers that the save area at sp holds, by the layout of context.h. */
TEST_FN void area_registers(const void *sp, uint64_t *regs)
{
    const uint64_t *area = sp;
#if defined(__x86_64__)
    static const int at[REGISTER_COUNT] = {WEFT__CTX_RBX, WEFT__CTX_RBP, WEFT__CTX_R12,
                                           WEFT__CTX_R13, WEFT__CTX_R14, WEFT__CTX_R15};
    for (int i = 0; i < REGISTER_COUNT; i++)
        regs[i] = area[at[i]];
#else
    for (int i = 0; i < 10; i++)
        regs[i] = area[WEFT__CTX_X19 + i];
    regs[10] = area[WEFT__CTX_X29];
    for (int i = 0; i < 8; i++)
        regs[11 + i] = area[WEFT__CTX_D8 + i];
#endif
}

/* Whether the area at sp is that of a context which left by test_switch_registers() with these. */
TEST_FN bool area_holds(const void *sp, const uint64_t *regs)
{
    const uintptr_t pc = ((const uintptr_t *)sp)[WEFT__CTX_PC];
    uint64_t held[REGISTER_COUNT];

    area_registers(sp, held);
    return pc > (uintptr_t)test_switch_registers && pc < (uintptr_t)test_switch_registers + 512 &&
           memcmp(held, regs, sizeof held) == 0;
}

#endif
