/* SPDX-License-Identifier: MIT */
/* bytes.c - see bytes.h. */
#include "bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ROOM_MIN 512
#define NUMBER_BYTES_MAX 20 /* "-9223372036854775808" */
#define NUMBER_LINE_MAX (1 + NUMBER_BYTES_MAX + 2)

void *memory_resize(void *memory, size_t bytes)
{
    void *there = realloc(memory, bytes > 0 ? bytes : 1);

    if (there == NULL) {
        fprintf(stderr, "no memory for %zu bytes\n", bytes);
        exit(1);
    }
    return there;
}

void *memory_get(size_t bytes)
{
    return memory_resize(NULL, bytes);
}

char *bytes_room(struct bytes *b, size_t n)
{
    if (b->room - b->count < n) {
        size_t room = b->room < ROOM_MIN ? ROOM_MIN : b->room;

        while (room - b->count < n)
            room *= 2;
        b->at = memory_resize(b->at, room);
        b->room = room;
    }
    return b->at + b->count;
}

void bytes_add(struct bytes *b, const void *from, size_t n)
{
    if (n > 0)
        memcpy(bytes_room(b, n), from, n);
    b->count += n;
}

void bytes_free(struct bytes *b)
{
    free(b->at);
    *b = (struct bytes){NULL, 0, 0};
}

bool span_is(struct span s, const char *word)
{
    return s.bytes == strlen(word) && strncasecmp(s.at, word, s.bytes) == 0;
}

bool span_to_int(struct span s, int64_t *value)
{
    const bool is_negative = s.bytes > 0 && s.at[0] == '-';
    size_t i = is_negative;
    int64_t n = 0; /* kept negative: there is one more of those */

    if (i == s.bytes || s.bytes > NUMBER_BYTES_MAX)
        return false;
    for (; i < s.bytes; i++) {
        if (s.at[i] < '0' || s.at[i] > '9' || __builtin_mul_overflow(n, 10, &n) ||
            __builtin_sub_overflow(n, s.at[i] - '0', &n))
            return false;
    }
    if (!is_negative && n == INT64_MIN)
        return false;
    *value = is_negative ? n : -n;
    return true;
}

/* ---- answers ---- */

/* "*3\r\n", ":-1\r\n": a mark, a number, the end of the line; returns what is behind it. */
static char *put_number(char *to, char mark, int64_t value)
{
    char text[NUMBER_BYTES_MAX], *end = text + sizeof(text), *at = end;
    uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;

    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0)
        *--at = '-';
    *to++ = mark;
    while (at < end)
        *to++ = *at++;
    *to++ = '\r';
    *to++ = '\n';
    return to;
}

static void add_number(struct bytes *out, char mark, int64_t value)
{
    char *to = bytes_room(out, NUMBER_LINE_MAX);

    out->count += (size_t)(put_number(to, mark, value) - to);
}

void reply_status(struct bytes *out, const char *text)
{
    bytes_add(out, "+", 1);
    bytes_add(out, text, strlen(text));
    bytes_add(out, "\r\n", 2);
}

void reply_error(struct bytes *out, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (char *at = text; *at != '\0'; at++) { /* it is one line, whatever it quotes */
        if (*at == '\r' || *at == '\n')
            *at = ' ';
    }
    bytes_add(out, "-", 1);
    bytes_add(out, text, strlen(text));
    bytes_add(out, "\r\n", 2);
}

void reply_int(struct bytes *out, int64_t value)
{
    add_number(out, ':', value);
}

void reply_bulk(struct bytes *out, const void *at, size_t bytes)
{
    char *start = bytes_room(out, NUMBER_LINE_MAX + bytes + 2);
    char *to = put_number(start, '$', (int64_t)bytes);

    memcpy(to, at, bytes);
    memcpy(to + bytes, "\r\n", 2);
    out->count += (size_t)(to - start) + bytes + 2;
}

void reply_word(struct bytes *out, const char *word)
{
    reply_bulk(out, word, strlen(word));
}

void reply_null(struct bytes *out)
{
    bytes_add(out, "$-1\r\n", 5);
}

void reply_array(struct bytes *out, size_t count)
{
    add_number(out, '*', (int64_t)count);
}
