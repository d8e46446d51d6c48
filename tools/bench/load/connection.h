/* SPDX-License-Identifier: MIT */
/*
 * connection.h - one connection to an echo server, with at most one message under way.
 *
 * The bytes of a message follow from the connection and the number of the message, so that an
 * answer that belongs to another one is found out.
 */
#ifndef LOAD_CONNECTION_H
#define LOAD_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct connection {
    int fd; /* -1: lost */
    unsigned index;
    bool is_busy;       /* a message is under way */
    bool is_registered; /* with epoll for output, too: the socket was full */
    size_t sent, received;
    const char *message; /* what is sent, and what must come back */
    uint64_t number;     /* of the message under way, or of the next one */
    int64_t since_ns;    /* what its latency is counted from */
    int64_t sent_ns;     /* when it really went out */
    unsigned n_due;      /* messages that should be under way, and wait for this one (open loop) */
};

enum progress { PROGRESS_NONE, PROGRESS_ANSWERED, PROGRESS_LOST };

/* Makes the bytes that all messages are cut from; false for lack of memory. */
bool connection_prepare(size_t message_bytes);

/* Connects and registers with epoll, `c` as the data of its events; false after a message. */
bool connection_open(struct connection *c, int epoll_fd, const struct sockaddr *addr,
                     socklen_t addr_bytes);

/* Begins to send message `c->number`; LOST if the connection is gone. */
enum progress connection_start(struct connection *c, int epoll_fd);

/* What an event calls for: sends what is left, receives and compares. */
enum progress connection_advance(struct connection *c, int epoll_fd);

void connection_close(struct connection *c);

#endif
