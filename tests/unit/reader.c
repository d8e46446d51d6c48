/* SPDX-License-Identifier: MIT */
/*
 * reader.c - the buffered reader over a source that gives as little as it likes, ends anywhere and
 * fails anywhere; no runtime is needed for that.
 *
 * matrix: once
 */
#include "buffer_rig.h"

static const char message[] = "one\r\n\ntwo\n\r\nthr\ree\r\r\nend";
#define MESSAGE_BYTES (sizeof message - 1)

static const struct {
    const char *text;
    size_t end_bytes;
} message_lines[] = {{"one", 2}, {"", 1}, {"two", 1}, {"", 2}, {"thr\ree\r", 2}, {"end", 0}};

static struct source source_of(const char *data, size_t bytes, size_t step)
{
    return (struct source){.data = data, .bytes = bytes, .pace = {step, 0}};
}

/* Takes the lines of `message`; -ETIMEDOUT is what a test has planted, and the call is repeated. */
static void expect_message(struct weft_reader *r)
{
    struct weft_line line;
    int rc;

    for (int i = 0; i < COUNT(message_lines); i++) {
        while ((rc = weft_reader_line(r, &line)) == -ETIMEDOUT)
            ;
        CHECK_EQ(rc, 1);
        CHECK_STR(line.text, message_lines[i].text);
        CHECK_EQ(line.bytes, strlen(line.text));
        CHECK_EQ(line.end_bytes, message_lines[i].end_bytes);
    }
    CHECK_EQ(weft_reader_line(r, &line), 0);
    CHECK_EQ(weft_reader_line(r, &line), 0);
    CHECK_EQ(weft_reader_buffered(r), 0);
}

/* Goal: where a message is torn apart does not show.  Method: every two places to tear at, with
 * buffers from the smallest that holds its longest line on; and so many bytes at a time. */
TEST(every_split_of_a_message_gives_the_same_lines)
{
    char buf[40];

    for (size_t bytes = 9; bytes <= sizeof buf; bytes += bytes < 12 ? 1 : 14) {
        for (size_t i = 1; i <= MESSAGE_BYTES; i++) {
            struct weft_reader r;
            struct source s = source_of(message, MESSAGE_BYTES, i);
            weft_reader_init(&r, stream_from(&s), buf, bytes);
            expect_message(&r);
            for (size_t j = i; j <= MESSAGE_BYTES; j++) {
                s = source_of(message, MESSAGE_BYTES, SIZE_MAX);
                s.stops[0] = i;
                s.stops[1] = j;
                weft_reader_init(&r, stream_from(&s), buf, bytes);
                expect_message(&r);
            }
        }
    }
}

/* Goal: a call that a deadline ends takes nothing.  Method: one in each place of the message. */
TEST(a_deadline_anywhere_in_a_message_loses_nothing)
{
    char buf[16];

    for (size_t at = 0; at <= MESSAGE_BYTES; at++) {
        for (size_t step = 1; step <= 9; step += 4) {
            struct weft_reader r;
            struct source s = source_of(message, MESSAGE_BYTES, step);
            s.error = -ETIMEDOUT;
            s.error_at = at;
            weft_reader_init(&r, stream_from(&s), buf, sizeof buf);
            expect_message(&r);
            CHECK_EQ(s.n_errors, 1);
        }
    }
}

/* Goal: an error of the stream is told behind all that came before it, and at each call from then
 * on, also if the stream itself would say something else.  Method: one in each place. */
