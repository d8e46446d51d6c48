/* SPDX-License-Identifier: MIT */
/*
 * stream.c - readers and writers over real fds and between coroutines: deadlines, cancels, closes
 * and resets in the middle of a line or a flush, and going on after them.
 */
#define _GNU_SOURCE
#include "io_kinds.h"

struct conversation {
    int fd;
    uint64_t seed;
    int n_lines;
};

/* The next line of a sequence; the same for both sides. */
static size_t make_line(uint64_t *seed, char *text, size_t room)
{
    const size_t n = test_random(seed) % (test_random(seed) % 4 == 0 ? room : 40);

    for (size_t i = 0; i < n; i++)
        text[i] = (char)('a' + (n + i) % 26);
    text[n] = '\0';
    return n;
}

static int speak(void *arg)
{
    struct conversation *c = arg;
    uint64_t seed = c->seed, chance = c->seed + 1;
    struct weft_writer *out = weft_writer_make(weft_stream_of_fd(c->fd), 256);
    char text[1000];

    for (int i = 0; i < c->n_lines; i++) {
        const size_t n = make_line(&seed, text, sizeof text - 2);
        if (n < 250 && i % 2 == 0) {
            CHECK_EQ(weft_writer_printf(out, "%s\r\n", text), n + 2);
        } else {
            const struct iovec iov[] = {{text, n}, {(char[]){"\n"}, 1}};
            CHECK_EQ(weft_writer_writev(out, iov, 2), n + 1);
        }
        if (test_random(&chance) % 8 == 0)
            CHECK_EQ(weft_writer_flush(out), 0);
    }
    CHECK_EQ(weft_writer_write(out, "end", 3), 3);
    CHECK_EQ(weft_writer_flush(out), 0);
    weft_writer_free(out);
    return weft_close(c->fd);
}

/* Goal: over every kind of fd the lines arrive as they were written.  Method: random lengths around
 * both buffers, flushes at random, a last line without an end. */
CO_TEST(lines_pass_through_every_kind_of_fd)
{
    for (int k = 0; k < COUNT(kinds); k++) {
        int fds[2];
        if (!kinds[k].is_bounded)
            continue; /* its end is not one of a stream */
        kinds[k].make(fds);
        struct conversation c = {fds[1], test_seed(), scaled(500)};
        uint64_t seed = c.seed;
        struct weft_co *co = weft_go_with(speak, &c);
        struct weft_reader *in = weft_reader_make(weft_stream_of_fd(fds[0]), 1002);
        struct weft_line line;
        char text[1000];
        for (int i = 0; i < c.n_lines; i++) {
            make_line(&seed, text, sizeof text - 2);
            CHECK_EQ(weft_reader_line(in, &line), 1);
            CHECK_STR(line.text, text);
            CHECK_EQ(line.end_bytes, line.bytes < 250 && i % 2 == 0 ? 2 : 1);
        }
        CHECK_EQ(weft_reader_line(in, &line), 1);
        CHECK_STR(line.text, "end");
        CHECK_EQ(line.end_bytes, 0);
        CHECK_EQ(weft_reader_line(in, &line), 0);
        weft_reader_free(in);
        join(co);
        CHECK_EQ(weft_close(fds[0]), 0);
    }
    return 0;
}

/* Goal: what had come when a deadline passed is there for the next call.  Method: a line in two
 * halves, and a record of which the reader is given a part. */
CO_TEST(a_deadline_in_a_line_leaves_its_beginning_in_the_buffer)
{
    for (int k = 0; k < COUNT(kinds); k++) {
        int fds[2];
        char buf[64], record[6];
        struct weft_reader in;
        struct weft_line line;
        kinds[k].make(fds);
        weft_reader_init(&in, weft_stream_of_fd(fds[0]), buf, sizeof buf);
        CHECK_EQ(weft_write_full(fds[1], "half, ", 6), 6);
        WEFT_DEADLINE (s, LONG_NS)
            while (weft_reader_buffered(&in) < 6)
                WEFT_DEADLINE (soon, 200 * WEFT_US)
                    CHECK_EQ(weft_reader_line(&in, &line), -ETIMEDOUT);
        CHECK_EQ(weft_write_full(fds[1], "whole\nrec", 9), 9);
        CHECK_EQ(weft_reader_line(&in, &line), 1);
        CHECK_STR(line.text, "half, whole");
        ssize_t n = 0;
        WEFT_DEADLINE (s, LONG_NS)
            while (n < 3)
                WEFT_DEADLINE (soon, 200 * WEFT_US) {
                    ssize_t got = weft_reader_read_full(&in, record + n, sizeof record - (size_t)n);
                    CHECK(got > 0 || got == -ETIMEDOUT);
                    n += got > 0 ? got : 0;
                }
        CHECK_EQ(n, 3);
        CHECK_EQ(weft_write_full(fds[1], "ord", 3), 3);
        CHECK_EQ(weft_reader_read_full(&in, record + 3, 3), 3);
        CHECK_EQ(memcmp(record, "record", 6), 0);
        close_both(fds);
    }
    return 0;
}

static int take_all(void *arg)
{
    struct conversation *c = arg;
    uint64_t offset = 0;
    unsigned char block[4096];
    ssize_t n;

    while ((n = weft_read(c->fd, block, sizeof block)) > 0)
        for (ssize_t i = 0; i < n; i++, offset++)
            CHECK_EQ(block[i], pattern(offset));
    CHECK_EQ(n, 0);
    c->seed = offset;
    return 0;
}

