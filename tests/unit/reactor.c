/* SPDX-License-Identifier: MIT */
/*
 * reactor.c - the conformance suite of the drivers: each test runs on io_uring and on epoll, driven
 * through driver.h without a scheduler.  What one driver gives, the other must give.
 *
 * matrix: once
 */
#define _GNU_SOURCE
#include "reactor_rig.h"

/* ---- Situations that hold on every kind of fd. ---- */

static void read_waits_then_gets_what_came(int rd, int wr, const struct pair_kind *kind)
{
    (void)kind;
    struct task t;
    prepare(&t, WEFT__OP_READ, rd);
    CHECK_EQ(weft__op_try(&t.op, weft__fd_is_own(&group.fds, rd)), -EAGAIN);
    CHECK_EQ(submit(0, &t), 0);
    expect_quiet(0);
    put(wr, "hello");
    CHECK_EQ(await(0, &t), 5);
    CHECK_EQ(memcmp(t.bytes, "hello", 5), 0);
}

static void read_sees_what_came_before_its_submit(int rd, int wr, const struct pair_kind *kind)
{
    (void)kind;
    struct task t;
    for (int i = 0; i < 3; i++) {
        prepare(&t, WEFT__OP_READ, rd);
        CHECK_EQ(weft__op_try(&t.op, weft__fd_is_own(&group.fds, rd)), -EAGAIN);
        put(wr, "early");
        wait_once(0, 0); /* the event passes while nobody waits */
        int rc = submit(0, &t);
        CHECK_GE(rc, 0);
        CHECK_EQ(rc == 1 ? t.op.result : await(0, &t), 5);
    }
}

static void vectors_are_filled_in_order(int rd, int wr, const struct pair_kind *kind)
{
    (void)kind;
    char a[3], b[16];
    struct iovec in[2] = {{a, sizeof a}, {b, sizeof b}};
    struct iovec out[2] = {{"abcd", 4}, {"efg", 3}};
    struct task t, w;
    prepare(&t, WEFT__OP_READV, rd);
    t.op.iov = in;
    t.op.iov_count = 2;
    CHECK_EQ(submit(0, &t), 0);
    expect_quiet(0);
    prepare(&w, WEFT__OP_WRITEV, wr);
    w.op.iov = out;
    w.op.iov_count = 2;
    CHECK_EQ(carry_out(0, &w), 7);
    CHECK_EQ(await(0, &t), 7);
    CHECK_EQ(memcmp(a, "abc", 3), 0);
    CHECK_EQ(memcmp(b, "defg", 4), 0);
}

/* Write until the fd is full; the bytes written. */
static size_t fill(int wr)
{
    static char block[65536];
    size_t n_bytes = 0;
    for (;;) {
        struct task t;
        prepare(&t, WEFT__OP_WRITE, wr);
        t.op.buf = block;
        t.op.bytes = sizeof block;
        ssize_t n = weft__op_try(&t.op, weft__fd_is_own(&group.fds, wr));
        if (n == -EAGAIN) {
            return n_bytes;
        }
        CHECK_GT(n, 0);
        n_bytes += (size_t)n;
    }
}

static void write_waits_for_room_and_may_be_short(int rd, int wr, const struct pair_kind *kind)
{
    static char block[1 << 20];
    struct iovec half[2] = {{block, sizeof block / 2}, {block, sizeof block / 2}};
    for (int vector = 0; vector < 2; vector++) {
        struct task t;
        size_t n_filled = fill(wr);
        prepare(&t, vector ? WEFT__OP_WRITEV : WEFT__OP_WRITE, wr);
        if (vector) {
            t.op.iov = half;
            t.op.iov_count = 2;
        } else {
            t.op.buf = block;
            t.op.bytes = sizeof block;
        }
        int rc = submit(0, &t);
        if (!kind->moves_bytes) {
            CHECK_EQ(rc, 0);
            expect_quiet(0);
        }
        drain(rd, n_filled);
        ssize_t n = rc == 1 ? t.op.result : await(0, &t);
        CHECK_GT(n, 0);
        CHECK_LE(n, sizeof block);
        drain(rd, (size_t)n);
    }
}

static void poll_waits_and_tells_which(int rd, int wr, const struct pair_kind *kind)
{
    (void)kind;
    struct task t;
    prepare(&t, WEFT__OP_POLL, rd);
    t.op.events = POLLIN;
    CHECK_EQ(weft__op_try(&t.op, weft__fd_is_own(&group.fds, rd)), -EAGAIN);
    CHECK_EQ(submit(0, &t), 0);
    expect_quiet(0);
    put(wr, "x");
    CHECK_EQ(await(0, &t), POLLIN);
    drain(rd, 1);
    prepare(&t, WEFT__OP_POLL, wr);
    t.op.events = POLLIN | POLLOUT;
    CHECK_EQ(carry_out(0, &t), POLLOUT);
}

