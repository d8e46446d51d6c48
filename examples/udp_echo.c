/* SPDX-License-Identifier: MIT */
/*
 * udp_echo.c - sends each datagram back to whom it came from: one coroutine, several at a time.
 *
 *     udp_echo [--host H] [--port N] [--procs N] [--reactor R]
 *
 * SIGINT or SIGTERM stop it: the socket is closed, which ends the coroutine.
 */
#include <errno.h>
#include <poll.h>

#include "server.h"

#define ROOM_BYTES (64 * 1024) /* no datagram of UDP is longer, so none is cut */
#define AT_ONCE 16

/* Answers until the socket is closed. */
static int echo(void *arg)
{
    static char rooms[AT_ONCE][ROOM_BYTES];
    const int fd = *(int *)arg;
    struct weft_dgram msgs[AT_ONCE];
    int n;

    do {
        for (int i = 0; i < AT_ONCE; i++)
            msgs[i] = (struct weft_dgram){.buf = rooms[i], .bytes = ROOM_BYTES};
        n = weft_dgram_recv_many(fd, msgs, AT_ONCE);
        for (int i = 0; i < n; i++)
            msgs[i].bytes = msgs[i].length;
        for (int i = 0, sent; i < n; i += sent) {
            sent = weft_dgram_send_many(fd, msgs + i, n - i);
            if (sent < 0)
                sent = 1; /* no way back to this one: the others shall not suffer */
        }
    } while (n > 0);
    return n == -EBADF ? 0 : 1;
}

struct server {
    struct server_options options;
    int stop_fd;
};

static int app(void *arg)
{
    struct server *server = arg;
    int fd = server_open(&server->options, weft_dgram_bind);
    struct weft_co *echoer;
    int rc, result = 1;

    if (fd < 0)
        return 1;
    echoer = weft_go_with(echo, &fd, .name = "echoer");
    rc = weft_wait_fd(server->stop_fd, POLLIN);
    weft_close(fd); /* ends the receive */
    if (echoer == NULL || weft_join(echoer, &result) != 0)
        return 1;
    return rc > 0 ? result : 1;
}

int main(int argc, char **argv)
{
    struct server server = {.options = {.host = "127.0.0.1", .port = 7007}};

    server_read_options(&server.options, argc, argv);
    server.stop_fd = server_stop_fd();
    return weft_run_with(app, &server, .procs = server.options.procs,
                         .reactor = server.options.reactor);
}
