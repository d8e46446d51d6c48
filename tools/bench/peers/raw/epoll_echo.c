/* SPDX-License-Identifier: MIT */
/*
 * epoll_echo.c - an echo server around epoll_wait().
 *
 * One buffer a thread serves all connections, since nearly always all is sent at once.  What a full
 * socket does not take is copied aside; until it is gone, that connection is not read.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server.h"

#define BUFFER_BYTES (16 * 1024)
#define EVENTS 256

struct connection {
    int fd;
    size_t n_left;
    char *left; /* what is still to be sent, n_left bytes from `at` on; NULL: nothing */
    char *at;
};

static void end_connection(struct connection *c)
{
    close(c->fd);
    free(c->left);
    free(c);
}

static void accept_all(int epoll_fd, int listener)
{
    const int on = 1;
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = calloc(1, sizeof(*c));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

        if (c == NULL)
            server_die("accept", ENOMEM);
        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
            end_connection(c);
    }
}

/* Waits for output, or for input again. */
static void wait_for(int epoll_fd, struct connection *c, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};

    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
}

/* How many bytes went out; 0 if the socket is full, -1 if it is gone. */
static ssize_t send_some(const struct connection *c, const char *data, size_t bytes)
{
    const ssize_t n = send(c->fd, data, bytes, MSG_NOSIGNAL);

    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : n;
}

/* Each of the two returns false when the connection is to end. */
static bool send_left(int epoll_fd, struct connection *c)
{
    const ssize_t n = send_some(c, c->at, c->n_left);

    if (n < 0)
        return false;
    c->at += n;
    c->n_left -= (size_t)n;
    if (c->n_left == 0) {
        free(c->left);
        c->left = NULL;
        wait_for(epoll_fd, c, EPOLLIN);
    }
    return true;
}

static bool echo(int epoll_fd, struct connection *c, char *buffer)
{
    const ssize_t n = recv(c->fd, buffer, BUFFER_BYTES, 0);
    ssize_t n_sent;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0)
        return false;
    n_sent = send_some(c, buffer, (size_t)n);
    if (n_sent < 0)
        return false;
    if (n_sent == n)
        return true;
    c->n_left = (size_t)(n - n_sent);
    c->left = c->at = malloc(c->n_left);
    if (c->left == NULL)
        return false;
    memcpy(c->left, buffer + n_sent, c->n_left);
    wait_for(epoll_fd, c, EPOLLOUT);
    return true;
}

static void serve(int listener)
{
    const int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[EVENTS], event = {.events = EPOLLIN, .data.ptr = NULL};
    char buffer[BUFFER_BYTES];

    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) != 0)
        server_die("epoll", errno);
    for (;;) {
        const int n = epoll_wait(epoll_fd, events, EVENTS, -1);

        if (n < 0 && errno != EINTR)
            server_die("epoll_wait", errno);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;

            if (c == NULL)
                accept_all(epoll_fd, listener);
            else if (!(c->left != NULL ? send_left(epoll_fd, c) : echo(epoll_fd, c, buffer)))
                end_connection(c);
        }
    }
}

int main(int argc, char **argv)
{
    static const struct server server = {.name = "raw-epoll-echo", .serve = serve};

    return server_main(&server, argc, argv);
}
