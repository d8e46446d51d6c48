/* SPDX-License-Identifier: MIT */
/* store.c - see store.h. */
#include "store.h"

#include <stdlib.h>
#include <string.h>

#include <weft.h>

#define RING_MIN 4

int64_t now_ms(void)
{
    return weft_now() / WEFT_MS;
}

/* ---- values ---- */

struct text *text_make(struct span s)
{
    struct text *text = memory_get(sizeof(*text) + s.bytes);

    text->bytes = s.bytes;
    memcpy(text->at, s.at, s.bytes);
    return text;
}

struct span span_of(const struct text *text)
{
    return (struct span){text->at, text->bytes};
}

static struct text **place(const struct list *list, size_t i)
{
    return &list->ring[(list->first + i) & (list->room - 1)];
}

struct text *list_at(const struct list *list, size_t i)
{
    return *place(list, i);
}

static void list_grow(struct list *list)
{
    struct list new = {.room = list->room > 0 ? 2 * list->room : RING_MIN, .count = list->count};

    new.ring = memory_get(new.room * sizeof(struct text *));
    for (size_t i = 0; i < list->count; i++)
        new.ring[i] = list_at(list, i);
    free(list->ring);
    *list = new;
}

void list_push(struct list *list, bool is_left, struct text *text)
{
    if (list->count == list->room)
        list_grow(list);
    if (is_left)
        list->first = (list->first - 1) & (list->room - 1);
    list->count++;
    *place(list, is_left ? 0 : list->count - 1) = text;
}

struct text *list_pop(struct list *list, bool is_left)
{
    struct text *text = list_at(list, is_left ? 0 : list->count - 1);

    if (is_left)
        list->first = (list->first + 1) & (list->room - 1);
    list->count--;
    return text;
}

static void value_empty(struct value *v)
{
    if (v->kind == TEXT) {
        free(v->text);
    } else if (v->kind == LIST) {
        for (size_t i = 0; i < v->list.count; i++)
            free(list_at(&v->list, i));
        free(v->list.ring);
    } else {
        table_clear(&v->table, free); /* the values of a set are NULL */
    }
}

static void value_free(void *value)
{
    value_empty(value);
    free(value);
}

/* ---- keys ---- */

static bool is_over(const struct value *v, int64_t at_ms)
{
    return v->ends_ms != 0 && v->ends_ms <= at_ms;
}

static void remove_item(struct store *s, struct item *item)
{
    store_set_end(s, item->value, 0);
    value_free(item->value);
    table_remove(&s->keys, item);
}

static struct item *find_item(struct store *s, struct span key)
{
    struct item *item = table_find(&s->keys, key);
    const struct value *v = item != NULL ? item->value : NULL;

    if (v == NULL || v->ends_ms == 0 || !is_over(v, now_ms()))
        return item;
    remove_item(s, item);
    return NULL;
}

struct value *store_find(struct store *s, struct span key)
{
    struct item *item = find_item(s, key);

    return item != NULL ? item->value : NULL;
}

struct value *store_put(struct store *s, struct span key, enum kind kind)
{
    struct item *item = find_item(s, key);
    struct value *v;

    if (item != NULL)
        return item->value;
    v = memory_get(sizeof(*v));
    memset(v, 0, sizeof(*v));
    v->kind = kind;
    item = table_put(&s->keys, key);
    item->value = v;
    return v;
}

struct value *store_put_text(struct store *s, struct span key, struct text *text)
{
    struct value *v = store_put(s, key, TEXT);

    store_set_end(s, v, 0);
    value_empty(v);
    v->kind = TEXT;
    v->text = text;
    return v;
}

bool store_remove(struct store *s, struct span key)
{
    struct item *item = find_item(s, key);

    if (item != NULL)
        remove_item(s, item);
    return item != NULL;
}

void store_set_end(struct store *s, struct value *v, int64_t ends_ms)
{
    s->mortal_count -= v->ends_ms != 0;
    s->mortal_count += ends_ms != 0;
    v->ends_ms = ends_ms;
}

void store_clear(struct store *s)
{
    table_clear(&s->keys, value_free);
    *s = (struct store){.mortal_count = 0};
}

void store_sweep(struct store *s, size_t slots_max)
{
    const size_t slot_count = s->mortal_count > 0 ? s->keys.slot_count : 0;
    const int64_t at_ms = now_ms();

    for (size_t i = 0; i < slots_max && i < slot_count; i++, s->swept++) {
        struct item *item = s->keys.slots[s->swept & (slot_count - 1)], *next;

        for (; item != NULL; item = next) {
            next = item->next;
            if (is_over(item->value, at_ms))
                remove_item(s, item);
        }
    }
}
