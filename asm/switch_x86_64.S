/* SPDX-License-Identifier: MIT */
/*
 * switch_x86_64.S - the context switch for x86_64, System V ABI ("System V Application Binary
 * Interface, AMD64 Architecture Processor Supplement", section 3.2: registers, stack frame).
 *
 * The contract with C is src/arch/context.h.
 *
 * Save area, in bytes from the stack pointer that weft__ctx_wait() stores:
 *
 *     0  where the result is
 *     8  r15    16  r14     24  r13     32  r12     40  rbx     48  rbp
 *    56  the pc, pushed by the caller's call instruction
 *    64  the caller's stack pointer after the return = the CFA of every instruction below
 *
 * Registers of weft__ctx_wait():
 *   in         rdi = where to store the stack pointer, rsi = the stack pointer to take, rdx = where
 *              the result will be
 *   out        eax = the result
 *   kept       rbx, rbp, rsp, r12..r15, each context its own
 *   clobbered  the C caller counts all caller-saved registers as lost, as it does for any call
 *
 * Not saved, and why:
 *   rax, rcx, rdx, rsi, rdi, r8..r11, xmm, ymm, zmm, k, mmx, x87 stack, flags: caller-saved.
 *   MXCSR control bits and the x87 control word: callee-saved by the ABI, yet they are the
 *     thread's here, since moving them at each switch costs more than the whole switch; contexts
 *     that own their floating-point environment use weft__fp_save() and weft__fp_load().
 *   The red zone: a leaf that uses it makes no call, hence no switch.
 *   fs, gs, pkru, signal mask: the thread's.
 *
 * Alignment: rsp % 16 == 8 at the entry of each function, as after any call, and 0 at the save
 * area: so from there a function may be called.
 *
 * The way back is a ret.  The processor predicts that a ret goes to the last call that it has not
 * seen returned from.  Coroutines that park do so at the same places in Weft, so the prediction
 * holds there, and for the returns that follow, as long as calls and returns stay in balance; a
 * jump instead leaves one call too many behind, after which each of those returns is predicted
 * wrongly.  For the same reason a new context is entered by a jump (nothing was called) and its
 * entry returns at its end: what it was entered from then finds its own calls on top.
 *
 * It fails for two coroutines that were left at two places, as two who talk to each other are if
 * they return to their own code from here: then the way back is a jump, which is predicted by what
 * came before, and not by a call of the other one's.
 *
 * CFI: exact at each instruction, so that gdb, profilers and backtrace() walk out from anywhere.
 * `movq %rsi, %rsp` needs no directive where both stacks have the same layout: the same rules that
 * led to the old caller lead to the new one from there on.
 *
 * Notes: IBT holds and is declared.  The shadow stack is not: it would have to be switched too.
 * The stack needs no execute right.
 */
#include "../src/arch/context.h"

#if WEFT__CTX_RESULT != 0 || WEFT__CTX_R15 != 1 || WEFT__CTX_R14 != 2 || WEFT__CTX_R13 != 3 ||   \
    WEFT__CTX_R12 != 4 || WEFT__CTX_RBX != 5 || WEFT__CTX_RBP != 6 || WEFT__CTX_PC != 7 ||       \
    WEFT__CTX_WORDS != 8
#error "the order of the pushes below is not the one that context.h promises"
#endif

/* Begin and end a function that C may call; its name stays inside the library. */
#ifdef __MACH__
#define LOCAL(name) L##name
.macro symbol name
        .globl  _\name
        .private_extern _\name
        .p2align 4
_\name:
        .cfi_startproc
.endm

.macro end_function name
        .cfi_endproc
.endm
#else
#define LOCAL(name) .L##name
.macro symbol name
        .globl  \name
        .hidden \name
        .type   \name, @function
        .p2align 4
\name:
        .cfi_startproc
.endm

.macro end_function name
        .cfi_endproc
        .size   \name, . - \name
.endm
#endif

.macro function name
        symbol  \name
        endbr64
.endm

/* A push, and a pop, of a callee-saved register with the directives that describe it. */
.macro save reg
        pushq   %\reg
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset \reg, 0
.endm

.macro load reg
        popq    %\reg
        .cfi_adjust_cfa_offset -8
        .cfi_restore \reg
.endm

/* All callee-saved registers onto the stack, then to the stack in rsi, then the pointer of the one
 * that was left to *rdi: another thread may go on there at once, so nothing of ours, and no signal
 * frame either, may touch it any more.  `there`: what an unwinder finds on the other stack, if that
 * has not the same layout. */
.macro leave_stack there
        save    rbp
        save    rbx
        save    r12
        save    r13
        save    r14
        save    r15
        pushq   %rdx
        .cfi_adjust_cfa_offset 8
        movq    %rsp, %rax
        movq    %rsi, %rsp
        \there
        movq    %rax, (%rdi)            /* stores stay in order: a release */
.endm

/* And back, from the stack pointer on. */
.macro load_all
        popq    %rdx
        .cfi_adjust_cfa_offset -8
        movl    (%rdx), %eax
        load    r15
        load    r14
        load    r13
        load    r12
        load    rbx
        load    rbp
.endm

/* What an unwinder finds where the stack pointer is that of a context which is to go on: from here
 * on this is the last part of its weft__ctx_switch(). */
.macro gone_over
        .cfi_def_cfa rsp, 8 * WEFT__CTX_WORDS
        .cfi_offset rip, -8
        .cfi_offset rbp, -16
        .cfi_offset rbx, -24
        .cfi_offset r12, -32
        .cfi_offset r13, -40
        .cfi_offset r14, -48
        .cfi_offset r15, -56
.endm

