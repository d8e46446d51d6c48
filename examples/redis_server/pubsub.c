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
    reply_int(c->out, c->client->subscription_count);
}

/* The link to the client's subscription of that channel; to NULL if there is none. */
static struct subscription **find(struct client *client, struct span name)
{
    struct subscription **link = &client->subscriptions;
    const struct item *channel = table_find(&client->server->channels, name);

    while (*link != NULL && (*link)->channel != channel)
        link = &(*link)->of_client;
    return link;
}

static void add(struct client *client, struct span name)
{
    struct subscription *s = memory_get(sizeof(*s));

    *s = (struct subscription){.client = client, .of_client = client->subscriptions};
    s->channel = table_put(&client->server->channels, name);
    s->behind = s->channel->value;
    if (s->behind != NULL)
        s->behind->before = s;
    s->channel->value = s;
    client->subscriptions = s;
    client->subscription_count++;
}

/* A channel is there as long as somebody listens. */
static void remove_at(struct client *client, struct subscription **link)
{
    struct subscription *s = *link;

    *link = s->of_client;
    client->subscription_count--;
    if (s->behind != NULL)
        s->behind->before = s->before;
    if (s->before != NULL)
        s->before->behind = s->behind;
    else
        s->channel->value = s->behind;
    if (s->channel->value == NULL)
        table_remove(&client->server->channels, s->channel);
    free(s);
}

void client_unsubscribe_all(struct client *client)
{
    while (client->subscriptions != NULL)
        remove_at(client, &client->subscriptions);
}

static void subscribe(struct call *c)
{
    if (!client_start_pusher(c->client)) {
        reply_error(c->out, "ERR no memory for a subscription");
        return;
    }
    for (int i = 1; i < c->count; i++) {
        if (*find(c->client, c->args[i]) == NULL)
            add(c->client, c->args[i]);
        reply_to_subscription(c, "subscribe", c->args[i]);
    }
}

static void unsubscribe(struct call *c)
{
    struct client *client = c->client;

    for (int i = 1; i < c->count; i++) {
        struct subscription **link = find(client, c->args[i]);

        if (*link != NULL)
            remove_at(client, link);
        reply_to_subscription(c, "unsubscribe", c->args[i]);
    }
    if (c->count == 1 && client->subscriptions == NULL)
        reply_to_subscription(c, "unsubscribe", (struct span){NULL, 0});
    while (c->count == 1 && client->subscriptions != NULL) {
        const struct item *channel = client->subscriptions->channel;
        struct text *name = text_make((struct span){channel->name, channel->bytes});

        remove_at(client, &client->subscriptions);
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
