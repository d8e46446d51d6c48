/* SPDX-License-Identifier: MIT */
/*
 * slab_trim.c - slabs whose descriptors are all free lose their memory.
 *
 * The shared lists are taken away, so that what is in them is ours, and marked by an id that no
 * coroutine has.  A slab in which all are marked is empty: its descriptors are left out of the list
 * when that is put back, and are cut anew when they are needed.  Its first page stays, which has
 * the links.  One at a time does this, since another's marks would be taken for ours, and goes on
 * until nobody has asked since he began: what was put into the list meanwhile he has not seen.
 */
#include <sys/mman.h>

#include "../base/sys.h"
#include "slab.h"

#define ID_MARKED UINT64_MAX      /* in the list that was taken away */
#define ID_LEFT (UINT64_MAX - 1) /* and in an empty slab */

static void set_id(struct weft__g *g, uint64_t id)
{
    atomic_store_explicit(&g->id, id, memory_order_relaxed);
}

static uint64_t id_of(const struct weft__g *g)
{
    return atomic_load_explicit(&g->id, memory_order_relaxed);
}

static bool is_empty(const struct weft__slab *slab)
{
    if (atomic_load_explicit(&slab->used, memory_order_relaxed) != WEFT__SLAB_COUNT) {
        return false;
    }
    for (int i = 0; i < WEFT__SLAB_COUNT; i++) {
        if (id_of(&slab->g[i]) != ID_MARKED) {
            return false;
        }
    }
    return true;
}

static struct weft__slab *find_empty(struct weft__slabs *s)
{
    struct weft__slab *empty = NULL;
    /* acquire [SLAB-ALL] */
    struct weft__slab *slab = atomic_load_explicit(&s->all, memory_order_acquire);
    for (; slab != NULL; slab = slab->next) {
        if (is_empty(slab)) {
            slab->next_empty = empty;
            empty = slab;
            for (int i = 0; i < WEFT__SLAB_COUNT; i++) {
                set_id(&slab->g[i], ID_LEFT);
            }
        }
    }
    return empty;
}

/* Put back into the shared list what is in no empty slab. */
static void put_back(struct weft__slabs *s, struct weft__g *list)
{
    struct weft__g *first = NULL;
    struct weft__g **last = &first;
    for (struct weft__g *g = list; g != NULL; g = g->next) {
        if (id_of(g) != ID_LEFT) {
            set_id(g, 0);
            *last = g;
            last = &g->next;
        }
    }
    weft__lock(&s->lock);
    *last = s->free;
    s->free = first;
    weft__unlock(&s->lock);
}

static uint64_t give_back(struct weft__slabs *s, struct weft__slab *slab)
{
    size_t page_bytes = weft__sys_page_bytes();
    char *from = (char *)slab + page_bytes;
    size_t bytes = (sizeof *slab - 1) / page_bytes * page_bytes; /* all pages but the first */
    for (int i = 0; i < WEFT__SLAB_COUNT; i++) {
        set_id(&slab->g[i], 0);
    }
    uint64_t given = weft__sys_resident(from, bytes);
    /* relaxed: it is published with the slab, by the lock. */
    atomic_store_explicit(&slab->used, 0, memory_order_relaxed);
    if (weft__sys_forget(from, bytes) != 0) {
        given = 0;
    }
    weft__lock(&s->lock);
    slab->next_empty = s->empty;
    s->empty = slab;
    weft__unlock(&s->lock);
    return given;
}

/* All that is in the shared lists, as one. */
static struct weft__g *take_all(struct weft__slabs *s)
{
    weft__lock(&s->lock);
    struct weft__g *list = s->free;
    struct weft__g *batch = s->batches;
    s->free = NULL;
    s->batches = NULL;
    weft__unlock(&s->lock);
    for (struct weft__g *next; batch != NULL; batch = next) {
        struct weft__g *last = batch;
        while (last->next != NULL) {
            last = last->next;
        }
        next = batch->next_batch;
        last->next = list;
        list = batch;
    }
    return list;
}

static uint64_t trim_once(struct weft__slabs *s)
{
    uint64_t given = 0;
    struct weft__g *list = take_all(s);
    for (struct weft__g *g = list; g != NULL; g = g->next) {
        set_id(g, ID_MARKED);
    }
    struct weft__slab *next;
    struct weft__slab *slab = find_empty(s);
    put_back(s, list);
    weft__perturb();
    for (; slab != NULL; slab = next) {
        next = slab->next_empty;
        given += give_back(s, slab);
    }
    return given;
}

uint64_t weft__slabs_trim(struct weft__slabs *s)
{
    /* acq_rel [SLAB-TRIM]: the marks of the last one are gone; and whoever is at it sees what we
     * have put into the list. */
    if (atomic_fetch_add_explicit(&s->trims, 1, memory_order_acq_rel) != 0) {
        return 0;
    }
    uint64_t given = 0;
    uint32_t asked = 1;
    do {
        given += trim_once(s);
        /* acq_rel [SLAB-TRIM] */
    } while (!atomic_compare_exchange_strong_explicit(&s->trims, &asked, 0, memory_order_acq_rel,
                                                      memory_order_acquire));
    return given;
}
