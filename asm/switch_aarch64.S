/* SPDX-License-Identifier: MIT */
/*
 * switch_aarch64.S - the context switch for aarch64, AAPCS64 ("Procedure Call Standard for the
 * Arm 64-bit Architecture", section 6: registers, stack).
 *
 * The contract with C is src/arch/context.h.
 *
 * Save area, in bytes from the stack pointer that weft__ctx_wait() stores:
 *
 *     0  d8     16  d10    32  d12    48  d14
 *     8  d9     24  d11    40  d13    56  d15
 *    64  x19    80  x21    96  x23   112  x25   128  x27   144  x29 (frame pointer)
 *    72  x20    88  x22   104  x24   120  x26   136  x28   152  x30 (the pc)
 *   160  where the result is       168  not used
 *   176  the caller's stack pointer = the CFA of every instruction below
 *
 * Registers of weft__ctx_wait():
 *   in         x0 = where to store the stack pointer, x1 = the stack pointer to take, x2 = where
 *              the result will be
 *   out        w0 = the result
 *   kept       x19..x29, sp, the low halves of v8..v15, each context its own
 *   clobbered  x2, x9, x30; the C caller counts all caller-saved registers as lost, as it does
 *              for any call
 *
 * Not saved, and why:
 *   x0..x17, v0..v7, v16..v31, the high halves of v8..v15, z, p, flags: caller-saved.
 *   x18: the platform's; Linux user space lets compilers use it as a scratch register.
 *   FPCR: callee-saved in effect, yet it is the thread's here, since writing it at each switch
 *     costs more than the whole switch; contexts that own their floating-point environment use
 *     weft__fp_save() and weft__fp_load().
 *   tpidr_el0, signal mask: the thread's.
 *
 * Alignment: sp % 16 == 0 at every instruction; the processor checks it at each access by sp.
 *
 * The way back is `ret`: it may go to any address, while a `br` to the instruction after a call
 * is SIGILL on a guarded page, since there is no landing pad there.
 *
 * CFI: exact at each instruction, so that gdb, profilers and backtrace() walk out from anywhere.
 * `mov sp, x1` needs no directive where both stacks have the same layout: the same rules that led
 * to the old caller lead to the new one from there on.
 *
 * Notes: BTI holds and is declared.  Return addresses are not signed in here, so PAC is not
 * declared; callers that sign theirs do so in their own frames and are not disturbed.  The stack
 * needs no execute right.
 */
#include "../src/arch/context.h"

#if WEFT__CTX_D8 != 0 || WEFT__CTX_X19 != 8 || WEFT__CTX_X29 != 18 || WEFT__CTX_PC != 19 ||       \
    WEFT__CTX_RESULT != 20 || WEFT__CTX_WORDS != 22
#error "the offsets below are not the ones that context.h promises"
#endif

#define AREA_BYTES (8 * WEFT__CTX_WORDS)

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
        .type   \name, %function
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
        bti     c
.endm

/* Store, and load, a pair of callee-saved registers with the directives that describe it. */
.macro save first, second, offset
        stp     \first, \second, [sp, \offset]
        .cfi_rel_offset \first, \offset
        .cfi_rel_offset \second, \offset + 8
.endm

.macro load first, second, offset
        ldp     \first, \second, [sp, \offset]
        .cfi_restore \first
        .cfi_restore \second
.endm

/* What an unwinder finds where the stack pointer is that of a context which is to go on: from here
 * on this is the last part of its weft__ctx_switch(). */
.macro gone_over
        .cfi_def_cfa sp, AREA_BYTES
        .cfi_rel_offset d8, 0
        .cfi_rel_offset d9, 8
        .cfi_rel_offset d10, 16
        .cfi_rel_offset d11, 24
        .cfi_rel_offset d12, 32
        .cfi_rel_offset d13, 40
        .cfi_rel_offset d14, 48
        .cfi_rel_offset d15, 56
        .cfi_rel_offset x19, 64
        .cfi_rel_offset x20, 72
        .cfi_rel_offset x21, 80
        .cfi_rel_offset x22, 88
        .cfi_rel_offset x23, 96
        .cfi_rel_offset x24, 104
        .cfi_rel_offset x25, 112
        .cfi_rel_offset x26, 120
        .cfi_rel_offset x27, 128
        .cfi_rel_offset x28, 136
        .cfi_rel_offset x29, 144
        .cfi_rel_offset x30, 152
.endm

/* The same where a context begins, which has no caller. */
.macro begun
        .cfi_undefined x30
        .cfi_def_cfa sp, 16
        .cfi_restore x19
        .cfi_restore x20
        .cfi_restore x21
        .cfi_restore x22
        .cfi_restore x23
        .cfi_restore x24
        .cfi_restore x25
        .cfi_restore x26
        .cfi_restore x27
        .cfi_restore x28
        .cfi_restore x29
        .cfi_restore d8
        .cfi_restore d9
        .cfi_restore d10
        .cfi_restore d11
        .cfi_restore d12
        .cfi_restore d13
        .cfi_restore d14
        .cfi_restore d15
.endm

        .text

/* All callee-saved registers to a new area below the stack pointer, then to the stack in x1, then
 * the pointer of the one that was left to *x0: another thread may go on there at once, so nothing
 * of ours, and no signal frame either, may touch it any more.  `there`: what an unwinder finds on
 * the other stack, if that has not the same layout. */
