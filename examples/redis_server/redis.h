/* SPDX-License-Identifier: MIT */
/*
 * redis.h - the server, its clients, and a command on its way.
 *
 * One lock guards what all share: the store, the channels, and the answers of clients who have
 * subscribed, since others write there.  It is held for one command at a time, and nothing waits
 * meanwhile: a command reads and writes memory alone, what a client is slow to take waits in that
 * client's own memory.  So it is right whatever processors the commands run on, each is atomic as
 * the protocol promises, and there is no order of locks to be kept.  What it guards takes less time
 * than the system calls around it, which run beside each other.
 */
#ifndef REDIS_SERVER_REDIS_H
#define REDIS_SERVER_REDIS_H

#include <weft.h>

#include "request.h"
#include "store.h"

#define OUT_BYTES_MAX ((size_t)32 << 20) /* unread by a subscriber: then it is cut off */

struct server {
    struct weft_mutex *lock;
    chan *mortals; /* a signal: there are keys that will end */

    /* Under the lock. */
    struct store store;
    struct table channels; /* of pub/sub; the values are lists of subscriptions */
};

struct subscription {
    struct client *client;
    struct item *channel;
    struct subscription *of_client;       /* the next one */
    struct subscription *before, *behind; /* of the channel */
};

struct client {
    struct server *server;
    int fd;
    struct weft_reader in;
    struct request request;
    bool is_quitting;

    /* As long as there is no pusher, `out` is the client's own coroutine's; then it is under the
     * lock, as the rest, and the pusher alone writes to the socket. */
    struct bytes out;
    struct weft_co *pusher;
    chan *news; /* a signal: there is something in `out` */
    struct subscription *subscriptions;
    int64_t subscription_count;
};

/* A command that is being carried out. */
struct call {
    struct server *server;
    struct client *client;
    int count;
    const struct span *args; /* args[0] is its name */
    struct bytes *out;
};

struct command {
    const char *name;
    int args_min, args_max; /* with the name; -1: any number */
    void (*run)(struct call *c);
    bool is_for_subscribers; /* they may do little else */
};

/* A row of commands ends with one without a name. */
extern const struct command general_commands[], text_commands[], collection_commands[],
    channel_commands[];

/* Under the lock: carries out the client's request. */
void client_execute(struct client *c);

/* Under the lock: tells the pusher that there is something; cuts off one that does not read. */
void client_notify(struct client *c);

/* Starts the pusher if there is none; false for lack of memory. */
bool client_start_pusher(struct client *c);

/* Under the lock: the client hears of no channel any more. */
void client_unsubscribe_all(struct client *c);

/* Before the first command: puts all of them into a table. */
void commands_init(void);
void commands_free(void);

/* The value under the key if it is of that kind, NULL if there is none; false: it is of another
 * kind, and that was answered. */
bool call_find(struct call *c, struct span key, enum kind kind, struct value **value);

/* The same, but a value is made where there is none. */
bool call_put(struct call *c, struct span key, enum kind kind, struct value **value);

bool call_int(struct call *c, int i, int64_t *value); /* false: it is none, and that was answered */

#endif
