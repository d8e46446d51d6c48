/* SPDX-License-Identifier: MIT */
/* locals.c - see locals.h. */
#include "locals.h"

#include <errno.h>

#include "../base/sys.h"

#define SLOTS_MIN 4

static bool has_room(const struct weft__locals *l, uint32_t used)
{
    return used * 4 <= (l->mask + 1) * 3;
}

/* An empty table in which `used` keys fit. */
static struct weft__locals *make(uint32_t used)
{
    uint32_t slots = SLOTS_MIN;
    while (used * 4 > slots * 3) {
        slots *= 2;
    }
    struct weft__locals *l = weft__alloc(sizeof *l + slots * sizeof l->slot[0]);
    if (l != NULL) {
        l->end.kind = END_LOCALS;
        l->mask = slots - 1;
    }
    return l;
}

static void put(struct weft__locals *l, const struct weft_key *key, void *value)
{
    struct weft__local *slot = weft__locals_find(l, key);
    l->used += slot->key == NULL;
    slot->key = key;
    slot->value = value;
}

static bool is_set(const struct weft__local *slot)
{
    return slot->key != NULL && slot->value != NULL;
}

static bool is_inherited(const struct weft__local *slot)
{
    return is_set(slot) && slot->key->inherit != NULL;
}

static uint32_t count(const struct weft__locals *l, bool (*is_one)(const struct weft__local *))
{
    uint32_t n = 0;
    for (uint32_t i = 0; i <= l->mask; i++) {
        n += is_one(&l->slot[i]);
    }
    return n;
}

static void copy(struct weft__locals *to, const struct weft__locals *from,
                 bool (*is_one)(const struct weft__local *))
{
    for (uint32_t i = 0; i <= from->mask; i++) {
        if (is_one(&from->slot[i])) {
            put(to, from->slot[i].key, from->slot[i].value);
        }
    }
}

/* A table with room for one more; keys without a value stay behind. */
static struct weft__locals *grow(struct weft__g *g, struct weft__locals *old)
{
    struct weft__locals *l = make((old != NULL ? count(old, is_set) : 0) + 1);
    if (l == NULL) {
        return NULL;
    }
    l->end.next = old != NULL ? old->end.next : g->ends;
    if (old != NULL) {
        copy(l, old, is_set);
    }
    g->ends = &l->end;
    weft__free(old);
    return l;
}

int weft__locals_set(struct weft__g *g, const struct weft_key *key, void *value)
{
    struct weft__locals *l = weft__locals_of(g);
    bool is_there = l != NULL && weft__locals_find(l, key)->key == key;
    if (!is_there && value == NULL) {
        return 0;
    }
    if (!is_there && (l == NULL || !has_room(l, l->used + 1))) {
        l = grow(g, l);
        if (l == NULL) {
            return -ENOMEM;
        }
    }
    put(l, key, value);
    return 0;
}

WEFT__COLD bool weft__locals_inherit(const struct weft__g *parent, struct weft__g *child)
{
    struct weft__locals *from = weft__locals_of(parent);
    uint32_t n = from != NULL ? count(from, is_inherited) : 0;
    if (n == 0) {
        return true;
    }
    struct weft__locals *l = make(n);
    if (l == NULL) {
        return false;
    }
    child->ends = &l->end;
    /* First all values, then the calls: the parent's table may be another one after them. */
    copy(l, from, is_inherited);
    for (uint32_t i = 0; i <= l->mask; i++) {
        if (l->slot[i].key != NULL) {
            l->slot[i].value = l->slot[i].key->inherit(l->slot[i].value);
        }
    }
    return true;
}

static bool destroy_slot(struct weft__local *slot)
{
    void *value = slot->value;
    if (value == NULL || slot->key->destroy == NULL) {
        return false; /* one without a destructor can be read to the last */
    }
    slot->value = NULL;
    slot->key->destroy(value);
    return true;
}

bool weft__locals_destroy(struct weft__g *g)
{
    bool was_called = false;
    /* Looked up anew after each call, which may have set so many that the table was replaced. */
    for (uint32_t i = 0; i <= weft__locals_of(g)->mask; i++) {
        was_called |= destroy_slot(&weft__locals_of(g)->slot[i]);
    }
    return was_called;
}