TEST(an_error_anywhere_is_told_behind_the_bytes_before_it_and_stays)
{
    char buf[16], out[64];

    for (size_t at = 0; at <= MESSAGE_BYTES; at++) {
        struct weft_reader r;
        struct weft_line line;
        const char *view;
        size_t n = 0;
        ssize_t rc;
        struct source s = source_of(message, MESSAGE_BYTES, 5);
        s.error = -ECONNRESET;
        s.error_at = at;
        weft_reader_init(&r, stream_from(&s), buf, sizeof buf);
        while ((rc = weft_reader_line(&r, &line)) > 0)
            n += line.bytes + line.end_bytes;
        CHECK_EQ(rc, -ECONNRESET);
        CHECK_EQ(weft_reader_peek(&r, &view, sizeof buf), -ECONNRESET);
        while ((rc = weft_reader_read(&r, out, 3)) > 0) {
            CHECK_EQ(memcmp(out, message + n, (size_t)rc), 0);
            n += (size_t)rc;
        }
        CHECK_EQ(rc, -ECONNRESET);
        CHECK_EQ(n, at);
        CHECK_EQ(weft_reader_read_full(&r, out, sizeof out), -ECONNRESET);
        CHECK_EQ(weft_reader_skip(&r, 1), -ECONNRESET);
        CHECK_EQ(weft_reader_line(&r, &line), -ECONNRESET);
        CHECK_EQ(s.n_errors, 1);
    }
}

/* One line of n bytes with this end, then one more, under a limit. */
static void check_limit(size_t n, const char *end, size_t limit, size_t step)
{
    char data[64], buf[24];
    struct weft_reader r;
    struct weft_line line;

    memset(data, 'x', n);
    strcpy(data + n, end);
    if (end[0] != '\0')
        strcat(data, "next\n");
    struct source s = source_of(data, strlen(data), step);
    weft_reader_init(&r, stream_from(&s), buf, sizeof buf);
    weft_reader_limit(&r, limit);
    if (n > limit) {
        CHECK_EQ(weft_reader_line(&r, &line), -EMSGSIZE);
    } else if (n > 0 || end[0] != '\0') {
        CHECK_EQ(weft_reader_line(&r, &line), 1);
        CHECK_EQ(line.bytes, n);
        CHECK_EQ(line.end_bytes, strlen(end));
        CHECK_EQ(strlen(line.text), n);
    }
    weft_reader_limit(&r, SIZE_MAX);
    if (end[0] != '\0') {
        CHECK_EQ(weft_reader_line(&r, &line), 1);
        CHECK_STR(line.text, "next");
    }
    CHECK_EQ(weft_reader_line(&r, &line), 0);
}

/* Goal: exactly the lines that are longer than the limit are refused, each once, and the line
 * behind comes whole, whatever the end is and however it comes.  22 is what the buffer can. */
TEST(a_line_beyond_the_limit_is_told_once_and_its_rest_is_skipped)
{
    static const char *const ends[] = {"\n", "\r\n", ""};

    for (int e = 0; e < COUNT(ends); e++)
        for (size_t n = 0; n <= 55; n++)
            for (size_t limit = 0; limit <= 22; limit += limit == 3 ? 17 : 1)
                for (size_t step = 1; step <= 27; step += 1 + step / 3)
                    check_limit(n, ends[e], limit, step);
}

/* Goal: the rest of a line that is too long is skipped in bounded memory, and a deadline in between
 * does not end the skipping. */
TEST(a_line_without_an_end_is_skipped_for_as_long_as_it_comes)
{
    enum { BYTES = 100000 };
    char *data = malloc(BYTES), buf[16];
    struct weft_reader r;
    struct weft_line line;
    int rc, n_timeouts = 0;

    memset(data, 'x', BYTES);
    memcpy(data + BYTES - 4, "\nok\n", 4);
    struct source s = {.data = data, .bytes = BYTES, .pace = {7, test_seed()}, .one_in = 10};
    weft_reader_init(&r, stream_from(&s), buf, sizeof buf);
    while ((rc = weft_reader_line(&r, &line)) == -ETIMEDOUT)
        ;
    CHECK_EQ(rc, -EMSGSIZE);
    while ((rc = weft_reader_line(&r, &line)) == -ETIMEDOUT)
        n_timeouts++;
    CHECK_EQ(rc, 1);
    CHECK_STR(line.text, "ok");
    CHECK_GT(n_timeouts, 0);
    free(data);
}

