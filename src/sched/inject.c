/* SPDX-License-Identifier: MIT */
/* inject.c - see inject.h. */
#include "inject.h"

void weft__inject_init(struct weft__inject *in)
{
    weft__lock_init(&in->lock, RANK_INJECT);
    weft__glist_init(&in->woken);
    weft__glist_init(&in->unstarted);
    weft__glist_init(&in->overflow);
    weft__glist_init(&in->starved);
    atomic_init(&in->count, 0);
    atomic_init(&in->overflow_count, 0);
    atomic_init(&in->starved_count, 0);
}

static void update_counts(struct weft__inject *in)
{
    atomic_store_explicit(&in->count, in->woken.count + in->unstarted.count, memory_order_relaxed);
    atomic_store_explicit(&in->overflow_count, in->overflow.count, memory_order_relaxed);
}

void weft__inject_add(struct weft__inject *in, struct weft__g *g)
{
    weft__lock(&in->lock);
    weft__glist_add(g->stack != NULL ? &in->woken : &in->unstarted, g);
    update_counts(in);
    weft__unlock(&in->lock);
}

void weft__inject_spill(struct weft__inject *in, struct weft__g *const *g, uint32_t n)
{
    weft__lock(&in->lock);
    for (uint32_t i = 0; i < n; i++) {
        weft__glist_add(g[i]->stack != NULL ? &in->woken : &in->overflow, g[i]);
    }
    update_counts(in);
    weft__unlock(&in->lock);
}

static uint32_t take_from(struct weft__glist *l, struct weft__g **out, uint32_t n, uint32_t max)
{
    while (n < max && (out[n] = weft__glist_take(l)) != NULL) {
        n++;
    }
    return n;
}

uint32_t weft__inject_take(struct weft__inject *in, struct weft__g **out, uint32_t max,
                           bool with_overflow)
{
    weft__lock(&in->lock);
    uint32_t n = take_from(&in->woken, out, 0, max);
    n = take_from(&in->unstarted, out, n, max);
    if (with_overflow) {
        n = take_from(&in->overflow, out, n, max);
    }
    update_counts(in);
    weft__unlock(&in->lock);
    return n;
}

void weft__inject_starve(struct weft__inject *in, struct weft__g *g)
{
    weft__lock(&in->lock);
    weft__glist_add(&in->starved, g);
    atomic_store_explicit(&in->starved_count, in->starved.count, memory_order_relaxed);
    weft__unlock(&in->lock);
}

struct weft__g *weft__inject_take_starved(struct weft__inject *in)
{
    if (atomic_load_explicit(&in->starved_count, memory_order_relaxed) == 0) {
        return NULL;
    }
    weft__lock(&in->lock);
    struct weft__g *g = weft__glist_take(&in->starved);
    atomic_store_explicit(&in->starved_count, in->starved.count, memory_order_relaxed);
    weft__unlock(&in->lock);
    return g;
}
