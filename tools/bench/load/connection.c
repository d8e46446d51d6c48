/* SPDX-License-Identifier: MIT */
/*
 * connection.c - sends a message and compares what comes back, byte by byte.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <unistd.h>

#include "connection.h"

#define CONNECT_SECONDS 5
#define COMPLAINTS_MAX 5
#define BUFFER_BYTES (64 * 1024)
#define OFFSETS 4093 /* a prime: the places in the noise where messages begin */

static char *noise;
static size_t message_bytes;
static char buffer[BUFFER_BYTES];

bool connection_prepare(size_t bytes)
{
    uint32_t state = 2463534242u;

    message_bytes = bytes;
    noise = malloc(OFFSETS + bytes);
    if (noise == NULL)
        return false;
    for (size_t i = 0; i < OFFSETS + bytes; i++) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        noise[i] = (char)(state >> 11);
    }
    return true;
}

static enum progress lost(struct connection *c, const char *what)
{
    static int n_complaints;

    if (++n_complaints <= COMPLAINTS_MAX)
        fprintf(stderr, "load: connection %u, message %llu: %s\n", c->index,
                (unsigned long long)c->number, what);
    connection_close(c);
    return PROGRESS_LOST;
}

bool connection_open(struct connection *c, int epoll_fd, const struct sockaddr *addr,
                     socklen_t addr_bytes)
{
    const struct timeval limit = {.tv_sec = CONNECT_SECONDS};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    const int on = 1;

    c->fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        fprintf(stderr, "load: socket %u: %s\n", c->index, strerror(errno));
        return false;
    }
    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (connect(c->fd, addr, addr_bytes) != 0) {
        fprintf(stderr, "load: connection %u: %s\n", c->index,
                errno == EINPROGRESS ? "no answer" : strerror(errno));
        connection_close(c);
        return false;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event) != 0) {
        fprintf(stderr, "load: epoll_ctl: %s\n", strerror(errno));
        connection_close(c);
        return false;
    }
    return true;
}

/* Asks epoll for output events, too, or no longer. */
static void register_output(struct connection *c, int epoll_fd, bool is_wanted)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

    if (is_wanted == c->is_registered)
        return;
    if (is_wanted)
        event.events |= EPOLLOUT;
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
    c->is_registered = is_wanted;
}

static enum progress send_rest(struct connection *c, int epoll_fd)
{
    const ssize_t n =
        send(c->fd, c->message + c->sent, message_bytes - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return lost(c, strerror(errno));
    if (n > 0)
        c->sent += (size_t)n;
    register_output(c, epoll_fd, c->sent < message_bytes);
    return PROGRESS_NONE;
}

enum progress connection_start(struct connection *c, int epoll_fd)
{
    c->message = noise + (c->number * 7 + c->index * 31) % OFFSETS;
    c->sent = c->received = 0;
    c->is_busy = true;
    return send_rest(c, epoll_fd);
}

static enum progress receive(struct connection *c)
{
    const ssize_t n = recv(c->fd, buffer, sizeof(buffer), MSG_DONTWAIT);

    if (n == 0)
        return lost(c, "the server closed the connection");
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? PROGRESS_NONE : lost(c, strerror(errno));
    if (!c->is_busy || (size_t)n > c->sent - c->received)
        return lost(c, "more came back than was sent");
    if (memcmp(buffer, c->message + c->received, (size_t)n) != 0)
        return lost(c, "what came back is not what was sent");
    c->received += (size_t)n;
    if (c->received < message_bytes)
        return PROGRESS_NONE;
    c->is_busy = false;
    c->number++;
    return PROGRESS_ANSWERED;
}

enum progress connection_advance(struct connection *c, int epoll_fd)
{
    if (c->is_busy && c->sent < message_bytes && send_rest(c, epoll_fd) == PROGRESS_LOST)
        return PROGRESS_LOST;
    return receive(c);
}

void connection_close(struct connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->is_busy = false;
    c->n_due = 0;
}
