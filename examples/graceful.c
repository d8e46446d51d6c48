/* SPDX-License-Identifier: MIT */
/*
 * graceful.c - a server that ends well.
 *
 *     graceful [PORT [SECONDS]]                        0: any port; 10 seconds if not said
 *
 * A request is a line: "work N" takes N milliseconds and is answered by "done N", any other line by
 * itself.
 *
 *     serving --SIGTERM or SIGINT--> draining --all have ended--> exits with 0
 *                                       |
 *                                       +--a second signal, or SECONDS are over--> exits with 1
 *
 * Draining, it takes no connections, and closes those that wait for a request.  What is under way
 * is answered before.  So a connection waits for its next request and for the drain at once; and
 * the one who accepts does so in a group: when the listener is closed, all that he has to do is to
 * wait for its end, and to cancel him is to cut those that are left.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <weft.h>

#define LINE_BYTES_MAX 1000

struct server {
    int listener;
    struct weft_event *draining;
    atomic_int n_connections;
};

struct connection {
    struct server *server;
    int fd;
    struct weft_reader in;
    struct weft_writer out;
    char in_bytes[LINE_BYTES_MAX + 2], out_bytes[LINE_BYTES_MAX + 2];
};

/* ---- a connection ---- */

/* Is there another request?  What has been read is one. */
static bool await_request(struct connection *c)
{
    bool is_there = weft_reader_buffered(&c->in) > 0;

    if (is_there)
        return true;
    SELECT {
        ON_READABLE(c->fd) { is_there = true; }
        ON_EVENT(c->server->draining) { is_there = false; }
    }
    return is_there;
}

static bool answer(struct connection *c, const char *line)
{
    int ms;

    if (sscanf(line, "work %d", &ms) == 1 && ms >= 0) {
        if (weft_sleep(ms * WEFT_MS) != 0)
            return false; /* cut */
        return weft_writer_printf(&c->out, "done %d\n", ms) > 0;
    }
    return weft_writer_printf(&c->out, "%s\n", line) > 0;
}

static int serve(void *arg)
{
    struct connection *c = arg;
    struct weft_line line;

    weft_reader_init(&c->in, weft_stream_of_fd(c->fd), c->in_bytes, sizeof(c->in_bytes));
    weft_writer_init(&c->out, weft_stream_of_fd(c->fd), c->out_bytes, sizeof(c->out_bytes));
    weft_reader_limit(&c->in, LINE_BYTES_MAX);
    while (await_request(c) && weft_reader_line(&c->in, &line) == 1 && answer(c, line.text) &&
           weft_writer_flush(&c->out) == 0)
        ;
    weft_close(c->fd);
    atomic_fetch_sub(&c->server->n_connections, 1);
    free(c);
    return 0;
}

/* ---- the server ---- */

static void welcome(struct server *server, struct weft_group *connections, int fd)
{
    struct connection *c = malloc(sizeof(*c));

    atomic_fetch_add(&server->n_connections, 1);
    if (c != NULL) {
        c->server = server;
        c->fd = fd;
        if (weft_group_go(connections, serve, c, .name = "connection") == 0)
            return;
    }
    atomic_fetch_sub(&server->n_connections, 1);
    free(c);
    weft_close(fd);
}

/* Until the listener is closed, and then until the last connection has ended. */
static int serve_all(void *arg)
{
    struct server *server = arg;
    int fd;

    WEFT_GROUP(connections) {
        while ((fd = weft_accept(server->listener, NULL)) >= 0)
            welcome(server, &connections, fd);
    }
    return 0;
}

static void say(const char *what, struct server *server)
{
    printf("%s: %d connections\n", what, atomic_load(&server->n_connections));
    fflush(stdout);
}

/* From the first signal to the end of `acceptor`; the status. */
static int drain(struct server *server, struct weft_co *acceptor, struct weft_signals *signals,
                 int64_t limit_ns)
{
    const int64_t until_ns = weft_deadline_in(limit_ns);
    const char *cut = NULL;

    say("draining", server);
    weft_close(server->listener); /* ends the accept */
    weft_event_set(server->draining);
    while (acceptor != NULL && cut == NULL) {
        SELECT {
            ON_JOIN(acceptor, NULL) { acceptor = NULL; }
            ON_AFTER(until_ns - weft_now()) { cut = "time is over"; }
            ON_SIGNAL(signals) {
                if (weft_signals_try(signals, NULL) > 0)
                    cut = "cut";
            }
        }
    }
    if (cut == NULL)
        return 0;
    say(cut, server);
    weft_cancel(acceptor);
    (void)!weft_join(acceptor, NULL);
    return 1;
}

static int announce(int listener)
{
    char text[WEFT_ADDR_TEXT_MAX];
    struct weft_addr addr;
    const int rc = weft_local_addr(listener, &addr);

    if (rc == 0) {
        printf("listening on %s\n", weft_addr_format(&addr, text, sizeof(text)));
        fflush(stdout);
    }
    return rc;
}

struct options {
    int port, seconds;
};

static int app(void *arg)
{
    const struct options *options = arg;
    struct server server = {.draining = weft_event_make()};
    struct weft_signals *signals;
    struct weft_co *acceptor;
    char where[32];
    int status = 1;

    snprintf(where, sizeof(where), "127.0.0.1:%d", options->port);
    if (server.draining == NULL ||
        weft_signals_open(&signals, WEFT_SIGNAL(SIGTERM) | WEFT_SIGNAL(SIGINT)) != 0)
        return 1;
    server.listener = weft_listen(where);
    if (server.listener < 0) {
        fprintf(stderr, "cannot listen on %s: %s\n", where, weft_strerror(server.listener));
        return 1;
    }
    acceptor = weft_go_with(serve_all, &server, .name = "acceptor");
    if (acceptor != NULL && announce(server.listener) == 0 &&
        weft_signals_wait(signals, NULL) > 0)
        status = drain(&server, acceptor, signals, options->seconds * WEFT_SEC);
    weft_signals_close(signals);
    weft_event_free(server.draining);
    return status;
}

int main(int argc, char **argv)
{
    struct options options = {
        .port = argc > 1 ? atoi(argv[1]) : 7007,
        .seconds = argc > 2 ? atoi(argv[2]) : 10,
    };

    if (argc > 3 || options.port < 0 || options.port > 65535 || options.seconds < 1) {
        fprintf(stderr, "usage: graceful [PORT [SECONDS]]\n");
        return 2;
    }
    return weft_run(app, &options);
}
