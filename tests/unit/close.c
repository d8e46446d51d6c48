/* SPDX-License-Identifier: MIT */
/* close.c - the end of an fd that others are waiting on, from everywhere, and its number
 * afterwards. */
#define _GNU_SOURCE
#include <sys/eventfd.h>
#include <sys/uio.h>

#include "net_test.h"

/* What somebody does on the fd that is closed. */
enum doing { READING, WRITING, READING_VECTOR, WRITING_VECTOR, ACCEPTING, POLLING, SELECTING,
             READING_FULL, DOINGS };

struct waiter {
    int fd, doing, on_p;
    int64_t ended_ns;
};

static int wait_for_close(void *arg)
{
    struct waiter *w = arg;
    char buf[16] = "";
    struct iovec iov[2] = {{buf, 8}, {buf + 8, 8}};
    ssize_t rc = 0;

    switch (w->doing) {
    case READING: rc = weft_read(w->fd, buf, sizeof buf); break;
    case WRITING: rc = weft_write(w->fd, buf, sizeof buf); break;
    case READING_VECTOR: rc = weft_readv(w->fd, iov, 2); break;
    case WRITING_VECTOR: rc = weft_writev(w->fd, iov, 2); break;
    case ACCEPTING: rc = weft_accept(w->fd, NULL); break;
    case POLLING: rc = weft_wait_fd(w->fd, POLLIN); break;
    case READING_FULL: rc = weft_read_full(w->fd, buf, sizeof buf); break;
    default: {
        struct weft_case cases[] = {weft_case_readable(w->fd), weft_case_after(LONG_NS)};
        CHECK_EQ(weft_select(cases, 2), 0);
        rc = cases[0].rc;
    }
    }
    w->ended_ns = weft_now();
    return (int)rc;
}

static void make_fds(int doing, bool is_own, int fds[2])
{
    if (doing == ACCEPTING) {
        fds[0] = weft_listen("127.0.0.1:0");
        fds[1] = -1;
        CHECK_GE(fds[0], 0);
    } else {
        (is_own ? tcp_pair : foreign_pair)(fds);
    }
    if (doing == WRITING || doing == WRITING_VECTOR)
        fill(fds[0]);
}

/* The peer of the closed end meets the end of the stream, or a reset because of unread bytes. */
static void check_peer_sees_end(int fd, int64_t closed_ns)
{
    static char sink[65536];
    ssize_t n;

    if (fd < 0)
        return;
    do
        n = weft_read(fd, sink, sizeof sink);
    while (n > 0);
    CHECK(n == 0 || n == -ECONNRESET);
    CHECK_LT(weft_now() - closed_ns, LONG_NS);
    CHECK_EQ(weft_close(fd), 0);
}

/* Goal: whatever waits on an fd ends at once with -EBADF when the fd is closed, from the same P and
 * from another, and the peer sees the end. */
CO_TEST(close_ends_what_is_in_flight)
{
    const int procs = weft_runtime_procs(NULL);

    for (int doing = 0; doing < DOINGS; doing++) {
        for (int is_own = 0; is_own < 2; is_own++) {
            for (int p = 0; p < (procs < 3 ? procs : 3); p++) {
                int fds[2], rc = 0;
                make_fds(doing, is_own, fds);
                struct waiter w = {.fd = fds[0], .doing = doing};
                struct weft_co *co = weft_go_with(wait_for_close, &w, .on_p = WEFT_ON_P(p));

                await_in_flight(1);
                const int64_t start = weft_now();
                CHECK_EQ(weft_close(fds[0]), 0);
                CHECK_EQ(fcntl(fds[0], F_GETFD), -1); /* it is closed when the call returns */
                const int64_t closed = weft_now();
                CHECK_EQ(weft_join(co, &rc), 0);
                CHECK_EQ(rc, -EBADF);
                CHECK_LT(w.ended_ns - start, LONG_NS); /* the select has a time-out */
                check_peer_sees_end(fds[1], closed);
                CHECK_EQ(in_flight(), 0);
            }
        }
    }
    return 0;
}

/* Goal: any number of waiters of any kind on one fd end together. */
CO_TEST(close_ends_many_at_once)
{
    static const int kinds[] = {READING, POLLING, SELECTING, READING_VECTOR, WRITING};
    struct weft_co *co[40];
    struct waiter w[40];
    int fds[2], rc;

    unix_pair(fds);
    fill(fds[0]);
    for (int i = 0; i < 40; i++) {
        w[i] = (struct waiter){.fd = fds[0], .doing = kinds[i % COUNT(kinds)]};
        co[i] = weft_go_with(wait_for_close, &w[i],
                             .on_p = WEFT_ON_P(i % weft_runtime_procs(NULL)));
    }
    await_in_flight(40);
    CHECK_EQ(weft_close(fds[0]), 0);
    for (int i = 0; i < 40; i++) {
        CHECK_EQ(weft_join(co[i], &rc), 0);
        CHECK_EQ(rc, -EBADF);
    }
    CHECK_EQ(in_flight(), 0);
    check_peer_sees_end(fds[1], weft_now());
    return 0;
}

