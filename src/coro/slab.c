/* SPDX-License-Identifier: MIT */
/* slab.c - see slab.h. */
#include "slab.h"

#include <string.h>

#include "../base/sys.h"

#define NAMES_PER_BLOCK 64

struct weft__name_block {
    struct weft__name_block *next;
    char names[NAMES_PER_BLOCK][WEFT__G_NAME_BYTES];
};

void weft__slabs_init(struct weft__slabs *s, struct weft_runtime *rt)
{
    weft__lock_init(&s->lock, RANK_G);
    s->rt = rt;
}

void weft__slabs_free(struct weft__slabs *s)
{
    struct weft__slab *slab = atomic_load_explicit(&s->all, memory_order_relaxed);
    while (slab != NULL) {
        struct weft__slab *next = slab->next;
        weft__unmap(slab, sizeof *slab);
        slab = next;
    }
    while (s->name_blocks != NULL) {
        struct weft__name_block *next = s->name_blocks->next;
        weft__free(s->name_blocks);
        s->name_blocks = next;
    }
}

/* Under the lock.  Mapped, not allocated: only descriptors that were used take memory. */
static struct weft__slab *slab_make(struct weft__slabs *s)
{
    struct weft__slab *slab = s->empty;
    if (slab != NULL) {
        s->empty = slab->next_empty;
        return slab;
    }
    slab = weft__map(sizeof *slab);
    if (slab == NULL) {
        return NULL;
    }
    slab->next = atomic_load_explicit(&s->all, memory_order_relaxed);
    /* release [SLAB-ALL]: the dump walks the list without the lock. */
    atomic_store_explicit(&s->all, slab, memory_order_release);
    return slab;
}

/* The next unused descriptor of a slab that this thread alone cuts. */
static struct weft__g *slab_cut(struct weft__slabs *s, struct weft__slab *slab)
{
    uint32_t i = atomic_load_explicit(&slab->used, memory_order_relaxed);
    if (i == WEFT__SLAB_COUNT) {
        return NULL;
    }
    slab->g[i].rt = s->rt;
    /* release [SLAB-USED]: publishes rt to the dump. */
    atomic_store_explicit(&slab->used, i + 1, memory_order_release);
    return &slab->g[i];
}

/* Under the lock.  NULL if there is no whole batch. */
static struct weft__g *take_batch(struct weft__slabs *s)
{
    struct weft__g *head = s->batches;
    if (head != NULL) {
        s->batches = head->next_batch;
    }
    return head;
}

/* Free descriptors into a cache that has none, or a slab to cut; false for lack of memory.  A batch
 * is taken as it is: to walk through it would fetch each line from the P that has ended them. */
static WEFT__COLD bool refill(struct weft__slabs *s, struct weft__g_cache *cache)
{
    weft__lock(&s->lock);
    cache->first = take_batch(s);
    cache->count = cache->first != NULL ? WEFT__G_BATCH : 0;
    while (cache->count < WEFT__G_BATCH && s->free != NULL) {
        struct weft__g *g = s->free;
        s->free = g->next;
        g->next = cache->first;
        cache->first = g;
        cache->count++;
    }
    if (cache->first == NULL) {
        cache->slab = slab_make(s);
    }
    weft__unlock(&s->lock);
    return cache->first != NULL || cache->slab != NULL;
}

struct weft__g *weft__g_get(struct weft__slabs *s, struct weft__g_cache *cache)
{
    for (;;) {
        struct weft__g *g = cache->first;
        if (WEFT__LIKELY(g != NULL)) {
            cache->first = g->next;
            cache->count--;
            return g;
        }
        struct weft__slab *slab = cache->slab;
        if (slab != NULL) {
            g = slab_cut(s, slab);
            if (g == &slab->g[WEFT__SLAB_COUNT - 1]) {
                cache->slab = NULL; /* before it can be empty: slab_trim.c */
            }
            return g;
        }
        if (!refill(s, cache)) {
            return NULL;
        }
    }
}

WEFT__COLD void weft__g_spill(struct weft__slabs *s, struct weft__g_cache *cache)
{
    struct weft__g *head = cache->first;
    struct weft__g *last = head;
    struct weft__g *behind = head;
    for (int i = 1; i < WEFT__G_BATCH; i++) {
        last = last->next;
        if (i >= WEFT__G_AHEAD) {
            behind->ahead = last;
            behind = behind->next;
        }
    }
    cache->first = last->next;
    cache->count -= WEFT__G_BATCH;
    last->next = NULL;
    weft__lock(&s->lock);
    head->next_batch = s->batches;
    s->batches = head;
    weft__unlock(&s->lock);
}

void weft__g_cache_flush(struct weft__slabs *s, struct weft__g_cache *cache)
{
    weft__lock(&s->lock);
    while (cache->first != NULL) {
        struct weft__g *g = cache->first;
        cache->first = g->next;
        g->next = s->free;
        s->free = g;
    }
    weft__unlock(&s->lock);
    cache->count = 0;
}

struct weft__g *weft__g_get_shared(struct weft__slabs *s)
{
    weft__lock(&s->lock);
    struct weft__g *g = s->free != NULL ? s->free : take_batch(s);
    if (g != NULL) {
        s->free = g->next; /* or the rest of the batch */
    } else if (s->slab != NULL || (s->slab = slab_make(s)) != NULL) {
        g = slab_cut(s, s->slab);
        if (g == &s->slab->g[WEFT__SLAB_COUNT - 1]) {
            s->slab = NULL; /* before it can be empty, as above */
        }
    }
    weft__unlock(&s->lock);
    return g;
}

void weft__g_put_shared(struct weft__slabs *s, struct weft__g *g)
{
    weft__lock(&s->lock);
    g->next = s->free;
    s->free = g;
    weft__unlock(&s->lock);
}

/* Under the lock. */
static bool make_names(struct weft__slabs *s)
{
    struct weft__name_block *block = weft__alloc(sizeof *block);
    if (block == NULL) {
        return false;
    }
    block->next = s->name_blocks;
    s->name_blocks = block;
    for (int i = 0; i < NAMES_PER_BLOCK; i++) {
        memcpy(block->names[i], &s->free_names, sizeof s->free_names);
        s->free_names = block->names[i];
    }
    return true;
}

char *weft__g_name_make(struct weft__slabs *s, const char *text)
{
    weft__lock(&s->lock);
    char *name = NULL;
    if (s->free_names != NULL || make_names(s)) {
        name = s->free_names;
        memcpy(&s->free_names, name, sizeof s->free_names);
        size_t n = strnlen(text, WEFT__G_NAME_BYTES - 1);
        memcpy(name, text, n);
        memset(name + n, 0, WEFT__G_NAME_BYTES - n);
    }
    weft__unlock(&s->lock);
    return name;
}

void weft__g_name_free(struct weft__slabs *s, char *name)
{
    weft__lock(&s->lock);
    memset(name, 0, WEFT__G_NAME_BYTES);
    memcpy(name, &s->free_names, sizeof s->free_names);
    s->free_names = name;
    weft__unlock(&s->lock);
}