static void both_directions_wait_at_once(int rd, int wr, const struct pair_kind *kind)
{
    if (!kind->is_stream_socket) {
        return;
    }
    struct task in, out, writable;
    size_t n_filled = fill(wr);
    prepare(&in, WEFT__OP_READ, wr);
    prepare(&out, WEFT__OP_WRITE, wr);
    prepare(&writable, WEFT__OP_POLL, wr);
    writable.op.events = POLLOUT;
    CHECK_EQ(submit(0, &in), 0);
    int rc_out = submit(0, &out);
    int rc_writable = submit(0, &writable);
    put(rd, "in");
    CHECK_EQ(await(0, &in), 2);
    CHECK(kind->moves_bytes || (!is_done(&out) && !is_done(&writable)));
    drain(rd, n_filled);
    CHECK_EQ(rc_out == 1 ? out.op.result : await(0, &out), sizeof out.bytes);
    CHECK_EQ((rc_writable == 1 ? writable.op.result : await(0, &writable)) & POLLOUT, POLLOUT);
    drain(rd, sizeof out.bytes);
}

static void two_readers_share_what_comes(int rd, int wr, const struct pair_kind *kind)
{
    (void)kind;
    struct task a, b;
    prepare(&a, WEFT__OP_READ, rd);
    prepare(&b, WEFT__OP_READ, rd);
    a.op.bytes = b.op.bytes = 1;
    CHECK_EQ(submit(0, &a), 0);
    CHECK_EQ(submit(0, &b), 0);
    put(wr, "1");
    while (!is_done(&a) && !is_done(&b)) {
        wait_once(0, after_ms(1000));
    }
    expect_quiet(0);
    CHECK(!is_done(&a) || !is_done(&b));
    put(wr, "2");
    CHECK_EQ(await(0, &a), 1);
    CHECK_EQ(await(0, &b), 1);
    CHECK_EQ(a.bytes[0] + b.bytes[0], '1' + '2');
}

static void cancel_ends_a_wait_with_its_first_reason(int rd, int wr, const struct pair_kind *kind)
{
    (void)kind;
    struct task t;
    prepare(&t, WEFT__OP_READ, rd);
    CHECK_EQ(submit(0, &t), 0);
    driver->cancel(&group.reactors[0], &t.op, -ETIMEDOUT);
    CHECK_EQ(await(0, &t), -ETIMEDOUT);
    driver->cancel(&group.reactors[0], &t.op, -ECANCELED); /* complete: without effect */

    prepare(&t, WEFT__OP_READ, rd);
    CHECK_EQ(submit(0, &t), 0);
    expect_quiet(0); /* now it is in the kernel */
    driver->cancel(&group.reactors[0], &t.op, -ETIMEDOUT);
    driver->cancel(&group.reactors[0], &t.op, -ECANCELED);
    CHECK_EQ(await(0, &t), -ETIMEDOUT);

    prepare(&t, WEFT__OP_READ, rd);
    CHECK_EQ(submit(0, &t), 0);
    expect_quiet(0);
    driver->cancel(NULL, &t.op, -ECANCELED); /* from a thread without a reactor */
    CHECK_EQ(await(0, &t), -ECANCELED);

    put(wr, "still here");
    prepare(&t, WEFT__OP_READ, rd);
    CHECK_EQ(carry_out(0, &t), 10);
    expect_quiet(0);
}

static void cancel_loses_no_byte_that_came(int rd, int wr, const struct pair_kind *kind)
{
    (void)kind;
    for (int i = 0; i < 50; i++) {
        struct task t;
        prepare(&t, WEFT__OP_READ, rd);
        CHECK_EQ(submit(0, &t), 0);
        if ((i & 1) != 0) {
            wait_once(0, 0);
        }
        put(wr, "x");
        driver->cancel(&group.reactors[0], &t.op, -ECANCELED);
        ssize_t n = await(0, &t);
        CHECK(n == 1 || n == -ECANCELED);
        if (n != 1) {
            drain(rd, 1);
        }
    }
    expect_quiet(0);
}

static void close_of_the_other_end_is_seen(int rd, int wr, const struct pair_kind *kind)
{
    struct task t;
    prepare(&t, WEFT__OP_READ, rd);
    CHECK_EQ(submit(0, &t), 0);
    expect_quiet(0);
    CHECK_EQ(close_by_op(0, wr), 0);
    CHECK_EQ(await(0, &t), kind->at_end);
    prepare(&t, WEFT__OP_POLL, rd);
    t.op.events = POLLIN;
    CHECK((carry_out(0, &t) & (POLLIN | POLLHUP)) != 0);
}

