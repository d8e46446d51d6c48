/* SPDX-License-Identifier: MIT */
/*
 * datagram.c - sockets for datagrams: UDP over both IP versions and UNIX, one and several at once.
 *
 * Groups and broadcasts are in multicast.c, flags and descriptors in message.c, waits in waits.c.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "names_test.h"
#include "net_test.h"

static const char *const places[] = {"127.0.0.1:0", "[::1]:0", "unix"};

/* A name that nobody has had. */
static const char *fresh_name(void)
{
    static char text[64];
    static atomic_int n;

    snprintf(text, sizeof text, "unix:@weft-datagram-%d-%d", getpid(), atomic_fetch_add(&n, 1));
    return text;
}

static int bind_at(const char *where, struct weft_addr *addr)
{
    int fd = weft_dgram_bind(strcmp(where, "unix") == 0 ? fresh_name() : where);

    if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)
        SKIP("no IPv6 here");
    CHECK_GE(fd, 0);
    CHECK_EQ(weft_local_addr(fd, addr), 0);
    return fd;
}

static void check_same_addr(const struct weft_addr *a, const struct weft_addr *b)
{
    char one[WEFT_ADDR_TEXT_MAX], other[WEFT_ADDR_TEXT_MAX];

    CHECK_STR(weft_addr_format(a, one, sizeof one), weft_addr_format(b, other, sizeof other));
}

static void send_text(int fd, const char *text, const struct weft_addr *to)
{
    CHECK_EQ(weft_dgram_send(fd, text, strlen(text), to), strlen(text));
}

static void expect_text(int fd, const char *text)
{
    char buf[64] = "";
    ssize_t n = weft_dgram_recv(fd, buf, sizeof buf - 1, NULL, NULL);

    CHECK_GE(n, 0);
    buf[n] = '\0';
    CHECK_STR(buf, text);
}

/* ---- One at a time. ---- */

/* Goal: what is sent arrives whole, with the sender's address, by which it is answered; connected
 * sockets need no address, take from that one only, and can be disconnected. */
CO_TEST(a_datagram_arrives_and_is_answered)
{
    for (int i = 0; i < COUNT(places); i++) {
        struct weft_addr here, there, from;
        char buf[16];
        int a = bind_at(places[i], &here), b = bind_at(places[i], &there);

        send_text(a, "ping", &there);
        CHECK_EQ(weft_dgram_recv(b, buf, sizeof buf, &from, NULL), 4);
        CHECK_EQ(memcmp(buf, "ping", 4), 0);
        check_same_addr(&from, &here);
        send_text(b, "pong", &from);
        expect_text(a, "pong");

        CHECK_EQ(weft_dgram_send(a, "x", 1, NULL), i == 2 ? -ENOTCONN : -EDESTADDRREQ);
        CHECK_EQ(weft_dgram_connect(a, &there), 0);
        send_text(a, "connected", NULL);
        expect_text(b, "connected");
        CHECK_EQ(weft_write(a, "written", 7), 7);
        CHECK_EQ(weft_read(b, buf, sizeof buf), 7);
        CHECK_EQ(weft_dgram_connect(a, NULL), 0);
        CHECK_EQ(weft_dgram_send(a, "x", 1, NULL), i == 2 ? -ENOTCONN : -EDESTADDRREQ);
        CHECK_EQ(weft_close(a), 0);
        CHECK_EQ(weft_close(b), 0);
    }
    CHECK_EQ(in_flight(), 0);
    return 0;
}

/* Goal: a datagram that does not fit is never cut in silence, and the next one is whole. */
CO_TEST(what_does_not_fit_is_told)
{
    for (int i = 0; i < COUNT(places); i++) {
        struct weft_addr at;
        char buf[4] = "";
        size_t length = 0;
        int fd = bind_at(places[i], &at);

        for (int n = 0; n < 3; n++)
            send_text(fd, n == 2 ? "end" : "too long", &at);
        CHECK_EQ(weft_dgram_recv(fd, buf, 3, NULL, &length), 3);
        CHECK_EQ(length, 8);
        CHECK_STR(buf, "too");
        CHECK_EQ(weft_dgram_recv(fd, buf, 3, NULL, NULL), -EMSGSIZE);
        CHECK_EQ(weft_dgram_recv(fd, buf, 3, NULL, &length), 3);
        CHECK_EQ(length, 3);
        CHECK_STR(buf, "end");
        CHECK_EQ(weft_dgram_send(fd, "", 0, &at), 0); /* and an empty one is one */
        CHECK_EQ(weft_dgram_recv(fd, buf, 0, NULL, &length), 0);
        CHECK_EQ(length, 0);
        CHECK_EQ(weft_close(fd), 0);
    }
    return 0;
}

