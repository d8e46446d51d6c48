/* SPDX-License-Identifier: MIT */
/*
 * io.c - reading, writing and waiting on fds of every kind: counts, ends, readiness, two at once.
 *
 * Deadlines are in io_deadline.c, closing in close.c, sockets as such in net.c.
 */
#define _GNU_SOURCE
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "io_kinds.h"

struct transfer {
    int fd;
    size_t bytes, piece;
};

static int write_pattern(void *arg)
{
    const struct transfer *t = arg;
    unsigned char buf[8192];

    for (size_t done = 0; done < t->bytes;) {
        size_t n = t->piece < t->bytes - done ? t->piece : t->bytes - done;
        for (size_t i = 0; i < n; i++)
            buf[i] = pattern(done + i);
        CHECK_EQ(weft_write_full(t->fd, buf, n), n);
        done += n;
    }
    return 0;
}

static int read_pattern(void *arg)
{
    const struct transfer *t = arg;
    unsigned char buf[8192];

    for (size_t done = 0; done < t->bytes;) {
        ssize_t n = weft_read(t->fd, buf, t->piece);
        CHECK_GT(n, 0);
        CHECK_LE(n, t->piece);
        for (ssize_t i = 0; i < n; i++)
            CHECK_EQ(buf[i], pattern(done + (size_t)i));
        done += (size_t)n;
    }
    return 0;
}

/* Goal: on every kind of fd, a reader waits for the first byte without holding the thread, takes
 * what is there, and the bytes arrive in order and whole.
 * Method: the reader comes first; pieces of different size on both sides, more than any buffer. */
CO_TEST(bytes_go_through_every_kind_of_fd)
{
    for (int k = 0; k < COUNT(kinds); k++) {
        int fds[2];
        kinds[k].make(fds);
        const size_t all = kinds[k].is_bounded ? 300000 : 30000; /* a terminal is slow */
        struct transfer in = {.bytes = all / (size_t)test_scale(), .piece = 1000};
        struct transfer out = {.bytes = in.bytes, .piece = 7777};
        in.fd = fds[0];
        out.fd = fds[1];
        struct weft_co *reader = weft_go_with(read_pattern, &in);
        await_in_flight(1);
        struct weft_co *writer = weft_go_with(write_pattern, &out);
        join(writer);
        join(reader);
        CHECK_EQ(in_flight(), 0);
        close_both(fds);
    }
    return 0;
}

static int read_one(void *arg)
{
    unsigned char byte = 0;

    CHECK_EQ(weft_read((int)(intptr_t)arg, &byte, 1), 1);
    return byte;
}

static int read_counter(void *arg)
{
    uint64_t got = 0;

    CHECK_EQ(weft_read((int)(intptr_t)arg, &got, sizeof got), sizeof got);
    return (int)got;
}

static int write_one(void *arg)
{
    CHECK_EQ(weft_write((int)(intptr_t)arg, "w", 1), 1);
    return 0;
}

/* Goal: two readers of one fd both end, each with a byte of its own; also beside a writer of it. */
CO_TEST(two_may_wait_on_one_fd)
{
    for (int k = 0; k < COUNT(kinds); k++) {
        int fds[2], first = 0, second = 0;
        kinds[k].make(fds);
        struct weft_co *a = weft_go_with(read_one, (void *)(intptr_t)fds[0]);
        struct weft_co *b = weft_go_with(read_one, (void *)(intptr_t)fds[0]);

        await_in_flight(2);
        CHECK_EQ(weft_write(fds[1], "\1", 1), 1);
        await_in_flight(1);
        CHECK_EQ(weft_write(fds[1], "\2", 1), 1);
        CHECK_EQ(weft_join(a, &first), 0);
        CHECK_EQ(weft_join(b, &second), 0);
        CHECK_EQ(first + second, 3);
        close_both(fds);
    }
    return 0;
}

