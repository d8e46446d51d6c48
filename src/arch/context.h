/* SPDX-License-Identifier: MIT */
/*
 * context.h - the contract between the C of the runtime and the assembly in asm/switch_<arch>.S.
 *
 * A context that does not run is one pointer: the stack pointer below its saved registers.
 */
#ifndef WEFT_ARCH_CONTEXT_H
#define WEFT_ARCH_CONTEXT_H

#ifndef __ASSEMBLER__ /* the assembly takes the offsets at the end from here */

#include <stddef.h>
#include <stdint.h>

/*
 * Save the callee-saved registers on the current stack and, with release, the stack pointer in
 * *save: whoever loads it there with acquire may switch to it on another thread.  Then take the
 * stack pointer `load`, restore what was saved there and go on where that context was.  Returns
 * when somebody switches back to *save, perhaps on another thread.  The floating-point control
 * words are not touched: they belong to the thread (see the fp calls below).
 */
void weft__ctx_switch(void **save, void *load);

/* The same, as the last act of a function: what it returns is *result, read when somebody has
 * switched back.  (The other call reads *save then, for something.) */
int weft__ctx_wait(void **save, void *load, const int *result);

/*
 * Build the first frame on a fresh stack that ends (exclusively) at `top`: a switch to the pointer
 * returned enters entry(arg) with the stack aligned as the ABI wants it and with no caller, so
 * that unwinders stop there.  Touches at most 128 bytes below `top`.
 *
 * When `entry` returns, its context is over: it returns the pointer of the context to go on with.
 * There, below what is saved, after() is called first: the stack that was left is nobody's.  NULL,
 * or WEFT__CTX_AT_ONCE in the pointer that was returned: nothing is called.
 */
#define WEFT__CTX_AT_ONCE 1
void *weft__ctx_make(void *top, void *(*entry)(void *), void *arg, void (*after)(void));

/* weft__ctx_make() and weft__ctx_wait() in one: leave for a context that begins. */
int weft__ctx_begin(void **save, void *top, void *(*entry)(void *), void *arg,
                    void (*after)(void), const int *result);

/* The end of a context, from any depth, in the same way. */
_Noreturn void weft__ctx_end(void *load, void (*after)(void));

/* The floating-point control words: MXCSR and the x87 control word, or FPCR. */
struct weft__fp_control {
    uint32_t words[2];
};

void weft__fp_save(struct weft__fp_control *to);
void weft__fp_load(const struct weft__fp_control *from);

/*
 * The registers from which an unwinder starts to walk a context that does not run: reads them
 * from the frame that weft__ctx_switch() left at `sp`.
 */
struct weft__frame {
    uintptr_t pc; /* where the context goes on */
    uintptr_t sp; /* the stack pointer there */
    uintptr_t fp; /* the frame pointer register there (rbp, x29) */
    /* The other callee-saved registers, by DWARF number of the architecture, 0 where not saved. */
    uintptr_t saved[32];
};

#endif /* __ASSEMBLER__ */

#if defined(__x86_64__)
/* What weft__ctx_switch() leaves at the saved stack pointer, in words from there. */
#define WEFT__CTX_RESULT 0
#define WEFT__CTX_R15 1
#define WEFT__CTX_R14 2
#define WEFT__CTX_R13 3
#define WEFT__CTX_R12 4
#define WEFT__CTX_RBX 5
#define WEFT__CTX_RBP 6
#define WEFT__CTX_PC 7
#define WEFT__CTX_WORDS 8
#elif defined(__aarch64__)
#define WEFT__CTX_D8 0  /* d8 .. d15 */
#define WEFT__CTX_X19 8 /* x19 .. x28 */
#define WEFT__CTX_X29 18
#define WEFT__CTX_PC 19 /* x30 */
#define WEFT__CTX_RESULT 20
#define WEFT__CTX_WORDS 22
#else
#error "Weft: no context switch for this architecture; see asm/ for what one must provide"
#endif

#endif
