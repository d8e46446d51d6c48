/* SPDX-License-Identifier: MIT */
/*
 * echo_server.c - sends back what it gets: one coroutine a connection, plain blocking code.
 *
 *     echo_server [--host H] [--port N] [--procs N] [--reactor R]
 *
 * SIGINT or SIGTERM stop it: no more connections are taken, and those that are open end with the
 * runtime, which discards the coroutines that are left when the first one returns.
 */
#include <poll.h>

#include "server.h"

#define BUFFER_BYTES (16 * 1024)

static void echo(void *arg)
{
    const int fd = (int)(intptr_t)arg;
    char buffer[BUFFER_BYTES]; /* on the coroutine's own stack, which has 256 KiB */
    ssize_t n;

    do {
        n = weft_read(fd, buffer, sizeof(buffer));
    } while (n > 0 && weft_write_full(fd, buffer, (size_t)n) == n);
    weft_close(fd);
}

/* Takes connections until the listener is closed. */
static int accept_all(void *arg)
{
    const int listener = *(int *)arg;
    int fd;

    while ((fd = weft_accept(listener, NULL)) >= 0) {
        weft_set_nodelay(fd, true);
        if (go(echo, (void *)(intptr_t)fd) != 0)
            weft_close(fd);
    }
    return 0;
}

struct server {
    struct server_options options;
    int stop_fd;
};

static int app(void *arg)
{
    struct server *server = arg;
    int listener = server_listen(&server->options);
    struct weft_co *acceptor;
    int rc;

    if (listener < 0)
        return 1;
    acceptor = weft_go_with(accept_all, &listener, .name = "acceptor");
    rc = weft_wait_fd(server->stop_fd, POLLIN);
    weft_close(listener); /* ends the accept */
    if (acceptor == NULL || weft_join(acceptor, NULL) != 0)
        return 1;
    return rc > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct server server = {.options = {.host = "127.0.0.1", .port = 7007}};

    server_read_options(&server.options, argc, argv);
    server_raise_limit();
    server.stop_fd = server_stop_fd();
    return weft_run_with(app, &server, .procs = server.options.procs,
                         .reactor = server.options.reactor);
}
