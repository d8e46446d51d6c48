/* SPDX-License-Identifier: MIT */
/*
 * buffer_model.c - random calls of a reader and a writer against what is right by plain arrays: a
 * stream that is all there, and a place in it.  Bytes are hostile: returns, newlines and zeros
 * everywhere, lines around the limit; reads and writes are short, and time runs out at random.
 *
 * matrix: once
 */
#include "buffer_rig.h"

#define STREAM_BYTES_MAX 600

static uint64_t seed;

static size_t below(size_t n)
{
    return test_random(&seed) % n;
}

static void fill_hostile(char *data, size_t bytes)
{
    static const char alphabet[] = "\r\n\n;\0abc";
    const size_t rarity = 1 + below(20); /* of anything but letters */

    for (size_t i = 0; i < bytes; i++)
        data[i] = below(rarity) == 0 ? alphabet[below(sizeof alphabet - 1)] : (char)('a' + i % 26);
}

/* ---- the reader ---- */

struct model {
    const char *data;
    size_t bytes, at;
    size_t limit; /* of lines */
    int skipped;  /* the delimiter up to which the next line skips; -1: none */
};

struct pair {
    struct weft_reader *r;
    struct source *source;
    struct model m;
};

/* What a line call is to give, and moves the model behind it. */
static int model_line(struct model *m, int delimiter, bool is_text, size_t max,
                      struct weft_line *line)
{
    if (m->skipped >= 0) {
        const char *end = memchr(m->data + m->at, m->skipped, m->bytes - m->at);
        m->at = end != NULL ? (size_t)(end + 1 - m->data) : m->bytes;
        if (end == NULL)
            return 0;
        m->skipped = -1;
    }
    const char *text = m->data + m->at;
    const size_t left = m->bytes - m->at;
    const char *end = memchr(text, delimiter, left);
    size_t n = end != NULL ? (size_t)(end - text) : left, end_bytes = end != NULL;
    if (left == 0)
        return 0;
    if (end != NULL && is_text && n > 0 && text[n - 1] == '\r') {
        n--;
        end_bytes++;
    }
    if (n > max) {
        m->skipped = delimiter;
        return -EMSGSIZE;
    }
    *line = (struct weft_line){(char *)(uintptr_t)text, n, end_bytes};
    m->at += n + end_bytes;
    return 1;
}

static void expect_line(struct pair *p)
{
    static const unsigned char delimiters[] = {'\n', ';', '\0', 'z', '\r'};
    char copy[64];
    struct weft_line line, expected = {NULL, 0, 0};
    const bool is_text = below(2) == 0, is_copied = below(3) == 0;
    const unsigned char delimiter = is_text ? '\n' : delimiters[below(sizeof delimiters)];
    const size_t room = 1 + below(sizeof copy);
    const size_t max = is_copied && room - 1 < p->m.limit ? room - 1 : p->m.limit;
    int rc;

    do {
        if (is_copied)
            rc = is_text ? weft_reader_line_copy(p->r, copy, room, &line)
                         : weft_reader_until_copy(p->r, delimiter, copy, room, &line);
        else
            rc =
                is_text ? weft_reader_line(p->r, &line) : weft_reader_until(p->r, delimiter, &line);
    } while (rc == -ETIMEDOUT);
    CHECK_EQ(rc, model_line(&p->m, delimiter, is_text, max, &expected));
    if (rc == 1) {
        CHECK_EQ(line.bytes, expected.bytes);
        CHECK_EQ(line.end_bytes, expected.end_bytes);
        CHECK_EQ(memcmp(line.text, expected.text, line.bytes), 0);
        CHECK_EQ(line.text[line.bytes], 0);
        CHECK(!is_copied || line.text == copy);
    }
}

/* So many bytes came out: they must be the next ones. */
static void expect_bytes(struct pair *p, const char *bytes, size_t n)
{
    CHECK_LE(n, p->m.bytes - p->m.at);
    CHECK(bytes == NULL || memcmp(bytes, p->m.data + p->m.at, n) == 0);
    p->m.at += n;
    if (n > 0)
        p->m.skipped = -1;
}

static void expect_some(struct pair *p)
{
    char out[100];
    const size_t n = 1 + below(sizeof out);
    ssize_t got;

    while ((got = weft_reader_read(p->r, out, n)) == -ETIMEDOUT)
        ;
    CHECK_LE(got, n);
    CHECK_EQ(got == 0, p->m.at == p->m.bytes);
    expect_bytes(p, out, (size_t)got);
}

/* Exactly n, in as many calls as deadlines make of it. */
static void expect_all(struct pair *p)
{
    char out[100];
    const bool is_kept = below(2) == 0;
    size_t n = below(sizeof out);

    for (;;) {
        const size_t left = p->m.bytes - p->m.at;
        const int n_errors = p->source->n_errors;
        ssize_t got = is_kept ? weft_reader_read_full(p->r, out, n) : weft_reader_skip(p->r, n);
        const bool has_failed = p->source->n_errors > n_errors;
        if (got == -ETIMEDOUT)
            continue;
        CHECK_EQ(got < (ssize_t)n, has_failed || n > left);
        expect_bytes(p, is_kept ? out : NULL, (size_t)got);
        n -= (size_t)got;
        if (!has_failed)
            return;
    }
}

