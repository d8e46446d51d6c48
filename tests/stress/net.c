/* SPDX-License-Identifier: MIT */
/* net.c - many bytes and many connections: every byte arrives once, in order, whatever the timing.
 * */
#define _GNU_SOURCE
#include "net_test.h"

/* ---- one stream through small buffers ---- */

#define BUFFER (64 << 10)

struct stream {
    int fd;
    size_t bytes;
    uint64_t random, sum;
    bool with_deadlines;
};

static uint64_t add_to_sum(uint64_t sum, const unsigned char *buf, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum = (sum ^ buf[i]) * UINT64_C(1099511628211);
    return sum;
}

/* One write of random form and size, within a deadline that often ends it: what it took. */
static ssize_t write_some(struct stream *s, const unsigned char *buf, size_t n)
{
    struct iovec iov[3] = {{(void *)(uintptr_t)buf, n / 3},
                           {(void *)(uintptr_t)(buf + n / 3), n / 3},
                           {(void *)(uintptr_t)(buf + n / 3 * 2), n - n / 3 * 2}};
    ssize_t put = 0;

    WEFT_DEADLINE(d, s->with_deadlines ? (int64_t)(test_random(&s->random) % 2000) * WEFT_US
                                       : WEFT_NEVER) {
        switch (test_random(&s->random) % 4) {
        case 0: put = weft_write(s->fd, buf, n); break;
        case 1: put = weft_write_full(s->fd, buf, n); break;
        case 2: put = weft_writev(s->fd, iov, 3); break;
        default: put = weft_writev_full(s->fd, iov, 3); break;
        }
    }
    if (put == -ETIMEDOUT && s->with_deadlines)
        return 0;
    CHECK_GT(put, 0);
    return put;
}

static int send_stream(void *arg)
{
    static unsigned char buf[BUFFER];
    struct stream *s = arg;
    size_t done = 0;

    while (done < s->bytes) {
        size_t n = test_random(&s->random) % BUFFER + 1;
        if (n > s->bytes - done)
            n = s->bytes - done;
        for (size_t i = 0; i < n; i++)
            buf[i] = pattern(done + i);
        size_t put = 0;
        while (put < n)
            put += (size_t)write_some(s, buf + put, n - put);
        s->sum = add_to_sum(s->sum, buf, n);
        done += n;
    }
    CHECK_EQ(weft_shutdown(s->fd, SHUT_WR), 0);
    return 0;
}

static int receive_stream(void *arg)
{
    static unsigned char buf[BUFFER];
    struct stream *s = arg;

    for (;;) {
        size_t n = test_random(&s->random) % BUFFER + 1;
        struct iovec iov[2] = {{buf, n / 2}, {buf + n / 2, n - n / 2}};
        ssize_t got = 0;
        WEFT_DEADLINE(d, s->with_deadlines ? (int64_t)(test_random(&s->random) % 2000) * WEFT_US
                                           : WEFT_NEVER)
            got = test_random(&s->random) % 2 ? weft_read(s->fd, buf, n)
                                              : weft_readv(s->fd, iov, 2);
        if (got == -ETIMEDOUT && s->with_deadlines)
            continue;
        CHECK_GE(got, 0);
        if (got == 0)
            break;
        for (ssize_t i = 0; i < got; i += 997)
            CHECK_EQ(buf[i], pattern(s->bytes + (size_t)i));
        s->sum = add_to_sum(s->sum, buf, (size_t)got);
        s->bytes += (size_t)got;
        if (test_random(&s->random) % 64 == 0) /* a slow reader: the writer must wait */
            CHECK_EQ(weft_sleep(100 * WEFT_US), 0);
    }
    return 0;
}

static void check_stream(void (*make)(int fds[2]), size_t bytes, bool with_deadlines)
{
    int fds[2];
    make(fds);
    /* A smaller receive buffer of a TCP connection that is open already makes the kernel itself
     * stop for 200 ms at a time: its segments are larger than the window. */
    CHECK_EQ(weft_set_buffers(fds[0], 65536, 16384), 0);
    CHECK_EQ(weft_set_buffers(fds[1], 65536, 16384), 0);
    struct stream out = {.fd = fds[0], .bytes = bytes, .random = test_seed(),
                         .with_deadlines = with_deadlines};
    struct stream in = {.fd = fds[1], .random = ~test_seed(), .with_deadlines = with_deadlines};
    struct weft_co *receiver = weft_go_with(receive_stream, &in);
    struct weft_co *sender = weft_go_with(send_stream, &out);

    join(sender);
    join(receiver);
    CHECK_EQ(in.bytes, bytes);
    CHECK_EQ(in.sum, out.sum);
    CHECK_EQ(in_flight(), 0);
    close_both(fds);
}