/* Goal: a reader and a writer that wait on the same fd do not disturb each other. */
CO_TEST(a_reader_and_a_writer_wait_on_the_same_socket)
{
    static char sink[65536];

    for (int is_own = 0; is_own < 2; is_own++) {
        int fds[2], got = 0;
        (is_own ? unix_pair : foreign_pair)(fds);
        size_t full = fill(fds[0]);
        struct weft_co *reader = weft_go_with(read_one, (void *)(intptr_t)fds[0]);
        struct weft_co *writer = weft_go_with(write_one, (void *)(intptr_t)fds[0]);

        await_in_flight(2);
        CHECK_EQ(weft_write(fds[1], "\5", 1), 1);
        CHECK_EQ(weft_join(reader, &got), 0);
        CHECK_EQ(got, 5);
        CHECK_EQ(in_flight(), 1); /* the writer still waits */
        for (size_t n = 0; n < full + 1;) {
            ssize_t part = weft_read(fds[1], sink, sizeof sink);
            CHECK_GT(part, 0);
            n += (size_t)part;
        }
        join(writer);
        close_both(fds);
    }
    return 0;
}

/* ---- what is no stream ---- */

CO_TEST(an_eventfd_is_read_and_written)
{
    if (test_is_emulated())
        SKIP("the read waits for ever under qemu-user 7.2; natively it does not");
    for (int flags = 0; flags <= EFD_NONBLOCK; flags += EFD_NONBLOCK) {
        int fd = eventfd(0, flags), first = 0;
        uint64_t add = 7, got = 0;

        CHECK_GE(fd, 0);
        struct weft_co *reader = weft_go_with(read_counter, (void *)(intptr_t)fd);
        await_in_flight(1);
        CHECK_EQ(weft_write(fd, &add, sizeof add), sizeof add);
        CHECK_EQ(weft_join(reader, &first), 0);
        CHECK_EQ(first, 7);
        CHECK_EQ(weft_write(fd, &add, sizeof add), sizeof add);
        CHECK_EQ(weft_write(fd, &add, sizeof add), sizeof add);
        CHECK_EQ(weft_read(fd, &got, sizeof got), sizeof got);
        CHECK_EQ(got, 14);
        CHECK_EQ(weft_read(fd, &got, 1), -EINVAL);
        if (flags == 0) { /* by parts, of which the first are empty, and not 0 because of that */
            struct iovec parts[16] = {{0}};
            parts[15] = (struct iovec){&add, sizeof add};
            CHECK_EQ(weft_writev(fd, parts, 16), sizeof add);
        }
        CHECK_EQ(weft_close(fd), 0);
    }
    return 0;
}

CO_TEST(a_timerfd_is_waited_for)
{
    for (int flags = 0; flags <= TFD_NONBLOCK; flags += TFD_NONBLOCK) {
        int fd = timerfd_create(CLOCK_MONOTONIC, flags);
        struct itimerspec at = {.it_value.tv_nsec = 20000000};
        int64_t start = weft_now();
        uint64_t expirations = 0;

        CHECK_EQ(timerfd_settime(fd, 0, &at, NULL), 0);
        CHECK_EQ(weft_read(fd, &expirations, sizeof expirations), sizeof expirations);
        CHECK_EQ(expirations, 1);
        CHECK_GE(weft_now() - start, 20 * WEFT_MS);
        CHECK_EQ(weft_close(fd), 0);
    }
    return 0;
}

/* Goal: a file is always ready, keeps its own offset, and ends with 0. */
CO_TEST(a_regular_file_is_read_and_written)
{
    char name[] = "/tmp/weft-io-XXXXXX", buf[100];
    int fd = mkstemp(name);
    struct iovec iov[2] = {{(char *)"abc", 3}, {(char *)"defg", 4}};

    CHECK_GE(fd, 0);
    unlink(name);
    CHECK_EQ(weft_write_full(fd, "0123456789", 10), 10);
    CHECK_EQ(weft_writev(fd, iov, 2), 7);
    CHECK_EQ(weft_wait_fd(fd, POLLIN | POLLOUT), POLLIN | POLLOUT);
    CHECK_EQ(weft_read(fd, buf, sizeof buf), 0);
    CHECK_EQ(lseek(fd, 5, SEEK_SET), 5);
    CHECK_EQ(weft_read_full(fd, buf, sizeof buf), 12);
    CHECK(memcmp(buf, "56789abcdefg", 12) == 0);
    CHECK_EQ(weft_read(fd, buf, sizeof buf), 0);
    CHECK_EQ(weft_close(fd), 0);
    fd = open("/", O_RDONLY);
    CHECK_EQ(weft_read(fd, buf, sizeof buf), -EISDIR);
    CHECK_EQ(weft_close(fd), 0);
    fd = open("/dev/null", O_RDWR);
    CHECK_EQ(weft_write(fd, "x", 1), 1);
    CHECK_EQ(weft_read(fd, buf, sizeof buf), 0);
    CHECK_EQ(weft_close(fd), 0);
    return 0;
}

