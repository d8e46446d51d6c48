/* SPDX-License-Identifier: MIT */
/* inject.c - see inject.h. */
#include "inject.h"

#include "../coro/slab.h"

void weft__inject_init(struct weft__inject *in)
{
    weft__lock_init(&in->lock, RANK_INJECT);
    in->p_home = 0;
    weft__glist_init(&in->woken);
    weft__glist_init(&in->unstarted);
    in->overflow = (struct weft__overflow){.first = NULL};
    weft__glist_init(&in->starved);
    atomic_init(&in->count, 0);
    atomic_init(&in->overflow_count, 0);
    atomic_init(&in->starved_count, 0);
}

/* The first of a batch has the batch's fields in the place of these. */
static void restore(const struct weft__inject *in, struct weft__g *g)
{
    g->ahead = NULL;
    g->p_home = in->p_home;
}

static void update_counts(struct weft__inject *in)
{
    atomic_store_explicit(&in->count, in->woken.count + in->unstarted.count, memory_order_relaxed);
    atomic_store_explicit(&in->overflow_count, in->overflow.count, memory_order_relaxed);
}

static void add(struct weft__inject *in, struct weft__g *g)
{
    weft__glist_add(g->stack != NULL ? &in->woken : &in->unstarted, g);
}

void weft__inject_add(struct weft__inject *in, struct weft__g *g)
{
    weft__lock(&in->lock);
    add(in, g);
    update_counts(in);
    weft__unlock(&in->lock);
}

void weft__inject_spill_woken(struct weft__inject *in, struct weft__g *const *g, uint32_t n)
{
    weft__lock(&in->lock);
    for (uint32_t i = 0; i < n; i++) {
        add(in, g[i]);
    }
    update_counts(in);
    weft__unlock(&in->lock);
}

void weft__inject_spill_unstarted(struct weft__inject *in, struct weft__g *const *g, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        g[i]->next = i + 1 < n ? g[i + 1] : NULL;
        g[i]->ahead = i + WEFT__G_AHEAD < n ? g[i + WEFT__G_AHEAD] : NULL;
    }
    g[0]->next_batch = NULL;
    g[0]->batch_count = (uint16_t)n;
    weft__lock(&in->lock);
    struct weft__overflow *o = &in->overflow;
    if (o->first == NULL) {
        o->first = g[0];
    } else {
        o->last->next_batch = g[0];
    }
    o->last = g[0];
    o->count += n;
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

uint32_t weft__inject_take(struct weft__inject *in, struct weft__g **out, uint32_t max)
{
    weft__lock(&in->lock);
    uint32_t n = take_from(&in->woken, out, 0, max);
    n = take_from(&in->unstarted, out, n, max);
    update_counts(in);
    weft__unlock(&in->lock);
    return n;
}

/* A batch that is taken out of the list: into out. */
static uint32_t unpack(struct weft__inject *in, struct weft__g *g, struct weft__g **out)
{
    uint32_t n = 0;
    restore(in, g);
    for (; g != NULL; g = g->next) {
        weft__g_fetch_ahead(g);
        g->ahead = NULL;
        out[n++] = g;
    }
    return n;
}

uint32_t weft__inject_take_batch(struct weft__inject *in, struct weft__g **out)
{
    weft__lock(&in->lock);
    struct weft__overflow *o = &in->overflow;
    struct weft__g *first = o->first;
    if (first != NULL) {
        o->first = first->next_batch;
        o->count -= first->batch_count;
        update_counts(in);
    }
    weft__unlock(&in->lock);
    return first != NULL ? unpack(in, first, out) : 0;
}

struct weft__g *weft__inject_take_oldest(struct weft__inject *in)
{
    weft__lock(&in->lock);
    struct weft__overflow *o = &in->overflow;
    struct weft__g *g = o->first;
    if (g != NULL) {
        struct weft__g *next = g->next;
        if (next != NULL) {
            next->next_batch = g->next_batch;
            next->batch_count = g->batch_count - 1;
        }
        if (o->last == g) {
            o->last = next;
        }
        o->first = next != NULL ? next : g->next_batch;
        o->count--;
        update_counts(in);
        restore(in, g);
    }
    weft__unlock(&in->lock);
    return g;
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
