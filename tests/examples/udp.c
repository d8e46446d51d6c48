/* SPDX-License-Identifier: MIT */
/*
 * udp.c - the echo server for datagrams, seen from plain sockets.
 *
 * link: none
 */
#include "program.h"

/* A socket connected to the server. */
static int connect_datagrams(const struct program *p)
{
    const struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)p->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    CHECK_GE(fd, 0);
    CHECK_EQ(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

/* The next datagram is n bytes of this. */
static void expect_back(int fd, char byte, size_t n)
{
    static char got[65536];
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    CHECK_EQ(poll(&ready, 1, PATIENCE_MS * (int)test_scale()), 1);
    CHECK_EQ(recv(fd, got, sizeof(got), 0), n);
    for (size_t i = 0; i < n; i++)
        CHECK_EQ(got[i], byte);
}

/* Goal: each datagram comes back to who sent it, whole, whatever its length; SIGTERM ends it all.
 * Method: two who send in turns and wait for each, since nothing keeps a datagram from being lost
 * where too many are under way. */
TEST(udp_echo_answers_everybody)
{
    static char sent[60000];
    struct program p = server_start("udp_echo", "--port", "0");
    int fds[2] = {connect_datagrams(&p), connect_datagrams(&p)};

    for (size_t n = 0; n <= sizeof(sent); n = n * 3 + 1) {
        for (int i = 0; i < 2; i++) {
            memset(sent, 'a' + i, n);
            CHECK_EQ(send(fds[i], sent, n, 0), n);
        }
        for (int i = 0; i < 2; i++)
            expect_back(fds[i], (char)('a' + i), n);
    }
    server_stop(&p, SIGTERM);
    close(fds[0]);
    close(fds[1]);
}
