/* SPDX-License-Identifier: MIT */
/*
 * conformance_copy.h - of conformance.c: copies inside the kernel.
 *
 * A copy ends where its bytes or its file end, and not where one system call does.
 */
#ifndef WEFT_TESTS_CONFORMANCE_COPY_H
#define WEFT_TESTS_CONFORMANCE_COPY_H

#include <sys/mman.h>

#include "conformance_socket.h"

/* What a copy is made through, from or to; there for all cells, so that none of its numbers is that
 * of an fd which a scenario has closed. */
static struct through {
    struct weft_relay relay;
    int end[2]; /* a pipe: the other side of the copy */
    atomic_bool is_in_use;
} throughs[2];
static int five_bytes; /* a file */

static void open_throughs(void)
{
    for (int i = 0; i < COUNT(throughs); i++) {
        CHECK_EQ(weft_relay_open(&throughs[i].relay), 0);
        CHECK_EQ(weft_pipe(throughs[i].end), 0);
    }
    five_bytes = memfd_create("five bytes", MFD_CLOEXEC);
    CHECK_GE(five_bytes, 0);
    CHECK_EQ(write(five_bytes, "hello", 5), 5);
}

static void close_throughs(void)
{
    for (int i = 0; i < COUNT(throughs); i++) {
        CHECK_EQ(weft_relay_close(&throughs[i].relay), 0);
        close_both(throughs[i].end);
    }
    CHECK_EQ(close(five_bytes), 0);
}

static struct through *take_through(void)
{
    bool first = !atomic_exchange(&throughs[0].is_in_use, true);

    CHECK(first || !atomic_exchange(&throughs[1].is_in_use, true));
    return &throughs[first ? 0 : 1];
}

static ssize_t take_in(struct scene *s, size_t limit)
{
    struct through *t = take_through();
    char bytes[5];
    ssize_t n = weft_relay_copy(&t->relay, t->end[1], s->fd, limit);

    if (n > 0)
        CHECK_EQ(read(t->end[0], bytes, sizeof bytes), n);
    atomic_store(&t->is_in_use, false);
    return checked(n, bytes);
}

static ssize_t call_splice_in(struct scene *s)
{
    return take_in(s, 5);
}

static ssize_t splice_in_huge(struct scene *s)
{
    return take_in(s, SIZE_MAX);
}

static ssize_t splice_in_nothing(struct scene *s)
{
    return take_in(s, 0);
}

/* What a call that was ended has left in the relay goes out with the next one. */
static ssize_t give_out(struct scene *s, size_t limit)
{
    struct through *t = take_through();

    if (weft_relay_held(&t->relay) == 0 && limit > 0)
        CHECK_EQ(write(t->end[1], "hello", 5), 5);
    ssize_t n = weft_relay_copy(&t->relay, s->fd, t->end[0], limit);
    atomic_store(&t->is_in_use, false);
    return n;
}

static ssize_t call_splice_out(struct scene *s)
{
    return give_out(s, 5);
}

static ssize_t splice_out_nothing(struct scene *s)
{
    return weft_relay_held(&throughs[0].relay) == 0 ? give_out(s, 0) : 0;
}

static ssize_t call_sendfile(struct scene *s)
{
    return weft_sendfile(s->fd, five_bytes, 0, 5);
}

static ssize_t sendfile_huge(struct scene *s)
{
    return weft_sendfile(s->fd, five_bytes, 0, SIZE_MAX);
}

static ssize_t sendfile_nothing(struct scene *s)
{
    return weft_sendfile(s->fd, five_bytes, 0, 0);
}

static ssize_t sendfile_large(struct scene *s)
{
    return weft_sendfile(s->fd, five_bytes, 2, 5);
}

/* ---- scenarios ---- */

static void peer_writes_three_and_closes(struct scene *s)
{
    peer_writes_three(s);
    shut(&s->peer);
}

static ssize_t some_came_and_the_end(struct scene *s)
{
    return meet(s, peer_writes_three_and_closes);
}

static void peer_writes_and_closes(struct scene *s)
{
    peer_writes(s);
    shut(&s->peer);
}

static ssize_t all_that_comes(struct scene *s)
{
    return meet_with(s, s->row->forms.huge, peer_writes_and_closes);
}

/* One that blocks is refused, and nothing is lost. */
static ssize_t foreign_copy(struct scene *s)
{
    static const struct flavour foreign = {"foreign", nonblocking_foreign_pair, false};
    struct scene other = {.flavour = &foreign, .row = s->row};
    int fds[2];

    begin(&other);
    CHECK_EQ(would_block(&other), 5);
    end(&other);
    foreign_pair(fds);
    other.fd = fds[0];
    CHECK_EQ(other.call(&other), -EINVAL);
    close_both(fds);
    return would_block(s);
}

static ssize_t bad_copy(struct scene *s)
{
    const int fd = s->fd;

    CHECK_EQ(weft_sendfile(fd, five_bytes, -1, 5), -EINVAL);
    CHECK_EQ(weft_sendfile(fd, -1, 0, 5), -EBADF);
    s->fd = 9999;
    CHECK_EQ(s->call(s), -EBADF);
    s->fd = -1;
    ssize_t rc = s->call(s);
    s->fd = fd;
    CHECK_EQ(would_block(s), 5);
    return rc;
}

#define COPY_CELLS(some, at_the_end, reset, is_huge)                                               \
    {                                                                                              \
        [WOULD_BLOCK] = GIVES(would_block, 5), some, at_the_end, reset,                            \
        [INTERRUPTED] = GIVES(interrupted, 5), [CLOSED] = GIVES(closed, -EBADF),                   \
        [REUSED] = GIVES(reused, -EBADF), [DEADLINE] = GIVES(deadline, -ETIMEDOUT),                \
        [CANCEL] = GIVES(cancel, -ECANCELED), [TWO_WAITERS] = GIVES(two_waiters, 5),               \
        [FOREIGN] = GIVES(foreign_copy, 5), is_huge, [ZERO] = GIVES(zero, 0),                      \
        [BAD] = GIVES(bad_copy, -EBADF),                                                           \
    }
#define SPLICE_IN_CELLS                                                                            \
    COPY_CELLS([PARTIAL] = GIVES(some_came_and_the_end, 3), [END] = GIVES(at_end, 0),              \
               [RESET] = GIVES(was_reset, -ECONNRESET), [HUGE] = GIVES(all_that_comes, 5))
#define SPLICE_OUT_CELLS                                                                           \
    COPY_CELLS([PARTIAL] = NONE("a copy goes on"), [END] = GIVES(nobody_reads, -EPIPE),            \
               [RESET] = GIVES_EACH(was_reset, -ECONNRESET, -EPIPE),                               \
               [HUGE] = NONE("a pipe holds less"))
#define SENDFILE_CELLS                                                                             \
    COPY_CELLS([PARTIAL] = GIVES(some_goes, 3), [END] = GIVES(nobody_reads, -EPIPE),               \
               [RESET] = GIVES_EACH(was_reset, -ECONNRESET, -EPIPE), [HUGE] = GIVES(huge, 5))

#endif
