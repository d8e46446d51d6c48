/* SPDX-License-Identifier: MIT */
/*
 * drained.c - many connections whose peers write, pause, send urgent data, close and reset as they
 * like, while the readers read in every way: every byte arrives once, in order, and the end too.
 *
 * The peers are plain threads with sockets that block; what each has sent on a connection stands in
 * a table, under the number that begins the stream.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>

#include "net_test.h"

#define SILENCE_NS (10 * WEFT_SEC * test_scale()) /* no peer pauses as long by far */

enum { PEERS = 6, TABLE = 1 << 14, PIECE_MAX = 5000, URGENT = 0xff };
enum ending { BY_CLOSE, BY_SHUTDOWN, BY_RESET, ENDINGS };

struct sent {
    _Atomic uint64_t bytes; /* without urgent ones; written before the ending */
    _Atomic int ending;
    _Atomic uint64_t got; /* the reader's count */
    _Atomic bool is_left; /* the reader has gone before the end */
};

/* Entries are used again, long after the last one of the same place has ended. */
static struct sent table[TABLE];

static struct sent *sent_of(uint32_t id)
{
    return &table[id % TABLE];
}

struct load {
    struct sockaddr_in at;
    struct weft_addr weft_at;
    int listener;
    int64_t until_ms;
    _Atomic uint32_t n_begun, n_served, n_urgent, n_timeouts, n_ends[ENDINGS], n_left;
    _Atomic uint64_t n_bytes;
};

/* The stream's byte at an offset, never URGENT. */
static unsigned char byte_at(uint32_t id, uint64_t offset)
{
    return (unsigned char)((pattern(offset) + id * 7) % URGENT);
}

/* ---- the peers ---- */

struct peer {
    struct load *load;
    pthread_t thread;
    uint64_t random;
};

/* False if the reader is gone. */
static bool send_all(int fd, const unsigned char *bytes, size_t n, int flags)
{
    while (n > 0) {
        ssize_t put = send(fd, bytes, n, MSG_NOSIGNAL | flags);
        if (put < 0) {
            CHECK(errno == EPIPE || errno == ECONNRESET);
            return false;
        }
        bytes += put;
        n -= (size_t)put;
    }
    return true;
}

static void pause_somehow(uint64_t *random)
{
    switch (test_random(random) % 6) {
    case 0:
        for (uint64_t i = test_random(random) % 100; i > 0; i--)
            sched_yield();
        break;
    case 1:
        sched_yield();
        break;
    default:
        break; /* at once: the next piece meets the reader in the middle of the last one */
    }
}

/* Until the reader has got all so far: nothing that comes later shall wake it for what is left. */
static void await_reader(uint32_t id, uint64_t done)
{
    while (sent_of(id)->got < done && !sent_of(id)->is_left)
        sched_yield();
}

/* Pieces of random size, some behind an urgent byte; how many bytes the reader is to get. */
static uint64_t send_stream(struct peer *p, int fd, uint32_t id)
{
    unsigned char piece[PIECE_MAX];
    uint64_t *random = &p->random, done = 0;

    if (!send_all(fd, (const unsigned char *)&id, sizeof id, 0))
        return 0;
    for (int i = (int)(test_random(random) % 24); i > 0; i--) {
        size_t limit = test_random(random) % 4 == 0 ? PIECE_MAX : 40;
        size_t n = test_random(random) % limit + 1;
        for (size_t k = 0; k < n; k++)
            piece[k] = byte_at(id, done + k);
        if (!send_all(fd, piece, n, 0))
            return done + n;
        done += n;
        pause_somehow(random);
        if (test_random(random) % 10 == 0) {
            const unsigned char urgent = URGENT;
            if (!send_all(fd, &urgent, 1, MSG_OOB))
                return done;
            p->load->n_urgent++;
            pause_somehow(random);
        }
        if (test_random(random) % 8 == 0)
            await_reader(id, done);
    }
    return done;
}