struct receiver {
    int fd;
    _Atomic int *n_seen; /* of each number, how often */
    int count;
};

enum { NUMBERS = 200, RECEIVERS = 4 };

static int receive_until_closed(void *arg)
{
    struct receiver *r = arg;
    int number;
    ssize_t n;

    while ((n = weft_dgram_recv(r->fd, &number, sizeof number, NULL, NULL)) == sizeof number) {
        CHECK(number >= 0 && number < NUMBERS);
        atomic_fetch_add(&r->n_seen[number], 1);
        r->count++;
    }
    CHECK_EQ(n, -EBADF);
    return 0;
}

/* Goal: of several who receive on one socket each datagram goes to one, and none is left; a close
 * ends them all.  Method: UNIX datagrams, which are not lost; numbers, each seen once. */
CO_TEST(each_datagram_goes_to_one_receiver)
{
    static _Atomic int n_seen[NUMBERS];
    struct receiver receivers[RECEIVERS];
    struct weft_co *cos[RECEIVERS];
    struct weft_addr at;
    int fd = bind_at("unix", &at), sender = weft_dgram_open(AF_UNIX), n_received = 0;

    CHECK_GE(sender, 0);
    for (int i = 0; i < RECEIVERS; i++) {
        receivers[i] = (struct receiver){.fd = fd, .n_seen = n_seen};
        cos[i] = weft_go_with(receive_until_closed, &receivers[i]);
    }
    for (int i = 0; i < NUMBERS; i++)
        CHECK_EQ(weft_dgram_send(sender, &i, sizeof i, &at), sizeof i);
    for (int i = 0; i < NUMBERS; i++)
        while (atomic_load(&n_seen[i]) == 0)
            weft_yield();
    await_in_flight(RECEIVERS);
    CHECK_EQ(weft_close(fd), 0);
    for (int i = 0; i < RECEIVERS; i++) {
        join(cos[i]);
        n_received += receivers[i].count;
    }
    CHECK_EQ(n_received, NUMBERS);
    CHECK_EQ(weft_close(sender), 0);
    return 0;
}

/* ---- A reader's queue that is full. ---- */

struct sender {
    int fd;
    const struct weft_addr *to; /* NULL: connected */
    atomic_bool is_about_to;
    ssize_t rc;
};

static int send_one_more(void *arg)
{
    struct sender *s = arg;

    atomic_store(&s->is_about_to, true);
    s->rc = weft_dgram_send(s->fd, "last", 4, s->to);
    return 0;
}

/* Sends until there is no room; how many there was room for. */
static int cram(int fd, const struct weft_addr *to)
{
    int n = 0;

    WEFT_DEADLINE (at_once, 0)
        while (weft_dgram_send(fd, "full", 4, to) == 4)
            n++;
    return n;
}

/* Goal: whoever sends to a full queue waits until there is room, connected or not; the kernel has
 * an event for the former alone.
 * Method: what fills the queue is another's, so that its end is no event for the sender's own. */
CO_TEST(a_send_waits_for_room_in_a_unix_queue)
{
    for (int connected = 0; connected < 2; connected++) {
        struct weft_addr at;
        int reader = bind_at("unix", &at), other = weft_dgram_open(AF_UNIX);
        struct sender s = {.fd = weft_dgram_open(AF_UNIX), .to = connected ? NULL : &at};
        int n = cram(other, &at);

        CHECK_GT(n, 0);
        if (connected)
            CHECK_EQ(weft_dgram_connect(s.fd, &at), 0);
        struct weft_co *co = weft_go_with(send_one_more, &s);
        while (!atomic_load(&s.is_about_to) || (connected && in_flight() == 0))
            CHECK_EQ(weft_sleep(50 * WEFT_US), 0);
        yield_often(5);
        for (int i = 0; i < n; i++)
            expect_text(reader, "full");
        expect_text(reader, "last");
        join(co);
        CHECK_EQ(s.rc, 4);
        const int fds[] = {reader, other, s.fd};
        for (int i = 0; i < COUNT(fds); i++)
            CHECK_EQ(weft_close(fds[i]), 0);
    }
    return 0;
}

enum { FILLER = 255, N_IN_TURN = 250 };