static int close_it(void *arg)
{
    return weft_close((int)(intptr_t)arg);
}

/* Goal: of two who close the same fd, one does and the other is told. */
CO_TEST(a_second_close_is_ebadf)
{
    for (int with_reader = 0; with_reader < 2; with_reader++) {
        int fds[2], first = 0, second = 0, rc = 0;
        struct weft_co *reader = NULL;
        unix_pair(fds);
        struct waiter w = {.fd = fds[0], .doing = READING};

        if (with_reader) {
            reader = weft_go_with(wait_for_close, &w);
            await_in_flight(1);
        }
        struct weft_co *a = weft_go_with(close_it, (void *)(intptr_t)fds[0]);
        struct weft_co *b = weft_go_with(close_it, (void *)(intptr_t)fds[0]);
        CHECK_EQ(weft_join(a, &first), 0);
        CHECK_EQ(weft_join(b, &second), 0);
        CHECK((first == 0 && second == -EBADF) || (first == -EBADF && second == 0));
        if (with_reader) {
            CHECK_EQ(weft_join(reader, &rc), 0);
            CHECK_EQ(rc, -EBADF);
        }
        CHECK_EQ(weft_close(fds[1]), 0);
    }
    return 0;
}

/* Goal: a deadline that has passed, or passes meanwhile, does not keep a close from closing. */
CO_TEST(a_deadline_does_not_keep_from_closing)
{
    for (int with_reader = 0; with_reader < 2; with_reader++) {
        int fds[2], rc = 0;
        struct weft_co *reader = NULL;
        unix_pair(fds);
        struct waiter w = {.fd = fds[0], .doing = READING};

        if (with_reader) {
            reader = weft_go_with(wait_for_close, &w);
            await_in_flight(1);
        }
        WEFT_DEADLINE(s, -1) {
            CHECK_EQ(weft_close(fds[0]), 0);
            CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_NONE);
        }
        CHECK_EQ(fcntl(fds[0], F_GETFD), -1);
        if (with_reader)
            CHECK_EQ(weft_join(reader, &rc), 0);
        CHECK_EQ(rc, with_reader ? -EBADF : 0);
        CHECK_EQ(weft_close(fds[1]), 0);
    }
    return 0;
}

/* Goal: whoever is between two calls of a loop when the fd is closed meets -EBADF at the next. */
CO_TEST(a_call_after_the_close_is_ebadf)
{
    int fds[2];
    char byte;

    tcp_pair(fds);
    CHECK_EQ(weft_close(fds[0]), 0);
    CHECK_EQ(weft_read(fds[0], &byte, 1), -EBADF);
    CHECK_EQ(weft_write(fds[0], &byte, 1), -EBADF);
    CHECK_EQ(weft_wait_fd(fds[0], POLLIN), -EBADF);
    CHECK_EQ(weft_accept(fds[0], NULL), -EBADF);
    CHECK_EQ(weft_shutdown(fds[0], SHUT_WR), -EBADF);
    CHECK_EQ(weft_close(fds[0]), -EBADF);
    CHECK_EQ(weft_close(fds[1]), 0);
    return 0;
}

/* Goal: a number that is used again at once belongs to its new socket alone: what was in flight on
 * the old one, and events of it that are still under way, touch nothing of the new one, whoever
 * made it.
 * Method: a byte comes for the old socket right before its close; the new one of the same number
 * must not be readable before its own byte comes. */
CO_TEST(a_number_used_again_sees_nothing_of_its_past)
{
    for (int i = 0; i < scaled(400); i++) {
        int old[2], fresh[2], rc;
        unix_pair(old);
        struct waiter w = {.fd = old[0], .doing = i % 2 ? READING : POLLING};
        struct weft_co *co = weft_go_with(wait_for_close, &w);

        await_in_flight(1);
        if (i % 3 == 0)
            CHECK_EQ(weft_write(old[1], "o", 1), 1);
        CHECK_EQ(weft_close(old[0]), 0);
        (i % 4 < 2 ? unix_pair : foreign_pair)(fresh);
        CHECK_EQ(fresh[0], old[0]);
        WEFT_DEADLINE(s, 0)
            CHECK_EQ(weft_wait_fd(fresh[0], POLLIN), -ETIMEDOUT);
        struct waiter again = {.fd = fresh[0], .doing = POLLING};
        struct weft_co *reader = weft_go_with(wait_for_close, &again);
        CHECK_EQ(weft_join(co, &rc), 0);
        CHECK(rc == -EBADF || (i % 3 == 0 && rc == 1));
        await_in_flight(1);
        CHECK_EQ(weft_write(fresh[1], "n", 1), 1);
        CHECK_EQ(weft_join(reader, &rc), 0);
        CHECK_EQ(rc, POLLIN);
        CHECK_EQ(weft_close(old[1]), 0);
        close_both(fresh);
    }
    return 0;
}

