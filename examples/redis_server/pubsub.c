/* SPDX-License-Identifier: MIT */
/*
 * pubsub.c - channels: a message goes into the memory of each client who has subscribed, and that
 * client's pusher is told.
 */
#include <stdlib.h>

#include "redis.h"

static void reply_to_subscription(struct call *c, const char *what, struct span name)
{
    reply_array(c->out, 3);
    reply_word(c->out, what);
    if (name.at != NULL)
        reply_bulk(c->out, name.at, name.bytes);
    else
        reply_null(c->out);
    reply_int(c->out, (int64_t)c->client->subscriptions.count);
}

static void add(struct client *client, struct span name)
{
    struct item *mine = table_put(&client->subscriptions, name);
    struct subscription *s;

    if (mine->value != NULL)
        return;
    s = memory_get(sizeof(*s));
    *s = (struct subscription){.client = client};
    s->channel = table_put(&client->server->channels, name);
    s->behind = s->channel->value;
    if (s->behind != NULL)
        s->behind->before = s;
    s->channel->value = s;
    mine->value = s;
}

/* A channel is there as long as somebody listens. */
static void end(void *subscription)
{
    struct subscription *s = subscription;

    if (s->behind != NULL)
        s->behind->before = s->before;
    if (s->before != NULL)
        s->before->behind = s->behind;
    else
        s->channel->value = s->behind;
    if (s->channel->value == NULL)
        table_remove(&s->client->server->channels, s->channel);
    free(s);
}

static void remove_one(struct client *client, struct item *mine)
{
    end(mine->value);
    table_remove(&client->subscriptions, mine);
}

void client_unsubscribe_all(struct client *client)
{
    table_clear(&client->subscriptions, end);
}

static void subscribe(struct call *c)
{
    if (!client_start_pusher(c->client)) {
        reply_error(c->out, "ERR no memory for a subscription");
        return;
    }
    for (int i = 1; i < c->count; i++) {
        add(c->client, c->args[i]);
        reply_to_subscription(c, "subscribe", c->args[i]);
    }
}

static void unsubscribe(struct call *c)
{
    struct client *client = c->client;
    struct item *mine = NULL, *next;

    for (int i = 1; i < c->count; i++) {
        mine = table_find(&client->subscriptions, c->args[i]);
        if (mine != NULL)
            remove_one(client, mine);
        reply_to_subscription(c, "unsubscribe", c->args[i]);
    }
    if (c->count > 1)
        return;
    mine = table_next(&client->subscriptions, NULL);
    if (mine == NULL)
        reply_to_subscription(c, "unsubscribe", (struct span){NULL, 0});
    for (; mine != NULL; mine = next) {
        struct text *name = text_make((struct span){mine->name, mine->bytes});

        next = table_next(&client->subscriptions, mine);
        remove_one(client, mine);
        reply_to_subscription(c, "unsubscribe", span_of(name));
        free(name);
    }
}

static void publish(struct call *c)
{
    const struct item *channel = table_find(&c->server->channels, c->args[1]);
    struct subscription *s = channel != NULL ? channel->value : NULL;
    int64_t count = 0;

    for (; s != NULL; s = s->behind, count++) {
        struct bytes *out = &s->client->out;

        reply_array(out, 3);
        reply_word(out, "message");
        reply_bulk(out, c->args[1].at, c->args[1].bytes);
        reply_bulk(out, c->args[2].at, c->args[2].bytes);
        client_notify(s->client);
    }
    reply_int(c->out, count);
}

const struct command channel_commands[] = {
    {"subscribe", 2, -1, subscribe, true},
    {"unsubscribe", 1, -1, unsubscribe, true},
    {"publish", 3, 3, publish, false},
    {NULL, 0, 0, NULL, false},
};