/* What was received, of one byte, by a socket that does not wait. */
static int take_byte(int fd)
{
    unsigned char byte = 0;
    ssize_t n;

    while ((n = recv(fd, &byte, 1, MSG_DONTWAIT | MSG_TRUNC)) < 0 && errno == EAGAIN)
        usleep(100);
    CHECK_EQ(n, 1);
    return byte;
}

struct crowd_out {
    int reader, filler;
    struct weft_addr at;
};

static void fill_up(const struct crowd_out *c)
{
    const unsigned char byte = FILLER;
    const struct sockaddr *to = (const struct sockaddr *)&c->at.storage;

    while (sendto(c->filler, &byte, 1, MSG_DONTWAIT, to, c->at.len) == 1)
        ;
}

/* Every other time that there is room, it is gone before the sender has taken it. */
static void *crowd_the_sender_out(void *arg)
{
    const struct crowd_out *c = arg;
    bool fills = true;

    for (int n = 0; n < N_IN_TURN; fills = !fills) {
        const int byte = take_byte(c->reader);
        if (byte != FILLER)
            CHECK_EQ(byte, n++);
        if (fills)
            fill_up(c);
    }
    return NULL;
}

static int join_thread(void *th)
{
    return pthread_join(*(pthread_t *)th, NULL);
}

static void send_in_a_crowd(void)
{
    struct crowd_out c = {.filler = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    const int fd = weft_dgram_open(AF_UNIX);
    pthread_t th;
    int rc = 0;

    c.reader = bind_at("unix", &c.at);
    CHECK_EQ(weft_dgram_connect(fd, &c.at), 0);
    fill_up(&c);
    CHECK_EQ(pthread_create(&th, NULL, crowd_the_sender_out, &c), 0);
    for (unsigned char i = 0; i < N_IN_TURN; i++)
        CHECK_EQ(weft_dgram_send(fd, &i, 1, NULL), 1);
    CHECK_EQ(weft_blocking(join_thread, &th, &rc), 0);
    CHECK_EQ(rc, 0);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(c.reader), 0);
    CHECK_EQ(close(c.filler), 0);
}

/* Goal: a sender that is told of room and finds none waits on, and what he sends is whole.
 * Method: a thread that receives fills the room again, at once, by a socket of its own. */
CO_TEST(a_send_that_is_told_of_room_in_vain_is_whole)
{
    for (int i = 0; i < 10; i++)
        send_in_a_crowd();
    return 0;
}

/* Goal: between two tries nothing is in flight, and yet a close ends the send: it does not go to
 * whatever has the number next.
 * Method: the number becomes a socket that could be sent through, while the sender is about to try
 * again; its reader gets nothing. */
CO_TEST(a_send_that_tries_again_ends_with_its_fd)
{
    struct weft_addr at;
    int reader = bind_at("unix", &at);
    struct sender s = {.fd = weft_dgram_open(AF_UNIX), .to = &at};
    int n = cram(s.fd, &at);
    struct weft_co *co = weft_go_with(send_one_more, &s);

    while (count_in_dump("waits: write to fd") != 1)
        CHECK_EQ(weft_sleep(50 * WEFT_US), 0);
    CHECK_EQ(weft_close(s.fd), 0);
    CHECK_EQ(weft_dgram_open(AF_UNIX), s.fd);
    for (int i = 0; i < n; i++)
        expect_text(reader, "full");
    join(co);
    CHECK_EQ(s.rc, -EBADF);
    WEFT_DEADLINE (at_once, 0)
        CHECK_EQ(weft_dgram_recv(reader, NULL, 0, NULL, &(size_t){0}), -ETIMEDOUT);
    CHECK_EQ(weft_close(s.fd), 0);
    CHECK_EQ(weft_close(reader), 0);
    return 0;
}

/* ---- Several at once. ---- */

static void fill_in(struct weft_dgram *msgs, char (*rooms)[16], int n, const struct weft_addr *to)
{
    for (int i = 0; i < n; i++) {
        msgs[i] = (struct weft_dgram){.buf = rooms[i]};
        if (to != NULL)
            msgs[i].addr = *to;
        msgs[i].bytes = (size_t)snprintf(rooms[i], sizeof rooms[i], "number %d", i);
    }
}

static void make_room(struct weft_dgram *msgs, char (*rooms)[16], int n)
{
    for (int i = 0; i < n; i++)
        msgs[i] = (struct weft_dgram){.buf = rooms[i], .bytes = sizeof rooms[i]};
}