static void end_stream(struct peer *p, int fd, enum ending ending)
{
    char byte;

    p->load->n_ends[ending]++;
    if (ending == BY_SHUTDOWN) {
        CHECK(shutdown(fd, SHUT_WR) == 0 || errno == ENOTCONN); /* the reader is gone */
        CHECK_LE(recv(fd, &byte, 1, 0), 0);                     /* until the reader has closed */
    } else if (ending == BY_RESET) {
        set_reset_on_close(fd);
    }
    CHECK_EQ(close(fd), 0);
}

static int connect_one(const struct load *load)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK_GE(fd, 0);
    while (connect(fd, (const struct sockaddr *)&load->at, sizeof load->at) != 0) {
        CHECK_EQ(errno, EADDRNOTAVAIL); /* too many that have just ended */
        sched_yield();
    }
    CHECK_EQ(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)), 0);
    return fd;
}

static void *connect_often(void *arg)
{
    struct peer *p = arg;

    while (test_now_ms() < p->load->until_ms) {
        uint32_t id = p->load->n_begun++;
        struct sent *s = sent_of(id);
        enum ending ending = (enum ending)(test_random(&p->random) % ENDINGS);
        int fd = connect_one(p->load);
        s->got = 0;
        s->is_left = false;
        s->ending = ending;
        s->bytes = 0;
        s->bytes = send_stream(p, fd, id);
        end_stream(p, fd, ending);
    }
    return NULL;
}

/* ---- the readers ---- */

struct reader {
    struct load *load;
    int fd;
    uint32_t id;
    size_t n_id;      /* bytes of the id so far */
    uint64_t n_bytes; /* without those */
    uint64_t random;
};

/* One read of a random size in a random way; -EAGAIN if its own deadline ended it. */
static ssize_t read_somehow(struct reader *r, unsigned char *buf, size_t size)
{
    size_t n = test_random(&r->random) % 3 == 0 ? 1 + test_random(&r->random) % 8 : size;
    struct iovec iov[2] = {{buf, n / 2}, {buf + n / 2, n - n / 2}};
    struct weft_case cases[] = {weft_case_readable(r->fd), weft_case_after(SILENCE_NS)};
    ssize_t got = 0;

    switch (test_random(&r->random) % 8) {
    case 0:
        got = weft_readv(r->fd, iov, 2);
        break;
    case 1:
        CHECK_GT(weft_wait_fd(r->fd, POLLIN), 0);
        got = weft_read(r->fd, buf, n);
        break;
    case 2:
        CHECK_EQ(weft_select(cases, 2), 0);
        CHECK_GT(cases[0].rc, 0);
        got = weft_read(r->fd, buf, n);
        break;
    case 3:
        WEFT_DEADLINE (s, (int64_t)(test_random(&r->random) % 200) * WEFT_US)
            got = weft_read(r->fd, buf, n);
        if (got == -ETIMEDOUT) {
            r->load->n_timeouts++;
            return -EAGAIN;
        }
        break;
    default:
        got = weft_read(r->fd, buf, n);
        break;
    }
    return got;
}

static void check_bytes(struct reader *r, const unsigned char *buf, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (r->n_id < sizeof r->id) {
            ((unsigned char *)&r->id)[r->n_id++] = buf[i];
            continue;
        }
        if (buf[i] == URGENT) /* a later one made it one of the stream */
            continue;
        if (buf[i] != byte_at(r->id, r->n_bytes))
            TEST_FAIL("connection %u: a wrong byte at %llu; WEFT_TEST_SEED=%llu", r->id,
                      (unsigned long long)r->n_bytes, (unsigned long long)test_seed());
        r->n_bytes++;
    }
}

/* The end has come: has all that was sent before? */
static void check_end(const struct reader *r, ssize_t end)
{
    if (r->n_id < sizeof r->id)
        return; /* a reset overtook even that */
    const struct sent *s = sent_of(r->id);
    const bool is_reset = s->ending == BY_RESET;
    if (!(end == 0 || (is_reset && end == -ECONNRESET)) ||
        !(r->n_bytes == s->bytes || (is_reset && r->n_bytes < s->bytes)))
        TEST_FAIL("connection %u: end %zd, ending %d, %llu of %llu bytes; WEFT_TEST_SEED=%llu",
                  r->id, end, (int)s->ending, (unsigned long long)r->n_bytes,
                  (unsigned long long)s->bytes, (unsigned long long)test_seed());
}

