/* SPDX-License-Identifier: MIT */
/* collections.c - the commands about lists, sets and hashes. */
#include <stdlib.h>

#include "redis.h"

/* ---- lists ---- */

static void push(struct call *c, bool is_left)
{
    struct value *v;

    if (!call_put(c, c->args[1], LIST, &v))
        return;
    for (int i = 2; i < c->count; i++)
        list_push(&v->list, is_left, text_make(c->args[i]));
    reply_int(c->out, (int64_t)v->list.count);
}

static void lpush(struct call *c)
{
    push(c, true);
}

static void rpush(struct call *c)
{
    push(c, false);
}

static void pop(struct call *c, bool is_left)
{
    struct value *v;
    struct text *text;

    if (!call_find(c, c->args[1], LIST, &v))
        return;
    if (v == NULL) {
        reply_null(c->out);
        return;
    }
    text = list_pop(&v->list, is_left);
    reply_bulk(c->out, text->at, text->bytes);
    free(text);
    if (v->list.count == 0)
        store_remove(&c->server->store, c->args[1]);
}

static void lpop(struct call *c)
{
    pop(c, true);
}

static void rpop(struct call *c)
{
    pop(c, false);
}

static void lrange(struct call *c)
{
    int64_t first, last, count;
    struct value *v;

    if (!call_int(c, 2, &first) || !call_int(c, 3, &last) || !call_find(c, c->args[1], LIST, &v))
        return;
    count = v != NULL ? (int64_t)v->list.count : 0;
    first = first < -count ? 0 : first < 0 ? first + count : first; /* from the end */
    last = last < -count ? -1 : last < 0 ? last + count : last < count ? last : count - 1;
    reply_array(c->out, first <= last ? (size_t)(last - first + 1) : 0);
    for (int64_t i = first; i <= last; i++) {
        const struct text *text = list_at(&v->list, (size_t)i);

        reply_bulk(c->out, text->at, text->bytes);
    }
}

/* ---- sets ---- */

static void sadd(struct call *c)
{
    struct value *v;
    size_t before;

    if (!call_put(c, c->args[1], SET, &v))
        return;
    before = v->table.count;
    for (int i = 2; i < c->count; i++)
        table_put(&v->table, c->args[i]);
    reply_int(c->out, (int64_t)(v->table.count - before));
}

static void spop(struct call *c)
{
    struct value *v;
    struct item *item;

    if (!call_find(c, c->args[1], SET, &v))
        return;
    if (v == NULL) {
        reply_null(c->out);
        return;
    }
    item = table_any(&v->table);
    reply_bulk(c->out, item->name, item->bytes);
    table_remove(&v->table, item);
    if (v->table.count == 0)
        store_remove(&c->server->store, c->args[1]);
}

static void smembers(struct call *c)
{
    const struct item *item = NULL;
    struct value *v;

    if (!call_find(c, c->args[1], SET, &v))
        return;
    reply_array(c->out, v != NULL ? v->table.count : 0);
    while (v != NULL && (item = table_next(&v->table, item)) != NULL)
        reply_bulk(c->out, item->name, item->bytes);
}

/* ---- hashes ---- */

static void hset(struct call *c)
{
    struct value *v;
    size_t before;

    if (c->count % 2 != 0) {
        reply_error(c->out, "ERR wrong number of arguments for 'hset' command");
        return;
    }
    if (!call_put(c, c->args[1], HASH, &v))
        return;
    before = v->table.count;
    for (int i = 2; i < c->count; i += 2) {
        struct item *item = table_put(&v->table, c->args[i]);

        free(item->value);
        item->value = text_make(c->args[i + 1]);
    }
    reply_int(c->out, (int64_t)(v->table.count - before));
}

static void hget(struct call *c)
{
    const struct item *item;
    struct value *v;

    if (!call_find(c, c->args[1], HASH, &v))
        return;
    item = v != NULL ? table_find(&v->table, c->args[2]) : NULL;
    if (item != NULL)
        reply_bulk(c->out, ((struct text *)item->value)->at, ((struct text *)item->value)->bytes);
    else
        reply_null(c->out);
}

const struct command collection_commands[] = {
    {"lpush", 3, -1, lpush, false},
    {"rpush", 3, -1, rpush, false},
    {"lpop", 2, 2, lpop, false},
    {"rpop", 2, 2, rpop, false},
    {"lrange", 4, 4, lrange, false},
    {"sadd", 3, -1, sadd, false},
    {"spop", 2, 2, spop, false},
    {"smembers", 2, 2, smembers, false},
    {"hset", 4, -1, hset, false},
    {"hget", 3, 3, hget, false},
    {NULL, 0, 0, NULL, false},
};
