/* SPDX-License-Identifier: MIT */
/* self.c - the only file with thread-locals; see self.h for why these functions look as they do. */
#include "self.h"

#include <errno.h>

#include "compiler.h"

static _Thread_local struct weft__m *self_m;
static _Thread_local uint64_t self_ranks;

WEFT__NOINLINE struct weft__m *weft__m_self(void)
{
    struct weft__m *m = self_m;
    __asm__ volatile("" : "+r"(m)::"memory");
    return m;
}

WEFT__NOINLINE void weft__m_set_self(struct weft__m *m)
{
    __asm__ volatile("" : "+r"(m)::"memory");
    self_m = m;
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
