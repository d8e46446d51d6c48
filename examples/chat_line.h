/* SPDX-License-Identifier: MIT */
/*
 * chat_line.h - the lines that the chat server sends: counted references, for a line to 500 clients
 * is one piece of memory, and a batch of them, which is written in one go.
 */
#ifndef EXAMPLES_CHAT_LINE_H
#define EXAMPLES_CHAT_LINE_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft.h>

#include "chat_text.h"

#define BATCH_LINES 64 /* written at once, at most */

/* A line on its way, shared by all outboxes that it is in. */
struct line {
    atomic_int refs;
    size_t bytes;
    char text[];
};

WEFT_CHAN_TYPE(line_chan, struct line *);

static struct line *line_alloc(size_t bytes)
{
    struct line *line = malloc(sizeof(*line) + bytes);

    if (line == NULL) {
        fprintf(stderr, "no memory for a line\n");
        exit(1);
    }
    atomic_init(&line->refs, 1);
    line->bytes = bytes;
    return line;
}

__attribute__((format(printf, 1, 2))) static struct line *line_format(const char *format, ...)
{
    char text[LINE_BYTES_MAX + NAME_BYTES_MAX + 64];
    struct line *line;
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    line = line_alloc(strlen(text) + 1);
    memcpy(line->text, text, line->bytes - 1);
    line->text[line->bytes - 1] = '\n';
    return line;
}

/* "NAME: text"; not by line_format(), for the text may hold any character, also a zero. */
static struct line *line_said_by(const char *name, const char *text, size_t bytes)
{
    const size_t name_bytes = strlen(name);
    struct line *line = line_alloc(name_bytes + 2 + bytes + 1);

    memcpy(line->text, name, name_bytes);
    memcpy(line->text + name_bytes, ": ", 2);
    memcpy(line->text + name_bytes + 2, text, bytes);
    line->text[line->bytes - 1] = '\n';
    return line;
}

static void line_unref(struct line *line)
{
    if (line != NULL && atomic_fetch_sub(&line->refs, 1) == 1)
        free(line);
}

/* Lines that have been taken out of the outbox and are being written. */
struct batch {
    struct line *lines[BATCH_LINES];
    int count;
    size_t done; /* bytes of the first that are written */
};

static void batch_fill(struct batch *b, line_chan outbox)
{
    while (b->count < BATCH_LINES && line_chan_try_recv(outbox, &b->lines[b->count]) == 0)
        b->count++;
}

static void batch_advance(struct batch *b, size_t bytes)
{
    int n_whole = 0;

    b->done += bytes;
    while (n_whole < b->count && b->done >= b->lines[n_whole]->bytes) {
        b->done -= b->lines[n_whole]->bytes;
        line_unref(b->lines[n_whole++]);
    }
    b->count -= n_whole;
    memmove(b->lines, b->lines + n_whole, (size_t)b->count * sizeof(b->lines[0]));
}

/* Writes what the socket takes; returns as weft_writev(). */
static ssize_t batch_write(struct batch *b, int fd)
{
    struct iovec iov[BATCH_LINES];
    ssize_t n;

    for (int i = 0; i < b->count; i++) {
        const size_t skip = i == 0 ? b->done : 0;

        iov[i] = (struct iovec){b->lines[i]->text + skip, b->lines[i]->bytes - skip};
    }
    n = weft_writev(fd, iov, b->count);
    if (n > 0)
        batch_advance(b, (size_t)n);
    return n;
}

#endif
