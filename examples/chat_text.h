/* SPDX-License-Identifier: MIT */
/*
 * chat_text.h - what the chat server lets pass: UTF-8, and names made of it.
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
        {0x00, 0x20},       {0x7f, 0xa0},       {0xad, 0xad},       {0x34f, 0x34f},
        {0x61c, 0x61c},     {0x115f, 0x1160},   {0x1680, 0x1680},   {0x17b4, 0x17b5},
        {0x180b, 0x180f},   {0x2000, 0x200f},   {0x2028, 0x202f},   {0x205f, 0x206f},
        {0x2800, 0x2800},   {0x3000, 0x3000},   {0x3164, 0x3164},   {0xfe00, 0xfe0f},
        {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb},   {0xfffe, 0xffff},
        {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
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

#endif
