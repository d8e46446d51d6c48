/* SPDX-License-Identifier: MIT */
/*
 * writer.c - buffered writing.
 *
 * The buffer holds what was taken and not sent, buf[start .. end).  What it has no room for goes
 * around it: one vector of the buffer and the caller's own pieces is sent until the rest fits.  The
 * buffer is always sent first; so once a byte of the caller's has gone out the buffer is empty, and
 * what is not larger than it is never left half taken.
 */
#include "buffer.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "../base/fatal.h"
#include "../base/sys.h"

#define PIECES_MAX 1024 /* as for weft_writev() */
#define PART_MAX 16

void weft_writer_init(struct weft_writer *w, struct weft_stream to, void *buf, size_t bytes)
{
    if (bytes == 0 || to.write == NULL) {
        weft__fatal("a weft_writer has no buffer, or a stream without a write");
    }
    *w = (struct weft_writer){.to = to, .buf = buf, .bytes = bytes};
}

struct weft_writer *weft_writer_make(struct weft_stream to, size_t bytes)
{
    struct weft_writer *w = weft__buffer_alloc(sizeof *w, bytes);
    if (w != NULL) {
        weft_writer_init(w, to, w + 1, bytes);
    }
    return w;
}

void weft_writer_free(struct weft_writer *w)
{
    if (w != NULL) {
        weft__buffer_check(w->is_waiting);
        weft__free(w);
    }
}

size_t weft_writer_buffered(const struct weft_writer *w)
{
    return w->end - w->start;
}

static size_t room_of(const struct weft_writer *w)
{
    return w->bytes - (w->end - w->start);
}

/* Brings all the room behind what the buffer holds. */
static void compact(struct weft_writer *w)
{
    if (w->start > 0) {
        memmove(w->buf, w->buf + w->start, w->end - w->start);
        w->end -= w->start;
        w->start = 0;
    }
}

/* ---- the pieces that a caller gives ---- */

struct pieces {
    const struct iovec *iov;
    int count;
    size_t skip; /* of the first, which has more than that unless `left` is 0 */
    size_t left; /* in all */
};

static void advance(struct pieces *c, size_t n)
{
    c->left -= n;
    c->skip += n;
    while (c->count > 0 && c->skip >= c->iov->iov_len) {
        c->skip -= c->iov->iov_len;
        c->iov++;
        c->count--;
    }
}

static struct iovec first_of(const struct pieces *c)
{
    return (struct iovec){(char *)c->iov->iov_base + c->skip, c->iov->iov_len - c->skip};
}

/* Moves n bytes, for which there is room, into the buffer. */
static void copy(struct weft_writer *w, struct pieces *c, size_t n)
{
    if (w->bytes - w->end < n) {
        compact(w);
    }
    while (n > 0) {
        struct iovec piece = first_of(c);
        size_t part = piece.iov_len < n ? piece.iov_len : n;
        memcpy(w->buf + w->end, piece.iov_base, part);
        w->end += part;
        n -= part;
        advance(c, part);
    }
}

/* ---- sending ---- */

/* One write to the stream: > 0, or an error. */
static ssize_t send_vector(struct weft_writer *w, const struct iovec *iov, int count)
{
    size_t bytes = 0;
    if (w->to.writev == NULL) {
        count = 1;
    }
    for (int i = 0; i < count; i++) {
        bytes += iov[i].iov_len;
    }
    w->is_waiting = true;
    ssize_t sent = count > 1 ? w->to.writev(w->to.arg, iov, count)
                             : w->to.write(w->to.arg, iov->iov_base, iov->iov_len);
    w->is_waiting = false;
    if (sent > 0 && (size_t)sent > bytes) {
        weft__fatal("the write function of a weft_stream took more bytes than it was given");
    }
    if (sent == 0) {
        sent = -EIO; /* asking for ever would be worse */
    }
    if (weft__buffer_error_lasts(sent)) {
        w->error = (int)sent;
    }
    return sent;
}

