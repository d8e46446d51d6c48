/* SPDX-License-Identifier: MIT */
/*
 * locals.h - the table of a coroutine's locals: open addressing, a power of two of slots, grown
 * when three quarters are in use.  A key is found by its address; most are found at the first look.
 */
#ifndef WEFT_CORO_LOCALS_H
#define WEFT_CORO_LOCALS_H

#include <weft/local.h>

#include "ends.h"

struct weft__local {
    const struct weft_key *key; /* NULL: free */
    void *value;                /* NULL: none, or none any more */
};

struct weft__locals {
    struct weft__end end; /* END_LOCALS, the first in the list of its coroutine */
    uint32_t mask;        /* slots less one */
    uint32_t used;        /* slots with a key; at least one has none, where a search ends */
    struct weft__local slot[];
};

static inline struct weft__locals *weft__locals_of(const struct weft__g *g)
{
    struct weft__end *end = g->ends;
    return end != NULL && end->kind == END_LOCALS ? (struct weft__locals *)end : NULL;
}

/* The slot of a key, or the free one where it would go. */
static inline struct weft__local *weft__locals_find(struct weft__locals *l,
                                                    const struct weft_key *key)
{
    /* Keys that are defined one after the other lie in a row, and so do their slots. */
    uint32_t i = (uint32_t)((uintptr_t)key / sizeof *key);
    while (l->slot[i & l->mask].key != key && l->slot[i & l->mask].key != NULL) {
        i++;
    }
    return &l->slot[i & l->mask];
}

/* 0 or -ENOMEM. */
int weft__locals_set(struct weft__g *g, const struct weft_key *key, void *value);

/* By the parent, in a spawn: give the child what it inherits.  False for lack of memory.  Calls the
 * user, so it may return on another thread. */
bool weft__locals_inherit(const struct weft__g *parent, struct weft__g *child);

/* One round of destructors; false if there was nothing to call. */
bool weft__locals_destroy(struct weft__g *g);

#endif
