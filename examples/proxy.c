/* SPDX-License-Identifier: MIT */
/*
 * proxy.c - passes connections on to another address, byte by byte.
 *
 *     proxy [--host H] [--port N] [--procs N] [--reactor R] --to HOST:PORT
 *
 * A connection is two coroutines, one a direction, in a group.  The end of one direction is passed
 * on as what it is: the other one goes on, and a client that sends its request and then the end
 * still gets its answer.  An error ends both, and both sides see a reset, not an end that might be
 * taken for the whole of it.
 *
 * SIGINT or SIGTERM stop it; who is connected then is cut off.
 */
#include <errno.h>
#include <poll.h>

#include "server.h"

#define BUFFER_BYTES (16 * 1024)
#define DIAL_NS (10 * WEFT_SEC)

struct proxy {
    struct server_options options;
    int stop_fd, listener;
};

struct connection {
    const struct proxy *proxy;
    int client, server;
};

struct direction {
    int from, to;
};

/* Until the end of `from`, which becomes the end of `to`. */
static int pass_on(void *arg)
{
    const struct direction *d = arg;
    char buffer[BUFFER_BYTES];
    ssize_t n;

    while ((n = weft_read(d->from, buffer, sizeof(buffer))) > 0) {
        const ssize_t sent = weft_write_full(d->to, buffer, (size_t)n);

        if (sent != n)
            return sent < 0 ? (int)sent : -EPIPE;
    }
    return n < 0 ? (int)n : weft_shutdown(d->to, SHUT_WR);
}

/* Both directions, to their ends; the first error ends the other one, too. */
static int pass_both(const struct connection *c)
{
    struct direction there = {c->client, c->server}, back = {c->server, c->client};
    int rc = 0;

    WEFT_GROUP(both) {
        if ((rc = weft_group_go(&both, pass_on, &there, .name = "there")) == 0 &&
            (rc = weft_group_go(&both, pass_on, &back, .name = "back")) == 0)
            rc = weft_group_wait(&both);
    }
    return rc;
}

/* A close that the peer sees as a reset. */
static void reset(int fd)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    weft_close(fd);
}

static int serve(void *arg)
{
    struct connection *c = arg;
    int rc;

    WEFT_DEADLINE(dial, DIAL_NS) {
        c->server = weft_dial(c->proxy->options.to);
    }
    rc = c->server < 0 ? c->server : weft_set_nodelay(c->server, true);
    if (rc == 0)
        rc = pass_both(c);
    else
        fprintf(stderr, "%s: %s\n", c->proxy->options.to, weft_strerror(rc));
    if (rc == 0)
        weft_close(c->client);
    else
        reset(c->client);
    if (c->server >= 0 && rc == 0)
        weft_close(c->server);
    else if (c->server >= 0)
        reset(c->server);
    free(c);
    return 0;
}

static void start_connection(const struct proxy *p, struct weft_group *connections, int fd)
{
    struct connection *c = malloc(sizeof(*c));

    weft_set_nodelay(fd, true);
    if (c != NULL) {
        *c = (struct connection){.proxy = p, .client = fd, .server = -1};
        if (weft_group_go(connections, serve, c, .name = "connection") == 0)
            return;
    }
    fprintf(stderr, "no memory for another connection\n");
    free(c);
    weft_close(fd);
}

/* Takes connections until the listener is closed; then those that are open are cut off. */
static int accept_all(void *arg)
{
    struct proxy *p = arg;
    int fd;

    WEFT_GROUP(connections, .on_error = WEFT_GROUP_RUNS_ON) {
        while ((fd = weft_accept(p->listener, NULL)) >= 0)
            start_connection(p, &connections, fd);
        weft_group_cancel(&connections);
    }
    return 0;
}

static int app(void *arg)
{
    struct proxy *p = arg;
    int rc = -1;

    p->listener = server_listen(&p->options);
    if (p->listener < 0)
        return 1;
    WEFT_GROUP(both) {
        if (weft_group_go(&both, accept_all, p, .name = "accept") == 0)
            rc = weft_wait_fd(p->stop_fd, POLLIN);
        weft_close(p->listener); /* ends the accept */
    }
    return rc > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct proxy proxy = {.options = {.host = "127.0.0.1", .port = 7070, .to = ""}};

    server_read_options(&proxy.options, argc, argv);
    if (proxy.options.to[0] == '\0') {
        fprintf(stderr, "proxy needs --to HOST:PORT\n");
        return 2;
    }
    server_raise_limit();
    proxy.stop_fd = server_stop_fd();
    return weft_run_with(app, &proxy, .procs = proxy.options.procs,
                         .reactor = proxy.options.reactor);
}
