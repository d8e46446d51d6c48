/* SPDX-License-Identifier: MIT */
/* self.c - the only file with thread-locals; see self.h for why these functions look as they do. */
#include "self.h"

#include <errno.h>

#include "compiler.h"

/* Named in the asm of weft__m_self(), which the compiler does not see. */
extern _Thread_local struct weft__m *weft__self_m;
_Thread_local struct weft__m *weft__self_m
    __attribute__((used, tls_model("initial-exec"), visibility("hidden")));
static _Thread_local uint64_t self_ranks;

WEFT__NOINLINE void weft__m_set_self(struct weft__m *m)
{
    __asm__ volatile("" : "+r"(m)::"memory");
    weft__self_m = m;
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
