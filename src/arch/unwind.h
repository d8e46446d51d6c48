/* SPDX-License-Identifier: MIT */
/*
 * unwind.h - walking a call stack by .eh_frame, without allocation, locks or libgcc, also from a
 * signal handler and also over a copy of a stack.
 */
#ifndef WEFT_ARCH_UNWIND_H
#define WEFT_ARCH_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "context.h"

/*
 * How the walk reads memory of the stack: `bytes` at address lo really lie at `copy` (which may be
 * lo itself).  Words outside [lo, lo + bytes) are not read, and end the walk.
 */
struct weft__stack_view {
    uintptr_t lo;
    size_t bytes;
    const unsigned char *copy;
};

/*
 * Learn which modules are loaded, for walks in signal handlers on a libc that cannot be asked
 * there (anything but glibc 2.35 and later); does nothing where it can.  To be called before such
 * walks and again after a dlopen or dlclose.  Keeps up to 256 modules.  Any thread.
 */
void weft__unwind_prime(void);

/* The starting frame of a context parked by weft__ctx_switch() at saved_sp; false if saved_sp is
 * not inside the view. */
bool weft__frame_parked(struct weft__frame *f, const struct weft__stack_view *v,
                        uintptr_t saved_sp);

/* The starting frame of the function that calls; inlined into it. */
static inline __attribute__((always_inline)) void weft__frame_here(struct weft__frame *f)
{
    *f = (struct weft__frame){0};
#if defined(__x86_64__)
    __asm__ volatile("lea 0(%%rip), %0\n\tmov %%rsp, %1\n\tmov %%rbp, %2"
                     : "=r"(f->pc), "=r"(f->sp), "=r"(f->fp));
    /* rbx and r12..r15, by their DWARF numbers. */
    __asm__ volatile(
        "mov %%rbx, %0\n\tmov %%r12, %1\n\tmov %%r13, %2\n\tmov %%r14, %3\n\tmov %%r15, %4"
        : "=m"(f->saved[3]), "=m"(f->saved[12]), "=m"(f->saved[13]), "=m"(f->saved[14]),
          "=m"(f->saved[15]));
#elif defined(__aarch64__)
    __asm__ volatile("adr %0, .\n\tmov %1, sp\n\tmov %2, x29"
                     : "=r"(f->pc), "=r"(f->sp), "=r"(f->fp));
    __asm__ volatile("stp x19, x20, [%0]\n\tstp x21, x22, [%0, #16]\n\tstp x23, x24, [%0, #32]\n\t"
                     "stp x25, x26, [%0, #48]\n\tstp x27, x28, [%0, #64]"
                     :
                     : "r"(&f->saved[19])
                     : "memory");
#endif
}

/* The starting frame from the ucontext of a signal handler (pc, sp, fp and callee-saved). */
void weft__frame_signal(struct weft__frame *f, const void *ucontext);

/*
 * Walk: pcs[0] is f->pc, each further one a return address; the number found is returned, at most
 * max.  Stops at a frame whose CFI says that it has no caller (undefined return address), where
 * there is no CFI, or when a word lies outside the view.  One frame without CFI is stepped over by
 * its frame pointer if that leads up the stack inside the view and to code that has CFI.
 *
 * Safe in signal handlers, and over a stack that changes or is garbage.  Wants 8 KiB of stack.
 */
int weft__unwind(const struct weft__frame *f, const struct weft__stack_view *v, uintptr_t *pcs,
                 int max);

/*
 * Name an address: "function+0x1f (prog+0x4021)" from the symbol table of the module that holds
 * it (.symtab when it has one, so that statics have names, else .dynsym), "?? (prog+0x4021)" or
 * "0x7f..." when nothing is known.  is_return says that pc is a return address: the byte before it
 * is looked up and printed, since it belongs to the call.  The address after the module's name is
 * what `addr2line -e prog` wants.  Opens the module's file: not for signal handlers.  Returns text.
 */
char *weft__symbol(uintptr_t pc, bool is_return, char *text, size_t bytes);

#endif