#define CO_TEST_LIMIT(id, seconds)                                                                 \
    static int in_##id(void *unused);                                                              \
    TEST_LIMIT(id, seconds)                                                                        \
    {                                                                                              \
        CHECK_EQ(weft_run(in_##id, NULL), 0);                                                      \
    }                                                                                              \
    static int in_##id(void *unused __attribute__((unused)))

/* Goal: many bytes through small buffers, in writes of random form and size, with
 * a reader that is slow at times: length and checksum agree.
 * Method: larger than the buffers by far; smaller TCP buffers than these make the kernel itself
 * crawl (25 s for 4 MiB between two plain threads). */
CO_TEST_LIMIT(many_bytes_go_through_small_tcp_buffers_whole, 60)
{
    check_stream(tcp_pair, ((size_t)4 << 20) / (size_t)test_scale(), false);
    return 0;
}

CO_TEST_LIMIT(many_bytes_go_through_small_unix_buffers_whole, 60)
{
    check_stream(unix_pair, ((size_t)16 << 20) / (size_t)test_scale(), false);
    return 0;
}

/* Goal: calls that end by their deadline all the time, on both sides, lose and double no byte. */
CO_TEST_LIMIT(deadlines_lose_no_byte_of_a_stream, 60)
{
    check_stream(tcp_pair, ((size_t)2 << 20) / (size_t)test_scale(), true);
    check_stream(unix_pair, ((size_t)4 << 20) / (size_t)test_scale(), true);
    return 0;
}

/* ---- many connections ---- */

struct load {
    struct weft_addr at;
    int listener;
    int64_t until_ns;
    _Atomic int n_served, n_dialled, n_reset;
};

static void serve_one(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buf[600];
    ssize_t n;

    while ((n = weft_read(fd, buf, sizeof buf)) > 0) {
        ssize_t put = weft_write_full(fd, buf, (size_t)n);
        if (put < n)
            break; /* the client has reset it */
    }
    CHECK_EQ(weft_close(fd), 0);
}

static int take_all(void *arg)
{
    struct load *load = arg;

    for (;;) {
        int fd = weft_accept(load->listener, NULL);
        if (fd == -EBADF)
            return 0;
        CHECK_GE(fd, 0);
        load->n_served++;
        CHECK_EQ(weft_go(serve_one, (void *)(intptr_t)fd), 0);
    }
}

struct client {
    struct load *load;
    uint64_t random;
};

/* Connections of a few messages each, checked against what was sent, ended in several ways. */
static int dial_all(void *arg)
{
    struct client *c = arg;
    uint64_t *random = &c->random;

    while (weft_now() < c->load->until_ns) {
        int fd = weft_dial_addr(&c->load->at);
        CHECK_GE(fd, 0);
        c->load->n_dialled++;
        for (int i = (int)(test_random(random) % 5); i > 0; i--) {
            unsigned char out[1500], back[sizeof out];
            size_t n = test_random(random) % sizeof out + 1;
            for (size_t k = 0; k < n; k++)
                out[k] = (unsigned char)test_random(random);
            CHECK_EQ(weft_write_full(fd, out, n), n);
            if (test_random(random) % 8 == 0) {
                WEFT_DEADLINE(d, (int64_t)(test_random(random) % 100) * WEFT_US) {
                    int rc = weft_wait_fd(fd, POLLIN);
                    CHECK(rc > 0 || rc == -ETIMEDOUT);
                }
            }
            CHECK_EQ(weft_read_full(fd, back, n), n);
            CHECK(memcmp(out, back, n) == 0);
        }
        if (test_random(random) % 4 == 0) {
            set_reset_on_close(fd);
            c->load->n_reset++;
        }
        CHECK_EQ(weft_close(fd), 0);
    }
    return 0;
}

/* Goal: connections that come, talk and go, some by a reset, all the time: every answer is right,
 * every connection is served, and at the end no fd and no operation is left. */
STRESS_TEST(connections_come_and_go_and_every_answer_is_right)
{
    enum { CLIENTS = 16, TAKERS = 3 };
    struct load load = {.until_ns = weft_now() + test_stress_ms() * WEFT_MS};
    struct client clients[CLIENTS];
    struct weft_co *dialers[CLIENTS], *takers[TAKERS];
    struct weft_stats stats = {.size = sizeof stats};
    uint64_t random = test_seed();
    int before = open_fds();

    load.listener = listen_tcp(&load.at);
    for (int i = 0; i < TAKERS; i++)
        takers[i] = weft_go_with(take_all, &load);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.load = &load, .random = test_random(&random)};
        dialers[i] = weft_go_with(dial_all, &clients[i]);
    }
    for (int i = 0; i < CLIENTS; i++)
        join(dialers[i]);
    while (load.n_served < load.n_dialled)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_EQ(weft_close(load.listener), 0);
    for (int i = 0; i < TAKERS; i++)
        join(takers[i]);
    const int64_t until = weft_now() + LONG_NS;
    do { /* the servers end by themselves */
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
        CHECK_EQ(weft_runtime_stats(NULL, &stats), 0);
    } while (stats.live > 1 && weft_now() < until);
    CHECK_EQ(stats.live, 1);
    CHECK_EQ(load.n_served, load.n_dialled);
    CHECK_GT(load.n_reset, 0);
    CHECK_EQ(in_flight(), 0);
    CHECK_EQ(open_fds(), before);
    return 0;
}
