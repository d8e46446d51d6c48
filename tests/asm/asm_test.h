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

/* For those who end by a call: ThreadSanitizer remembers each that was called until it returns. */
#if defined(__clang__) && __has_attribute(disable_sanitizer_instrumentation)
#define NEVER_RETURNS __attribute__((disable_sanitizer_instrumentation))
#else
#define NEVER_RETURNS __attribute__((no_sanitize("thread")))
#endif

/* Keeps the call before it from becoming a tail call, so that the caller stays on the stack. */
#define STAY_ON_STACK() __asm__ volatile("" ::: "memory")

#define STACK_BYTES (256 * 1024)

/* Where a new context begins.  The order in asm/ is switch, wait, start, end, begin, make. */
HIDDEN void weft__ctx_start(void);

/* In weft__ctx_start: where entry returns to; the last part, which belongs to the context that
 * entry returned; and where what is called after the end returns to.  In weft__ctx_end: the part
 * that belongs to the context that goes on.  In weft__ctx_begin: the part that belongs to the
 * context that begins. */
#if defined(__x86_64__)
#define START_RETURNED 6
#define START_TAIL 14
#define START_OVER 16
#define START_CALLED 24
#define END_TAIL 7
#define BEGIN_TAIL 51
#else
#define START_RETURNED 12
#define START_TAIL 16
#define START_CALLED 28
#define END_TAIL 8
#define BEGIN_TAIL 76
#endif

/* An entry, and what is called after an end. */
typedef void *entry_fn(void *arg);
typedef void after_fn(void);

/* weft__ctx_begin() as if it were weft__ctx_wait(): the rest of what it is told is in *birth.  A
 * jump leads there. */
struct birth {
    void *top;
    entry_fn *entry;
    void *arg;
    after_fn *after;
};
HIDDEN int test_begin(void **save, const struct birth *birth, const int *result);

/* The ways to leave a context.  Any will do where the other one has not run yet, see new_for(); all
 * but BEGIN where it has.  The first can be called as it is.  The others take a result beside, so
 * they are for leave_by() and test_switch_registers(), and weft__ctx_end() is for the latter. */
typedef void leave_fn(void **save, void *load);
#define WAY_COUNT 3
#define WAIT ((leave_fn *)(void (*)(void))weft__ctx_wait)
#define BEGIN ((leave_fn *)(void (*)(void))test_begin)
#define END ((leave_fn *)(void (*)(void))weft__ctx_end)
static __attribute__((unused))
leave_fn *const ways[WAY_COUNT] = {weft__ctx_switch, BEGIN, WAIT};

/* What is to be loaded by `way` for a context that has not run.  What BEGIN wants lies on the stack
 * itself, far below what is touched. */
TEST_FN void *new_for(leave_fn *way, void *top, entry_fn *entry, void *arg, after_fn *after)
{
    struct birth *const birth = (struct birth *)(((uintptr_t)top & -(uintptr_t)16) - 4096);

    if (way != BEGIN)
        return weft__ctx_make(top, entry, arg, after);
    *birth = (struct birth){top, entry, arg, after};
    return birth;
}

/* Whether it returns a result. */
TEST_FN bool has_result(leave_fn *way)
{
    return way == WAIT || way == BEGIN;
}

/* Any way, with a result that nobody looks at. */
TEST_FN void leave_by(leave_fn *way, void **save, void *load)
{
    static const int nothing = 0;

    ((int (*)(void **, void *, const int *))(void (*)(void))way)(save, load, &nothing);
}

/* weft__ctx_end(), by a pointer of which no compiler knows where it leads: before what never
 * returns, AddressSanitizer clears a stack of which it would have to know the ends. */
static __attribute__((unused)) void (*volatile ctx_end)(void *load, after_fn *after) =
    weft__ctx_end;

TEST_FN bool is_in_switch(uintptr_t pc)
{
    return pc >= (uintptr_t)weft__ctx_switch && pc < (uintptr_t)weft__ctx_wait;
}

TEST_FN bool is_in_wait(uintptr_t pc)
{
    return pc >= (uintptr_t)weft__ctx_wait && pc < (uintptr_t)weft__ctx_start;
}

TEST_FN bool is_in_start(uintptr_t pc)
{
    return pc >= (uintptr_t)weft__ctx_start && pc < (uintptr_t)weft__ctx_end;
}

TEST_FN bool is_in_end(uintptr_t pc)
{
    return pc >= (uintptr_t)weft__ctx_end && pc < (uintptr_t)weft__ctx_begin;
}

