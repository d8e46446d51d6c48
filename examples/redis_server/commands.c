/* SPDX-License-Identifier: MIT */
/* commands.c - finding the command of a request, and those about keys and connections. */
#include <ctype.h>
#include <string.h>

#include "redis.h"

#define NAME_BYTES_MAX 16

static struct table commands; /* written before the first client comes */

static void add_commands(const struct command *row)
{
    for (; row->name != NULL; row++) {
        struct item *item = table_put(&commands, (struct span){row->name, strlen(row->name)});

        item->value = (void *)(uintptr_t)row;
    }
}

void commands_init(void)
{
    add_commands(general_commands);
    add_commands(text_commands);
    add_commands(collection_commands);
    add_commands(channel_commands);
}

void commands_free(void)
{
    table_clear(&commands, NULL);
}

static const struct command *find_command(struct span name)
{
    char lower[NAME_BYTES_MAX];
    const struct item *item;

    if (name.bytes > sizeof(lower))
        return NULL;
    for (size_t i = 0; i < name.bytes; i++)
        lower[i] = (char)tolower((unsigned char)name.at[i]);
    item = table_find(&commands, (struct span){lower, name.bytes});
    return item != NULL ? item->value : NULL;
}

void client_execute(struct client *c)
{
    const struct request *r = &c->request;
    const struct command *command = find_command(r->args[0]);
    struct call call = {c->server, c, r->count, r->args, &c->out};

    if (command == NULL)
        reply_error(&c->out, "ERR unknown command '%.*s'",
                    (int)(r->args[0].bytes < 64 ? r->args[0].bytes : 64), r->args[0].at);
    else if (r->count < command->args_min ||
             (command->args_max >= 0 && r->count > command->args_max))
        reply_error(&c->out, "ERR wrong number of arguments for '%s' command", command->name);
    else if (c->subscription_count > 0 && !command->is_for_subscribers)
        reply_error(&c->out, "ERR Can't execute '%s': only SUBSCRIBE / UNSUBSCRIBE / PING / QUIT "
                    "are allowed in this context", command->name);
    else
        command->run(&call);
}

/* ---- what commands are made of ---- */

bool call_find(struct call *c, struct span key, enum kind kind, struct value **value)
{
    *value = store_find(&c->server->store, key);
    if (*value == NULL || (*value)->kind == kind)
        return true;
    reply_error(c->out, "WRONGTYPE Operation against a key holding the wrong kind of value");
    return false;
}

bool call_put(struct call *c, struct span key, enum kind kind, struct value **value)
{
    if (!call_find(c, key, kind, value))
        return false;
    if (*value == NULL)
        *value = store_put(&c->server->store, key, kind);
    return true;
}

bool call_int(struct call *c, int i, int64_t *value)
{
    if (span_to_int(c->args[i], value))
        return true;
    reply_error(c->out, "ERR value is not an integer or out of range");
    return false;
}

/* ---- connections ---- */

static void ping(struct call *c)
{
    const struct span text = c->count > 1 ? c->args[1] : (struct span){"", 0};

    if (c->client->subscription_count > 0) {
        reply_array(c->out, 2);
        reply_word(c->out, "pong");
        reply_bulk(c->out, text.at, text.bytes);
    } else if (c->count > 1) {
        reply_bulk(c->out, text.at, text.bytes);
    } else {
        reply_status(c->out, "PONG");
    }
}

static void echo(struct call *c)
{
    reply_bulk(c->out, c->args[1].at, c->args[1].bytes);
}

static void select_database(struct call *c)
{
    int64_t number;

    if (!call_int(c, 1, &number))
        return;
    if (number == 0)
        reply_status(c->out, "OK");
    else
        reply_error(c->out, "ERR DB index is out of range");
}

static void quit(struct call *c)
{
    reply_status(c->out, "OK");
    c->client->is_quitting = true;
}

/* Whatever is asked for has no value: there is nothing to be set here. */
static void config(struct call *c)
{
    if (!span_is(c->args[1], "GET")) {
        reply_error(c->out, "ERR CONFIG GET is all there is");
        return;
    }
    reply_array(c->out, 2 * (size_t)(c->count - 2));
    for (int i = 2; i < c->count; i++) {
        reply_bulk(c->out, c->args[i].at, c->args[i].bytes);
        reply_word(c->out, "");
    }
}

static void command_list(struct call *c)
{
    reply_array(c->out, 0);
}

/* ---- keys ---- */

static void del(struct call *c)
{
    int64_t count = 0;

    for (int i = 1; i < c->count; i++)
        count += store_remove(&c->server->store, c->args[i]);
    reply_int(c->out, count);
}

static void exists(struct call *c)
{
    int64_t count = 0;

    for (int i = 1; i < c->count; i++)
        count += store_find(&c->server->store, c->args[i]) != NULL;
    reply_int(c->out, count);
}

