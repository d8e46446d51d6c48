/* SPDX-License-Identifier: MIT */
/*
 * relay.c - between any two fds through a pipe, without user space.
 *
 * The pipe is filled only when it is empty and emptied before it is filled again.  So it never
 * makes a splice() wait, and -EAGAIN speaks of the other side.
 */
#include <weft/copy.h>
#include <weft/io.h>

#include <errno.h>
#include <limits.h>

#include "move.h"

#define BY_HAND_BYTES ((size_t)16384)

int weft_relay_open(struct weft_relay *r)
{
    r->held = 0;
    return weft__sys_pipe(r->pipe, true);
}

int weft_relay_close(struct weft_relay *r)
{
    int first = weft_close(r->pipe[0]);
    int second = weft_close(r->pipe[1]);
    return first != 0 ? first : second;
}

size_t weft_relay_held(const struct weft_relay *r)
{
    return r->held;
}

/* One side of a copy. */
struct side {
    int fd;
    int kind; /* enum weft__fd_kind */
    struct weft__io_call call;
};

/* Take at most `part` bytes into the pipe, which is empty.  How many; 0 at the end; -errno. */
static ssize_t fill(struct weft_relay *r, struct side *in, size_t part, const void *caller)
{
    struct weft__op_wait ow;
    weft__op_init(&ow.op, WEFT__OP_SPLICE_IN, in->fd, &ow);
    ow.op.other = r->pipe[1];
    ow.op.part = (uint32_t)part;
    if (in->kind != WEFT__FD_DISK) {
        return weft__move(&in->call, &ow.op, in->kind, WAIT_READ, caller);
    }
    int64_t at = weft__sys_position(in->fd);
    if (at >= 0) {
        weft__move_fetch(in->fd, at, part);
    }
    return weft__op_try(&ow.op, false);
}

/* Give at most `part` of the bytes in the pipe.  How many, at least 1; -errno. */
static ssize_t empty(struct weft_relay *r, struct side *out, size_t part, const void *caller)
{
    struct weft__op_wait ow;
    weft__op_init(&ow.op, WEFT__OP_SPLICE_OUT, out->fd, &ow);
    ow.op.other = r->pipe[0];
    ow.op.part = (uint32_t)part;
    ow.op.offset = -1;
    ssize_t n = weft__move(&out->call, &ow.op, out->kind, WAIT_WRITE, caller);
    return n == 0 ? -EIO : n;
}

/* What the two sides are, or -errno. */
static int prepare(struct side *out, struct side *in)
{
    in->kind = weft__move_prepare(&in->call, in->fd);
    out->kind = weft__move_prepare(&out->call, out->fd);
    return in->kind < 0 ? in->kind : out->kind < 0 ? out->kind : 0;
}

static ssize_t copy(struct weft_relay *r, struct side *out, struct side *in, size_t limit,
                    const void *caller)
{
    if (in->kind == WEFT__FD_BLOCKS || out->kind == WEFT__FD_BLOCKS || weft__sys_appends(out->fd)) {
        return -EINVAL;
    }
    size_t done = 0;
    ssize_t n = 0;
    while (done < limit) {
        size_t left = limit - done < WEFT__MOVE_BYTES ? limit - done : WEFT__MOVE_BYTES;
        if (r->held == 0) {
            n = fill(r, in, left, caller);
            if (n <= 0) {
                break;
            }
            r->held = (size_t)n;
        }
        n = empty(r, out, left < r->held ? left : r->held, caller);
        if (n < 0) {
            break;
        }
        r->held -= (size_t)n;
        done += (size_t)n;
        in->call.done = done;
    }
    return done > 0 || limit == 0 ? (ssize_t)done : n;
}

ssize_t weft_relay_copy(struct weft_relay *r, int out, int in, size_t limit)
{
    struct side to = {.fd = out}, from = {.fd = in};
    (void)weft__park_self("weft_relay_copy()");
    int rc = prepare(&to, &from);
    if (rc != 0) {
        return rc;
    }
    return copy(r, &to, &from, limit < SSIZE_MAX ? limit : SSIZE_MAX, __builtin_return_address(0));
}

/* By reads and writes; from->call.done goes on. */
static ssize_t copy_by_hand(struct side *to, struct side *from, size_t limit, const void *caller)
{
    char *buf = weft__alloc(BY_HAND_BYTES);
    if (buf == NULL) {
        return -ENOMEM;
    }
    size_t done = 0;
    ssize_t n = 0;
    while (done < limit) {
        size_t part = limit - done < BY_HAND_BYTES ? limit - done : BY_HAND_BYTES;
        ssize_t got = weft__io_read(&from->call, from->fd, buf, part, caller);
        n = got <= 0 ? got : weft__io_write_full(&to->call, to->fd, buf, (size_t)got, caller);
        done += n > 0 ? (size_t)n : 0;
        from->call.done += n > 0 ? (size_t)n : 0;
        if (n <= 0 || n < got) {
            break;
        }
    }
    weft__free(buf);
    return done > 0 ? (ssize_t)done : n;
}

/* The kernel does not know how.  What the pipe has taken goes first. */
static ssize_t go_on_by_hand(struct weft_relay *r, struct side *out, struct side *in, size_t limit,
                             const void *caller)
{
    size_t held = r->held;
    struct side pipe = {.fd = r->pipe[0]};
    ssize_t first = held > 0 ? copy_by_hand(out, &pipe, held, caller) : 0;
    if (first < (ssize_t)held) {
        return first;
    }
    in->call.done = held;
    ssize_t n = copy_by_hand(out, in, limit - held, caller);
    return n >= 0 ? first + n : first > 0 ? first : n;
}

ssize_t weft_copy(int out, int in, size_t limit)
{
    struct weft_relay r;
    struct side to = {.fd = out}, from = {.fd = in};
    const void *caller = __builtin_return_address(0);
    (void)weft__park_self("weft_copy()");
    limit = limit < SSIZE_MAX ? limit : SSIZE_MAX;
    int rc = prepare(&to, &from); /* before the pipe has numbers that may be theirs */
    if (rc == 0) {
        rc = weft_relay_open(&r);
    }
    if (rc != 0) {
        return rc;
    }
    ssize_t n = copy(&r, &to, &from, limit, caller);
    if (n == -EINVAL) {
        n = go_on_by_hand(&r, &to, &from, limit, caller);
    }
    (void)weft_relay_close(&r);
    return n;
}
