/* SPDX-License-Identifier: MIT */
/*
 * conformance_file.h - of conformance.c: files at a place of their own.  Over TCP and over UNIX is
 * the same here.
 *
 * A disk ends each operation by itself: nothing cuts it short, and what is in memory needs none.
 * So a deadline or a cancel is told only by what always takes the disk, before it begins.
 */
#ifndef WEFT_TESTS_CONFORMANCE_FILE_H
#define WEFT_TESTS_CONFORMANCE_FILE_H

#include "conformance_socket.h"

/* A file of five bytes, mostly out of memory. */
static void make_file(struct scene *s)
{
    s->fd = weft_temp_file(NULL);
    CHECK_GE(s->fd, 0);
    CHECK_EQ(pwrite(s->fd, "hello", 5, 0), 5);
    CHECK_EQ(fdatasync(s->fd), 0);
    CHECK_EQ(posix_fadvise(s->fd, 0, 0, POSIX_FADV_DONTNEED), 0);
}

static ssize_t call_pread(struct scene *s)
{
    char bytes[5];

    return checked(weft_pread(s->fd, bytes, sizeof bytes, 0), bytes);
}

static ssize_t pread_huge(struct scene *s)
{
    return checked(weft_pread(s->fd, few, HUGE_BYTES, 0), few);
}

static ssize_t pread_nothing(struct scene *s)
{
    return weft_pread(s->fd, NULL, 0, 0);
}

static ssize_t pread_to_nowhere(struct scene *s)
{
    return weft_pread(s->fd, no_memory(), 5, 0);
}

static ssize_t call_pwrite(struct scene *s)
{
    return weft_pwrite(s->fd, "hello", 5, 0);
}

/* Beyond the last byte that a file can have. */
static ssize_t pwrite_huge(struct scene *s)
{
    return weft_pwrite(s->fd, huge_zeros(), HUGE_BYTES, INT64_MAX - 5);
}

static ssize_t pwrite_nothing(struct scene *s)
{
    return weft_pwrite(s->fd, NULL, 0, 0);
}

static ssize_t pwrite_from_nowhere(struct scene *s)
{
    return weft_pwrite(s->fd, no_memory(), 5, 0);
}

static ssize_t call_fsync(struct scene *s)
{
    CHECK_EQ(pwrite(s->fd, "x", 1, 0), 1); /* there is something to be done */
    return weft_fsync(s->fd);
}

/* ---- scenarios ---- */

static ssize_t on_a_disk(struct scene *s)
{
    return s->call(s);
}

static ssize_t near_the_end(struct scene *s)
{
    return weft_pread(s->fd, few, 5, 2);
}

static ssize_t past_the_end(struct scene *s)
{
    CHECK_EQ(weft_pread(s->fd, few, 5, 1 << 20), 0);
    return weft_pread(s->fd, few, 5, 5);
}

static ssize_t under_signals(struct scene *s)
{
    pid_t pid = start_signals();
    ssize_t rc = s->call(s), expected = rc;
    int status;

    while (rc == expected && waitpid(pid, &status, WNOHANG) != pid) {
        CHECK_EQ(posix_fadvise(s->fd, 0, 0, POSIX_FADV_DONTNEED), 0);
        rc = s->call(s);
    }
    return rc;
}

static ssize_t of_a_closed_file(struct scene *s)
{
    const int fd = s->fd;

    shut(&s->fd);
    s->fd = fd;
    ssize_t rc = s->row->forms.nowhere(s);
    s->fd = -1;
    return rc;
}

static ssize_t sync_past_the_deadline(struct scene *s)
{
    ssize_t rc = 0;

    WEFT_DEADLINE (d, -1)
        rc = s->call(s);
    return rc;
}

static ssize_t sync_cancelled(struct scene *s)
{
    ssize_t rc = 0;

    WEFT_SCOPE (scope) {
        weft_scope_cancel(&scope);
        rc = s->call(s);
    }
    return rc;
}

static ssize_t huge_at_once(struct scene *s)
{
    return s->row->forms.huge(s);
}

static ssize_t two_at_once(struct scene *s)
{
    struct weft_co *a = start_call(s), *b = start_call(s);
    ssize_t rc = join_call(a);

    CHECK_EQ(join_call(b), rc);
    return rc;
}