static void expect_view(struct pair *p)
{
    const char *view;
    const size_t n = below(p->r->bytes + 1), left = p->m.bytes - p->m.at;
    ssize_t got;

    while ((got = weft_reader_peek(p->r, &view, n)) == -ETIMEDOUT)
        ;
    CHECK_GE(got, n < left ? n : left);
    CHECK_LE(got, left);
    CHECK_EQ(memcmp(view, p->m.data + p->m.at, (size_t)got), 0);
    CHECK_EQ(weft_reader_buffered(p->r), got);
}

static void set_limit(struct pair *p)
{
    p->m.limit = below(p->r->bytes + 4);
    weft_reader_limit(p->r, p->m.limit);
    if (p->m.limit > p->r->bytes - 2)
        p->m.limit = p->r->bytes - 2;
}

static void read_one_stream(void)
{
    static void (*const calls[])(struct pair *) = {expect_line, expect_line, expect_line,
                                                   expect_some, expect_all,  expect_view};
    char data[STREAM_BYTES_MAX], buf[80];
    struct weft_reader r;
    struct source s = {
        .data = data,
        .bytes = below(sizeof data),
        .pace = {1 + below(90), test_random(&seed) | 1},
        .one_in = below(2) == 0 ? 0 : 2 + (int)below(20),
    };
    const size_t buf_bytes = 3 + below(sizeof buf - 2);
    struct pair p = {&r, &s, {data, s.bytes, 0, buf_bytes - 2, -1}};
    const bool are_lines_only = below(2) == 0;

    fill_hostile(data, s.bytes);
    weft_reader_init(&r, stream_from(&s), buf, buf_bytes);
    for (int i = 0; i < 200 && p.m.at < s.bytes; i++) {
        if (below(10) == 0)
            set_limit(&p);
        calls[are_lines_only ? 0 : below((size_t)COUNT(calls))](&p);
    }
    for (int i = 0; p.m.at == s.bytes && i < COUNT(calls); i++)
        calls[i](&p);
}

TEST(random_calls_of_a_reader_give_what_a_plain_array_would)
{
    seed = test_seed();
    for (int i = 0; i < scaled(20000); i++)
        read_one_stream();
}

/* ---- the writer ---- */

struct writing {
    struct weft_writer w;
    struct sink *sink;
    char data[STREAM_BYTES_MAX]; /* all that was taken */
    size_t bytes;
};

static void note_taken(struct writing *t, const char *from, ssize_t n, size_t wanted)
{
    CHECK(n == -ETIMEDOUT || (n >= 0 && (size_t)n <= wanted));
    if (wanted <= t->w.bytes)
        CHECK(n == -ETIMEDOUT || (size_t)n == wanted);
    if (n > 0) {
        memcpy(t->data + t->bytes, from, (size_t)n);
        t->bytes += (size_t)n;
    }
    CHECK_EQ(t->sink->bytes + weft_writer_buffered(&t->w), t->bytes);
    CHECK_EQ(memcmp(t->sink->data, t->data, t->sink->bytes), 0);
}

static void write_one(struct writing *t)
{
    char piece[200];
    const size_t n = below(below(4) == 0 ? sizeof piece : 20);

    fill_hostile(piece, n);
    note_taken(t, piece, weft_writer_write(&t->w, piece, n), n);
}

static void write_several(struct writing *t)
{
    char piece[200];
    struct iovec iov[30];
    const int count = (int)below((size_t)COUNT(iov) + 1);
    size_t sum = 0;

    fill_hostile(piece, sizeof piece);
    for (int i = 0; i < count; i++) {
        const size_t n = below(2) == 0 ? 0 : below(1 + (sizeof piece - sum) / 4);
        iov[i] = (struct iovec){piece + sum, n};
        sum += n;
    }
    note_taken(t, piece, weft_writer_writev(&t->w, iov, count), sum);
}

static void write_text(struct writing *t)
{
    char text[64];
    const int number = (int)below(1000000000), width = (int)below(40);
    const size_t n = (size_t)snprintf(text, sizeof text, "%d:%*s|", number, width, "x");
    const ssize_t put = weft_writer_printf(&t->w, "%d:%*s|", number, width, "x");

    if (n >= t->w.bytes)
        CHECK_EQ(put, -EMSGSIZE);
    else
        note_taken(t, text, put, n);
}

static void flush(struct writing *t)
{
    if (weft_writer_flush(&t->w) == 0)
        CHECK_EQ(weft_writer_buffered(&t->w), 0);
    note_taken(t, NULL, 0, 0);
}

static void write_one_stream(void)
{
    static void (*const calls[])(struct writing *) = {write_one, write_several, write_text, flush};
    static struct sink sink;
    char buf[80];
    struct writing t = {.sink = &sink, .bytes = 0};

    sink.bytes = 0;
    sink.pace = (struct pace){1 + below(90), test_random(&seed) | 1};
    sink.one_in = below(2) == 0 ? 0 : 2 + (int)below(20);
    weft_writer_init(&t.w, stream_to(&sink, below(2) == 0), buf, 1 + below(sizeof buf));
    while (t.bytes + 200 < sizeof t.data)
        calls[below((size_t)COUNT(calls))](&t);
    sink.one_in = 0;
    CHECK_EQ(weft_writer_flush(&t.w), 0);
    CHECK_EQ(sink.bytes, t.bytes);
    note_taken(&t, NULL, 0, 0);
}

TEST(random_calls_of_a_writer_send_what_they_took)
{
    seed = test_seed();
    for (int i = 0; i < scaled(8000); i++)
        write_one_stream();
}
