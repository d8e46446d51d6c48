/* SPDX-License-Identifier: MIT */
/*
 * redis_server.c - a part of Redis, for redis-cli, redis-benchmark and every client that speaks its
 * protocol (RESP2): texts, counters, lists, sets, hashes, keys that end, publish and subscribe.
 *
 *     redis_server [--host H] [--port N] [--procs N] [--reactor R]
 *
 *     redis-cli -p 6379 set greeting hello
 *     redis-benchmark -p 6379 -t get,set -P 16
 *
 *     accept ---> client: reads requests, carries them out, writes the answers
 *                   |
 *                   +---> pusher: once it has subscribed, writes instead of it
 *
 * A client is one coroutine: it reads a request, takes the one lock for as long as the command
 * runs (redis_server/redis.h says why one is enough), and gathers answers as long as further
 * requests are there already.  Before it has to wait for more it writes them all at once.
 *
 * Nothing is kept on disk.  SIGINT or SIGTERM stop it.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "redis_server/redis.h"
#include "server.h"

#define IN_BYTES (16 * 1024)
#define OUT_BYTES (64 * 1024) /* gathered; with more, a client does not read on before it is sent */
#define LINGER_NS (1 * WEFT_SEC)
#define SWEEP_NS (100 * WEFT_MS)
#define SWEEP_SLOTS 4096

/* ---- what a client is sent ---- */

/* Writes all answers; what a big one took is given back. */
static int send_out(const struct client *c, struct bytes *out)
{
    const size_t bytes = out->count;
    const ssize_t n = weft_write_full(c->fd, out->at, bytes);

    out->count = 0;
    if (out->room > 2 * OUT_BYTES)
        bytes_free(out);
    return n == (ssize_t)bytes ? 0 : n < 0 ? (int)n : -EPIPE;
}

/* Writes what others and the client itself have put into its memory, until it leaves. */
static int push_news(void *arg)
{
    struct client *c = arg;
    struct bytes out = {NULL, 0, 0};
    int rc = 0;

    while (rc == 0 && chan_recv(c->news, NULL) == 0 && weft_mutex_lock(c->server->lock) == 0) {
        const struct bytes empty = out;

        out = c->out;
        c->out = empty;
        weft_mutex_unlock(c->server->lock);
        rc = send_out(c, &out);
    }
    bytes_free(&out);
    if (rc != 0)
        weft_shutdown(c->fd, SHUT_RDWR); /* nobody reads on from a client that cannot be told */
    return 0;
}

bool client_start_pusher(struct client *c)
{
    if (c->pusher != NULL)
        return true;
    c->news = chan_make(0, 1);
    if (c->news == NULL)
        return false;
    c->pusher = weft_go_with(push_news, c, .name = "pusher");
    if (c->pusher == NULL) {
        chan_unref(c->news);
        c->news = NULL;
    }
    return c->pusher != NULL;
}

void client_notify(struct client *c)
{
    if (c->out.count > OUT_BYTES_MAX) {
        c->out.count = 0;
        weft_shutdown(c->fd, SHUT_RDWR);
    }
    (void)!chan_try_send(c->news, NULL); /* -EAGAIN: it has been told already */
}

/* ---- a client ---- */

/* Before it waits for more it writes what the peer may be waiting for. */
static ssize_t read_more(void *arg, void *buf, size_t n)
{
    struct client *c = arg;
    const int rc = c->pusher == NULL && c->out.count > 0 ? send_out(c, &c->out) : 0;

    return rc < 0 ? rc : weft_read(c->fd, buf, n);
}

/* Carries out the request; false when the connection is to end. */
static bool execute(struct client *c)
{
    struct server *s = c->server;

    if (weft_mutex_lock(s->lock) != 0)
        return false;
    client_execute(c);
    if (c->pusher != NULL)
        client_notify(c);
    if (s->store.mortal_count > 0)
        (void)!chan_try_send(s->mortals, NULL);
    weft_mutex_unlock(s->lock);
    if (c->pusher == NULL && c->out.count >= OUT_BYTES && send_out(c, &c->out) != 0)
        return false;
    return !c->is_quitting;
}

/* For what has to be done, also when the server is stopping. */
static void lock_anyhow(struct server *s)
{
    WEFT_SHIELD(lock, WEFT_NEVER) {
        (void)!weft_mutex_lock(s->lock); /* only the end of a scope makes it fail */
    }
}