static int send_all(void *arg)
{
    struct sender *s = arg;
    static struct weft_dgram msgs[NUMBERS];
    static char rooms[NUMBERS][16];

    fill_in(msgs, rooms, NUMBERS, s->to);
    CHECK_EQ(weft_dgram_send_many(s->fd, msgs, NUMBERS), NUMBERS);
    return 0;
}

/* Goal: several are sent and received in their order, each with its length and its sender, however
 * often either side has to wait.
 * Method: more than one system call takes, and more than a queue holds. */
CO_TEST(many_arrive_in_their_order)
{
    for (int connected = 0; connected < 2; connected++) {
        struct weft_addr at, mine;
        int reader = bind_at("unix", &at), fd = bind_at("unix", &mine), n_received = 0;
        struct sender s = {.fd = fd, .to = connected ? NULL : &at};

        if (connected)
            CHECK_EQ(weft_dgram_connect(fd, &at), 0);
        struct weft_co *co = weft_go_with(send_all, &s);
        while (n_received < NUMBERS) {
            struct weft_dgram msgs[2 * WEFT_DGRAM_MANY];
            char rooms[2 * WEFT_DGRAM_MANY][16], text[16];

            make_room(msgs, rooms, COUNT(msgs));
            int n = weft_dgram_recv_many(reader, msgs, COUNT(msgs));
            CHECK_GE(n, 1);
            CHECK_LE(n, WEFT_DGRAM_MANY);
            for (int i = 0; i < n; i++, n_received++) {
                CHECK_EQ(msgs[i].length, snprintf(text, sizeof text, "number %d", n_received));
                CHECK_EQ(memcmp(rooms[i], text, msgs[i].length), 0);
                check_same_addr(&msgs[i].addr, &mine);
            }
        }
        join(co);
        CHECK_EQ(weft_close(reader), 0);
        CHECK_EQ(weft_close(fd), 0);
    }
    return 0;
}

/* Goal: a receive of several takes all that are there and no more than there is room for, tells
 * what was cut, and does not wait for a second; a send of several stops at one that cannot be
 * sent, and says why when it comes first. */
CO_TEST(many_take_what_is_there_and_stop_at_an_error)
{
    static char long_text[300000];
    struct weft_dgram msgs[4];
    struct weft_addr at;
    char rooms[4][16];
    int fd = bind_at("127.0.0.1:0", &at);

    fill_in(msgs, rooms, 4, &at);
    msgs[2].buf = long_text;
    msgs[2].bytes = sizeof long_text;
    CHECK_EQ(weft_dgram_send_many(fd, msgs, 4), 2);
    CHECK_EQ(weft_dgram_send_many(fd, msgs + 2, 2), -EMSGSIZE);
    CHECK_EQ(weft_dgram_send_many(fd, msgs + 3, 1), 1);
    CHECK_EQ(weft_dgram_send_many(fd, msgs, 0), -EINVAL);
    CHECK_EQ(weft_dgram_recv_many(fd, msgs, 0), -EINVAL);
    for (int n_received = 0, n; n_received < 3; n_received += n) {
        make_room(msgs, rooms, 2);
        msgs[0].bytes = 3;
        n = weft_dgram_recv_many(fd, msgs, 2);
        CHECK(n == 1 || n == 2);
        CHECK_EQ(msgs[0].length, 8);
        CHECK_EQ(memcmp(rooms[0], "num", 3), 0);
        check_same_addr(&msgs[n - 1].addr, &at);
    }
    WEFT_DEADLINE (at_once, 0)
        CHECK_EQ(weft_dgram_recv_many(fd, msgs, 4), -ETIMEDOUT);
    CHECK_EQ(weft_close(fd), 0);
    return 0;
}

/* ---- Errors, options, names. ---- */

/* Goal: that nobody is there is told, at once for a UNIX name, after an answer for UDP, and to who
 * is connected; what cannot be sent to is refused. */
