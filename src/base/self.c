/* SPDX-License-Identifier: MIT */
/* self.c - the only file with thread-locals; see self.h for why these functions look as they do. */
#include "self.h"

#include <weft/local.h>

#include <errno.h>

#include "compiler.h"
#include "sys.h"

#ifndef __APPLE__
/* Named in the asm of WEFT__SELF_READ(), which the compiler does not see. */
#define READ_BY_ASM __attribute__((used, tls_model("initial-exec"), visibility("hidden")))
#else
#define READ_BY_ASM
#endif
extern _Thread_local struct weft__m *weft__self_m;
extern _Thread_local struct weft__gate *weft__self_gate;
_Thread_local struct weft__m *weft__self_m READ_BY_ASM;
_Thread_local struct weft__gate *weft__self_gate READ_BY_ASM;
static _Thread_local struct weft__m *self_outside;
static _Thread_local uint64_t self_ranks;
static _Thread_local int self_thread_id;

WEFT__NOINLINE void weft__m_set_self(struct weft__m *m)
{
    __asm__ volatile("" : "+r"(m)::"memory");
    weft__self_m = m;
}

#ifdef __APPLE__
WEFT__NOINLINE struct weft__m *weft__self_m_read(void)
{
    struct weft__m **where = &weft__self_m;
    __asm__ volatile("" : "+r"(where)::"memory");
    return *where;
}

WEFT__NOINLINE struct weft__gate *weft__self_gate_read(void)
{
    struct weft__gate **where = &weft__self_gate;
    __asm__ volatile("" : "+r"(where)::"memory");
    return *where;
}
#endif

WEFT__NOINLINE struct weft__m *weft__m_outside(void)
{
    struct weft__m **where = &self_outside;
    __asm__ volatile("" : "+r"(where)::"memory");
    return *where;
}

WEFT__NOINLINE void weft__m_set_outside(struct weft__m *m)
{
    struct weft__m **where = &self_outside;
    __asm__ volatile("" : "+r"(where)::"memory");
    *where = m;
}

WEFT__NOINLINE void weft__gate_set_self(struct weft__gate *gate)
{
    __asm__ volatile("" : "+r"(gate)::"memory");
    weft__self_gate = gate;
}

WEFT__NOINLINE int *weft_errno_location(void)
{
    int *where = &errno;
    __asm__ volatile("" : "+r"(where)::"memory");
    return where;
}

WEFT__NOINLINE int weft__errno(void)
{
    int *where = &errno;
    __asm__ volatile("" : "+r"(where)::"memory");
    return *where;
}

WEFT__NOINLINE void weft__errno_set(int value)
{
    int *where = &errno;
    __asm__ volatile("" : "+r"(where)::"memory");
    *where = value;
}

WEFT__NOINLINE uint64_t *weft__self_ranks(void)
{
    uint64_t *ranks = &self_ranks;
    __asm__ volatile("" : "+r"(ranks)::"memory");
    return ranks;
}

WEFT__NOINLINE int weft__self_thread_id(void)
{
    int *id = &self_thread_id;
    __asm__ volatile("" : "+r"(id)::"memory");
    if (*id == 0) {
        *id = weft__sys_thread_id();
    }
    return *id;
}
