/* SPDX-License-Identifier: MIT */
/*
 * store.h - what is kept: values under keys, and when they end.  It knows no coroutines and no
 * locks.
 *
 * No value is empty: who takes the last thing out of a list, set or hash removes the key.
 */
#ifndef REDIS_SERVER_STORE_H
#define REDIS_SERVER_STORE_H

#include "table.h"

enum kind { TEXT, LIST, SET, HASH };

struct text {
    size_t bytes;
    char at[];
};

/* A ring of texts, which begins anywhere. */
struct list {
    struct text **ring;
    size_t room, first, count; /* room is a power of two, or 0 */
};

struct value {
    enum kind kind;
    int64_t ends_ms; /* on the clock of weft_now(); 0: it stays */
    union {
        struct text *text;
        struct list list;
        struct table table; /* of names alone in a set, of texts in a hash */
    };
};

struct store {
    struct table keys;
    size_t mortal_count; /* how many have an end */
    size_t swept;        /* slots; the sweep goes round and round */
};

int64_t now_ms(void);

struct text *text_make(struct span s);
struct span span_of(const struct text *text);

struct text *list_at(const struct list *list, size_t i);
void list_push(struct list *list, bool is_left, struct text *text);
struct text *list_pop(struct list *list, bool is_left); /* of a list that is not empty */

/* NULL: there is none, or its time is over. */
struct value *store_find(struct store *s, struct span key);

/* The value there is, or a new, empty one of that kind. */
struct value *store_put(struct store *s, struct span key, enum kind kind);

/* Puts a text there instead of whatever there is; it stays until it is removed. */
struct value *store_put_text(struct store *s, struct span key, struct text *text);

bool store_remove(struct store *s, struct span key);
void store_set_end(struct store *s, struct value *value, int64_t ends_ms);
void store_clear(struct store *s);

/* Looks at the next slots, so many at most, and removes what is over there. */
void store_sweep(struct store *s, size_t slots_max);

#endif