/* Reads until the end; or leaves in the middle, so that its number comes back at once. */
static void serve_one(struct reader *r)
{
    unsigned char buf[2000];
    const int leaves_after = test_random(&r->random) % 8 == 0 ? 3 : INT32_MAX;
    int64_t heard_ns = weft_now();

    for (int i = 0;; i++) {
        ssize_t got = -ETIMEDOUT;
        if (i >= leaves_after && r->n_id == sizeof r->id) {
            r->load->n_left++;
            sent_of(r->id)->is_left = true;
            return;
        }
        WEFT_DEADLINE (s, SILENCE_NS)
            got = read_somehow(r, buf, sizeof buf);
        if (got == -ETIMEDOUT || weft_now() - heard_ns > SILENCE_NS)
            TEST_FAIL("connection %u: nothing after %llu of %llu bytes; WEFT_TEST_SEED=%llu", r->id,
                      (unsigned long long)r->n_bytes, (unsigned long long)sent_of(r->id)->bytes,
                      (unsigned long long)test_seed());
        if (got == -EAGAIN)
            continue;
        if (got <= 0) {
            check_end(r, got);
            return;
        }
        heard_ns = weft_now();
        check_bytes(r, buf, (size_t)got);
        if (r->n_id == sizeof r->id)
            sent_of(r->id)->got = r->n_bytes;
    }
}

static int serve_all(void *arg)
{
    struct load *load = arg;
    uint64_t random = (test_seed() + weft_id()) | 1;

    for (;;) {
        struct reader r = {.load = load, .random = test_random(&random)};
        r.fd = weft_accept(load->listener, NULL);
        if (r.fd == -EBADF)
            return 0;
        CHECK_GE(r.fd, 0);
        serve_one(&r);
        load->n_bytes += r.n_bytes;
        CHECK_EQ(weft_close(r.fd), 0);
        load->n_served++;
    }
}

/* Goal: whatever the timing of bytes, urgent ones, ends and resets, a reader that waits because its
 * last read was short misses nothing.
 * Method: as many readers as peers, in all ways of reading, with sizes above and below what comes;
 * a reader in silence for seconds has missed something. */
STRESS_TEST(every_byte_and_every_end_arrives_after_short_reads)
{
    static struct load load;
    struct peer peers[PEERS];
    struct weft_co *servers[PEERS];
    uint64_t random = test_seed();
    socklen_t len = sizeof load.at;
    int before = open_fds();

    load.until_ms = test_now_ms() + test_stress_ms();
    load.listener = listen_tcp(&load.weft_at);
    CHECK_EQ(getsockname(load.listener, (struct sockaddr *)&load.at, &len), 0);
    for (int i = 0; i < PEERS; i++) {
        servers[i] = weft_go_with(serve_all, &load);
        peers[i] = (struct peer){.load = &load, .random = test_random(&random)};
        CHECK_EQ(pthread_create(&peers[i].thread, NULL, connect_often, &peers[i]), 0);
    }
    while (test_now_ms() < load.until_ms || load.n_served < load.n_begun)
        CHECK_EQ(weft_sleep(5 * WEFT_MS), 0);
    for (int i = 0; i < PEERS; i++)
        CHECK_EQ(pthread_join(peers[i].thread, NULL), 0);
    CHECK_EQ(weft_close(load.listener), 0);
    for (int i = 0; i < PEERS; i++)
        join(servers[i]);
    printf("seed %llu: %u connections, %llu bytes, %u urgent, %u left, %u timeouts\n",
           (unsigned long long)test_seed(), load.n_served, (unsigned long long)load.n_bytes,
           load.n_urgent, load.n_left, load.n_timeouts);
    for (int i = 0; i < ENDINGS; i++)
        CHECK_GT(load.n_ends[i], 0);
    CHECK_GT(load.n_urgent, 0);
    CHECK_EQ(in_flight(), 0);
    CHECK_EQ(open_fds(), before);
    return 0;
}