/* The client hears of nothing any more; if its last request was none, it is told why. */
static void say_goodbye(struct client *c, const char *refusal)
{
    lock_anyhow(c->server);
    client_unsubscribe_all(c);
    if (refusal != NULL)
        reply_error(&c->out, "ERR Protocol error: %s", refusal);
    if (c->pusher != NULL)
        client_notify(c);
    weft_mutex_unlock(c->server->lock);
}

static void end_pusher(struct client *c)
{
    int rc = 0;

    chan_close(c->news);
    WEFT_SHIELD(flush, LINGER_NS) {
        rc = weft_join(c->pusher, NULL);
    }
    if (rc != 0) {
        weft_cancel(c->pusher);
        WEFT_SHIELD(its_end, WEFT_NEVER) {
            (void)!weft_join(c->pusher, NULL);
        }
    }
    chan_unref(c->news);
}

/* Closes so that the last answer arrives: a close with input unread would reset the connection. */
static void hang_up(struct client *c)
{
    char rest[1024];

    WEFT_DEADLINE(linger, LINGER_NS) {
        if (c->pusher != NULL || send_out(c, &c->out) == 0) {
            weft_shutdown(c->fd, SHUT_WR);
            while (weft_scope_remaining() > 0 && weft_read(c->fd, rest, sizeof(rest)) > 0)
                ;
        }
    }
    weft_close(c->fd);
}

static int serve(void *arg)
{
    struct client *c = arg;
    char buf[IN_BYTES]; /* on the coroutine's own stack, which has 256 KiB */
    int rc;

    weft_reader_init(&c->in, (struct weft_stream){.read = read_more, .arg = c}, buf, sizeof(buf));
    while ((rc = request_read(&c->request, &c->in)) > 0 && execute(c))
        ;
    say_goodbye(c, rc == -EPROTO ? c->request.refusal : NULL);
    if (c->pusher != NULL)
        end_pusher(c);
    hang_up(c);
    request_free(&c->request);
    bytes_free(&c->out);
    free(c);
    return 0;
}

/* ---- the server ---- */

struct program {
    struct server_options options;
    struct server server;
    int stop_fd, listener;
};

/* Removes keys whose time is over, as long as there are keys that will end. */
static int sweep(void *arg)
{
    struct server *s = arg;
    bool is_done;

    while (chan_recv(s->mortals, NULL) == 0) {
        do {
            if (weft_sleep(SWEEP_NS) != 0 || weft_mutex_lock(s->lock) != 0)
                return 0;
            store_sweep(&s->store, SWEEP_SLOTS);
            is_done = s->store.mortal_count == 0;
            weft_mutex_unlock(s->lock);
        } while (!is_done);
    }
    return 0;
}

static void start_client(struct server *s, struct weft_group *clients, int fd)
{
    struct client *c = memory_get(sizeof(*c));

    *c = (struct client){.server = s, .fd = fd};
    weft_set_nodelay(fd, true);
    if (weft_group_go(clients, serve, c, .name = "client") != 0) {
        weft_close(fd);
        free(c);
    }
}

/* Takes connections until the listener is closed; then all clients are sent away. */
static int accept_clients(void *arg)
{
    struct program *p = arg;
    int fd;

    WEFT_GROUP(clients, .on_error = WEFT_GROUP_RUNS_ON) {
        if (weft_group_go(&clients, sweep, &p->server, .name = "sweep") != 0)
            break;
        while ((fd = weft_accept(p->listener, NULL)) >= 0)
            start_client(&p->server, &clients, fd);
        weft_group_cancel(&clients);
    }
    return 0;
}

static int app(void *arg)
{
    struct program *p = arg;
    struct server *s = &p->server;
    int rc = -1;

    p->listener = server_listen(&p->options);
    if (p->listener < 0)
        return 1;
    s->lock = weft_mutex_make();
    s->mortals = chan_make(0, 1);
    if (s->lock != NULL && s->mortals != NULL) {
        WEFT_GROUP(both) {
            if (weft_group_go(&both, accept_clients, p, .name = "accept") == 0)
                rc = weft_wait_fd(p->stop_fd, POLLIN);
            weft_close(p->listener); /* ends the accept */
        }
    }
    store_clear(&s->store);
    table_clear(&s->channels, NULL);
    chan_unref(s->mortals);
    weft_mutex_free(s->lock);
    return rc > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct program program = {.options = {.host = "127.0.0.1", .port = 6379}};
    int rc;

    server_read_options(&program.options, argc, argv);
    server_raise_limit();
    program.stop_fd = server_stop_fd();
    table_choose_key();
    commands_init();
    rc = weft_run_with(app, &program, .procs = program.options.procs,
                       .reactor = program.options.reactor);
    commands_free();
    return rc;
}