/* Goal: a foreign fd may be closed by close() when nobody waits on it, and its number used again.
 * */
CO_TEST(a_foreign_fd_may_be_closed_by_close)
{
    for (int i = 0; i < 200; i++) {
        int fds[2];
        foreign_pair(fds);
        struct waiter w = {.fd = fds[0], .doing = POLLING};
        struct weft_co *co = weft_go_with(wait_for_close, &w);
        int rc = 0;

        await_in_flight(1);
        CHECK_EQ(weft_write(fds[1], "x", 1), 1);
        CHECK_EQ(weft_join(co, &rc), 0);
        CHECK_EQ(rc, POLLIN);
        CHECK_EQ(close(fds[0]), 0);
        CHECK_EQ(close(fds[1]), 0);
    }
    return 0;
}

/* Goal: an fd that Weft has never seen is closed, too. */
CO_TEST(any_fd_can_be_closed)
{
    int fd = eventfd(0, 0);
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 1000); /* beyond all that was used so far */

    CHECK_GE(high, 1000);
    CHECK_EQ(weft_close(high), 0);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(fd), -EBADF);
    return 0;
}

/* ---- plain threads ---- */

static void wait_detached(void *arg)
{
    (void)wait_for_close(arg);
}

static int make_pairs(void *arg)
{
    int (*fds)[2] = arg;

    unix_pair(fds[0]);
    foreign_pair(fds[1]);
    unix_pair(fds[2]);
    return 0;
}

static int await_two(void *arg)
{
    (void)arg;
    await_in_flight(2);
    return 0;
}

static int close_in_coroutine(void *arg)
{
    int (*fds)[2] = arg;

    for (int i = 0; i < 2; i++) {
        CHECK_EQ(weft_close(fds[i][0]), 0);
        CHECK_EQ(weft_close(fds[i][1]), 0);
    }
    await_in_flight(0);
    return 0;
}

/* Goal: on a plain thread a close closes what is idle and refuses what is in flight, be it a socket
 * of ours or not. */
TEST(a_plain_thread_closes_what_is_idle)
{
    struct weft_runtime *rt;
    int fds[3][2];

    CHECK_EQ(weft_runtime_start(&rt, NULL), 0);
    CHECK_EQ(weft_block_on(rt, make_pairs, fds, NULL), 0);
    struct waiter own = {.fd = fds[0][0], .doing = READING};
    struct waiter foreign = {.fd = fds[1][0], .doing = READING};
    CHECK_EQ(weft_runtime_go(rt, wait_detached, &own), 0);
    CHECK_EQ(weft_runtime_go(rt, wait_detached, &foreign), 0);
    CHECK_EQ(weft_block_on(rt, await_two, NULL, NULL), 0);
    CHECK_EQ(weft_close(fds[0][0]), -EBUSY);
    CHECK_EQ(weft_close(fds[1][0]), -EBUSY);
    CHECK_GE(fcntl(fds[0][0], F_GETFD), 0);
    CHECK_GE(fcntl(fds[1][0], F_GETFD), 0);
    CHECK_EQ(weft_close(fds[2][0]), 0);
    CHECK_EQ(weft_close(fds[2][1]), 0);
    CHECK_EQ(weft_close(fds[2][0]), -EBADF);
    CHECK_EQ(weft_close(-1), -EBADF);
    CHECK_EQ(fcntl(fds[2][0], F_GETFD), -1);
    CHECK_EQ(weft_block_on(rt, close_in_coroutine, fds, NULL), 0);
    CHECK_EQ(weft_runtime_stop(rt), 0);
}

TEST(a_close_without_any_runtime_is_a_close)
{
    int fds[2];

    CHECK_EQ(pipe(fds), 0);
    CHECK_EQ(weft_close(fds[0]), 0);
    CHECK_EQ(weft_close(fds[0]), -EBADF);
    CHECK_EQ(weft_close(fds[1]), 0);
}
