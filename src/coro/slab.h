/* SPDX-License-Identifier: MIT */
/*
 * slab.h - descriptors of coroutines: cut from slabs, recycled by each P without a lock.
 *
 * Slabs are never unmapped while the runtime lives, so that a stale pointer to a descriptor can
 * always be read: the dump walks all of them while the program runs.  But the memory of one in
 * which all are free can be given back; what is read there then is FREE.
 */
#ifndef WEFT_CORO_SLAB_H
#define WEFT_CORO_SLAB_H

#include "../base/lock.h"
#include "g.h"

#define WEFT__SLAB_COUNT 512 /* descriptors a slab: 64 KiB */
#define WEFT__G_BATCH 128    /* as many a P gives and takes at once, if it has or needs them */
#define WEFT__G_CACHE_MAX (2 * WEFT__G_BATCH) /* and so many it keeps */

struct weft__slab {
    struct weft__slab *next;
    struct weft__slab *next_empty;
    _Atomic uint32_t used; /* descriptors handed out at least once */
    struct weft__g g[WEFT__SLAB_COUNT];
};

/*
 * A chain of descriptors that another P has used is a row of cache misses, each of which says where
 * the next one is.  So who makes one up of a batch notes in each where that is which comes some
 * places later, and who walks through it fetches that one meanwhile.
 */
#define WEFT__G_AHEAD 8

static inline void weft__g_fetch_ahead(const struct weft__g *g)
{
    const struct weft__g *ahead = g->ahead;
    if (ahead != NULL) { /* NULL would cost a walk through the page tables */
        weft__prefetch(ahead, sizeof *ahead);
    }
}

/* Shared by the runtime. */
struct weft__slabs {
    struct weft__lock lock;           /* RANK_G; protects the free lists */
    _Atomic(struct weft__slab *) all; /* every slab, newest first; grows under the lock */
    struct weft__g *batches;  /* heads of chains of WEFT__G_BATCH each, linked by next_batch */
    struct weft__g *free;     /* others */
    struct weft__slab *empty; /* to be cut anew */
    struct weft__slab *slab;  /* for plain threads: what is left of it is cut one by one */
    _Atomic uint32_t trims; /* asked for since somebody began, himself included; 0: nobody trims */
    char *free_names; /* blocks of WEFT__G_NAME_BYTES, linked through their start */
    struct weft__name_block *name_blocks;
    struct weft_runtime *rt;
};

/* A P's own; owner only. */
struct weft__g_cache {
    struct weft__g *first;
    uint32_t count;
    struct weft__slab *slab; /* the rest of it is this P's to cut */
};

void weft__slabs_init(struct weft__slabs *s, struct weft_runtime *rt);
void weft__slabs_free(struct weft__slabs *s);

/* A descriptor: FREE, no stack, no name, no handle; NULL for lack of memory. */
struct weft__g *weft__g_get(struct weft__slabs *s, struct weft__g_cache *cache);

/* The batch that was put there last goes to all, from a cache that has more. */
void weft__g_spill(struct weft__slabs *s, struct weft__g_cache *cache);

static inline bool weft__g_cache_has_room(const struct weft__g_cache *cache)
{
    return cache->count < WEFT__G_CACHE_MAX;
}

/* Into a cache that has room. */
static inline void weft__g_keep(struct weft__g_cache *cache, struct weft__g *g)
{
    g->next = cache->first;
    cache->first = g;
    cache->count++;
}

static inline void weft__g_put(struct weft__slabs *s, struct weft__g_cache *cache,
                               struct weft__g *g)
{
    weft__g_keep(cache, g);
    if (WEFT__UNLIKELY(cache->count > WEFT__G_CACHE_MAX)) {
        weft__g_spill(s, cache);
    }
}

/* For plain threads, which have no cache: both take the lock. */
struct weft__g *weft__g_get_shared(struct weft__slabs *s);
void weft__g_put_shared(struct weft__slabs *s, struct weft__g *g);
void weft__g_cache_flush(struct weft__slabs *s, struct weft__g_cache *cache);

/* Give back the memory of slabs whose descriptors all are in the shared lists; how much.  Who is
 * at it when this is called does it once more, and then it is 0 here. */
uint64_t weft__slabs_trim(struct weft__slabs *s);

/* A block for a name, with the text cut to fit; NULL for lack of memory. */
char *weft__g_name_make(struct weft__slabs *s, const char *text);
void weft__g_name_free(struct weft__slabs *s, char *name);

#endif
