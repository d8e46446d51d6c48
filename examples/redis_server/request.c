/* SPDX-License-Identifier: MIT */
/* request.c - see request.h. */
#include "request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STEP_BYTES ((size_t)64 << 10) /* so much is allocated ahead of what has come */
#define KEPT_BYTES ((size_t)64 << 10) /* so much is kept from one request to the next */
#define KEPT_ARGS 1024
#define END_BYTES 2

static int refuse(struct request *r, const char *why)
{
    r->refusal = why;
    return -EPROTO;
}

/* The bytes are in memory already; where is told when all have come, since memory moves. */
static void add_arg(struct request *r, size_t bytes)
{
    if (r->count == r->room) {
        r->room = r->room > 0 ? 2 * r->room : 8;
        r->args = memory_resize(r->args, (size_t)r->room * sizeof(r->args[0]));
    }
    r->args[r->count++].bytes = bytes;
}

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
    add_arg(r, bytes);
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
        add_arg(r, r->memory.count - start);
        bytes_add(&r->memory, "\r\n", END_BYTES);
    }
    return 1;
}

int request_read(struct request *r, struct weft_reader *in)
{
    struct weft_line line;
    int rc;

    if (r->memory.room > KEPT_BYTES || r->room > KEPT_ARGS)
        request_free(r);
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

void request_free(struct request *r)
{
    bytes_free(&r->memory);
    free(r->args);
    *r = (struct request){.count = 0};
}