/* ---- counts ---- */

/* Goal: 0 bytes are read and written at once, without a look at the fd. */
CO_TEST(a_call_for_0_bytes_returns_0_at_once)
{
    int fds[2];
    char byte;
    struct iovec empty[2] = {{&byte, 0}, {NULL, 0}};

    unix_pair(fds);
    WEFT_DEADLINE(s, 0) { /* nothing is there, and it does not matter */
        CHECK_EQ(weft_read(fds[0], &byte, 0), 0);
        CHECK_EQ(weft_read(fds[0], NULL, 0), 0);
        CHECK_EQ(weft_write(fds[0], &byte, 0), 0);
        CHECK_EQ(weft_read_full(fds[0], &byte, 0), 0);
        CHECK_EQ(weft_write_full(fds[0], &byte, 0), 0);
        CHECK_EQ(weft_readv(fds[0], empty, 2), 0);
        CHECK_EQ(weft_readv(fds[0], NULL, 0), 0);
        CHECK_EQ(weft_writev(fds[0], empty, 2), 0);
        CHECK_EQ(weft_writev(fds[0], NULL, 0), 0);
        CHECK_EQ(weft_writev_full(fds[0], empty, 2), 0);
        CHECK_EQ(weft_writev_full(fds[0], NULL, 0), 0);
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_NONE);
    }
    close_both(fds);
    return 0;
}

CO_TEST(a_bad_fd_or_count_is_a_code)
{
    int fds[2];
    char byte = 0;
    struct iovec iov = {&byte, 1};

    unix_pair(fds);
    close_both(fds);
    for (int i = 0; i < 4; i++) {
        const int fd = (int[]){-1, fds[0], 1 << 20, INT32_MIN}[i];
        CHECK_EQ(weft_read(fd, &byte, 1), -EBADF);
        CHECK_EQ(weft_write(fd, &byte, 1), -EBADF);
        CHECK_EQ(weft_read_full(fd, &byte, 1), -EBADF);
        CHECK_EQ(weft_write_full(fd, &byte, 1), -EBADF);
        CHECK_EQ(weft_readv(fd, &iov, 1), -EBADF);
        CHECK_EQ(weft_writev(fd, &iov, 1), -EBADF);
        CHECK_EQ(weft_writev_full(fd, &iov, 1), -EBADF);
        CHECK_EQ(weft_wait_fd(fd, POLLIN), -EBADF);
        CHECK_EQ(weft_close(fd), -EBADF);
    }
    unix_pair(fds);
    for (int i = 0; i < 2; i++) {
        const int count = (int[]){-1, 1025}[i];
        CHECK_EQ(weft_readv(fds[0], &iov, count), -EINVAL);
        CHECK_EQ(weft_writev(fds[0], &iov, count), -EINVAL);
        CHECK_EQ(weft_writev_full(fds[0], &iov, count), -EINVAL);
    }
    for (int i = 0; i < 4; i++)
        CHECK_EQ(weft_wait_fd(fds[0], (int[]){0, POLLPRI, POLLHUP, POLLIN | POLLERR}[i]), -EINVAL);
    CHECK_EQ(weft_write(fds[0], (const void *)8, 4), -EFAULT);
    CHECK_EQ(in_flight(), 0);
    close_both(fds);
    return 0;
}