TEST(a_line_that_is_too_long_can_be_read_in_parts_instead)
{
    static const char data[] = "0123456789abcdef0123456789\nnext\n";
    char buf[10], out[27];
    struct weft_reader r;
    struct weft_line line;

    for (size_t first = 1; first <= 26; first++) {
        struct source s = source_of(data, sizeof data - 1, SIZE_MAX);
        weft_reader_init(&r, stream_from(&s), buf, sizeof buf);
        CHECK_EQ(weft_reader_line(&r, &line), -EMSGSIZE);
        CHECK_EQ(weft_reader_read_full(&r, out, first), first);
        CHECK_EQ(weft_reader_read_full(&r, out + first, sizeof out - first), sizeof out - first);
        CHECK_EQ(memcmp(out, data, sizeof out), 0);
        CHECK_EQ(weft_reader_line(&r, &line), 1);
        CHECK_STR(line.text, "next");
    }
}

TEST(until_knows_no_returns_and_takes_any_delimiter)
{
    static const char data[] = "a\r\nb\0;\xff;;tail";
    char buf[16], small[4];
    struct weft_reader r;
    struct weft_line line;
    struct source s = source_of(data, sizeof data - 1, 1);

    weft_reader_init(&r, stream_from(&s), buf, sizeof buf);
    CHECK_EQ(weft_reader_until(&r, '\n', &line), 1);
    CHECK_STR(line.text, "a\r");
    CHECK_EQ(line.end_bytes, 1);
    CHECK_EQ(weft_reader_until(&r, '\0', &line), 1);
    CHECK_STR(line.text, "b");
    CHECK_EQ(weft_reader_until(&r, 0xff, &line), 1);
    CHECK_STR(line.text, ";");
    CHECK_EQ(weft_reader_until_copy(&r, ';', small, sizeof small, &line), 1);
    CHECK_EQ(line.text, small);
    CHECK_EQ(line.bytes, 0);
    CHECK_EQ(weft_reader_until_copy(&r, ';', small, sizeof small, &line), 1);
    CHECK_EQ(line.bytes, 0);
    CHECK_EQ(weft_reader_until_copy(&r, ';', small, sizeof small, &line), -EMSGSIZE);
    CHECK_EQ(weft_reader_until_copy(&r, ';', small, 0, &line), -EINVAL);
    CHECK_EQ(weft_reader_until(&r, ';', &line), 0); /* the rest was skipped up to the end */
}

TEST(a_copy_holds_its_line_whatever_the_reader_does)
{
    char buf[16], copy[4];
    struct weft_reader r;
    struct weft_line line, next;
    struct source s = source_of("one\ntwo\nthree\n", 14, SIZE_MAX);

    weft_reader_init(&r, stream_from(&s), buf, sizeof buf);
    CHECK_EQ(weft_reader_line_copy(&r, copy, sizeof copy, &line), 1);
    CHECK_EQ(weft_reader_line(&r, &next), 1);
    CHECK_STR(line.text, "one");
    CHECK_EQ(weft_reader_line_copy(&r, copy, sizeof copy, &line), -EMSGSIZE);
    CHECK_EQ(weft_reader_line(&r, &next), 0);
}

/* Goal: an end in the middle is told from a clean one.  Method: every prefix of a stream, read in
 * records of four bytes in three ways. */
TEST(an_end_in_the_middle_of_a_record_is_a_short_count)
{
    static const char data[] = "abcdefghijkl";
    char buf[8], out[4];

    for (size_t bytes = 0; bytes < sizeof data; bytes++) {
        for (size_t step = 1; step <= 8; step++) {
            for (int way = 0; way < 3; way++) {
                struct weft_reader r;
                struct source s = source_of(data, bytes, step);
                const char *view;
                ssize_t n = 4;
                weft_reader_init(&r, stream_from(&s), buf, sizeof buf);
                for (size_t at = 0; n == 4; at += 4) {
                    const size_t left = bytes - at;
                    if (way == 2) {
                        n = weft_reader_peek(&r, &view, 4);
                        CHECK_EQ(memcmp(view, data + at, (size_t)n), 0);
                        n = n < 4 ? n : 4;
                        CHECK_EQ(weft_reader_skip(&r, (size_t)n), n);
                    } else {
                        n = way == 0 ? weft_reader_read_full(&r, out, 4) : weft_reader_skip(&r, 4);
                        CHECK(way == 1 || memcmp(out, data + at, (size_t)n) == 0);
                    }
                    CHECK_EQ(n, left < 4 ? left : 4);
                }
                CHECK_EQ(weft_reader_skip(&r, 1), 0);
                CHECK_EQ(weft_reader_peek(&r, &view, 1), 0);
            }
        }
    }
}

