/* SPDX-License-Identifier: MIT */
/* text.c - see text.h. */
#include "text.h"

#include "sys.h"

void weft__text_init(struct weft__text *t, char *buffer, size_t bytes)
{
    t->at = buffer;
    t->bytes = bytes;
    t->used = 0;
    buffer[0] = 0;
}

void weft__text_add(struct weft__text *t, const char *s)
{
    while (*s != 0 && t->used + 1 < t->bytes) {
        t->at[t->used++] = *s++;
    }
    t->at[t->used] = 0;
}

static void add_number(struct weft__text *t, uint64_t v, unsigned base)
{
    char digits[24];
    unsigned n = sizeof digits;
    digits[--n] = 0;
    do {
        digits[--n] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v != 0);
    weft__text_add(t, digits + n);
}

void weft__text_dec(struct weft__text *t, uint64_t v)
{
    add_number(t, v, 10);
}

void weft__text_int(struct weft__text *t, int64_t v)
{
    if (v < 0) {
        weft__text_add(t, "-");
    }
    add_number(t, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10);
}

void weft__text_hex(struct weft__text *t, uint64_t v)
{
    weft__text_add(t, "0x");
    add_number(t, v, 16);
}

void weft__text_bytes(struct weft__text *t, uint64_t bytes)
{
    static const char *const unit[] = {" B", " KiB", " MiB", " GiB", " TiB"};
    unsigned i = 0;
    while (i < 4 && bytes >= 1024 && bytes % 1024 == 0) {
        bytes /= 1024;
        i++;
    }
    weft__text_dec(t, bytes);
    weft__text_add(t, unit[i]);
}

int weft__text_write(const struct weft__text *t, int fd)
{
    size_t done = 0;
    while (done < t->used) {
        ssize_t n = weft__sys_write(fd, t->at + done, t->used - done);
        if (n < 0 && n != -4 /* EINTR */) {
            return (int)n;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}
