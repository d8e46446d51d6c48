/* SPDX-License-Identifier: MIT */
/*
 * io_behind.c - reads of an emptied connection on a busy processor: the others go first, then it is
 * tried, and only then waited for; nothing is lost by it, whatever the others do.
 *
 * In each of these tests a crowd keeps the only processor busy.
 */
#include "net_test.h"
#include "no_lookout.h" /* a relief processor would have a part of the crowd */
#include "reactor/fdtable.h"

enum { CROWD = 8 };

static bool crowd_may_leave;
static int n_gathered;

static void crowd_member(void *arg)
{
    (void)arg;
    n_gathered++;
    while (!crowd_may_leave)
        weft_yield();
}

static void gather_crowd(void)
{
    crowd_may_leave = false;
    n_gathered = 0;
    for (int i = 0; i < CROWD; i++)
        CHECK_EQ(go(crowd_member, NULL), 0);
    while (n_gathered < CROWD)
        weft_yield();
}

static struct weft_stats stats_now(void)
{
    struct weft_stats stats = {.size = sizeof stats};

    CHECK_EQ(weft_runtime_stats(NULL, &stats), 0);
    return stats;
}

static void send_text(int fd, const char *text)
{
    CHECK_EQ(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* The next read of fd finds nothing, and knows it. */
static void empty(int fd, int peer)
{
    char bytes[16];

    send_text(peer, "x");
    CHECK_EQ(weft_read(fd, bytes, sizeof bytes), 1);
}

/* ---- how many operations it takes ---- */

enum { ROUNDS = 200 };

static int echoed_fd; /* what comes there goes back, by one of the crowd and by plain calls */

static void echo_member(void *arg)
{
    char bytes[64];

    (void)arg;
    while (!crowd_may_leave) {
        const ssize_t n = recv(echoed_fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n > 0)
            CHECK_EQ(send(echoed_fd, bytes, (size_t)n, MSG_NOSIGNAL), n);
        weft_yield();
    }
}

static void ask(int fd, int n_rounds)
{
    char bytes[64];

    for (int i = 0; i < n_rounds; i++) {
        CHECK_EQ(weft_write_full(fd, "question", 8), 8);
        CHECK_EQ(weft_read(fd, bytes, sizeof bytes), 8);
    }
}

/* Goal: where the answer is there by the time that all others have had their turn, the kernel is
 * not made to wait for it. */
CO_TEST_ON_ONE(a_busy_processor_waits_for_little)
{
    int fds[2];

    tcp_pair(fds);
    echoed_fd = fds[1];
    gather_crowd();
    CHECK_EQ(go(echo_member, NULL), 0);
    ask(fds[0], 50);
    const uint64_t before = stats_now().ops;
    ask(fds[0], ROUNDS);
    CHECK_LE(stats_now().ops - before, ROUNDS / 10);
    crowd_may_leave = true;
    weft_yield();
    CHECK_EQ(weft_close(fds[0]), 0);
    CHECK_EQ(weft_close(fds[1]), 0);
    return 0;
}

/* ---- what is not there ---- */

static void cancel_when_it_waits(void *scope)
{
    await_in_flight(1);
    weft_scope_cancel(scope);
}

/* Goal: what does not come is waited for, and not asked for again and again. */
CO_TEST_ON_ONE(what_does_not_come_is_waited_for)
{
    int fds[2];
    char byte;

    unix_pair(fds);
    gather_crowd();
    for (int i = 0; i < 3; i++) {
        empty(fds[0], fds[1]);
        const uint64_t before = stats_now().ops;
        WEFT_SCOPE (s) {
            CHECK_EQ(go(cancel_when_it_waits, &s), 0);
            CHECK_EQ(weft_read(fds[0], &byte, 1), -ECANCELED);
        }
        CHECK_EQ(stats_now().ops - before, 1);
    }
    crowd_may_leave = true;
    CHECK_EQ(weft_close(fds[0]), 0);
    CHECK_EQ(weft_close(fds[1]), 0);
    return 0;
}

/* Goal: one good guess more than bad ones is enough, one bad one too many is not, and then it is
 * left alone for a while and tried again. */
TEST(a_guess_is_made_as_long_as_it_is_good)
{
    struct weft__fd entry = {0};

    CHECK(weft__fd_comes_soon(&entry));
    for (int i = 0; i < 10; i++)
        weft__fd_note_soon(&entry, true);
    for (int i = 0; i < WEFT__FD_SOON_MAX; i++) {
        weft__fd_note_soon(&entry, false);
        CHECK(weft__fd_comes_soon(&entry));
    }
    weft__fd_note_soon(&entry, false);
    for (int i = 0; i < WEFT__FD_SOON_LEFT_OUT; i++)
        CHECK(!weft__fd_comes_soon(&entry));
    CHECK(weft__fd_comes_soon(&entry));
}

/* ---- what others do meanwhile ---- */

struct meanwhile {
    void (*act)(struct meanwhile *m);
    int fd, peer;
    bool is_reading, has_acted;
    struct weft_scope *scope;
};

static void act_when_it_reads(void *arg)
{
    struct meanwhile *m = arg;

    while (!m->is_reading)
        weft_yield();
    m->act(m);
    m->has_acted = true;
}

/* Read fd while somebody acts before the read has its turn. */
static ssize_t read_meanwhile(struct meanwhile *m, char *bytes, size_t n)
{
    CHECK_EQ(go(act_when_it_reads, m), 0);
    gather_crowd();
    empty(m->fd, m->peer);
    m->is_reading = true;
    const uint64_t before = stats_now().ops;
    ssize_t rc = weft_read(m->fd, bytes, n);
    CHECK(m->has_acted);
    CHECK_EQ(stats_now().ops - before, 0); /* it has not waited in the kernel */
    crowd_may_leave = true;
    return rc;
}

static void use_pair(struct meanwhile *m)
{
    int fds[2];

    unix_pair(fds); /* which waits for nothing */
    m->fd = fds[0];
    m->peer = fds[1];
}

static void write_more(struct meanwhile *m)
{
    send_text(m->peer, "more");
}

CO_TEST_ON_ONE(bytes_that_come_meanwhile_are_read)
{
    struct meanwhile m = {.act = write_more};
    char bytes[16];

    use_pair(&m);
    CHECK_EQ(read_meanwhile(&m, bytes, sizeof bytes), 4);
    CHECK_EQ(memcmp(bytes, "more", 4), 0);
    CHECK_EQ(weft_close(m.fd), 0);
    CHECK_EQ(weft_close(m.peer), 0);
    return 0;
}

static void close_peer(struct meanwhile *m)
{
    CHECK_EQ(weft_close(m->peer), 0);
}

CO_TEST_ON_ONE(an_end_that_comes_meanwhile_is_told)
{
    struct meanwhile m = {.act = close_peer};
    char byte;

    use_pair(&m);
    CHECK_EQ(read_meanwhile(&m, &byte, 1), 0);
    CHECK_EQ(weft_close(m.fd), 0);
    return 0;
}

static void cancel(struct meanwhile *m)
{
    weft_scope_cancel(m->scope);
}

static void write_and_cancel(struct meanwhile *m)
{
    write_more(m);
    cancel(m);
}

/* Goal: a scope that ends meanwhile ends the read, but for what can be had at once. */
CO_TEST_ON_ONE(a_cancel_that_comes_meanwhile_ends_the_read)
{
    struct meanwhile m = {.act = cancel}, with_bytes = {.act = write_and_cancel};
    char bytes[16];

    use_pair(&m);
    WEFT_SCOPE (s) {
        m.scope = &s;
        CHECK_EQ(read_meanwhile(&m, bytes, sizeof bytes), -ECANCELED);
    }
    CHECK_EQ(weft_close(m.fd), 0);
    CHECK_EQ(weft_close(m.peer), 0);
    use_pair(&with_bytes);
    WEFT_SCOPE (s) {
        with_bytes.scope = &s;
        CHECK_EQ(read_meanwhile(&with_bytes, bytes, sizeof bytes), 4);
    }
    CHECK_EQ(weft_close(with_bytes.fd), 0);
    CHECK_EQ(weft_close(with_bytes.peer), 0);
    return 0;
}

static void close_it(struct meanwhile *m)
{
    CHECK_EQ(weft_close(m->fd), 0);
}

/* Its number becomes another connection, which has something to read. */
static void replace_it(struct meanwhile *m)
{
    const int number = m->fd;
    struct meanwhile other = {0};

    CHECK_EQ(weft_close(m->fd), 0);
    use_pair(&other);
    CHECK(other.fd == number || other.peer == number);
    m->fd = number;
    CHECK_EQ(weft_close(m->peer), 0);
    m->peer = other.fd == number ? other.peer : other.fd;
    send_text(m->peer, "for the other one");
}

/* Goal: a read ends with its connection, and takes nothing from the one that has its number. */
CO_TEST_ON_ONE(a_close_that_comes_meanwhile_ends_the_read)
{
    struct meanwhile closed = {.act = close_it}, replaced = {.act = replace_it};
    char bytes[32];

    use_pair(&closed);
    CHECK_EQ(read_meanwhile(&closed, bytes, sizeof bytes), -EBADF);
    CHECK_EQ(weft_close(closed.peer), 0);
    use_pair(&replaced);
    CHECK_EQ(read_meanwhile(&replaced, bytes, sizeof bytes), -EBADF);
    CHECK_EQ(weft_read(replaced.fd, bytes, sizeof bytes), 17);
    CHECK_EQ(weft_close(replaced.fd), 0);
    CHECK_EQ(weft_close(replaced.peer), 0);
    return 0;
}

/* ---- streams ---- */

enum { STREAM_BYTES = 400000, PIECE_MAX = 3000 };

static int write_stream(void *arg)
{
    const int fd = *(int *)arg;
    uint64_t x = test_seed();
    unsigned char bytes[PIECE_MAX];

    for (size_t at = 0; at < STREAM_BYTES;) {
        size_t n = 1 + test_random(&x) % PIECE_MAX;
        n = n < STREAM_BYTES - at ? n : STREAM_BYTES - at;
        for (size_t i = 0; i < n; i++)
            bytes[i] = (unsigned char)((at + i) % 251);
        CHECK_EQ(weft_write_full(fd, bytes, n), (ssize_t)n);
        at += n;
        if (test_random(&x) % 3 == 0)
            weft_yield();
        if (test_random(&x) % 50 == 0)
            CHECK_EQ(weft_sleep(200 * WEFT_US), 0);
    }
    CHECK_EQ(weft_close(fd), 0);
    return 0;
}

/* Goal: a stream arrives whole, whether its pieces come soon or not. */
static void pass_stream(void (*pair)(int fds[2]))
{
    unsigned char bytes[PIECE_MAX];
    uint64_t x = test_seed() + 1;
    size_t at = 0;
    ssize_t n;
    int fds[2];

    pair(fds);
    gather_crowd();
    struct weft_co *writer = weft_go_with(write_stream, &fds[1]);
    CHECK(writer != NULL);
    while ((n = weft_read(fds[0], bytes, 1 + test_random(&x) % PIECE_MAX)) > 0)
        for (ssize_t i = 0; i < n; i++, at++)
            CHECK_EQ(bytes[i], at % 251);
    CHECK_EQ(n, 0);
    CHECK_EQ(at, STREAM_BYTES);
    CHECK_EQ(weft_join(writer, NULL), 0);
    crowd_may_leave = true;
    CHECK_EQ(weft_close(fds[0]), 0);
}

CO_TEST_ON_ONE(a_stream_arrives_whole)
{
    pass_stream(tcp_pair);
    pass_stream(unix_pair);
    return 0;
}