/* Goal: what a deadline or a cancel left of a flush and of a large write is sent later, exactly
 * once.  Method: a peer that reads nothing until the writer has met both, then all; the bytes are
 * a pattern of their places. */
CO_TEST(a_flush_that_was_ended_goes_on_where_it_was)
{
    enum { BYTES = 100000 };
    static unsigned char data[BYTES];

    for (int k = 0; k < COUNT(kinds); k++) {
        int fds[2];
        uint64_t sum = 0;
        ssize_t n = 0;
        int rc = 0;
        if (!kinds[k].is_bounded)
            continue;
        kinds[k].make(fds);
        struct weft_writer *out = weft_writer_make(weft_stream_of_fd(fds[1]), 3000);
        for (size_t size = 1000; n >= 0; size = size == 1000 ? BYTES : 1000) {
            for (size_t i = 0; i < size; i++)
                data[i] = pattern(sum + i);
            WEFT_DEADLINE (s, 2 * WEFT_MS) {
                if (size == 1000)
                    weft_scope_cancel(&s);
                n = weft_writer_write(out, data, size);
                if (n >= 0 && size == 1000)
                    rc = weft_writer_flush(out);
            }
            CHECK(n >= 0 || n == -ETIMEDOUT || n == -ECANCELED);
            CHECK(rc == 0 || rc == -ECANCELED);
            sum += n > 0 ? (uint64_t)n : 0;
        }
        struct conversation c = {.fd = fds[0]};
        struct weft_co *co = weft_go_with(take_all, &c);
        CHECK_EQ(weft_writer_flush(out), 0);
        CHECK_EQ(weft_writer_buffered(out), 0);
        weft_writer_free(out);
        CHECK_EQ(weft_close(fds[1]), 0);
        join(co);
        CHECK_EQ(c.seed, sum);
        CHECK_EQ(weft_close(fds[0]), 0);
    }
    return 0;
}

static int wait_for_line(void *in)
{
    struct weft_line line;
    return weft_reader_line(in, &line) == -EBADF ? 0 : 1;
}

CO_TEST(a_close_ends_a_call_and_is_told_for_ever)
{
    int fds[2];
    struct weft_line line;

    CHECK_EQ(weft_socket_pair(fds), 0);
    struct weft_reader *in = weft_reader_make(weft_stream_of_fd(fds[0]), 64);
    struct weft_co *co = weft_go_with(wait_for_line, in);
    await_in_flight(1);
    CHECK_EQ(weft_close(fds[0]), 0);
    join(co);
    CHECK_EQ(weft_reader_line(in, &line), -EBADF);
    weft_reader_free(in);
    CHECK_EQ(weft_close(fds[1]), 0);
    return 0;
}

/* Goal: a reset is no end of the stream, neither at first nor when one asks again; and what came
 * before it can be read.  Method: the kernel tells a reset once, and then an end. */
CO_TEST(a_reset_is_never_taken_for_the_end)
{
    int fds[2];
    char buf[64];
    struct weft_reader in;
    struct weft_writer out;
    struct weft_line line;
    const char *view;

    tcp_pair(fds);
    weft_reader_init(&in, weft_stream_of_fd(fds[0]), buf, sizeof buf);
    weft_writer_init(&out, weft_stream_of_fd(fds[0]), (char[4]){0}, 4);
    CHECK_EQ(weft_write_full(fds[1], "one\nt", 5), 5);
    CHECK_EQ(weft_reader_peek(&in, &view, 5), 5);
    set_reset_on_close(fds[1]);
    CHECK_EQ(weft_close(fds[1]), 0);
    CHECK_EQ(weft_reader_line(&in, &line), 1);
    CHECK_STR(line.text, "one");
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_reader_line(&in, &line), -ECONNRESET);
    CHECK_EQ(weft_reader_read(&in, buf, 1), 1);
    CHECK_EQ(weft_reader_read(&in, buf, 1), -ECONNRESET);
    CHECK_EQ(weft_writer_write(&out, "1234", 4), 4);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_writer_flush(&out), -EPIPE);
    CHECK_EQ(weft_writer_buffered(&out), 4);
    CHECK_EQ(weft_close(fds[0]), 0);
    return 0;
}

/* ---- a pipe between coroutines ---- */

static ssize_t read_chan(void *ch, void *buf, size_t n)
{
    int rc = chan_recv(ch, buf);

    (void)n;
    return rc == -EPIPE ? 0 : rc < 0 ? rc : 1;
}

static ssize_t write_chan(void *ch, const void *buf, size_t n)
{
    int rc = chan_send(ch, buf);

    (void)n;
    return rc < 0 ? rc : 1;
}

static int count_up(void *ch)
{
    char buf[16];
    struct weft_writer out;

    weft_writer_init(&out, (struct weft_stream){.write = write_chan, .arg = ch}, buf, sizeof buf);
    for (int i = 0; i < 100; i++)
        CHECK_GT(weft_writer_printf(&out, "%d\n", i), 0);
    CHECK_EQ(weft_writer_flush(&out), 0);
    return chan_close(ch);
}

CO_TEST(a_channel_of_bytes_can_be_the_stream)
{
    chan *ch = chan_make(1, 10);
    char buf[16];
    struct weft_reader in;
    struct weft_line line;
    struct weft_co *co = weft_go_with(count_up, ch);

    weft_reader_init(&in, (struct weft_stream){.read = read_chan, .arg = ch}, buf, sizeof buf);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(weft_reader_line(&in, &line), 1);
        CHECK_EQ(atoi(line.text), i);
    }
    CHECK_EQ(weft_reader_line(&in, &line), 0);
    join(co);
    chan_unref(ch);
    return 0;
}
