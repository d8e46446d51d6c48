/* SPDX-License-Identifier: MIT */
/*
 * table.h - a table from names to pointers, in no order.  It knows no coroutines and no locks.
 *
 * Names come from strangers, so they are hashed with a key that nobody outside knows: nobody can
 * choose names that all fall into one slot.
 */
#ifndef REDIS_SERVER_TABLE_H
#define REDIS_SERVER_TABLE_H

#include "bytes.h"

struct item {
    struct item *next; /* in its slot */
    uint64_t hash;
    void *value;
    size_t bytes;
    char name[];
};

struct table {
    struct item **slots;
    size_t slot_count; /* a power of two; 0 as long as nothing was put in */
    size_t count;
};

/* Chooses the key; call it once, before any table is used. */
void table_choose_key(void);

struct item *table_find(const struct table *t, struct span name);

/* The item of that name, made with a value of NULL if there is none. */
struct item *table_put(struct table *t, struct span name);

/* Takes the item out and frees it; the value stays the caller's. */
void table_remove(struct table *t, struct item *item);

/* All items, one after the other: NULL begins, and ends. */
struct item *table_next(const struct table *t, const struct item *item);

/* Any one of the items, by chance; NULL if there are none. */
struct item *table_any(const struct table *t);

/* Removes all; drop() gets each value, and may be NULL. */
void table_clear(struct table *t, void (*drop)(void *value));

#endif
