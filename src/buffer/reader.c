/* SPDX-License-Identifier: MIT */
/*
 * reader.c - buffered reading.
 *
 * The buffer holds what was read from the stream and not handed out, buf[start .. end).  Whoever
 * needs more calls fill(), which brings that to the front and reads behind it; nothing is taken
 * out before all that was asked for is there, or the bytes are on their way to the caller's own
 * memory.  So a call that is ended by a scope leaves nothing half done.
 */
#include "buffer.h"

#include <limits.h>
#include <string.h>

#include "../base/fatal.h"
#include "../base/sys.h"

/* A line's end of two bytes, behind one byte of text. */
#define READER_BYTES_MIN 3

void weft_reader_init(struct weft_reader *r, struct weft_stream from, void *buf, size_t bytes)
{
    if (bytes < READER_BYTES_MIN || from.read == NULL) {
        weft__fatal("a weft_reader has less than 3 bytes of buffer, or a stream without a read");
    }
    *r =
        (struct weft_reader){.from = from, .buf = buf, .bytes = bytes, .line_bytes_max = bytes - 2};
}

struct weft_reader *weft_reader_make(struct weft_stream from, size_t bytes)
{
    struct weft_reader *r = weft__buffer_alloc(sizeof *r, bytes);
    if (r != NULL) {
        weft_reader_init(r, from, r + 1, bytes);
    }
    return r;
}

void weft_reader_free(struct weft_reader *r)
{
    if (r != NULL) {
        weft__buffer_check(r->is_waiting);
        weft__free(r);
    }
}

void weft_reader_limit(struct weft_reader *r, size_t line_bytes_max)
{
    weft__buffer_check(r->is_waiting);
    r->line_bytes_max = line_bytes_max < r->bytes - 2 ? line_bytes_max : r->bytes - 2;
}

size_t weft_reader_buffered(const struct weft_reader *r)
{
    return r->end - r->start;
}

/* One read of the stream: its result, or the error that lasts. */
static ssize_t ask(struct weft_reader *r, char *buf, size_t n)
{
    if (r->error != 0) {
        return r->error;
    }
    size_t wanted = n < SSIZE_MAX ? n : SSIZE_MAX;
    r->is_waiting = true;
    ssize_t got = r->from.read(r->from.arg, buf, wanted);
    r->is_waiting = false;
    if (got > 0 && (size_t)got > wanted) {
        weft__fatal("the read function of a weft_stream gave more bytes than it was asked for");
    }
    if (weft__buffer_error_lasts(got)) {
        r->error = (int)got;
    }
    return got;
}

/* Reads more behind what the buffer holds, which is not full.  > 0, 0 at the end, or an error. */
static ssize_t fill(struct weft_reader *r)
{
    if (r->start > 0) {
        memmove(r->buf, r->buf + r->start, r->end - r->start);
        r->end -= r->start;
        r->start = 0;
    }
    ssize_t got = ask(r, r->buf + r->end, r->bytes - r->end);
    if (got > 0) {
        r->end += (size_t)got;
    }
    return got;
}

/* Hands out the next n bytes: whoever takes some of a line that was too long takes it all. */
static char *take(struct weft_reader *r, size_t n)
{
    char *at = r->buf + r->start;
    r->start += n;
    r->is_skipping = r->is_skipping && n == 0;
    return at;
}

static size_t take_at_most(struct weft_reader *r, void *buf, size_t n)
{
    size_t here = r->end - r->start;
    size_t taken = here < n ? here : n;
    char *at = take(r, taken);
    if (taken > 0 && buf != NULL) {
        memcpy(buf, at, taken);
    }
    return taken;
}

/* Reads some into buf or, if that is NULL, drops some.  n > 0. */
static ssize_t read_some(struct weft_reader *r, char *buf, size_t n)
{
    if (r->start == r->end) {
        bool goes_around = buf != NULL && n >= r->bytes;
        ssize_t got = goes_around ? ask(r, buf, n) : fill(r);
        if (goes_around && got > 0) {
            r->is_skipping = false;
        }
        if (goes_around || got <= 0) {
            return got;
        }
    }
    return (ssize_t)take_at_most(r, buf, n);
}

static ssize_t read_all(struct weft_reader *r, char *buf, size_t n)
{
    size_t done = take_at_most(r, buf, n);
    while (done < n) {
        ssize_t got = read_some(r, buf != NULL ? buf + done : NULL, n - done);
        if (got <= 0) {
            return done > 0 ? (ssize_t)done : got;
        }
        done += (size_t)got;
    }
    return (ssize_t)done;
}

