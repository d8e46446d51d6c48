/* SPDX-License-Identifier: MIT */
/* conformance_stream.h - of conformance.c: reading and writing a stream. */
#ifndef WEFT_TESTS_CONFORMANCE_STREAM_H
#define WEFT_TESTS_CONFORMANCE_STREAM_H

#include <limits.h>

#include "conformance.h"

#define HUGE_BYTES ((size_t)3 << 30)   /* more than one system call moves */
#define LARGE_BYTES ((size_t)64 << 20) /* more than a connection holds */

static char few[64];

/* Memory that nobody may touch. */
static void *no_memory(void)
{
    static void *page;

    if (page == NULL)
        page = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    return page;
}

/* ---- what happens ---- */

static void peer_writes(struct scene *s)
{
    CHECK_EQ(write(s->peer, "hello", 5), 5);
}

static void peer_writes_three(struct scene *s)
{
    CHECK_EQ(write(s->peer, "hel", 3), 3);
}

static void peer_closes(struct scene *s)
{
    shut(&s->peer);
}

/* Something that the peer has not read makes a close of its end a reset. */
static void peer_resets(struct scene *s)
{
    if (s->jammed == 0)
        CHECK_EQ(write(s->fd, "unread", 6), 6);
    set_reset_on_close(s->peer);
    shut(&s->peer);
}

static void peer_reads_all(struct scene *s)
{
    static char block[65536];

    while (s->jammed > 0) {
        ssize_t n = weft_read(s->peer, block, s->jammed < sizeof block ? s->jammed : sizeof block);
        CHECK_GT(n, 0);
        s->jammed -= (size_t)n;
    }
}

/* ---- reads ---- */

static ssize_t checked(ssize_t n, const char *bytes)
{
    CHECK(n <= 0 || memcmp(bytes, "hello", (size_t)n) == 0);
    return n;
}

static ssize_t call_read(struct scene *s)
{
    char bytes[5];

    return checked(weft_read(s->fd, bytes, sizeof bytes), bytes);
}

static ssize_t call_readv(struct scene *s)
{
    char bytes[5];
    struct iovec iov[2] = {{bytes, 2}, {bytes + 2, 3}};

    return checked(weft_readv(s->fd, iov, 2), bytes);
}

static ssize_t read_huge(struct scene *s)
{
    return checked(weft_read(s->fd, few, SIZE_MAX), few);
}

static ssize_t readv_huge(struct scene *s)
{
    struct iovec iov = {few, HUGE_BYTES};

    return checked(weft_readv(s->fd, &iov, 1), few);
}

static ssize_t read_to_nowhere(struct scene *s)
{
    return weft_read(s->fd, no_memory(), 5);
}

static ssize_t readv_to_nowhere(struct scene *s)
{
    struct iovec iov = {no_memory(), 5};

    return weft_readv(s->fd, &iov, 1);
}

static ssize_t some_came(struct scene *s)
{
    return meet(s, peer_writes_three);
}

static ssize_t at_end(struct scene *s)
{
    ssize_t rc = meet(s, peer_closes);

    CHECK_EQ(s->call(s), rc); /* it stays */
    return rc;
}

static ssize_t was_reset(struct scene *s)
{
    return meet(s, peer_resets);
}

static ssize_t read_nothing(struct scene *s)
{
    return weft_read(s->fd, NULL, 0);
}

static ssize_t readv_nothing(struct scene *s)
{
    struct iovec iov[2] = {{few, 0}, {NULL, 0}};

    CHECK_EQ(weft_readv(s->fd, NULL, 0), 0);
    return weft_readv(s->fd, iov, 2);
}

static ssize_t huge(struct scene *s)
{
    return meet_with(s, s->row->forms.huge, s->row->let_go);
}

static ssize_t zero(struct scene *s)
{
    return s->row->forms.zero(s);
}

/* An fd that is none; then a place that is none, which loses nothing. */
static ssize_t bad_memory(struct scene *s)
{
    const int fd = s->fd;

    s->fd = -1;
    CHECK_EQ(s->call(s), -EBADF);
    s->fd = 9999;
    CHECK_EQ(s->call(s), -EBADF);
    s->fd = fd;
    ssize_t rc = meet_with(s, s->row->forms.nowhere, s->row->let_go);
    CHECK_EQ(s->call(s), 5);
    return rc;
}

static const struct iovec too_long[2] = {{few, (size_t)SSIZE_MAX}, {few, 1}};

static ssize_t bad_readv(struct scene *s)
{
    CHECK_EQ(weft_readv(s->fd, too_long, -1), -EINVAL);
    CHECK_EQ(weft_readv(s->fd, too_long, 1025), -EINVAL);
    CHECK_EQ(weft_readv(s->fd, NULL, 1), -EINVAL);
    CHECK_EQ(weft_readv(s->fd, too_long, 2), -EINVAL);
    return bad_memory(s);
}

/* Those that somebody else made, and the same again. */
static ssize_t of_each_foreign_kind(struct scene *s, ssize_t expected, bool is_bounded)
{
    for (int i = 0; i < COUNT(kinds); i++) {
        const struct flavour f = {kinds[i].name, kinds[i].make, false};
        struct scene other = {.flavour = &f, .row = s->row};
        if (kinds[i].make == tcp_pair || kinds[i].make == unix_pair ||
            (is_bounded && !kinds[i].is_bounded) ||
            (kinds[i].make == pty_pair && access("/dev/ptmx", R_OK | W_OK) != 0))
            continue;
        begin(&other);
        CHECK_EQ(would_block(&other), expected);
        end(&other);
    }
    return expected;
}

static ssize_t foreign_read(struct scene *s)
{
    return of_each_foreign_kind(s, 5, false);
}