.macro leave_stack there
        sub     sp, sp, AREA_BYTES
        .cfi_adjust_cfa_offset AREA_BYTES
        save    d8,  d9,  0
        save    d10, d11, 16
        save    d12, d13, 32
        save    d14, d15, 48
        save    x19, x20, 64
        save    x21, x22, 80
        save    x23, x24, 96
        save    x25, x26, 112
        save    x27, x28, 128
        save    x29, x30, 144
        str     x2, [sp, 160]
        mov     x9, sp
        mov     sp, x1
        \there
        stlr    x9, [x0]                /* after the registers */
.endm

/* And back, from the area at the stack pointer. */
.macro load_all
        ldr     x2, [sp, 160]
        ldr     w0, [x2]
        load    x29, x30, 144
        load    x19, x20, 64
        load    x21, x22, 80
        load    x23, x24, 96
        load    x25, x26, 112
        load    x27, x28, 128
        load    d8,  d9,  0
        load    d10, d11, 16
        load    d12, d13, 32
        load    d14, d15, 48
        add     sp, sp, AREA_BYTES
        .cfi_adjust_cfa_offset -AREA_BYTES
.endm

/* void weft__ctx_switch(void **save, void *load): the result is anything that can be read. */
function weft__ctx_switch
        mov     x2, x0
        leave_stack
        load_all
        ret
end_function weft__ctx_switch

/* int weft__ctx_wait(void **save, void *load, const int *result) */
function weft__ctx_wait
        leave_stack
        load_all
        ret
end_function weft__ctx_wait

/*
 * weft__ctx_start: where a new context begins: entry in x28, its argument in x27, what is to be
 * called after it in x26, sp 16-aligned.  There is no caller, which is what `undefined x30` tells
 * the unwinder.  The first switch comes to the second instruction: an unwinder looks for a return
 * address one byte before it, and that byte must belong to this function, too.  It comes by ret,
 * which needs no landing pad.
 *
 * What entry returns is the stack pointer of the context to go on with, and in bit 0 whether
 * nothing is to be called there after all; nothing is saved here.
 */
symbol weft__ctx_start
        .cfi_undefined x30
        .cfi_def_cfa sp, 16
        nop
LOCAL(start):
        mov     x0, x27
        blr     x28
        and     sp, x0, -2
        gone_over
        tbnz    x0, 0, LOCAL(load)
LOCAL(over):
        cbz     x26, LOCAL(load)
        blr     x26
LOCAL(load):
        load_all
        ret
end_function weft__ctx_start

/* void weft__ctx_end(void *load, void (*after)(void)): the caller's x26 goes with its stack. */
function weft__ctx_end
        mov     sp, x0
        gone_over
        mov     x26, x1
        b       LOCAL(over)
end_function weft__ctx_end

/*
 * int weft__ctx_begin(void **save, void *top, void *(*entry)(void *), void *arg,
 *                     void (*after)(void), const int *result)
 */
function weft__ctx_begin
        and     x1, x1, -16
        stp     xzr, xzr, [x1, -16]!
        mov     x10, x2
        mov     x2, x5
        leave_stack begun
        mov     x28, x10
        mov     x27, x3
        mov     x26, x4
        mov     x29, xzr
        b       LOCAL(start)
end_function weft__ctx_begin

/*
 * void *weft__ctx_make(void *top, void *(*entry)(void *), void *arg, void (*after)(void))
 *
 *   top & -16
 *     -8, -16       0, where a walk by hand finds no return address
 *         -32       a result that can be read
 *         -40       x30 = .Lstart
 *         -48       x29 = 0, the end of a chain of frame pointers
 *    -56, -64       x28 = entry, x27 = arg
 *         -72       x26 = after
 *    -80 .. -128    x25 .. x19, not written
 *   -136 .. -192    d15 .. d8, not written
 *
 * What is not written may be anything: entry does not read those registers before it writes them.
 */
function weft__ctx_make
        and     x0, x0, -16
        sub     x0, x0, 16 + AREA_BYTES
        adr     x9, LOCAL(start)
        stp     x2, x1, [x0, 8 * (WEFT__CTX_X29 - 2)]
        str     x3, [x0, 8 * (WEFT__CTX_X29 - 3)]
        stp     xzr, x9, [x0, 8 * WEFT__CTX_X29]
        stp     xzr, xzr, [x0, AREA_BYTES]
        add     x9, x0, AREA_BYTES
        str     x9, [x0, 8 * WEFT__CTX_RESULT]
        ret
end_function weft__ctx_make

/*
 * void weft__fp_save(struct weft__fp_control *to): words[0] = FPCR, words[1] = FPSR.
 *
 * FPSR, the exception flags, goes along because on x86_64 the flags are part of MXCSR.
 */
function weft__fp_save
        mrs     x9, fpcr
        mrs     x10, fpsr
        stp     w9, w10, [x0]
        ret
end_function weft__fp_save

/* void weft__fp_load(const struct weft__fp_control *from) */
function weft__fp_load
        ldp     w9, w10, [x0]
        msr     fpcr, x9
        msr     fpsr, x10
        ret
end_function weft__fp_load

#ifndef __MACH__
/* The object holds under BTI: NT_GNU_PROPERTY_TYPE_0, GNU_PROPERTY_AARCH64_FEATURE_1_AND, bit 0. */
        .section .note.gnu.property, "a", %note
        .p2align 3
        .long   4, 16, 5
        .asciz  "GNU"
        .long   0xc0000000, 4, 1, 0

        .section .note.GNU-stack, "", %progbits
#endif