/* Goal: a read takes what is there; a full read waits for all of it. */
CO_TEST(a_read_is_short_and_a_full_read_is_not)
{
    for (int k = 0; k < COUNT(kinds); k++) {
        int fds[2];
        kinds[k].make(fds);
        char buf[10000];
        struct transfer out = {.fd = fds[1], .bytes = 9000, .piece = 700};

        CHECK_EQ(write(fds[1], "abc", 3), 3);
        /* A pty hands bytes over one by one if it likes; everything else has all three there. */
        ssize_t got = weft_read(fds[0], buf, sizeof buf);
        CHECK_GE(got, k < COUNT(kinds) - 1 ? 3 : 1);
        CHECK_EQ(weft_read_full(fds[0], buf, (size_t)(3 - got)), 3 - got);
        struct weft_co *writer = weft_go_with(write_pattern, &out);
        CHECK_EQ(weft_read_full(fds[0], buf, 9000), 9000);
        for (size_t i = 0; i < 9000; i++)
            CHECK_EQ((unsigned char)buf[i], pattern(i));
        join(writer);
        close_both(fds);
    }
    return 0;
}

/* Goal: the end of the stream is 0, and cuts a full read short. */
CO_TEST(the_end_of_the_stream_is_0)
{
    for (int k = 0; k < COUNT(kinds) - 1; k++) { /* a pty ends with -EIO */
        int fds[2];
        kinds[k].make(fds);
        char buf[16];
        struct iovec iov = {buf, sizeof buf};

        CHECK_EQ(weft_write(fds[1], "abcd", 4), 4);
        CHECK_EQ(weft_close(fds[1]), 0);
        CHECK_EQ(weft_read_full(fds[0], buf, sizeof buf), 4);
        CHECK_EQ(weft_read_full(fds[0], buf, sizeof buf), 0);
        CHECK_EQ(weft_read(fds[0], buf, sizeof buf), 0);
        CHECK_EQ(weft_readv(fds[0], &iov, 1), 0);
        CHECK_EQ(weft_close(fds[0]), 0);
    }
    return 0;
}

static int read_until_end(void *arg)
{
    char buf[64];

    CHECK_EQ(weft_read((int)(intptr_t)arg, buf, sizeof buf), 0);
    return 0;
}

/* Goal: a reader that waits sees the end when the other side closes. */
CO_TEST(the_end_of_the_stream_wakes_a_reader)
{
    for (int k = 0; k < COUNT(kinds) - 1; k++) {
        int fds[2];
        kinds[k].make(fds);
        struct weft_co *reader = weft_go_with(read_until_end, (void *)(intptr_t)fds[0]);

        await_in_flight(1);
        CHECK_EQ(weft_close(fds[1]), 0);
        join(reader);
        CHECK_EQ(weft_close(fds[0]), 0);
    }
    return 0;
}

/* A peer that has sent "abc" and resets the connection. */
static void reset_after_abc(void (*make)(int fds[2]), int fds[2])
{
    make(fds);
    CHECK_EQ(weft_write_full(fds[1], "abc", 3), 3);
    CHECK_EQ(weft_write_full(fds[0], "x", 1), 1); /* not read: so a UNIX peer resets, too */
    set_reset_on_close(fds[1]);
    CHECK_EQ(weft_close(fds[1]), 0);
}

/* Goal: a stream that is cut off behind some bytes does not look like one that has ended there: the
 * kernel tells of a reset once, and a full read that has bytes to give leaves it to the next read.
 */
CO_TEST(a_full_read_hides_no_reset)
{
    for (int k = 0; k < 2; k++) {
        for (int next = 0; next < 3; next++) {
            int fds[2];
            char buf[16];
            struct iovec iov = {buf, sizeof buf};

            reset_after_abc(kinds[k].make, fds);
            CHECK_EQ(weft_read_full(fds[0], buf, sizeof buf), 3);
            CHECK_EQ(next == 0   ? weft_read_full(fds[0], buf, sizeof buf)
                     : next == 1 ? weft_readv(fds[0], &iov, 1)
                                 : weft_recv(fds[0], buf, sizeof buf, MSG_DONTWAIT),
                     -ECONNRESET);
            CHECK_EQ(weft_read(fds[0], buf, sizeof buf), 0);
            CHECK_EQ(weft_close(fds[0]), 0);
        }
    }
    return 0;
}