CO_TEST(nobody_there_is_an_error)
{
    struct weft_addr at, from;
    int gone = bind_at("127.0.0.1:0", &at), udp = weft_dgram_open(AF_INET), tcp[2];
    int local = weft_dgram_open(AF_UNIX);

    CHECK_EQ(weft_close(gone), 0);
    CHECK_EQ(weft_dgram_connect(udp, &at), 0);
    send_text(udp, "anybody?", NULL);
    CHECK_EQ(weft_dgram_recv(udp, NULL, 0, NULL, &(size_t){0}), -ECONNREFUSED);
    CHECK_EQ(weft_dgram_dial(fresh_name()), -ECONNREFUSED);
    CHECK_EQ(weft_dgram_dial("unix:/nowhere/at/all"), -ENOENT);
    gone = bind_at("unix", &at);
    CHECK_EQ(weft_close(gone), 0);
    CHECK_EQ(weft_dgram_send(local, "x", 1, &at), -ECONNREFUSED);

    gone = bind_at("unix", &at);
    send_text(local, "from nobody", &at);
    CHECK_EQ(weft_dgram_recv(gone, NULL, 0, &from, &(size_t){0}), 0);
    char text[WEFT_ADDR_TEXT_MAX];
    CHECK_STR(weft_addr_format(&from, text, sizeof text), "unix:");
    CHECK_EQ(weft_dgram_send(gone, "x", 1, &from), -EINVAL);

    tcp_pair(tcp);
    CHECK_EQ(weft_dgram_connect(tcp[0], &at), -EOPNOTSUPP);
    CHECK_EQ(weft_dgram_open(AF_APPLETALK), -EAFNOSUPPORT);
    CHECK_EQ(weft_dgram_bind("no port"), -EINVAL);
    const int fds[] = {tcp[0], tcp[1], udp, local, gone};
    for (int i = 0; i < COUNT(fds); i++)
        CHECK_EQ(weft_close(fds[i]), 0);
    return 0;
}

CO_TEST(options_of_a_bind_are_obeyed)
{
    struct weft_addr at;
    char dir[] = "/tmp/weft-datagram-XXXXXX", where[64];
    int left_behind = socket(AF_UNIX, SOCK_DGRAM, 0);
    int first = bind_at("127.0.0.1:0", &at);

    CHECK_EQ(weft_dgram_bind_addr(&at, NULL), -EADDRINUSE);
    CHECK_EQ(weft_dgram_bind_with(&at, .reuse_port = 1), -EADDRINUSE);
    CHECK_EQ(weft_close(first), 0);
    first = weft_dgram_bind_with(&at, .reuse_port = 1);
    CHECK_GE(first, 0);
    int second = weft_dgram_bind_with(&at, .reuse_port = 1);
    CHECK_GE(second, 0);
    CHECK_EQ(weft_close(first), 0);
    CHECK_EQ(weft_close(second), 0);

    CHECK(mkdtemp(dir) != NULL);
    snprintf(where, sizeof where, "unix:%s/s", dir);
    CHECK_EQ(weft_addr_parse(&at, where), 0);
    CHECK_EQ(bind(left_behind, (struct sockaddr *)&at.storage, at.len), 0);
    CHECK_EQ(weft_dgram_bind(where), -EADDRINUSE); /* somebody is there */
    CHECK_EQ(close(left_behind), 0);
    CHECK_EQ(weft_dgram_bind_with(&at, .keep_path = 1), -EADDRINUSE);
    first = weft_dgram_bind(where);
    CHECK_GE(first, 0);
    CHECK_EQ(weft_close(first), 0);
    CHECK_EQ(unlink(where + strlen("unix:")), 0);
    CHECK_EQ(rmdir(dir), 0);
    return 0;
}

static int answer_one_or_two(const char *host, const char *service, int family,
                             struct weft_addr *addrs)
{
    const bool has_another = strcmp(host, "both.test") == 0;

    (void)service;
    (void)family;
    set_addr(&addrs[0], "192.0.2.1:0"); /* not ours: nobody can be bound there */
    set_addr(&addrs[has_another], "127.0.0.1:0");
    return 1 + has_another;
}

static int bind_and_dial_by_name(void *unused)
{
    struct weft_addr at;
    char where[64];
    int fd = weft_dgram_bind("both.test:0");

    (void)unused;
    CHECK_GE(fd, 0);
    CHECK_EQ(weft_local_addr(fd, &at), 0);
    snprintf(where, sizeof where, "one.test:%d", weft_addr_port(&at));
    int dialled = weft_dgram_dial(where);
    CHECK_GE(dialled, 0);
    send_text(dialled, "by name", NULL);
    expect_text(fd, "by name");
    CHECK_EQ(weft_close(dialled), 0);
    CHECK_EQ(weft_close(fd), 0);
    return 0;
}

TEST(names_are_looked_up_and_their_addresses_tried_in_turn)
{
    use_fake_names(answer_one_or_two);
    CHECK_EQ(weft_run(bind_and_dial_by_name, NULL), 0);
}
