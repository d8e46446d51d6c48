/* SPDX-License-Identifier: MIT */
/* local.c - the locals of the calling coroutine; the table is in coro/locals.h. */
#include <weft/local.h>

#include <errno.h>

#include "../coro/locals.h"
#include "../sched/machine.h"

void *weft_local_get(const struct weft_key *key)
{
    struct weft__g *g = weft__g_self();
    struct weft__locals *l = g != NULL ? weft__locals_of(g) : NULL;
    return l != NULL ? weft__locals_find(l, key)->value : NULL; /* NULL in a free slot */
}

int weft_local_set(const struct weft_key *key, void *value)
{
    struct weft__g *g = weft__g_self();
    return g != NULL ? weft__locals_set(g, key, value) : -EPERM;
}

void *weft_inherit_same(void *value)
{
    return value;
}
