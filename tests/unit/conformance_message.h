/* SPDX-License-Identifier: MIT */
/* conformance_message.h - of conformance.c: messages with a header, on a stream. */
#ifndef WEFT_TESTS_CONFORMANCE_MESSAGE_H
#define WEFT_TESTS_CONFORMANCE_MESSAGE_H

#include "conformance_socket.h"

static ssize_t recv_to(struct scene *s, void *buf, size_t n)
{
    struct iovec iov = {buf, n};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    return weft_recv_msg(s->fd, &msg, 0);
}

static ssize_t call_recv_msg(struct scene *s)
{
    char bytes[5];

    return checked(recv_to(s, bytes, sizeof bytes), bytes);
}

static ssize_t recv_huge(struct scene *s)
{
    return checked(recv_to(s, few, HUGE_BYTES), few);
}

/* No bytes of those that are there. */
static ssize_t recv_nothing(struct scene *s)
{
    peer_writes(s);
    return recv_to(s, NULL, 0);
}

static ssize_t recv_to_nowhere(struct scene *s)
{
    return recv_to(s, no_memory(), 5);
}

static ssize_t bad_recv_msg(struct scene *s)
{
    struct msghdr msg = {.msg_iovlen = 0};

    CHECK_EQ(weft_recv_msg(s->fd, &msg, MSG_WAITALL), -EINVAL);
    return bad_memory(s);
}

static ssize_t send_from(struct scene *s, const void *buf, size_t n)
{
    struct iovec iov = {(void *)(uintptr_t)buf, n};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    return weft_send_msg(s->fd, &msg, 0);
}

static ssize_t call_send_msg(struct scene *s)
{
    return send_from(s, "hello", 5);
}

static ssize_t send_large(struct scene *s)
{
    return some_of(send_from(s, huge_zeros(), LARGE_BYTES), LARGE_BYTES);
}

static ssize_t send_huge(struct scene *s)
{
    return some_of(send_from(s, huge_zeros(), HUGE_BYTES), HUGE_BYTES);
}

static ssize_t send_nothing(struct scene *s)
{
    peer_reads_all(s);
    return send_from(s, NULL, 0);
}

static ssize_t send_from_nowhere(struct scene *s)
{
    return send_from(s, no_memory(), 5);
}

static ssize_t bad_send_msg(struct scene *s)
{
    struct msghdr msg = {.msg_iovlen = 0};

    CHECK_EQ(weft_send_msg(s->fd, &msg, MSG_FASTOPEN), -EINVAL);
    return bad_memory(s);
}

/* What is no socket says so; of the others one is not ours. */
static ssize_t foreign_message(struct scene *s)
{
    static const struct flavour foreign[] = {
        {"foreign socketpair", foreign_pair, false},
        {"nonblocking foreign socketpair", nonblocking_foreign_pair, false},
    };
    struct scene other = {.row = s->row};
    int fds[2];

    for (int i = 0; i < COUNT(foreign); i++) {
        other.flavour = &foreign[i];
        begin(&other);
        CHECK_EQ(would_block(&other), 5);
        end(&other);
    }
    pipe_pair(fds);
    other.fd = fds[0];
    CHECK_EQ(other.call(&other), -ENOTSOCK);
    close_both(fds);
    return 5;
}

#define MESSAGE_CELLS(some, at_the_end, tcp_reset, unix_reset, bad, is_huge)                       \
    {                                                                                              \
        [WOULD_BLOCK] = GIVES(would_block, 5), some, at_the_end,                                   \
        [RESET] = GIVES_EACH(was_reset, tcp_reset, unix_reset),                                    \
        [INTERRUPTED] = GIVES(interrupted, 5), [CLOSED] = GIVES(closed, -EBADF),                   \
        [REUSED] = GIVES(reused, -EBADF), [DEADLINE] = GIVES(deadline, -ETIMEDOUT),                \
        [CANCEL] = GIVES(cancel, -ECANCELED), [TWO_WAITERS] = GIVES(two_waiters, 5),               \
        [FOREIGN] = GIVES(foreign_message, 5), [HUGE] = GIVES(huge, is_huge),                      \
        [ZERO] = GIVES(zero, 0), [BAD] = GIVES(bad, -EFAULT),                                      \
    }
#define RECV_CELLS                                                                                 \
    MESSAGE_CELLS([PARTIAL] = GIVES(some_came, 3), [END] = GIVES(at_end, 0), -ECONNRESET,          \
                  -ECONNRESET, bad_recv_msg, 5)
#define SEND_CELLS                                                                                 \
    MESSAGE_CELLS([PARTIAL] = GIVES(some_goes, SOME), [END] = GIVES(nobody_reads, -EPIPE),         \
                  -ECONNRESET, -EPIPE, bad_send_msg, SOME)

#endif