/* The last use of a pair: situations that close an end say so by taking its number away. */
static const struct situation {
    const char *name;
    void (*run)(int rd, int wr, const struct pair_kind *kind);
    bool closes_wr;
} situations[] = {
#define SITUATION(name)                                                                            \
    {                                                                                              \
#name, name, false                                                                         \
    }
    SITUATION(read_waits_then_gets_what_came),
    SITUATION(read_sees_what_came_before_its_submit),
    SITUATION(vectors_are_filled_in_order),
    SITUATION(write_waits_for_room_and_may_be_short),
    SITUATION(poll_waits_and_tells_which),
    SITUATION(both_directions_wait_at_once),
    SITUATION(two_readers_share_what_comes),
    SITUATION(cancel_ends_a_wait_with_its_first_reason),
    SITUATION(cancel_loses_no_byte_that_came),
    {"close_of_the_other_end_is_seen", close_of_the_other_end_is_seen, true},
};

/* Goal: every operation behaves the same on every kind of fd.
 * Method: the table of situations times the table of kinds; one pair goes through all of them, then
 * each has a pair of its own. */
ON_BOTH_LIMIT(every_situation_holds_on_every_kind_of_fd, 40)
{
    start(uring, 1);
    for (size_t k = 0; k < sizeof pair_kinds / sizeof pair_kinds[0]; k++) {
        int shared[2];
        make_pair(&pair_kinds[k], shared);
        for (size_t s = 0; s < sizeof situations / sizeof situations[0]; s++) {
            int fds[2];
            if (test_env("VERBOSE", 0)) {
                fprintf(stderr, "%s: %s\n", pair_kinds[k].name, situations[s].name);
            }
            make_pair(&pair_kinds[k], fds);
            situations[s].run(fds[0], fds[1], &pair_kinds[k]);
            CHECK_EQ(close_by_op(0, fds[0]), 0);
            CHECK_EQ(close_by_op(0, fds[1]), situations[s].closes_wr ? -EBADF : 0);
            if (!situations[s].closes_wr) {
                situations[s].run(shared[0], shared[1], &pair_kinds[k]);
            }
        }
        close_pair(shared);
    }
    stop();
}

/* ---- Files and counters. ---- */

/* Goal: a file is never waited for, also where epoll refuses it.
 * Method: write and read one, try and submit; its page may be out of memory. */
ON_BOTH(a_regular_file_is_always_ready)
{
    char path[] = "/tmp/weft_reactor_XXXXXX";
    struct task t;
    int fd = mkstemp(path);
    CHECK_GE(fd, 0);
    CHECK_EQ(unlink(path), 0);
    start(uring, 1);
    prepare(&t, WEFT__OP_WRITE, fd);
    CHECK_EQ(weft__op_try(&t.op, false), sizeof t.bytes);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(fdatasync(fd), 0);
        CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
        CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
        prepare(&t, WEFT__OP_READ, fd);
        if (i == 0) {
            CHECK_EQ(weft__op_try(&t.op, false), sizeof t.bytes);
        } else {
            int rc = submit(0, &t);
            CHECK_EQ(rc == 1 ? t.op.result : await(0, &t), sizeof t.bytes);
        }
    }
    CHECK_EQ(close_by_op(0, fd), 0);
    stop();
}

ON_BOTH(an_eventfd_is_read_when_it_counts)
{
    struct task t;
    uint64_t three = 3;
    start(uring, 1);
    int fd = eventfd(0, EFD_CLOEXEC);
    prepare(&t, WEFT__OP_READ, fd);
    t.op.bytes = 8;
    CHECK_EQ(weft__op_try(&t.op, false), -EAGAIN);
    CHECK_EQ(submit(0, &t), 0);
    expect_quiet(0);
    CHECK_EQ(write(fd, &three, 8), 8);
    CHECK_EQ(await(0, &t), 8);
    CHECK_EQ(t.bytes[0], 3);
    CHECK_EQ(close_by_op(0, fd), 0);
    stop();
}

/* An fd that is not open is an error, at the submit or as a result. */
ON_BOTH(an_fd_that_is_not_open_is_refused)
{
    struct task t;
    start(uring, 1);
    prepare(&t, WEFT__OP_READ, 9999);
    CHECK_EQ(weft__op_try(&t.op, false), -EBADF);
    int rc = submit(0, &t);
    CHECK_EQ(rc == 0 ? await(0, &t) : rc == 1 ? t.op.result : rc, -EBADF);
    prepare(&t, WEFT__OP_READ, -1);
    CHECK_EQ(submit(0, &t), -EBADF);
    CHECK_EQ(close_by_op(0, 9999), -EBADF);
    stop();
}
