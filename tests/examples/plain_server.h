/* SPDX-License-Identifier: MIT */
/* plain_server.h - the other end of a program that connects: a listener of the test's own. */
#ifndef WEFT_TESTS_PLAIN_SERVER_H
#define WEFT_TESTS_PLAIN_SERVER_H

#include "program.h"

/* An fd that listens on a port of the system's choice. */
TEST_FN int plain_listen(int *port)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof(addr);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK_GE(fd, 0);
    CHECK_EQ(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
    CHECK_EQ(listen(fd, 16), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    *port = ntohs(addr.sin_port);
    return fd;
}

TEST_FN int plain_accept(int listener)
{
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    int fd;

    if (poll(&ready, 1, PATIENCE_MS * (int)test_scale()) != 1)
        TEST_FAIL("nobody connected");
    fd = accept(listener, NULL, NULL);
    CHECK_GE(fd, 0);
    CHECK_EQ(fcntl(fd, F_SETFD, FD_CLOEXEC), 0);
    return fd;
}

#endif
