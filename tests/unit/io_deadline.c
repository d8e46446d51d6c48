/* SPDX-License-Identifier: MIT */
/* io_deadline.c - deadline scopes around reads, writes and waits on fds of every kind. */
#define _GNU_SOURCE
#include "io_kinds.h"

enum call { READ, WRITE, READ_FULL, WRITE_FULL, READV, WRITEV, WRITEV_FULL, WAIT_IN, WAIT_OUT,
            CALLS };

static bool is_writing(int call)
{
    return call == WRITE || call == WRITE_FULL || call == WRITEV || call == WRITEV_FULL ||
           call == WAIT_OUT;
}

static ssize_t make_call(int call, int fd)
{
    char buf[8] = "unused";
    struct iovec iov[2] = {{buf, 4}, {buf + 4, 4}};

    switch (call) {
    case READ: return weft_read(fd, buf, 8);
    case WRITE: return weft_write(fd, buf, 8);
    case READ_FULL: return weft_read_full(fd, buf, 8);
    case WRITE_FULL: return weft_write_full(fd, buf, 8);
    case READV: return weft_readv(fd, iov, 2);
    case WRITEV: return weft_writev(fd, iov, 2);
    case WRITEV_FULL: return weft_writev_full(fd, iov, 2);
    case WAIT_IN: return weft_wait_fd(fd, POLLIN);
    default: return weft_wait_fd(fd, POLLOUT);
    }
}

/* After a call was ended by a deadline, the stream is as it was: what is written comes out. */
static void check_nothing_lost(int in, int out, size_t filled)
{
    unsigned char buf[4096];

    while (filled > 0) {
        ssize_t n = weft_read(in, buf, filled < sizeof buf ? filled : sizeof buf);
        CHECK_GT(n, 0);
        for (ssize_t i = 0; i < n; i++)
            CHECK_EQ(buf[i], 0); /* no byte of the ended write is among them */
        filled -= (size_t)n;
    }
    CHECK_EQ(weft_write_full(out, "after", 5), 5);
    CHECK_EQ(weft_read_full(in, buf, 5), 5);
    CHECK(memcmp(buf, "after", 5) == 0);
}

/* Goal: every blocking call obeys the deadline of the scope around it, with -ETIMEDOUT in time, and
 * says so; nothing was read or written. */
CO_TEST(a_deadline_ends_every_call_and_loses_nothing)
{
    for (int k = 0; k < COUNT(kinds); k++) {
        for (int call = 0; call < CALLS; call++) {
            if (is_writing(call) && !kinds[k].is_bounded)
                continue;
            int fds[2];
            kinds[k].make(fds);
            const size_t filled = is_writing(call) ? fill(fds[1]) : 0;
            const int64_t start = weft_now();
            struct weft_scope s;

            weft_scope_begin(&s, 5 * WEFT_MS);
            CHECK_EQ(make_call(call, fds[is_writing(call)]), -ETIMEDOUT);
            CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
            CHECK_EQ(make_call(call, fds[is_writing(call)]), -ETIMEDOUT); /* and from then on */
            CHECK(weft_scope_end(&s));
            CHECK_GE(weft_now() - start, 5 * WEFT_MS);
            CHECK_EQ(in_flight(), 0);
            check_nothing_lost(fds[0], fds[1], filled);
            close_both(fds);
        }
    }
    return 0;
}

/* Goal: the outer scope is named as the cause where it ends first. */
CO_TEST(an_outer_deadline_ends_a_call_too)
{
    int fds[2];
    char byte;

    struct weft_scope outer;

    unix_pair(fds);
    weft_scope_begin(&outer, 5 * WEFT_MS);
    WEFT_DEADLINE(inner, LONG_NS) {
        CHECK_EQ(weft_read(fds[0], &byte, 1), -ETIMEDOUT);
        CHECK_EQ(weft_scope_cause(&inner), WEFT_CAUSE_OUTER);
        CHECK_EQ(weft_scope_cause(&outer), WEFT_CAUSE_THIS);
    }
    CHECK(weft_scope_end(&outer));
    close_both(fds);
    return 0;
}

/* Goal: what can be done at once is done, although the deadline has passed. */
CO_TEST(success_wins_over_a_deadline_that_has_passed)
{
    for (int k = 0; k < COUNT(kinds); k++) {
        int fds[2];
        kinds[k].make(fds);
        char byte = 0;

        WEFT_DEADLINE(s, -1) {
            CHECK_EQ(weft_write(fds[1], "y", 1), 1);
            CHECK_GT(weft_wait_fd(fds[0], POLLIN), 0);
            CHECK_EQ(weft_read(fds[0], &byte, 1), 1);
            CHECK_EQ(byte, 'y');
            CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_NONE);
            CHECK_EQ(weft_read(fds[0], &byte, 1), -ETIMEDOUT);
            CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
        }
        close_both(fds);
    }
    return 0;
}

/* Goal: a full call that a deadline ends in the middle returns what it did, and the error comes at
 * the next call. */
CO_TEST(a_full_call_that_is_cut_returns_its_count)
{
    static char big[1 << 20];
    int fds[2];
    char buf[16];

    unix_pair(fds);
    CHECK_EQ(weft_write(fds[1], "abc", 3), 3);
    WEFT_DEADLINE(s, 5 * WEFT_MS) {
        CHECK_EQ(weft_read_full(fds[0], buf, sizeof buf), 3);
        CHECK_EQ(weft_read_full(fds[0], buf, sizeof buf), -ETIMEDOUT);
    }
    ssize_t put = 0;
    WEFT_DEADLINE(s, 5 * WEFT_MS) {
        put = weft_write_full(fds[1], big, sizeof big);
        CHECK_GT(put, 0);
        CHECK_LT(put, sizeof big);
        CHECK_EQ(weft_write_full(fds[1], big, sizeof big), -ETIMEDOUT);
        struct iovec iov[2] = {{big, 10}, {big, 10}};
        CHECK_EQ(weft_writev_full(fds[1], iov, 2), -ETIMEDOUT);
    }
    CHECK_EQ(weft_read_full(fds[0], big, (size_t)put), put);
    WEFT_DEADLINE(s, 0)
        CHECK_EQ(weft_read(fds[0], buf, 1), -ETIMEDOUT); /* not one byte more */
    close_both(fds);
    return 0;
}