/* The same where a context begins, which has no caller. */
.macro begun
        .cfi_undefined rip
        .cfi_def_cfa rsp, 16
        .cfi_restore rbp
        .cfi_restore rbx
        .cfi_restore r12
        .cfi_restore r13
        .cfi_restore r14
        .cfi_restore r15
.endm

        .text

/* From one to the other, both of which have run before.  (In a macro without any parameter, $8 is
 * an argument to the assembler of Mach-O.) */
.macro switch_over word=8
        movq    (%rsp), %rcx            /* where the one that is left will go on */
        leave_stack
        load_all
        cmpq    (%rsp), %rcx
        jne     1f
        ret
1:      addq    $\word, %rsp
        .cfi_adjust_cfa_offset -8
        notrack jmp *-8(%rsp)           /* in the red zone, which no signal frame touches */
.endm

/* void weft__ctx_switch(void **save, void *load): the result is anything that can be read. */
function weft__ctx_switch
        movq    %rdi, %rdx
        switch_over
end_function weft__ctx_switch

/* int weft__ctx_wait(void **save, void *load, const int *result) */
function weft__ctx_wait
        switch_over
end_function weft__ctx_wait

/*
 * weft__ctx_start: where a new context begins: entry in rbx, its argument in r12, what is to be
 * called after it in r13, rsp 16-aligned.  There is no caller, which is what `undefined rip` tells
 * the unwinder.  The first switch comes to the second instruction: an unwinder looks for a return
 * address one byte before it, and that byte must belong to this function, too.
 *
 * What entry returns is the stack pointer of the context to go on with, and in bit 0 whether
 * nothing is to be called there after all; nothing is saved here.
 */
symbol weft__ctx_start
        .cfi_undefined rip
        .cfi_def_cfa rsp, 16
        nop
LOCAL(start):
        movq    %r12, %rdi
        call    *%rbx
        btrq    $0, %rax
        movq    %rax, %rsp
        gone_over
        jc      LOCAL(load)
LOCAL(over):
        testq   %r13, %r13
        je      LOCAL(load)
        call    *%r13
LOCAL(load):
        load_all
        ret
end_function weft__ctx_start

/* void weft__ctx_end(void *load, void (*after)(void)): the caller's r13 goes with its stack. */
function weft__ctx_end
        movq    %rdi, %rsp
        gone_over
        movq    %rsi, %r13
        jmp     LOCAL(over)
end_function weft__ctx_end

/*
 * int weft__ctx_begin(void **save, void *top, void *(*entry)(void *), void *arg,
 *                     void (*after)(void), const int *result)
 */
function weft__ctx_begin
        andq    $-16, %rsi
        movq    $0, -8(%rsi)
        movq    $0, -16(%rsi)
        subq    $16, %rsi
        movq    %rdx, %r10
        movq    %r9, %rdx
        leave_stack begun
        movq    %r10, %rbx
        movq    %rcx, %r12
        movq    %r8, %r13
        xorl    %ebp, %ebp
        jmp     LOCAL(start)
end_function weft__ctx_begin

/*
 * void *weft__ctx_make(void *top, void *(*entry)(void *), void *arg, void (*after)(void))
 *
 *   top & -16
 *     -8, -16  0, where a walk by hand finds no return address
 *         -24  pc = .Lstart
 *         -32  rbp = 0, the end of a chain of frame pointers
 *   -40 .. -72  rbx = entry, r12 = arg, r13 = after, r14 = r15 = 0
 *         -80  a result that can be read
 */
function weft__ctx_make
        andq    $-16, %rdi
        leaq    -16 - 8 * WEFT__CTX_WORDS(%rdi), %rax
        leaq    LOCAL(start)(%rip), %r8
        xorl    %r9d, %r9d
        movq    %r9,  -8(%rdi)
        movq    %r9,  -16(%rdi)
        movq    %r8,  8 * WEFT__CTX_PC(%rax)
        movq    %r9,  8 * WEFT__CTX_RBP(%rax)
        movq    %rsi, 8 * WEFT__CTX_RBX(%rax)
        movq    %rdx, 8 * WEFT__CTX_R12(%rax)
        movq    %rcx, 8 * WEFT__CTX_R13(%rax)
        movq    %r9,  8 * WEFT__CTX_R14(%rax)
        movq    %r9,  8 * WEFT__CTX_R15(%rax)
        movq    %rax, 8 * WEFT__CTX_RESULT(%rax)
        ret
end_function weft__ctx_make

/* void weft__fp_save(struct weft__fp_control *to): words[0] = MXCSR, words[1] = x87 control. */
function weft__fp_save
        movl    $0, 4(%rdi)             /* fnstcw writes the low half only */
        stmxcsr (%rdi)
        fnstcw  4(%rdi)
        ret
end_function weft__fp_save

/*
 * void weft__fp_load(const struct weft__fp_control *from)
 *
 * The x87 exception flags are cleared first: a flag that another context left behind would turn
 * into a SIGFPE as soon as the new control word unmasks it.  The flags of SSE arithmetic are part
 * of MXCSR and raise nothing when loaded.
 */
function weft__fp_load
        fnclex
        ldmxcsr (%rdi)
        fldcw   4(%rdi)
        ret
end_function weft__fp_load

#ifndef __MACH__
/* The object holds under IBT: NT_GNU_PROPERTY_TYPE_0, GNU_PROPERTY_X86_FEATURE_1_AND, bit 0. */
        .section .note.gnu.property, "a", @note
        .p2align 3
        .long   4, 16, 5
        .asciz  "GNU"
        .long   0xc0000002, 4, 1, 0

        .section .note.GNU-stack, "", @progbits
#endif