/* Goal: what ended a full read goes with its connection, and a scope that did is not told again. */
CO_TEST(a_full_read_leaves_nothing_behind)
{
    int fds[2], again[2];
    char buf[16];

    reset_after_abc(tcp_pair, fds);
    CHECK_EQ(weft_read_full(fds[0], buf, sizeof buf), 3);
    CHECK_EQ(weft_close(fds[0]), 0);
    tcp_pair(again); /* the same numbers */
    CHECK_EQ(weft_write_full(again[0], "abc", 3), 3);
    CHECK_EQ(weft_write_full(again[1], "abc", 3), 3);
    WEFT_DEADLINE (s, 5 * WEFT_MS) {
        for (int i = 0; i < 2; i++)
            CHECK_EQ(weft_read_full(again[i], buf, sizeof buf), 3);
    }
    CHECK_EQ(weft_write_full(again[0], "def", 3), 3);
    CHECK_EQ(weft_read_full(again[1], buf, 3), 3);
    close_both(again);
    return 0;
}

#define PARTS 1024

static int write_parts(void *arg)
{
    static unsigned char bytes[PARTS * 64];
    struct iovec iov[PARTS], copy[PARTS];
    size_t sum = 0;

    for (int i = 0; i < PARTS; i++) {
        size_t n = (size_t)i % 3 == 1 ? 0 : (size_t)i % 64;
        for (size_t k = 0; k < n; k++)
            bytes[sum + k] = pattern(sum + k);
        iov[i] = (struct iovec){bytes + sum, n};
        sum += n;
    }
    memcpy(copy, iov, sizeof iov);
    CHECK_EQ(weft_writev_full((int)(intptr_t)arg, iov, PARTS), sum);
    CHECK(memcmp(copy, iov, sizeof iov) == 0); /* not changed */
    return 0;
}

/* Goal: the vector forms take up to 1,024 parts, empty ones among them, in order, and a full write
 * goes on in the middle of a part where a short one ended. */
CO_TEST(vectors_of_many_parts_arrive_in_order)
{
    static unsigned char got[PARTS * 64];
    size_t all = 0;

    for (int i = 0; i < PARTS; i++)
        all += i % 3 == 1 ? 0 : (size_t)i % 64;
    for (int k = 0; k < COUNT(kinds); k++) {
        int fds[2];
        kinds[k].make(fds);
        size_t sum = 0;
        if (fds[1] >= 0 && kinds[k].make != pty_pair)
            (void)setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int));
        struct weft_co *writer = weft_go_with(write_parts, (void *)(intptr_t)fds[1]);

        while (sum < all) {
            struct iovec iov[3] = {{got + sum, all - sum < 10 ? all - sum : 10}, {NULL, 0}, {0}};
            size_t left = all - sum - iov[0].iov_len;
            iov[2] = (struct iovec){got + sum + iov[0].iov_len, left < 999 ? left : 999};
            ssize_t n = weft_readv(fds[0], iov, 3);
            CHECK_GT(n, 0);
            sum += (size_t)n;
        }
        for (size_t i = 0; i < sum; i++)
            CHECK_EQ(got[i], pattern(i));
        join(writer);
        close_both(fds);
    }
    return 0;
}

#define LARGE (1 << 20)

static int write_large_pieces(void *arg)
{
    static unsigned char bytes[2 * LARGE + 12];
    struct iovec iov[] = {
        {bytes, 7}, {bytes + 7, LARGE}, {bytes + 7 + LARGE, 5}, {bytes + 12 + LARGE, LARGE}};

    for (size_t k = 0; k < sizeof bytes; k++)
        bytes[k] = pattern(k);
    CHECK_EQ(weft_writev_full((int)(intptr_t)arg, iov, 4), sizeof bytes);
    return 0;
}

