/* SPDX-License-Identifier: MIT */
/*
 * chat_text.h - what the chat server lets pass: lines out of a stream of bytes, UTF-8, names.
 * Nothing here knows of coroutines or sockets.
 */
#ifndef EXAMPLES_CHAT_TEXT_H
#define EXAMPLES_CHAT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LINE_BYTES_MAX 1024 /* without the end of the line */
#define NAME_CHARS_MAX 32
#define NAME_BYTES_MAX (4 * NAME_CHARS_MAX)

/* The next character of the UTF-8 text from *at to end, and *at behind it; -1 if it is none. */
static int32_t utf8_next(const char **at, const char *end)
{
    static const int32_t smallest[] = {0, 0x80, 0x800, 0x10000}; /* by how many bytes follow */
    const unsigned char first = (unsigned char)*(*at)++;
    const int n_more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    int32_t c = n_more == 0 ? first : first & (0x3f >> n_more);

    if ((first >= 0x80 && first < 0xc0) || first >= 0xf8 || end - *at < n_more)
        return -1;
    for (int i = 0; i < n_more; i++) {
        if (((unsigned char)**at & 0xc0) != 0x80)
            return -1;
        c = c << 6 | ((unsigned char)*(*at)++ & 0x3f);
    }
    if (c < smallest[n_more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return -1;
    return c;
}

static bool utf8_is_valid(const char *text, size_t bytes)
{
    const char *at = text;

    while (at < text + bytes) {
        if (utf8_next(&at, text + bytes) < 0)
            return false;
    }
    return true;
}

/* Characters that leave no ink or turn the line around have no place in a name. */
static bool is_printable(int32_t c)
{
    static const struct {
        int32_t first, last;
    } refused[] = {
        {0x00, 0x20},     {0x7f, 0xa0},     {0xad, 0xad},     {0x1680, 0x1680},
        {0x180e, 0x180e}, {0x2000, 0x200f}, {0x2028, 0x202f}, {0x205f, 0x206f},
        {0x3000, 0x3000}, {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xfffe, 0xffff},
    };

    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (c >= refused[i].first && c <= refused[i].last)
            return false;
    }
    return c >= 0;
}

/* 1 to 32 printable characters without spaces. */
static bool name_is_good(const char *name, size_t bytes)
{
    const char *at = name;
    int n_chars = 0;

    while (at < name + bytes) {
        if (!is_printable(utf8_next(&at, name + bytes)) || ++n_chars > NAME_CHARS_MAX)
            return false;
    }
    return n_chars > 0;
}

/* What came from a client and has not been looked at, in bounded memory however long a line is. */
struct line_buffer {
    size_t start, end;
    bool is_skipping; /* inside a line that is too long, and has been complained about */
    char bytes[4096];
};

enum line_result { LINE_NONE, LINE_GOOD, LINE_TOO_LONG, LINE_NOT_UTF8 };

/* The room behind what the buffer holds; never empty after line_next() has said LINE_NONE. */
static size_t line_buffer_room(const struct line_buffer *b)
{
    return sizeof(b->bytes) - b->end;
}

/*
 * Takes the next line out of the buffer: *text and *bytes are the line without its end, "\n" or
 * "\r\n", and hold until more is read into the buffer.  LINE_NONE asks for more bytes.
 */
static enum line_result line_next(struct line_buffer *b, const char **text, size_t *bytes)
{
    for (;;) {
        const char *line = b->bytes + b->start;
        const char *newline = memchr(line, '\n', b->end - b->start);
        size_t n = newline == NULL ? b->end - b->start : (size_t)(newline - line);

        if (newline == NULL) {
            const bool was_skipping = b->is_skipping;

            b->is_skipping = was_skipping || n > LINE_BYTES_MAX + 1; /* one more for a "\r" */
            memmove(b->bytes, line, n);
            b->start = 0;
            b->end = b->is_skipping ? 0 : n;
            return b->is_skipping && !was_skipping ? LINE_TOO_LONG : LINE_NONE;
        }
        b->start += n + 1;
        if (b->is_skipping) {
            b->is_skipping = false; /* that was its rest */
            continue;
        }
        if (n > 0 && line[n - 1] == '\r')
            n--;
        if (n > LINE_BYTES_MAX)
            return LINE_TOO_LONG;
        *text = line;
        *bytes = n;
        return utf8_is_valid(line, n) ? LINE_GOOD : LINE_NOT_UTF8;
    }
}

#endif
