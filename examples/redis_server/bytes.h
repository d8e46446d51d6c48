/* SPDX-License-Identifier: MIT */
/*
 * bytes.h - pieces of memory: a span of somebody else's, a growing one of one's own, and the
 * answers of the Redis protocol, which are written into such a one.
 *
 * A server without memory ends with a message: there is nothing that it could still do.
 */
#ifndef REDIS_SERVER_BYTES_H
#define REDIS_SERVER_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
    const char *at;
    size_t bytes;
};

struct bytes {
    char *at;
    size_t count, room;
};

void *memory_get(size_t bytes);
void *memory_resize(void *memory, size_t bytes);

/* Makes room for n more bytes and returns where they go; they are not counted yet. */
char *bytes_room(struct bytes *b, size_t n);
void bytes_add(struct bytes *b, const void *from, size_t n);
void bytes_free(struct bytes *b);

bool span_is(struct span s, const char *word); /* without regard to case */
bool span_to_int(struct span s, int64_t *value);

void reply_status(struct bytes *out, const char *text);
__attribute__((format(printf, 2, 3))) void reply_error(struct bytes *out, const char *format, ...);
void reply_int(struct bytes *out, int64_t value);
void reply_bulk(struct bytes *out, const void *at, size_t bytes);
void reply_word(struct bytes *out, const char *word);
void reply_null(struct bytes *out);
void reply_array(struct bytes *out, size_t count); /* and then so many answers */

#endif