/* In the part of an end that belongs to the context that goes on. */
TEST_FN bool is_in_tail(uintptr_t pc)
{
    return (is_in_start(pc) && pc >= (uintptr_t)weft__ctx_start + START_TAIL) ||
           (is_in_end(pc) && pc >= (uintptr_t)weft__ctx_end + END_TAIL);
}

TEST_FN bool is_in_begin(uintptr_t pc)
{
    return pc >= (uintptr_t)weft__ctx_begin && pc < (uintptr_t)weft__ctx_make;
}

/* Where a context begins: nothing has called that. */
TEST_FN bool is_outermost(uintptr_t pc)
{
    return (is_in_start(pc) && !is_in_tail(pc)) ||
           (is_in_begin(pc) && pc >= (uintptr_t)weft__ctx_begin + BEGIN_TAIL);
}

/* In any of them. */
TEST_FN bool is_in_code(uintptr_t pc)
{
    return pc >= (uintptr_t)weft__ctx_switch && pc < (uintptr_t)weft__ctx_make;
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
 * way(save, load, result) with every callee-saved register loaded from in[]; what they hold after
 * the return goes to out[], and behind them the place: the function that it returned to, which is
 * either of two that are the same.  Register i has the DWARF number register_dwarf(i).
 */
typedef int place_fn(void **save, void *load, const uint64_t *in, uint64_t *out, leave_fn *way,
                     const int *result);
HIDDEN place_fn test_switch_registers, test_switch_elsewhere;
#define PLACE_COUNT 2
static __attribute__((unused))
place_fn *const places[PLACE_COUNT] = {test_switch_registers, test_switch_elsewhere};

/* In the assembler text of each architecture, once its test_switch_at is there: the two places, and
 * the name of what comes next. */
#define SWITCHES_AT_TWO_PLACES \
    "test_switch_at test_switch_registers\n" \
    "test_switch_at test_switch_elsewhere\n" \
    ".purgem test_switch_at\n" \
    ".globl test_begin\n" \
    ".hidden test_begin\n"

#define OUT_COUNT (REGISTER_COUNT + 1)

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
    ".macro test_switch_at name\n"
    ".globl \\name\n"
    ".hidden \\name\n"
    ".type \\name, @function\n"
    "\\name:\n"
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
    "    movq %r9, %rdx\n"
    "    call *%r8\n"
    "    popq %rcx\n    .cfi_adjust_cfa_offset -8\n"
    "    leaq \\name(%rip), %rdx\n    movq %rdx, 48(%rcx)\n"
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
    ".size \\name, . - \\name\n"
    ".endm\n"
    SWITCHES_AT_TWO_PLACES
    ".type test_begin, @function\n"
    "test_begin:\n"
    ".cfi_startproc\n"
    "    endbr64\n"
    "    movq %rdx, %r9\n"
    "    movq 24(%rsi), %r8\n    movq 16(%rsi), %rcx\n"
    "    movq 8(%rsi), %rdx\n    movq 0(%rsi), %rsi\n"
    "    jmp weft__ctx_begin\n"
    ".cfi_endproc\n"
    ".size test_begin, . - test_begin\n"
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
    ".macro test_switch_at name\n"
    ".globl \\name\n"
    ".hidden \\name\n"
    ".type \\name, %function\n"
    ".p2align 2\n"
    "\\name:\n"
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
    "    mov x2, x5\n"
    "    blr x4\n"
    "    ldr x3, [sp, 160]\n"
    "    adr x9, \\name\n    str x9, [x3, 152]\n"
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
    ".size \\name, . - \\name\n"
    ".endm\n"
    SWITCHES_AT_TWO_PLACES
    ".type test_begin, %function\n"
    ".p2align 2\n"
    "test_begin:\n"
    ".cfi_startproc\n"
    "    hint #34\n"
    "    mov x5, x2\n"
    PAIR("ldp", "x3", "x4", "x1, 16")    PAIR("ldp", "x1", "x2", "x1, 0")
    "    b weft__ctx_begin\n"
    ".cfi_endproc\n"
    ".size test_begin, . - test_begin\n"
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

/* Whether the area at sp is that of a context which left with these, from either place. */
TEST_FN bool area_holds(const void *sp, const uint64_t *regs)
{
    const uintptr_t pc = ((const uintptr_t *)sp)[WEFT__CTX_PC];
    uint64_t held[REGISTER_COUNT];

    area_registers(sp, held);
    return pc > (uintptr_t)test_switch_registers && pc < (uintptr_t)test_switch_registers + 512 &&
           memcmp(held, regs, sizeof held) == 0;
}

#endif
