/* SPDX-License-Identifier: MIT */
/*
 * writer.c - the buffered writer over a stream that takes as little as it likes and fails anywhere;
 * no runtime is needed for that.
 *
 * matrix: once
 */
#include "buffer_rig.h"

#define TEXT "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static struct sink sink;

static struct weft_writer *start(struct weft_writer *w, size_t step, bool is_vectored, size_t bytes)
{
    static char buf[64];

    CHECK_LE(bytes, sizeof buf);
    sink = (struct sink){.pace = {step, 0}};
    weft_writer_init(w, stream_to(&sink, is_vectored), buf, bytes);
    return w;
}

/* What was taken is what was sent and what is buffered. */
static void expect_taken(const struct weft_writer *w, size_t bytes)
{
    CHECK_EQ(sink.bytes + weft_writer_buffered(w), bytes);
    CHECK_EQ(memcmp(sink.data, TEXT, sink.bytes), 0);
}

/* Writes all of TEXT in pieces of n bytes; what a deadline ends is done again. */
static void write_text(struct weft_writer *w, size_t n)
{
    size_t taken = 0;
    int rc;

    while (taken < sizeof TEXT - 1) {
        const size_t left = sizeof TEXT - 1 - taken, wanted = left < n ? left : n;
        const ssize_t put = weft_writer_write(w, &TEXT[taken], wanted);
        CHECK(put > 0 || put == -ETIMEDOUT);
        if (wanted <= w->bytes)
            CHECK(put == (ssize_t)wanted || put == -ETIMEDOUT); /* whole or not at all */
        taken += put > 0 ? (size_t)put : 0;
        expect_taken(w, taken);
    }
    while ((rc = weft_writer_flush(w)) == -ETIMEDOUT)
        expect_taken(w, taken);
    CHECK_EQ(rc, 0);
    CHECK_EQ(weft_writer_buffered(w), 0);
    expect_taken(w, taken);
}

TEST(every_size_of_writes_buffers_and_steps_sends_the_same_bytes)
{
    struct weft_writer w;

    for (int is_vectored = 0; is_vectored < 2; is_vectored++)
        for (size_t bytes = 1; bytes <= 64; bytes += 1 + bytes / 4)
            for (size_t n = 1; n < sizeof TEXT; n++)
                for (size_t step = 1; step < sizeof TEXT; step += 1 + step / 3)
                    write_text(start(&w, step, is_vectored != 0, bytes), n);
}

/* Goal: after a deadline it is known how much is left, and the next call goes on exactly there.
 * Method: one behind each byte that is sent, for small and for large writes. */
TEST(a_deadline_anywhere_loses_and_doubles_nothing)
{
    struct weft_writer w;

    for (int is_vectored = 0; is_vectored < 2; is_vectored++)
        for (size_t at = 0; at < sizeof TEXT - 1; at++)
            for (size_t bytes = 1; bytes <= 64; bytes += 7)
                for (size_t n = 1; n < sizeof TEXT; n += 5) {
                    start(&w, 7, is_vectored != 0, bytes);
                    sink.error = -ETIMEDOUT;
                    sink.error_at = at;
                    write_text(&w, n);
                    CHECK_EQ(sink.n_errors, 1);
                }
}

/* Goal: an error of the stream is returned by every call after it, also if the stream would go on,
 * and what was not sent is known. */
TEST(an_error_stays_and_what_was_not_sent_is_known)
{
    struct weft_writer w;

    for (size_t at = 0; at < 20; at++) {
        size_t taken = 0;
        ssize_t n;
        start(&w, 3, true, 8);
        sink.error = -EPIPE;
        sink.error_at = at;
        while ((n = weft_writer_write(&w, TEXT + taken, 5)) > 0)
            taken += (size_t)n;
        CHECK_EQ(n, -EPIPE);
        CHECK_EQ(sink.bytes, at);
        expect_taken(&w, taken);
        CHECK_EQ(weft_writer_flush(&w), -EPIPE);
        CHECK_EQ(weft_writer_write(&w, "", 0), -EPIPE);
        CHECK_EQ(weft_writer_printf(&w, "x"), -EPIPE);
        CHECK_EQ(weft_writer_writev(&w, NULL, 0), -EPIPE);
        expect_taken(&w, taken);
        CHECK_EQ(sink.n_errors, 1);
    }
}

TEST(an_error_in_the_middle_of_a_large_write_gives_what_was_taken_and_then_itself)
{
    struct weft_writer w;

    start(&w, 4, true, 8);
    CHECK_EQ(weft_writer_write(&w, TEXT, 6), 6);
    sink.error = -ECONNRESET;
    sink.error_at = 20;
    CHECK_EQ(weft_writer_write(&w, TEXT + 6, 50), 14);
    CHECK_EQ(weft_writer_buffered(&w), 0);
    CHECK_EQ(weft_writer_write(&w, TEXT + 20, 1), -ECONNRESET);
}

TEST(the_stream_is_called_only_when_the_buffer_is_full)
{
    struct weft_writer w;

    start(&w, SIZE_MAX, true, 16);
    for (int i = 0; i < 16; i++)
        CHECK_EQ(weft_writer_write(&w, TEXT + i, 1), 1);
    CHECK_EQ(sink.n_calls, 0);
    CHECK_EQ(weft_writer_write(&w, TEXT + 16, 1), 1);
    CHECK_EQ(sink.n_calls, 1); /* the buffer and the byte, in one vector */
    CHECK_EQ(sink.last_count, 2);
    CHECK_EQ(sink.bytes, 17);
    CHECK_EQ(weft_writer_write(&w, TEXT + 17, 3), 3);
    CHECK_EQ(weft_writer_write(&w, TEXT + 20, 40), 40);
    CHECK_EQ(sink.n_calls, 2);
    CHECK_EQ(weft_writer_flush(&w), 0);
    CHECK_EQ(sink.n_calls, 2); /* nothing is left to be sent */
    expect_taken(&w, 60);
}