static ssize_t foreign_file(struct scene *s)
{
    char path[] = "/tmp/weft_conformance_XXXXXX";

    shut(&s->fd);
    s->fd = mkstemp(path);
    CHECK_GE(s->fd, 0);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(pwrite(s->fd, "hello", 5, 0), 5);
    return s->call(s);
}

/* At no place, of no file, to nowhere. */
static ssize_t bad_place(struct scene *s)
{
    int fds[2];

    CHECK_EQ(weft_pread(s->fd, few, 5, -1), -EINVAL);
    CHECK_EQ(weft_pwrite(s->fd, few, 5, -1), -EINVAL);
    CHECK_EQ(weft_pread(9999, few, 5, 0), -EBADF);
    CHECK_EQ(weft_pwrite(-1, few, 5, 0), -EBADF);
    pipe_pair(fds);
    CHECK_EQ(weft_pread(fds[0], few, 5, 0), -ESPIPE);
    CHECK_EQ(weft_pwrite(fds[1], few, 5, 0), -ESPIPE);
    close_both(fds);
    return s->row->forms.nowhere(s);
}

static ssize_t bad_sync(struct scene *s)
{
    int fds[2];

    (void)s;
    CHECK_EQ(weft_fsync(9999), -EBADF);
    pipe_pair(fds);
    CHECK_EQ(weft_fsync(fds[0]), -EINVAL);
    close_both(fds);
    return weft_fsync(-1);
}

static ssize_t sync_of_a_closed_file(struct scene *s)
{
    const int fd = s->fd;

    shut(&s->fd);
    return weft_fsync(fd);
}

#define NO_PEER NONE("a file has no other side")
#define NO_REUSE NONE("a close waits for what is under way")
#define BY_DISK NONE("the file system decides whether it takes the disk")
#define PREAD_CELLS                                                                                \
    {                                                                                              \
        [WOULD_BLOCK] = GIVES(on_a_disk, 5), [PARTIAL] = GIVES(near_the_end, 3),                   \
        [END] = GIVES(past_the_end, 0), [RESET] = NO_PEER,                                         \
        [INTERRUPTED] = GIVES(under_signals, 5), [CLOSED] = GIVES(of_a_closed_file, -EBADF),       \
        [REUSED] = NO_REUSE, [DEADLINE] = BY_DISK, [CANCEL] = BY_DISK,                             \
        [TWO_WAITERS] = GIVES(two_at_once, 5),                                                     \
        [FOREIGN] = GIVES(foreign_file, 5), [HUGE] = GIVES(huge_at_once, 5),                       \
        [ZERO] = GIVES(zero, 0), [BAD] = GIVES(bad_place, -EFAULT),                                \
    }
#define PWRITE_CELLS                                                                               \
    {                                                                                              \
        [WOULD_BLOCK] = GIVES(on_a_disk, 5), [PARTIAL] = NONE("a file takes all, or has no room"), \
        [END] = NONE("a file grows"), [RESET] = NO_PEER, [INTERRUPTED] = GIVES(under_signals, 5),  \
        [CLOSED] = GIVES(of_a_closed_file, -EBADF), [REUSED] = NO_REUSE,                           \
        [DEADLINE] = BY_DISK, [CANCEL] = BY_DISK, [TWO_WAITERS] = GIVES(two_at_once, 5),           \
        [FOREIGN] = GIVES(foreign_file, 5), [HUGE] = GIVES(huge_at_once, -EINVAL),                 \
        [ZERO] = GIVES(zero, 0), [BAD] = GIVES(bad_place, -EFAULT),                                \
    }
#define SYNC_CELLS                                                                                 \
    {                                                                                              \
        [WOULD_BLOCK] = GIVES(on_a_disk, 0), [PARTIAL] = NO_BYTES, [END] = NO_BYTES,               \
        [RESET] = NO_PEER, [INTERRUPTED] = GIVES(under_signals, 0),                                \
        [CLOSED] = GIVES(sync_of_a_closed_file, -EBADF), [REUSED] = NO_REUSE,                      \
        [DEADLINE] = GIVES(sync_past_the_deadline, -ETIMEDOUT),                                    \
        [CANCEL] = GIVES(sync_cancelled, -ECANCELED), [TWO_WAITERS] = GIVES(two_at_once, 0),       \
        [FOREIGN] = GIVES(foreign_file, 0), [HUGE] = NO_BYTES, [ZERO] = NO_BYTES,                  \
        [BAD] = GIVES(bad_sync, -EBADF),                                                           \
    }

#endif
