/* SPDX-License-Identifier: MIT */
/* text.h - building a text in a fixed buffer, without stdio: safe in signal handlers and on small
 * stacks.  What does not fit is cut; the text always ends with 0. */
#ifndef WEFT_BASE_TEXT_H
#define WEFT_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct weft__text {
    char *at;
    size_t bytes; /* of the whole buffer, at least 1 */
    size_t used;
};

void weft__text_init(struct weft__text *t, char *buffer, size_t bytes);
void weft__text_add(struct weft__text *t, const char *s);
void weft__text_dec(struct weft__text *t, uint64_t v);
void weft__text_int(struct weft__text *t, int64_t v);
void weft__text_hex(struct weft__text *t, uint64_t v);
/* A size as people say it: 256 KiB, 1 MiB, 100 B. */
void weft__text_bytes(struct weft__text *t, uint64_t bytes);
/* Write the whole text to an fd, again after a short write; 0 or -errno. */
int weft__text_write(const struct weft__text *t, int fd);

#endif
