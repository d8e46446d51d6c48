/* SPDX-License-Identifier: MIT */
/*
 * self.h - which M this thread is, and this thread's errno.
 *
 * Compilers keep the address of a thread-local (and of errno, whose accessor glibc declares const)
 * across calls, also across one in which the coroutine moved to another thread.  So these are the
 * only ways to a thread-local in Weft: an asm that reads it anew each time, from the thread pointer
 * on, and functions that are never inlined and whose result passes through an asm barrier.
 */
#ifndef WEFT_BASE_SELF_H
#define WEFT_BASE_SELF_H

#include <stdint.h>

struct weft__m;

/* The M that runs on this thread; NULL on a plain thread.  Read by two loads in the initial-exec
 * model, also in the shared library: one word of the static block, for which loaders have room. */
static inline struct weft__m *weft__m_self(void)
{
    struct weft__m *m;
#if defined(__x86_64__)
    __asm__ volatile("movq weft__self_m@gottpoff(%%rip), %0\n\t"
                     "movq %%fs:(%0), %0"
                     : "=r"(m)
                     :
                     : "memory");
#elif defined(__aarch64__)
    uintptr_t offset;
    __asm__ volatile("mrs %0, tpidr_el0\n\t"
                     "adrp %1, :gottprel:weft__self_m\n\t"
                     "ldr %1, [%1, #:gottprel_lo12:weft__self_m]\n\t"
                     "ldr %0, [%0, %1]"
                     : "=&r"(m), "=&r"(offset)
                     :
                     : "memory");
#else
#error "Weft: no thread pointer for this architecture; say here how a thread-local is read"
#endif
    return m;
}
void weft__m_set_self(struct weft__m *m);

/* The errno of this thread, now. */
int weft__errno(void);
void weft__errno_set(int value);

/* The locks this thread holds, one bit a rank; kept in debug builds only (lock.h). */
uint64_t *weft__self_ranks(void);

#endif