static void expire(struct call *c)
{
    struct value *v = store_find(&c->server->store, c->args[1]);
    int64_t seconds, ends_ms;

    if (!call_int(c, 2, &seconds))
        return;
    if (__builtin_mul_overflow(seconds, 1000, &ends_ms) ||
        __builtin_add_overflow(ends_ms, now_ms(), &ends_ms)) {
        reply_error(c->out, "ERR invalid expire time in 'expire' command");
        return;
    }
    if (v != NULL && seconds > 0)
        store_set_end(&c->server->store, v, ends_ms);
    else if (v != NULL)
        store_remove(&c->server->store, c->args[1]);
    reply_int(c->out, v != NULL);
}

/* -2: there is no such key; -1: it has no end. */
static int64_t rest_ms(struct call *c)
{
    const struct value *v = store_find(&c->server->store, c->args[1]);

    return v == NULL ? -2 : v->ends_ms == 0 ? -1 : v->ends_ms - now_ms();
}

static void ttl(struct call *c)
{
    const int64_t rest = rest_ms(c);

    reply_int(c->out, rest < 0 ? rest : (rest + 500) / 1000);
}

static void pttl(struct call *c)
{
    reply_int(c->out, rest_ms(c));
}

/* Does the set at *at, "a-z]" or "^ab]", hold the character?  Steps over it. */
static bool is_in_set(const char **at, const char *end, unsigned char ch)
{
    const bool is_outside = *at < end && **at == '^';
    bool is_in = false;

    for (*at += is_outside; *at < end && **at != ']'; ++*at) {
        unsigned char low, high;

        if (**at == '\\' && *at + 1 < end)
            ++*at;
        low = high = (unsigned char)**at;
        if (end - *at > 2 && (*at)[1] == '-' && (*at)[2] != ']') {
            high = (unsigned char)(*at)[2];
            *at += 2;
        }
        is_in = is_in || (low <= ch && ch <= high) || (high <= ch && ch <= low);
    }
    *at += *at < end;
    return is_in != is_outside;
}

/* Does the next piece of the pattern, which is no '*', match the character?  Steps over it. */
static bool matches_one(const char **at, const char *end, char ch)
{
    const char first = *(*at)++;

    if (first == '[')
        return is_in_set(at, end, (unsigned char)ch);
    if (first == '\\' && *at < end)
        return *(*at)++ == ch;
    return first == '?' || first == ch;
}

/* By * ? [set] and \; a '*' that was passed is the only one to be gone back to. */
static bool matches(struct span pattern, const struct item *item)
{
    const char *at = pattern.at, *end = at + pattern.bytes, *star = NULL;
    const char *name = item->name, *name_end = name + item->bytes, *star_name = NULL;

    while (name < name_end) {
        if (at < end && *at == '*') {
            star = ++at;
            star_name = name;
        } else if (at < end && matches_one(&at, end, *name)) {
            name++;
        } else if (star != NULL) {
            at = star;
            name = ++star_name;
        } else {
            return false;
        }
    }
    while (at < end && *at == '*')
        at++;
    return at == end;
}

static void keys(struct call *c)
{
    const struct table *t = &c->server->store.keys;
    const struct item *item = NULL;
    struct bytes found = {NULL, 0, 0};
    size_t count = 0;

    store_sweep(&c->server->store, t->slot_count);
    while ((item = table_next(t, item)) != NULL) {
        if (matches(c->args[1], item)) {
            reply_bulk(&found, item->name, item->bytes);
            count++;
        }
    }
    reply_array(c->out, count);
    bytes_add(c->out, found.at, found.count);
    bytes_free(&found);
}

static void dbsize(struct call *c)
{
    struct store *s = &c->server->store;

    store_sweep(s, s->keys.slot_count);
    reply_int(c->out, (int64_t)s->keys.count);
}

static void flushall(struct call *c)
{
    store_clear(&c->server->store);
    reply_status(c->out, "OK");
}

const struct command general_commands[] = {
    {"ping", 1, 2, ping, true},
    {"echo", 2, 2, echo, false},
    {"select", 2, 2, select_database, false},
    {"quit", 1, -1, quit, true},
    {"config", 3, -1, config, false},
    {"command", 1, -1, command_list, false},
    {"del", 2, -1, del, false},
    {"exists", 2, -1, exists, false},
    {"expire", 3, 3, expire, false},
    {"ttl", 2, 2, ttl, false},
    {"pttl", 2, 2, pttl, false},
    {"keys", 2, 2, keys, false},
    {"dbsize", 1, 1, dbsize, false},
    {"flushall", 1, 2, flushall, false},
    {NULL, 0, 0, NULL, false},
};
