/* SPDX-License-Identifier: MIT */
/* table.c - see table.h. */
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SLOTS_MIN 8

static uint64_t key[2];
static uint64_t chance; /* of a generator whose numbers surprise nobody */

void table_choose_key(void)
{
    if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key)) {
        perror("getrandom");
        exit(1);
    }
    chance = key[0] | 1;
}

/* ---- SipHash-1-3 ---- */

static uint64_t turn(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

/* Inline, for the words to stay in registers: two hashes a command are a tenth of its time. */
static inline __attribute__((always_inline)) void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = turn(v[1], 13) ^ v[0];
    v[0] = turn(v[0], 32);
    v[2] += v[3];
    v[3] = turn(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = turn(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = turn(v[1], 17) ^ v[2];
    v[2] = turn(v[2], 32);
}

static uint64_t hash_of(struct span name)
{
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
                     key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};
    uint64_t word;
    size_t i = 0;

    for (; i + 8 <= name.bytes; i += 8) {
        memcpy(&word, name.at + i, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    word = (uint64_t)name.bytes << 56;
    for (int shift = 0; i < name.bytes; i++, shift += 8)
        word |= (uint64_t)(unsigned char)name.at[i] << shift;
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for (int k = 0; k < 3; k++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- the table ---- */

static struct item **slot_of(const struct table *t, uint64_t hash)
{
    return &t->slots[hash & (t->slot_count - 1)];
}

static struct item *find_hashed(const struct table *t, struct span name, uint64_t hash)
{
    struct item *item = t->slot_count > 0 ? *slot_of(t, hash) : NULL;

    while (item != NULL && (item->hash != hash || item->bytes != name.bytes ||
                            memcmp(item->name, name.at, name.bytes) != 0))
        item = item->next;
    return item;
}

struct item *table_find(const struct table *t, struct span name)
{
    return t->count > 0 ? find_hashed(t, name, hash_of(name)) : NULL;
}

/* Puts every item into a table of another size. */
static void resize(struct table *t, size_t slot_count)
{
    struct table new = {.slot_count = slot_count, .count = t->count};

    new.slots = memory_get(slot_count * sizeof(struct item *));
    memset(new.slots, 0, slot_count * sizeof(struct item *));
    for (size_t i = 0; i < t->slot_count; i++) {
        while (t->slots[i] != NULL) {
            struct item *item = t->slots[i], **slot = slot_of(&new, item->hash);

            t->slots[i] = item->next;
            item->next = *slot;
            *slot = item;
        }
    }
    free(t->slots);
    *t = new;
}

struct item *table_put(struct table *t, struct span name)
{
    const uint64_t hash = hash_of(name);
    struct item *item = find_hashed(t, name, hash), **slot;

    if (item != NULL)
        return item;
    if (t->count >= t->slot_count)
        resize(t, t->slot_count > 0 ? 2 * t->slot_count : SLOTS_MIN);
    slot = slot_of(t, hash);
    item = memory_get(sizeof(*item) + name.bytes);
    *item = (struct item){.next = *slot, .hash = hash, .bytes = name.bytes};
    memcpy(item->name, name.at, name.bytes);
    *slot = item;
    t->count++;
    return item;
}

void table_remove(struct table *t, struct item *item)
{
    struct item **link = slot_of(t, item->hash);

    while (*link != item)
        link = &(*link)->next;
    *link = item->next;
    free(item);
    t->count--;
}

struct item *table_next(const struct table *t, const struct item *item)
{
    size_t i = 0;

    if (item != NULL) {
        if (item->next != NULL)
            return item->next;
        i = (item->hash & (t->slot_count - 1)) + 1;
    }
    while (i < t->slot_count && t->slots[i] == NULL)
        i++;
    return i < t->slot_count ? t->slots[i] : NULL;
}

struct item *table_any(const struct table *t)
{
    struct item *item;
    size_t i;

    if (t->count == 0)
        return NULL;
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    i = chance & (t->slot_count - 1);
    while ((item = t->slots[i]) == NULL)
        i = (i + 1) & (t->slot_count - 1);
    return item;
}

void table_clear(struct table *t, void (*drop)(void *value))
{
    for (size_t i = 0; i < t->slot_count; i++) {
        while (t->slots[i] != NULL) {
            struct item *item = t->slots[i];

            t->slots[i] = item->next;
            if (drop != NULL)
                drop(item->value);
            free(item);
        }
    }
    free(t->slots);
    *t = (struct table){NULL, 0, 0};
}