#define READ_CELLS(bad)                                                                            \
    {                                                                                              \
        [WOULD_BLOCK] = GIVES(would_block, 5), [PARTIAL] = GIVES(some_came, 3),                    \
        [END] = GIVES(at_end, 0), [RESET] = GIVES(was_reset, -ECONNRESET),                         \
        [INTERRUPTED] = GIVES(interrupted, 5), [CLOSED] = GIVES(closed, -EBADF),                   \
        [REUSED] = GIVES(reused, -EBADF), [DEADLINE] = GIVES(deadline, -ETIMEDOUT),                \
        [CANCEL] = GIVES(cancel, -ECANCELED), [TWO_WAITERS] = GIVES(two_waiters, 5),               \
        [FOREIGN] = GIVES(foreign_read, 5), [HUGE] = GIVES(huge, 5), [ZERO] = GIVES(zero, 0),      \
        [BAD] = GIVES(bad, -EFAULT),                                                               \
    }

/* ---- writes: the connection takes no more until the peer reads ---- */

static void make_jam(struct scene *s)
{
    int fds[2];

    s->flavour->pair(fds);
    s->fd = fds[1]; /* in pairs with a direction the writing end */
    s->peer = fds[0];
    s->jammed = fill(s->fd);
}

static ssize_t call_write(struct scene *s)
{
    return weft_write(s->fd, "hello", 5);
}

static ssize_t call_writev(struct scene *s)
{
    struct iovec iov[2] = {{(char[]){"he"}, 2}, {(char[]){"llo"}, 3}};

    return weft_writev(s->fd, iov, 2);
}

/* All of it reads as zeros, and none of it takes memory. */
static char *huge_zeros(void)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    static char *zeros;

    if (zeros == NULL)
        zeros = mmap(NULL, HUGE_BYTES, PROT_READ, flags, -1, 0);
    CHECK(zeros != MAP_FAILED);
    return zeros;
}

static ssize_t some_of(ssize_t n, size_t asked)
{
    return n > 0 && (size_t)n < asked ? SOME : n;
}

static ssize_t write_large(struct scene *s)
{
    return some_of(weft_write(s->fd, huge_zeros(), LARGE_BYTES), LARGE_BYTES);
}

static ssize_t writev_large(struct scene *s)
{
    struct iovec iov[2] = {{huge_zeros(), LARGE_BYTES}, {huge_zeros(), LARGE_BYTES}};

    return some_of(weft_writev(s->fd, iov, 2), 2 * LARGE_BYTES);
}

static ssize_t write_huge(struct scene *s)
{
    return some_of(weft_write(s->fd, huge_zeros(), HUGE_BYTES), HUGE_BYTES);
}

static ssize_t writev_huge(struct scene *s)
{
    struct iovec iov = {huge_zeros(), HUGE_BYTES};

    return some_of(weft_writev(s->fd, &iov, 1), HUGE_BYTES);
}

static ssize_t write_from_nowhere(struct scene *s)
{
    return weft_write(s->fd, no_memory(), 5);
}

static ssize_t writev_from_nowhere(struct scene *s)
{
    struct iovec iov = {no_memory(), 5};

    return weft_writev(s->fd, &iov, 1);
}

static ssize_t write_nothing(struct scene *s)
{
    return weft_write(s->fd, NULL, 0);
}

static ssize_t writev_nothing(struct scene *s)
{
    struct iovec iov[2] = {{few, 0}, {NULL, 0}};

    CHECK_EQ(weft_writev(s->fd, NULL, 0), 0);
    return weft_writev(s->fd, iov, 2);
}

static ssize_t some_goes(struct scene *s)
{
    return meet_with(s, s->row->forms.large, s->row->let_go);
}

/* The peer has read all and closed.  What it is sent next, TCP answers with a reset, and from then
 * on nothing can be sent. */
static ssize_t nobody_reads(struct scene *s)
{
    const int64_t until = weft_now() + LONG_NS;
    ssize_t rc;

    peer_reads_all(s);
    shut(&s->peer);
    while ((rc = s->call(s)) > 0 && weft_now() < until)
        CHECK_EQ(weft_sleep(100 * WEFT_US), 0);
    CHECK_EQ(s->call(s), rc);
    return rc;
}

static ssize_t bad_writev(struct scene *s)
{
    CHECK_EQ(weft_writev(s->fd, too_long, -1), -EINVAL);
    CHECK_EQ(weft_writev(s->fd, too_long, 1025), -EINVAL);
    CHECK_EQ(weft_writev(s->fd, NULL, 1), -EINVAL);
    CHECK_EQ(weft_writev(s->fd, too_long, 2), -EINVAL);
    return bad_memory(s);
}

static ssize_t foreign_write(struct scene *s)
{
    return of_each_foreign_kind(s, 5, true);
}

#define WRITE_CELLS(bad)                                                                           \
    {                                                                                              \
        [WOULD_BLOCK] = GIVES(would_block, 5), [PARTIAL] = GIVES(some_goes, SOME),                 \
        [END] = GIVES(nobody_reads, -EPIPE), [RESET] = GIVES_EACH(was_reset, -ECONNRESET, -EPIPE), \
        [INTERRUPTED] = GIVES(interrupted, 5), [CLOSED] = GIVES(closed, -EBADF),                   \
        [REUSED] = GIVES(reused, -EBADF), [DEADLINE] = GIVES(deadline, -ETIMEDOUT),                \
        [CANCEL] = GIVES(cancel, -ECANCELED), [TWO_WAITERS] = GIVES(two_waiters, 5),               \
        [FOREIGN] = GIVES(foreign_write, 5), [HUGE] = GIVES(huge, SOME), [ZERO] = GIVES(zero, 0),  \
        [BAD] = GIVES(bad, -EFAULT),                                                               \
    }

#endif