ssize_t weft_reader_read(struct weft_reader *r, void *buf, size_t n)
{
    weft__buffer_check(r->is_waiting);
    return n == 0 ? 0 : read_some(r, buf, n);
}

ssize_t weft_reader_read_full(struct weft_reader *r, void *buf, size_t n)
{
    weft__buffer_check(r->is_waiting);
    return read_all(r, buf, n);
}

ssize_t weft_reader_skip(struct weft_reader *r, size_t n)
{
    weft__buffer_check(r->is_waiting);
    return n <= SSIZE_MAX ? read_all(r, NULL, n) : -EINVAL;
}

ssize_t weft_reader_peek(struct weft_reader *r, const char **at, size_t n)
{
    weft__buffer_check(r->is_waiting);
    if (n > r->bytes) {
        return -EMSGSIZE;
    }
    ssize_t got = 1;
    while (r->end - r->start < n && got != 0) {
        got = fill(r);
        if (got < 0) {
            return got;
        }
    }
    *at = r->buf + r->start;
    return (ssize_t)(r->end - r->start);
}

/* ---- lines ---- */

/* Drops what is left of a line that was too long: 1, 0 at the end, or an error. */
static int skip_rest(struct weft_reader *r)
{
    while (r->is_skipping) {
        char *at = r->buf + r->start;
        char *end = memchr(at, r->delimiter, r->end - r->start);
        if (end != NULL) {
            (void)take(r, (size_t)(end + 1 - at));
            return 1;
        }
        r->start = r->end;
        ssize_t got = fill(r);
        if (got <= 0) {
            return (int)got;
        }
    }
    return 1;
}

static int too_long(struct weft_reader *r, int delimiter)
{
    r->is_skipping = true;
    r->delimiter = delimiter;
    return -EMSGSIZE;
}

static int hand_out(struct weft_reader *r, size_t bytes, size_t end_bytes, struct weft_line *line)
{
    line->bytes = bytes;
    line->end_bytes = end_bytes;
    line->text = take(r, bytes + end_bytes);
    line->text[bytes] = '\0'; /* there is room: a line is at least two bytes shorter than buf */
    return 1;
}

/* The two kinds of ends: a delimiter alone, or "\n" with or without a "\r" before it. */
#define ANY_NEWLINE (-1)

/* Takes the text of at most max bytes before the next end. */
static int next_line(struct weft_reader *r, int end, size_t max, struct weft_line *line)
{
    const int delimiter = end == ANY_NEWLINE ? '\n' : end;
    size_t seen = 0;
    weft__buffer_check(r->is_waiting);
    int rc = skip_rest(r);
    if (rc <= 0) {
        return rc;
    }
    for (;;) {
        const char *text = r->buf + r->start;
        size_t bytes = r->end - r->start;
        const char *found = memchr(text + seen, delimiter, bytes - seen);
        size_t n = found != NULL ? (size_t)(found - text) : bytes;
        bool has_return = end == ANY_NEWLINE && n > 0 && text[n - 1] == '\r';
        if (n - has_return > max) {
            return too_long(r, delimiter);
        }
        if (found != NULL) {
            return hand_out(r, n - has_return, 1U + has_return, line);
        }
        seen = bytes;
        ssize_t got = fill(r);
        if (got < 0) {
            return (int)got;
        }
        if (got == 0) {
            return bytes == 0    ? 0
                   : bytes > max ? too_long(r, delimiter)
                                 : hand_out(r, bytes, 0, line);
        }
    }
}

static int next_line_copy(struct weft_reader *r, int end, char *buf, size_t bytes,
                          struct weft_line *line)
{
    if (bytes == 0) {
        return -EINVAL;
    }
    size_t max = bytes - 1 < r->line_bytes_max ? bytes - 1 : r->line_bytes_max;
    int rc = next_line(r, end, max, line);
    if (rc > 0) {
        line->text = memcpy(buf, line->text, line->bytes + 1);
    }
    return rc;
}

int weft_reader_line(struct weft_reader *r, struct weft_line *line)
{
    return next_line(r, ANY_NEWLINE, r->line_bytes_max, line);
}

int weft_reader_until(struct weft_reader *r, unsigned char delimiter, struct weft_line *line)
{
    return next_line(r, delimiter, r->line_bytes_max, line);
}

int weft_reader_line_copy(struct weft_reader *r, char *buf, size_t bytes, struct weft_line *line)
{
    return next_line_copy(r, ANY_NEWLINE, buf, bytes, line);
}

int weft_reader_until_copy(struct weft_reader *r, unsigned char delimiter, char *buf, size_t bytes,
                           struct weft_line *line)
{
    return next_line_copy(r, delimiter, buf, bytes, line);
}
