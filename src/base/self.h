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
struct weft__gate;

/* Reads the thread-local pointer `name` by two loads, in the initial-exec model also in the shared
 * library: some words of the static block, for which loaders have room. */
#if defined(__APPLE__) /* a thread-local is found by a call there */
#define WEFT__SELF_READ(name, to) ((to) = name##_read())
struct weft__m *weft__self_m_read(void);
struct weft__gate *weft__self_gate_read(void);
#elif defined(__x86_64__)
#define WEFT__SELF_READ(name, to)                                                                  \
    __asm__ volatile("movq " #name "@gottpoff(%%rip), %0\n\tmovq %%fs:(%0), %0"                    \
                     : "=r"(to)                                                                    \
                     :                                                                             \
                     : "memory")
#elif defined(__aarch64__)
#define WEFT__SELF_READ(name, to)                                                                  \
    do {                                                                                           \
        uintptr_t offset_;                                                                         \
        __asm__ volatile("mrs %0, tpidr_el0\n\tadrp %1, :gottprel:" #name                          \
                         "\n\tldr %1, [%1, #:gottprel_lo12:" #name "]\n\tldr %0, [%0, %1]"         \
                         : "=&r"(to), "=&r"(offset_)                                               \
                         :                                                                         \
                         : "memory");                                                              \
    } while (0)
#else
#error "Weft: no thread pointer for this architecture; say here how a thread-local is read"
#endif

/* The M that runs on this thread; NULL on a plain thread. */
static inline struct weft__m *weft__m_self(void)
{
    struct weft__m *m;
    WEFT__SELF_READ(weft__self_m, m);
    return m;
}
void weft__m_set_self(struct weft__m *m);

/* The M of this thread while its coroutine is outside (sched/outside.c), where this is a plain
 * thread to everybody else; NULL otherwise. */
struct weft__m *weft__m_outside(void);
void weft__m_set_outside(struct weft__m *m);

/* The gate of the P that this thread runs (gate.h); NULL on a plain thread. */
static inline struct weft__gate *weft__gate_self(void)
{
    struct weft__gate *gate;
    WEFT__SELF_READ(weft__self_gate, gate);
    return gate;
}
void weft__gate_set_self(struct weft__gate *gate);

/* The errno of this thread, now. */
int weft__errno(void);
void weft__errno_set(int value);

/* The kernel's number of this thread, which is asked for once. */
int weft__self_thread_id(void);

/* The locks this thread holds, one bit a rank; kept in debug builds only (lock.h). */
uint64_t *weft__self_ranks(void);

#endif