/* Sends what the buffer holds and, behind it, what the caller has; one of them is there. */
static ssize_t send_some(struct weft_writer *w, struct pieces *c)
{
    struct iovec part[PART_MAX];
    int n = 0;
    size_t held = w->end - w->start;
    if (held > 0) {
        part[n++] = (struct iovec){w->buf + w->start, held};
    }
    for (struct pieces rest = *c; rest.left > 0 && n < PART_MAX; n++) {
        part[n] = first_of(&rest);
        advance(&rest, part[n].iov_len);
    }
    ssize_t sent = send_vector(w, part, n);
    if (sent < 0) {
        return sent;
    }
    size_t of_buffer = (size_t)sent < held ? (size_t)sent : held;
    w->start += of_buffer;
    if (w->start == w->end) {
        w->start = w->end = 0;
    }
    advance(c, (size_t)sent - of_buffer);
    return sent;
}

static int flush(struct weft_writer *w)
{
    struct pieces none = {NULL, 0, 0, 0};
    ssize_t rc = w->error;
    while (w->start < w->end && rc >= 0) {
        rc = send_some(w, &none);
    }
    return rc < 0 ? (int)rc : 0;
}

/* How many of c are taken, or the error if none is. */
static ssize_t put(struct weft_writer *w, struct pieces *c)
{
    const size_t bytes = c->left;
    if (w->error != 0) {
        return w->error;
    }
    advance(c, 0); /* past empty pieces */
    while (c->left > room_of(w)) {
        /* A stream that takes one piece at a time gets the small ones of a large write together. */
        if (w->to.writev == NULL && w->start == w->end && first_of(c).iov_len < w->bytes) {
            copy(w, c, w->bytes);
        }
        ssize_t sent = send_some(w, c);
        if (sent < 0) {
            return c->left < bytes ? (ssize_t)(bytes - c->left) : sent;
        }
    }
    copy(w, c, c->left);
    return (ssize_t)bytes;
}

ssize_t weft_writer_write(struct weft_writer *w, const void *buf, size_t n)
{
    weft__buffer_check(w->is_waiting);
    if (n > SSIZE_MAX) {
        return -EINVAL;
    }
    if (WEFT__LIKELY(n <= w->bytes - w->end && n > 0 && w->error == 0)) {
        memcpy(w->buf + w->end, buf, n);
        w->end += n;
        return (ssize_t)n;
    }
    const struct iovec all = {(void *)(uintptr_t)buf, n};
    struct pieces c = {&all, 1, 0, n};
    return put(w, &c);
}

ssize_t weft_writer_writev(struct weft_writer *w, const struct iovec *iov, int count)
{
    weft__buffer_check(w->is_waiting);
    if (count < 0 || count > PIECES_MAX || (count > 0 && iov == NULL)) {
        return -EINVAL;
    }
    struct pieces c = {iov, count, 0, 0};
    for (int i = 0; i < count; i++) {
        if (iov[i].iov_len > (size_t)SSIZE_MAX - c.left) {
            return -EINVAL;
        }
        c.left += iov[i].iov_len;
    }
    return put(w, &c);
}

ssize_t weft_writer_vprintf(struct weft_writer *w, const char *format, va_list args)
{
    weft__buffer_check(w->is_waiting);
    int rc = w->error;
    while (rc == 0) {
        compact(w);
        size_t room = w->bytes - w->end;
        va_list again;
        va_copy(again, args);
        int n = vsnprintf(w->buf + w->end, room, format, again);
        va_end(again);
        if (n < 0) {
            return -EINVAL;
        }
        if ((size_t)n < room) {
            w->end += (size_t)n;
            return n;
        }
        if ((size_t)n >= w->bytes) {
            return -EMSGSIZE;
        }
        rc = flush(w);
    }
    return rc;
}

ssize_t weft_writer_printf(struct weft_writer *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    ssize_t n = weft_writer_vprintf(w, format, args);
    va_end(args);
    return n;
}

int weft_writer_flush(struct weft_writer *w)
{
    weft__buffer_check(w->is_waiting);
    return flush(w);
}
