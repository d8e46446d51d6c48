/* SPDX-License-Identifier: MIT */
/* request.c - see request.h. */
#include "request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STEP_BYTES ((size_t)64 << 10) /* so much is allocated ahead of what has come */
#define KEPT_BYTES ((size_t)64 << 10) /* so much is kept from one request to the next */
#define KEPT_ARGS 1024
#define IN_PLACE_BYTES_MAX ((size_t)1 << 20) /* more than any buffer */
#define END_BYTES 2

static int refuse(struct request *r, const char *why)
{
    r->refusal = why;
    return -EPROTO;
}

static void add_arg(struct request *r, const char *at, size_t bytes)
{
    if (r->count == r->room) {
        r->room = r->room > 0 ? 2 * r->room : 8;
        r->args = memory_resize(r->args, (size_t)r->room * sizeof(r->args[0]));
    }
    r->args[r->count++] = (struct span){at, bytes};
}

/* ---- as a whole, where it is ---- */

/* Passes a mark, a number and the end of the line; NULL if this is not all there. */
static const char *pass_number(const char *at, const char *end, char mark, size_t *value)
{
    const char *digits = at + 1;

    if (at == end || *at != mark)
        return NULL;
    *value = 0;
    for (at = digits; at < end && *at >= '0' && *at <= '9' && *value < IN_PLACE_BYTES_MAX; at++)
        *value = 10 * *value + (size_t)(*at - '0');
    if (at == digits || end - at < END_BYTES || memcmp(at, "\r\n", END_BYTES) != 0)
        return NULL;
    return at + END_BYTES;
}

/* An array that has come whole, as nearly all do: how many bytes it has.  0: it must be read piece
 * by piece, and if something is wrong with it, that will be found then. */
static size_t take_in_place(struct request *r, const char *at, size_t bytes)
{
    const char *start = at, *end = at + bytes;
    size_t count, n;

    at = pass_number(at, end, '*', &count);
    while (at != NULL && count-- > 0) {
        at = pass_number(at, end, '$', &n);
        if (at == NULL || (size_t)(end - at) < n + END_BYTES ||
            memcmp(at + n, "\r\n", END_BYTES) != 0)
            return 0;
        add_arg(r, at, n);
        at += n + END_BYTES;
    }
    return r->count > 0 ? (size_t)(at - start) : 0;
}

/* ---- piece by piece ---- */

/* Where each is, once all have come: until then, memory moves. */
static void place_args(struct request *r)
{
    const char *at = r->memory.at;

    for (int i = 0; i < r->count; i++) {
        r->args[i].at = at;
        at += r->args[i].bytes + END_BYTES;
    }
}

/* Reads "\r\n" and what is before it. */
static int read_bulk(struct request *r, struct weft_reader *in, size_t bytes)
{
    size_t left = bytes + END_BYTES;

    while (left > 0) {
        const size_t wanted = left < STEP_BYTES ? left : STEP_BYTES;
        const ssize_t n = weft_reader_read_full(in, bytes_room(&r->memory, wanted), wanted);

        if (n <= 0)
            return (int)n;
        r->memory.count += (size_t)n;
        left -= (size_t)n;
    }
    if (memcmp(r->memory.at + r->memory.count - END_BYTES, "\r\n", END_BYTES) != 0)
        return refuse(r, "a string is longer than it said");
    add_arg(r, NULL, bytes);
    return 1;
}

/* The number behind the first character of a line. */
static bool number_of(const struct weft_line *line, int64_t max, int64_t *value)
{
    return span_to_int((struct span){line->text + 1, line->bytes - 1}, value) && *value <= max;
}

static int read_array(struct request *r, struct weft_reader *in, const struct weft_line *first)
{
    struct weft_line line;
    int64_t count, bytes;
    int rc = 1;

    if (!number_of(first, REQUEST_ARGS_MAX, &count))
        return refuse(r, "invalid multibulk length");
    for (int64_t i = 0; i < count && rc > 0; i++) {
        rc = weft_reader_line(in, &line);
        if (rc == -EMSGSIZE || (rc > 0 && line.text[0] != '$'))
            return refuse(r, "expected '$'");
        if (rc <= 0)
            return rc;
        if (!number_of(&line, REQUEST_ARG_BYTES_MAX, &bytes) || bytes < 0)
            return refuse(r, "invalid bulk length");
        if (r->memory.count + (size_t)bytes > REQUEST_BYTES_MAX)
            return refuse(r, "too big request");
        rc = read_bulk(r, in, (size_t)bytes);
    }
    return rc;
}

/* Words between spaces; one in "quotes" may have spaces, and \ before a quote or another \. */
static int read_words(struct request *r, const struct weft_line *line)
{
    const char *at = line->text, *end = at + line->bytes;

    while (at < end) {
        const size_t start = r->memory.count;
        const bool is_quoted = *at == '"';

        if (*at == ' ' || *at == '\t') {
            at++;
            continue;
        }
        at += is_quoted;
        while (at < end && (is_quoted ? *at != '"' : *at != ' ' && *at != '\t')) {
            if (is_quoted && *at == '\\' && at + 1 < end)
                at++;
            bytes_add(&r->memory, at++, 1);
        }
        if (is_quoted && (at++ == end || (at < end && *at != ' ' && *at != '\t')))
            return refuse(r, "unbalanced quotes in request");
        add_arg(r, NULL, r->memory.count - start);
        bytes_add(&r->memory, "\r\n", END_BYTES);
    }
    return 1;
}

static int read_pieces(struct request *r, struct weft_reader *in)
{
    struct weft_line line;
    int rc;

    do { /* empty lines and arrays are no requests, and no mistakes */
        r->count = 0;
        r->memory.count = 0;
        rc = weft_reader_line(in, &line);
        if (rc == -EMSGSIZE)
            return refuse(r, "too big inline request");
        if (rc <= 0 || line.end_bytes == 0)
            return rc < 0 ? rc : 0;
        rc = line.text[0] == '*' ? read_array(r, in, &line) : read_words(r, &line);
    } while (rc > 0 && r->count == 0);
    place_args(r);
    return rc;
}

int request_read(struct request *r, struct weft_reader *in)
{
    const char *at;
    ssize_t n;

    (void)!weft_reader_skip(in, r->in_place);
    if (r->memory.room > KEPT_BYTES || r->room > KEPT_ARGS)
        request_free(r);
    r->count = 0;
    r->in_place = 0;
    n = weft_reader_peek(in, &at, 1);
    if (n <= 0)
        return (int)n;
    r->in_place = take_in_place(r, at, (size_t)n);
    return r->in_place > 0 ? 1 : read_pieces(r, in);
}

void request_free(struct request *r)
{
    bytes_free(&r->memory);
    free(r->args);
    *r = (struct request){.count = 0};
}