TEST(a_vector_is_written_as_if_it_were_one_piece)
{
    struct weft_writer w;
    struct iovec iov[40];

    for (int is_vectored = 0; is_vectored < 2; is_vectored++)
        for (size_t bytes = 1; bytes <= 64; bytes += 9)
            for (size_t step = 1; step <= 64; step += 9) {
                size_t sum = 0;
                for (int i = 0; i < COUNT(iov); i++) { /* of 0, 1, 2, 3 bytes */
                    iov[i].iov_base = (void *)(uintptr_t)&TEXT[sum];
                    iov[i].iov_len = sum + (size_t)i % 4 <= 62 ? (size_t)i % 4 : 0;
                    sum += iov[i].iov_len;
                }
                start(&w, step, is_vectored != 0, bytes);
                CHECK_EQ(weft_writer_writev(&w, iov, COUNT(iov)), sum);
                expect_taken(&w, sum);
                CHECK_EQ(weft_writer_flush(&w), 0);
                expect_taken(&w, sum);
            }
    CHECK_EQ(weft_writer_writev(&w, iov, -1), -EINVAL);
    CHECK_EQ(weft_writer_writev(&w, iov, 1025), -EINVAL);
    CHECK_EQ(weft_writer_writev(&w, NULL, 1), -EINVAL);
    iov[0].iov_len = iov[1].iov_len = SIZE_MAX / 2;
    CHECK_EQ(weft_writer_writev(&w, iov, 2), -EINVAL);
    CHECK_EQ(weft_writer_write(&w, TEXT, SIZE_MAX), -EINVAL);
    CHECK_EQ(weft_writer_buffered(&w), 0);
}

/* Small pieces of a large vector are not sent one by one. */
TEST(a_stream_of_single_writes_gets_small_pieces_together)
{
    struct weft_writer w;
    struct iovec iov[60];

    for (int i = 0; i < COUNT(iov); i++)
        iov[i] = (struct iovec){(void *)(uintptr_t)&TEXT[i], 1};
    start(&w, SIZE_MAX, false, 16);
    CHECK_EQ(weft_writer_writev(&w, iov, COUNT(iov)), COUNT(iov));
    CHECK_EQ(sink.n_calls, 3);
    CHECK_EQ(weft_writer_flush(&w), 0);
    CHECK_EQ(sink.n_calls, 4);
    expect_taken(&w, COUNT(iov));
}

/* Goal: text is taken whole or not at all, and -EMSGSIZE is for what could never be.
 * Method: every length at every fill of the buffer, with and without a deadline. */
TEST(text_is_taken_whole_or_not_at_all)
{
    struct weft_writer w;

    for (int has_deadline = 0; has_deadline < 2; has_deadline++)
        for (size_t filled = 0; filled <= 16; filled++)
            for (int n = 0; n <= 18; n++) {
                start(&w, 5, true, 16);
                CHECK_EQ(weft_writer_write(&w, TEXT, filled), filled);
                if (has_deadline) {
                    sink.error = -ETIMEDOUT;
                    sink.error_at = filled / 2;
                    sink.error_lasts = true;
                }
                ssize_t put = weft_writer_printf(&w, "%.*s", n, TEXT + filled);
                if (n >= 16) {
                    CHECK_EQ(put, -EMSGSIZE);
                } else if ((size_t)n < 16 - filled || !has_deadline) {
                    CHECK_EQ(put, n);
                } else {
                    CHECK_EQ(put, -ETIMEDOUT);
                    CHECK_EQ(weft_writer_buffered(&w), filled - filled / 2);
                }
                expect_taken(&w, filled + (put > 0 ? (size_t)put : 0));
                sink.error = 0;
                CHECK_EQ(weft_writer_flush(&w), 0);
                expect_taken(&w, filled + (put > 0 ? (size_t)put : 0));
            }
}

static ssize_t take_nothing(void *arg, const void *buf, size_t n)
{
    (void)arg;
    (void)buf;
    (void)n;
    return 0;
}

TEST(a_stream_that_takes_nothing_is_an_error)
{
    char buf[4];
    struct weft_writer w;

    weft_writer_init(&w, (struct weft_stream){.write = take_nothing}, buf, sizeof buf);
    CHECK_EQ(weft_writer_write(&w, TEXT, 4), 4);
    CHECK_EQ(weft_writer_flush(&w), -EIO);
    CHECK_EQ(weft_writer_buffered(&w), 4);
}

TEST(a_writer_that_is_made_has_the_buffer_that_was_asked_for)
{
    struct weft_writer *w = weft_writer_make(stream_to(&sink, true), 7);

    CHECK(w != NULL);
    sink = (struct sink){.pace = {SIZE_MAX, 0}};
    CHECK_EQ(weft_writer_write(w, TEXT, 7), 7);
    CHECK_EQ(sink.n_calls, 0);
    CHECK_EQ(weft_writer_write(w, TEXT + 7, 1), 1);
    CHECK_EQ(sink.bytes, 8);
    weft_writer_free(w);
    weft_writer_free(NULL);
    CHECK(weft_writer_make(stream_to(&sink, true), SIZE_MAX) == NULL);
}
