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

/* Take at most `part` bytes into the pipe, which is empty.  How many; 0 at the end; -errno. */
static ssize_t fill(struct weft_relay *r, int in, int kind, size_t part, const void *caller)
{
    struct weft__op_wait ow;
    weft__op_init(&ow.op, WEFT__OP_SPLICE_IN, in, &ow);
    ow.op.other = r->pipe[1];
    ow.op.part = (uint32_t)part;
    if (kind != WEFT__FD_DISK) {
        return weft__move(&ow.op, kind, WAIT_READ, caller);
    }
    int64_t at = weft__sys_position(in);
    if (at >= 0) {
        weft__move_fetch(in, at, part);
    }
    return weft__op_try(&ow.op, false);
}

/* Give at most `part` of the bytes in the pipe.  How many, at least 1; -errno. */
static ssize_t empty(struct weft_relay *r, int out, int kind, size_t part, const void *caller)
{
    struct weft__op_wait ow;
    weft__op_init(&ow.op, WEFT__OP_SPLICE_OUT, out, &ow);
    ow.op.other = r->pipe[0];
    ow.op.part = (uint32_t)part;
    ow.op.offset = -1;
    ssize_t n = weft__move(&ow.op, kind, WAIT_WRITE, caller);
    return n == 0 ? -EIO : n;
}

/* What the two sides are, or -errno. */
struct sides {
    int in, out;
};

static int prepare(struct sides *kinds, int out, int in)
{
    kinds->in = weft__move_prepare(in);
    kinds->out = weft__move_prepare(out);
    return kinds->in < 0 ? kinds->in : kinds->out < 0 ? kinds->out : 0;
}

static ssize_t copy(struct weft_relay *r, int out, int in, struct sides kinds, size_t limit,
                    const void *caller)
{
    if (kinds.in == WEFT__FD_BLOCKS || kinds.out == WEFT__FD_BLOCKS || weft__sys_appends(out)) {
        return -EINVAL;
    }
    size_t done = 0;
    ssize_t n = 0;
    while (done < limit) {
        size_t left = limit - done < WEFT__MOVE_BYTES ? limit - done : WEFT__MOVE_BYTES;
        if (r->held == 0) {
            n = fill(r, in, kinds.in, left, caller);
            if (n <= 0) {
                break;
            }
            r->held = (size_t)n;
        }
        n = empty(r, out, kinds.out, left < r->held ? left : r->held, caller);
        if (n < 0) {
            break;
        }
        r->held -= (size_t)n;
        done += (size_t)n;
    }
    return done > 0 || limit == 0 ? (ssize_t)done : n;
}

ssize_t weft_relay_copy(struct weft_relay *r, int out, int in, size_t limit)
{
    struct sides kinds;
    (void)weft__park_self("weft_relay_copy()");
    int rc = prepare(&kinds, out, in);
    if (rc != 0) {
        return rc;
    }
    return copy(r, out, in, kinds, limit < SSIZE_MAX ? limit : SSIZE_MAX,
                __builtin_return_address(0));
}

/* By reads and writes. */
static ssize_t copy_by_hand(int out, int in, size_t limit)
{
    char *buf = weft__alloc(BY_HAND_BYTES);
    if (buf == NULL) {
        return -ENOMEM;
    }
    size_t done = 0;
    ssize_t n = 0;
    while (done < limit) {
        ssize_t got =
            weft_read(in, buf, limit - done < BY_HAND_BYTES ? limit - done : BY_HAND_BYTES);
        n = got <= 0 ? got : weft_write_full(out, buf, (size_t)got);
        done += n > 0 ? (size_t)n : 0;
        if (n <= 0 || n < got) {
            break;
        }
    }
    weft__free(buf);
    return done > 0 ? (ssize_t)done : n;
}

/* The kernel does not know how.  What the pipe has taken goes first. */
static ssize_t go_on_by_hand(struct weft_relay *r, int out, int in, size_t limit)
{
    size_t held = r->held;
    ssize_t first = held > 0 ? copy_by_hand(out, r->pipe[0], held) : 0;
    if (first < (ssize_t)held) {
        return first;
    }
    ssize_t n = copy_by_hand(out, in, limit - held);
    return n >= 0 ? first + n : first > 0 ? first : n;
}

ssize_t weft_copy(int out, int in, size_t limit)
{
    struct weft_relay r;
    struct sides kinds;
    (void)weft__park_self("weft_copy()");
    limit = limit < SSIZE_MAX ? limit : SSIZE_MAX;
    int rc = prepare(&kinds, out, in); /* before the pipe has numbers that may be theirs */
    if (rc == 0) {
        rc = weft_relay_open(&r);
    }
    if (rc != 0) {
        return rc;
    }
    ssize_t n = copy(&r, out, in, kinds, limit, __builtin_return_address(0));
    if (n == -EINVAL) {
        n = go_on_by_hand(&r, out, in, limit);
    }
    (void)weft_relay_close(&r);
    return n;
}
