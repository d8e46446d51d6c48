/* SPDX-License-Identifier: MIT */
/* texts.c - the commands about keys that hold a text, or a number written as one. */
#include <string.h>

#include "redis.h"

static void reply_text(struct bytes *out, const struct value *v)
{
    if (v == NULL || v->kind != TEXT)
        reply_null(out);
    else
        reply_bulk(out, v->text->at, v->text->bytes);
}

struct set_options {
    bool is_new, is_there; /* NX: only if there is none; XX: only if there is one */
    int64_t ends_ms;
};

/* "EX 10", "PX 10000" at argument i: when that will be, on the clock. */
static bool read_end(struct call *c, int i, int64_t *ends_ms)
{
    const int64_t unit_ms = span_is(c->args[i], "EX") ? 1000 : 1;

    if (i + 1 >= c->count || *ends_ms != 0) {
        reply_error(c->out, "ERR syntax error");
        return false;
    }
    if (!call_int(c, i + 1, ends_ms))
        return false;
    if (*ends_ms > 0 && !__builtin_mul_overflow(*ends_ms, unit_ms, ends_ms) &&
        !__builtin_add_overflow(*ends_ms, now_ms(), ends_ms))
        return true;
    reply_error(c->out, "ERR invalid expire time in 'set' command");
    return false;
}

static bool read_set_options(struct call *c, struct set_options *o)
{
    for (int i = 3; i < c->count; i++) {
        if (span_is(c->args[i], "NX") && !o->is_there) {
            o->is_new = true;
        } else if (span_is(c->args[i], "XX") && !o->is_new) {
            o->is_there = true;
        } else if (span_is(c->args[i], "EX") || span_is(c->args[i], "PX")) {
            if (!read_end(c, i++, &o->ends_ms))
                return false;
        } else {
            reply_error(c->out, "ERR syntax error");
            return false;
        }
    }
    return true;
}

static void set(struct call *c)
{
    struct store *s = &c->server->store;
    struct set_options o = {.ends_ms = 0};
    struct value *v;

    if (!read_set_options(c, &o))
        return;
    if ((o.is_new || o.is_there) && o.is_new == (store_find(s, c->args[1]) != NULL)) {
        reply_null(c->out);
        return;
    }
    v = store_put_text(s, c->args[1], text_make(c->args[2]));
    if (o.ends_ms != 0)
        store_set_end(s, v, o.ends_ms);
    reply_status(c->out, "OK");
}

static void get(struct call *c)
{
    struct value *v;

    if (call_find(c, c->args[1], TEXT, &v))
        reply_text(c->out, v);
}

static void mget(struct call *c)
{
    reply_array(c->out, (size_t)(c->count - 1));
    for (int i = 1; i < c->count; i++)
        reply_text(c->out, store_find(&c->server->store, c->args[i]));
}

static void mset(struct call *c)
{
    if (c->count % 2 == 0) {
        reply_error(c->out, "ERR wrong number of arguments for 'mset' command");
        return;
    }
    for (int i = 1; i < c->count; i += 2)
        store_put_text(&c->server->store, c->args[i], text_make(c->args[i + 1]));
    reply_status(c->out, "OK");
}

static void append(struct call *c)
{
    const struct span more = c->args[2];
    struct value *v;
    size_t bytes;

    if (!call_put(c, c->args[1], TEXT, &v))
        return;
    if (v->text == NULL)
        v->text = text_make((struct span){"", 0});
    bytes = v->text->bytes + more.bytes;
    if (bytes > REQUEST_ARG_BYTES_MAX) {
        reply_error(c->out, "ERR string exceeds maximum allowed size");
        return;
    }
    v->text = memory_resize(v->text, sizeof(*v->text) + bytes);
    memcpy(v->text->at + v->text->bytes, more.at, more.bytes);
    v->text->bytes = bytes;
    reply_int(c->out, (int64_t)bytes);
}

/* Keeps the end of a key that is there. */
static void add(struct call *c, int64_t more)
{
    struct store *s = &c->server->store;
    int64_t number = 0, ends_ms;
    struct bytes written = {NULL, 0, 0};
    struct value *v;

    if (!call_find(c, c->args[1], TEXT, &v))
        return;
    if (v != NULL && !span_to_int(span_of(v->text), &number)) {
        reply_error(c->out, "ERR value is not an integer or out of range");
        return;
    }
    if (__builtin_add_overflow(number, more, &number)) {
        reply_error(c->out, "ERR increment or decrement would overflow");
        return;
    }
    ends_ms = v != NULL ? v->ends_ms : 0;
    reply_int(&written, number); /* ":12\r\n": the text is in the middle */
    v = store_put_text(s, c->args[1], text_make((struct span){written.at + 1, written.count - 3}));
    store_set_end(s, v, ends_ms);
    bytes_add(c->out, written.at, written.count);
    bytes_free(&written);
}

static void incr(struct call *c)
{
    add(c, 1);
}

static void decr(struct call *c)
{
    add(c, -1);
}

static void incrby(struct call *c)
{
    int64_t more;

    if (call_int(c, 2, &more))
        add(c, more);
}

const struct command text_commands[] = {
    {"set", 3, -1, set, false},
    {"get", 2, 2, get, false},
    {"mget", 2, -1, mget, false},
    {"mset", 3, -1, mset, false},
    {"append", 3, 3, append, false},
    {"incr", 2, 2, incr, false},
    {"decr", 2, 2, decr, false},
    {"incrby", 3, 3, incrby, false},
    {NULL, 0, 0, NULL, false},
};
