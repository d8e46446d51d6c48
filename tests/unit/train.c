/* SPDX-License-Identifier: MIT */
/*
 * train.c - trains of datagrams: sent as one buffer, received one by one or merged.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include "net_test.h"

enum { EACH = 1000, BYTES = 3500, LENGTHS = 4 }; /* the last of them is shorter */

static int bind_udp(const char *where, struct weft_addr *addr)
{
    int fd = weft_dgram_bind(where);

    if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)
        SKIP("no IPv6 here");
    CHECK_GE(fd, 0);
    CHECK_EQ(weft_local_addr(fd, addr), 0);
    return fd;
}

static size_t length_of(int i)
{
    return i < LENGTHS - 1 ? EACH : BYTES % EACH;
}

static void check_bytes(const unsigned char *got, size_t n, size_t offset)
{
    for (size_t i = 0; i < n; i++)
        CHECK_EQ(got[i], pattern(offset + i));
}

static void send_train(int fd, const struct weft_addr *to)
{
    unsigned char bytes[BYTES];

    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = pattern(i);
    ssize_t n = weft_dgram_send_train(fd, bytes, BYTES, EACH, to);
    if (n == -ENOTSUP)
        SKIP("no trains here");
    CHECK_EQ(n, BYTES);
}

/* Goal: who knows nothing of trains receives their datagrams, from the sender's address. */
CO_TEST(a_train_arrives_as_single_datagrams)
{
    static const char *const places[] = {"127.0.0.1:0", "[::1]:0"};

    for (int k = 0; k < COUNT(places); k++) {
        struct weft_addr at, mine, from;
        unsigned char buf[BYTES];
        int fd = bind_udp(places[k], &at), sender = bind_udp(places[k], &mine);
        size_t each;

        for (int connected = 0; connected < 2; connected++) {
            if (connected)
                CHECK_EQ(weft_dgram_connect(sender, &at), 0);
            send_train(sender, connected ? NULL : &at);
            for (int i = 0; i < LENGTHS; i++) {
                CHECK_EQ(weft_dgram_recv_train(fd, buf, sizeof buf, &each, &from), length_of(i));
                CHECK_EQ(each, length_of(i));
                CHECK_EQ(weft_addr_port(&from), weft_addr_port(&mine));
                check_bytes(buf, each, (size_t)i * EACH);
            }
        }
        CHECK_EQ(weft_close(fd), 0);
        CHECK_EQ(weft_close(sender), 0);
    }
    CHECK_EQ(in_flight(), 0);
    return 0;
}

struct receiver {
    int fd;
    struct weft_addr from;
};

/* Whether it comes as one or as several is the kernel's. */
static int receive_the_train(void *arg)
{
    struct receiver *r = arg;
    static unsigned char buf[65536];
    int i = 0;

    while (i < LENGTHS) {
        size_t each;
        ssize_t n = weft_dgram_recv_train(r->fd, buf, sizeof buf, &each, &r->from);

        CHECK_GT(n, 0);
        for (size_t at = 0; at < (size_t)n; at += each, i++) {
            size_t length = (size_t)n - at < each ? (size_t)n - at : each;
            CHECK_EQ(length, length_of(i));
            check_bytes(buf + at, length, (size_t)i * EACH);
        }
    }
    CHECK_EQ(i, LENGTHS);
    return 0;
}

/* Goal: datagrams that are merged are told apart, whether they were waited for or not. */
CO_TEST(a_merged_train_is_taken_apart)
{
    struct weft_addr at, mine;
    struct receiver r = {.fd = bind_udp("127.0.0.1:0", &at)};
    int sender = bind_udp("127.0.0.1:0", &mine);

    int rc = weft_dgram_merge(r.fd, true);
    if (rc == -ENOTSUP)
        SKIP("nothing is merged here");
    CHECK_EQ(rc, 0);
    for (int waits = 0; waits < 2; waits++) {
        struct weft_co *co = NULL;

        if (waits) {
            co = weft_go_with(receive_the_train, &r);
            await_in_flight(1);
        }
        send_train(sender, &at);
        if (waits)
            join(co);
        else
            CHECK_EQ(receive_the_train(&r), 0);
        CHECK_EQ(weft_addr_port(&r.from), weft_addr_port(&mine));
    }
    CHECK_EQ(weft_dgram_merge(r.fd, false), 0);
    CHECK_EQ(weft_close(r.fd), 0);
    CHECK_EQ(weft_close(sender), 0);
    return 0;
}

/* Goal: where there are no trains this is told, and nothing is sent; a receive takes one datagram,
 * and no descriptors that would stay open. */
CO_TEST(a_socket_without_trains_says_so)
{
    struct weft_addr at;
    char name[64], buf[8];
    size_t each;
    int sender, fd, n_open;

    snprintf(name, sizeof name, "unix:@weft-train-%d", getpid());
    fd = weft_dgram_bind(name);
    CHECK_GE(fd, 0);
    CHECK_EQ(weft_local_addr(fd, &at), 0);
    sender = weft_dgram_dial(name);
    CHECK_GE(sender, 0);
    CHECK_EQ(weft_dgram_merge(fd, true), -ENOTSUP);
    CHECK_EQ(weft_dgram_send_train(sender, "two", 3, 2, NULL), -ENOTSUP);
    n_open = open_fds();
    CHECK_EQ(weft_send_fds(sender, "one", 3, &fd, 1), 3);
    CHECK_EQ(weft_dgram_recv_train(fd, buf, sizeof buf, &each, NULL), 3);
    CHECK_EQ(each, 3);
    CHECK_EQ(memcmp(buf, "one", 3), 0);
    CHECK_EQ(open_fds(), n_open);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(sender), 0);
    return 0;
}

/* Goal: what cannot be sent is refused, and nothing of it is sent; what does not fit is told, and
 * the next one is whole. */
CO_TEST(trains_that_cannot_be_are_refused)
{
    static char long_text[300000];
    struct weft_addr at;
    char buf[8];
    size_t each;
    int fd = bind_udp("127.0.0.1:0", &at);

    CHECK_EQ(weft_dgram_send_train(fd, "x", 1, 0, &at), -EINVAL);
    CHECK_EQ(weft_dgram_send_train(fd, "x", 1, 65536, &at), -EINVAL);
    ssize_t n = weft_dgram_send_train(fd, long_text, 1000, 1, &at);
    if (n == -ENOTSUP)
        SKIP("no trains here");
    CHECK_EQ(n, -EINVAL);
    CHECK_EQ(weft_dgram_send_train(fd, long_text, sizeof long_text, 1000, &at), -EMSGSIZE);
    CHECK_EQ(weft_dgram_send_train(fd, "x", 1, 1, NULL), -EDESTADDRREQ);
    CHECK_EQ(weft_dgram_send_train(fd, "longer than n", 13, 100, &at), 13);
    CHECK_EQ(weft_dgram_send_train(fd, "end", 3, 3, &at), 3);
    CHECK_EQ(weft_dgram_send_train(fd, "", 0, 3, &at), 0);
    CHECK_EQ(weft_dgram_recv_train(fd, buf, sizeof buf, &each, NULL), -EMSGSIZE);
    CHECK_EQ(weft_dgram_recv_train(fd, buf, sizeof buf, &each, NULL), 3);
    CHECK_EQ(memcmp(buf, "end", 3), 0);
    CHECK_EQ(weft_dgram_recv_train(fd, buf, sizeof buf, &each, NULL), 0);
    CHECK_EQ(each, 0);
    CHECK_EQ(weft_close(fd), 0);
    return 0;
}