TEST(peek_waits_for_no_more_than_it_was_asked_for)
{
    char buf[8];
    const char *view;
    struct weft_reader r;
    struct source s = source_of("0123456789", 10, 3);

    weft_reader_init(&r, stream_from(&s), buf, sizeof buf);
    CHECK_EQ(weft_reader_peek(&r, &view, 0), 0);
    CHECK_EQ(s.n_calls, 0);
    CHECK_EQ(weft_reader_peek(&r, &view, 2), 3);
    CHECK_EQ(weft_reader_peek(&r, &view, 9), -EMSGSIZE);
    CHECK_EQ(s.n_calls, 1);
    CHECK_EQ(weft_reader_skip(&r, 2), 2);
    CHECK_EQ(weft_reader_peek(&r, &view, 8), 8);
    CHECK_EQ(memcmp(view, "23456789", 8), 0);
    CHECK_EQ(weft_reader_buffered(&r), 8);
}

TEST(large_reads_go_around_the_buffer)
{
    static char data[1000], out[1000];
    char buf[8];
    struct weft_reader r;

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 7);
    struct source s = source_of(data, sizeof data, SIZE_MAX);
    weft_reader_init(&r, stream_from(&s), buf, sizeof buf);
    CHECK_EQ(weft_reader_read(&r, out, 1), 1);
    CHECK_EQ(weft_reader_read(&r, out + 1, 999), 7); /* what is there */
    CHECK_EQ(weft_reader_read_full(&r, out + 8, 992), 992);
    CHECK_EQ(s.last_buf, out + 8);
    CHECK_EQ(s.n_calls, 2);
    CHECK_EQ(memcmp(out, data, sizeof data), 0);
    CHECK_EQ(weft_reader_read(&r, out, 0), 0);
    CHECK_EQ(weft_reader_skip(&r, SIZE_MAX), -EINVAL);
}

/* A terminal's end of file is not the end of the terminal. */
TEST(the_end_is_asked_for_again)
{
    char buf[8];
    struct weft_reader r;
    struct weft_line line;
    struct source s = source_of("half, whole\n", 4, SIZE_MAX);

    weft_reader_init(&r, stream_from(&s), buf, sizeof buf);
    CHECK_EQ(weft_reader_line(&r, &line), 1);
    CHECK_EQ(line.end_bytes, 0);
    CHECK_EQ(weft_reader_line(&r, &line), 0);
    s.bytes = 6;
    CHECK_EQ(weft_reader_skip(&r, 2), 2);
    s.bytes = 12;
    CHECK_EQ(weft_reader_line(&r, &line), 1);
    CHECK_STR(line.text, "whole");
}

TEST(a_reader_that_is_made_has_the_buffer_that_was_asked_for)
{
    struct source s = source_of("0123456789", 10, SIZE_MAX);
    struct weft_reader *r = weft_reader_make(stream_from(&s), 7);
    const char *view;

    CHECK(r != NULL);
    CHECK_EQ(weft_reader_peek(r, &view, 1), 7);
    CHECK_EQ(weft_reader_peek(r, &view, 8), -EMSGSIZE);
    weft_reader_free(r);
    weft_reader_free(NULL);
    CHECK(weft_reader_make(stream_from(&s), SIZE_MAX) == NULL);
    CHECK(weft_reader_make(stream_from(&s), SIZE_MAX - sizeof *r) == NULL);
}