/* Goal: a full vectored write that no buffer takes as a whole goes on in the middle of a piece. */
CO_TEST(a_full_vectored_write_goes_on_in_the_middle_of_a_piece)
{
    for (int k = 0; k < COUNT(kinds); k++) {
        if (kinds[k].make == pty_pair)
            continue; /* it changes bytes */
        int fds[2];
        kinds[k].make(fds);
        struct weft_co *writer = weft_go_with(write_large_pieces, (void *)(intptr_t)fds[1]);
        unsigned char got[1024];

        for (size_t sum = 0; sum < 2 * LARGE + 12;) {
            ssize_t n = weft_read(fds[0], got, sizeof got);
            CHECK_GT(n, 0);
            for (ssize_t i = 0; i < n; i++)
                CHECK_EQ(got[i], pattern(sum + (size_t)i));
            sum += (size_t)n;
        }
        join(writer);
        close_both(fds);
    }
    return 0;
}

static int read_vector(void *arg)
{
    char a[2], b[2];
    struct iovec iov[2] = {{a, 2}, {b, 2}};

    CHECK_EQ(weft_readv((int)(intptr_t)arg, iov, 2), 4);
    CHECK(a[0] == 'w' && a[1] == 'e' && b[0] == 'f' && b[1] == 't');
    return 0;
}

/* Goal: a vector read that had to wait fills all of its parts. */
CO_TEST(a_vector_read_waits)
{
    for (int k = 0; k < COUNT(kinds); k++) {
        int fds[2];
        kinds[k].make(fds);
        struct weft_co *reader = weft_go_with(read_vector, (void *)(intptr_t)fds[0]);

        await_in_flight(1);
        CHECK_EQ(write(fds[1], "weft", 4), 4); /* at once: a weft_write() may take less */
        join(reader);
        close_both(fds);
    }
    return 0;
}

/* ---- readiness ---- */

struct poll_wait {
    int fd, events, seen;
};

static int wait_events(void *arg)
{
    struct poll_wait *w = arg;

    w->seen = weft_wait_fd(w->fd, w->events);
    return 0;
}

/* Goal: the bits are those that poll(2) gives, at once and after a wait, and nothing is taken. */
CO_TEST(wait_fd_returns_the_bits_of_poll)
{
    for (int k = 0; k < COUNT(kinds) - 1; k++) {
        int fds[2];
        kinds[k].make(fds);
        struct poll_wait w = {.fd = fds[0], .events = POLLIN};
        char byte;

        CHECK_EQ(weft_wait_fd(fds[1], POLLOUT), POLLOUT);
        struct weft_co *co = weft_go_with(wait_events, &w);
        await_in_flight(1);
        CHECK_EQ(weft_write(fds[1], "x", 1), 1);
        join(co);
        CHECK_EQ(w.seen, POLLIN);
        CHECK_EQ(weft_wait_fd(fds[0], POLLIN), POLLIN);
        CHECK_EQ(weft_read(fds[0], &byte, 1), 1);

        struct poll_wait end = {.fd = fds[0], .events = POLLIN};
        co = weft_go_with(wait_events, &end);
        await_in_flight(1);
        CHECK_EQ(weft_close(fds[1]), 0);
        join(co);
        struct pollfd p = {.fd = fds[0], .events = POLLIN};
        CHECK_EQ(poll(&p, 1, 0), 1);
        CHECK_EQ(end.seen, p.revents);
        CHECK_EQ(weft_wait_fd(fds[0], POLLIN), p.revents);
        CHECK_EQ(weft_close(fds[0]), 0);
    }
    return 0;
}

/* Goal: who waits for room is told when the other side is gone. */
CO_TEST(wait_fd_for_room_ends_with_an_error_of_the_fd)
{
    int fds[2];

    pipe_pair(fds);
    fill(fds[1]);
    struct poll_wait w = {.fd = fds[1], .events = POLLOUT};
    struct weft_co *co = weft_go_with(wait_events, &w);
    await_in_flight(1);
    CHECK_EQ(weft_close(fds[0]), 0);
    join(co);
    CHECK((w.seen & POLLERR) != 0);
    CHECK_EQ(weft_close(fds[1]), 0);
    return 0;
}
