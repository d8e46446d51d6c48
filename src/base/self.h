/* SPDX-License-Identifier: MIT */
/*
 * self.h - which M this thread is, and this thread's errno.
 *
 * Compilers keep the address of a thread-local (and of errno, whose accessor glibc declares const)
 * across calls, also across one in which the coroutine moved to another thread.  So these are the
 * only ways to a thread-local in Weft: functions that are never inlined and whose result passes
 * through an asm barrier.
 */
#ifndef WEFT_BASE_SELF_H
#define WEFT_BASE_SELF_H

#include <stdint.h>

struct weft__m;

/* The M that runs on this thread; NULL on a plain thread. */
struct weft__m *weft__m_self(void);
void weft__m_set_self(struct weft__m *m);

/* The errno of this thread, now. */
int weft__errno(void);
void weft__errno_set(int value);

/* The locks this thread holds, one bit a rank; kept in debug builds only (lock.h). */
uint64_t *weft__self_ranks(void);

#endif
