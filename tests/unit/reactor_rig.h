/* SPDX-License-Identifier: MIT */
/*
 * reactor_rig.h - what the reactor's tests share: a group of reactors without a scheduler, the
 * operations given to it with a count of their reports, and pairs of connected fds of each kind.
 *
 * ON_BOTH(name) makes two tests of one body, name_on_io_uring and name_on_epoll, and where the
 * build has kqueue a third.
 */
#ifndef WEFT_TEST_REACTOR_RIG_H
#define WEFT_TEST_REACTOR_RIG_H

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/un.h>
#include <termios.h>

#include "base/clock.h"
#include "base/sys.h"
#include "reactor/driver.h"
#include "test.h"

#define ON_BOTH_LIMIT(id, seconds)                                                                 \
    static void id(bool uring);                                                                    \
    TEST_LIMIT(id##_on_io_uring, seconds)                                                          \
    {                                                                                              \
        id(true);                                                                                  \
    }                                                                                              \
    TEST_LIMIT(id##_on_epoll, seconds)                                                             \
    {                                                                                              \
        id(false);                                                                                 \
    }                                                                                              \
    ON_KQUEUE(id, seconds)                                                                         \
    static void id(bool uring)
#if WEFT__HAVE_KQUEUE
#define ON_KQUEUE(id, seconds)                                                                     \
    TEST_LIMIT(id##_on_kqueue, seconds)                                                            \
    {                                                                                              \
        wants_kqueue = true;                                                                       \
        id(false);                                                                                 \
    }
#else
#define ON_KQUEUE(id, seconds)
#endif
#define ON_BOTH(id) ON_BOTH_LIMIT(id, TEST_LIMIT_SECONDS)

static struct weft__reactor_group group;
static const struct weft__driver *driver; /* group.driver */
static bool wants_kqueue;                 /* instead of epoll */

/* An operation and how often it was reported. */
struct task {
    struct weft__op op;
    _Atomic int n_reports;
    _Atomic ssize_t result; /* as reported */
    char bytes[64];
};

TEST_FN void start(bool uring, int count)
{
    struct weft__reactor_choice choice = {.want_uring = uring,
                                          .want_epoll = !uring && !wants_kqueue,
                                          .want_kqueue = !uring && wants_kqueue};
    int rc = weft__reactors_start(&group, count, choice);
    if (rc < 0 && uring) {
        SKIP(group.why);
    }
    CHECK_EQ(rc, 0);
    driver = group.driver;
    CHECK_STR(driver->name, uring ? "io_uring" : wants_kqueue ? "kqueue" : "epoll");
}

/* Stop, and check that nothing is left. */
TEST_FN void stop(void)
{
    CHECK_EQ(weft__reactors_in_flight(&group), 0);
    weft__reactors_stop(&group);
}

TEST_FN int64_t after_ms(int64_t ms)
{
    return weft__clock_ns() + ms * 1000000;
}

/* Count the operations of a list as reported. */
TEST_FN int count_reports(struct weft__op_list *done)
{
    int n = 0;
    struct weft__op *next;
    for (struct weft__op *op = done->first; op != NULL; op = next) {
        struct task *t = op->owner;
        next = op->next; /* the task may be used anew once it is counted */
        atomic_store_explicit(&t->result, op->result, memory_order_relaxed);
        /* release [TEST-REPORT] */
        atomic_fetch_add_explicit(&t->n_reports, 1, memory_order_release);
        n++;
    }
    weft__op_list_init(done);
    return n;
}

TEST_FN int wait_once(int r, int64_t deadline_ns)
{
    struct weft__op_list done;
    weft__op_list_init(&done);
    driver->wait(&group.reactors[r], deadline_ns, &done);
    return count_reports(&done);
}

TEST_FN int reap_once(int r)
{
    struct weft__op_list done;
    weft__op_list_init(&done);
    driver->reap(&group.reactors[r], &done);
    return count_reports(&done);
}

TEST_FN bool is_done(struct task *t)
{
    /* acquire [TEST-REPORT] */
    return atomic_load_explicit(&t->n_reports, memory_order_acquire) > 0;
}

/* Wait until t was reported, exactly once; its result.  This thread owns all reactors. */
TEST_FN ssize_t await(int r, struct task *t)
{
    int64_t until = after_ms(10000 * test_scale());
    while (!is_done(t)) {
        CHECK_LT(weft__clock_ns(), until);
        for (int i = 0; i < group.count; i++) {
            if (i != r) {
                wait_once(i, 0);
            }
        }
        if (!is_done(t)) {
            wait_once(r, after_ms(group.count > 1 ? 1 : 1000));
        }
    }
    CHECK_EQ(t->n_reports, 1);
    return t->result;
}

/* Nothing is reported at r within a few milliseconds. */
TEST_FN void expect_quiet(int r)
{
    int64_t until = after_ms(3);
    while (weft__clock_ns() < until) {
        CHECK_EQ(wait_once(r, until), 0);
    }
}

TEST_FN void prepare(struct task *t, enum weft__op_kind kind, int fd)
{
    memset(t, 0, sizeof *t);
    weft__op_init(&t->op, kind, fd, t);
    if (kind == WEFT__OP_READ || kind == WEFT__OP_WRITE) {
        t->op.buf = t->bytes;
        t->op.bytes = sizeof t->bytes;
    }
}

TEST_FN int submit(int r, struct task *t)
{
    return driver->submit(&group.reactors[r], &t->op);
}

/* Try, submit, wait: as the layer above does it. */
TEST_FN ssize_t carry_out(int r, struct task *t)
{
    ssize_t n = weft__op_try(&t->op, weft__fd_is_own(&group.fds, t->op.fd));
    if (n != -EAGAIN) {
        return n;
    }
    int rc = submit(r, t);
    return rc == 0 ? await(r, t) : rc == 1 ? t->op.result : rc;
}

TEST_FN ssize_t close_by_op(int r, int fd)
{
    struct task t;
    prepare(&t, WEFT__OP_CLOSE, fd);
    int rc = submit(r, &t);
    return rc == 0 ? await(r, &t) : rc == 1 ? t.op.result : rc;
}

/* ---- Pairs of fds: what is written to the second can be read from the first. ---- */

struct pair_kind {
    const char *name;
    void (*make)(int fds[2]);
    bool is_own;
    bool is_stream_socket;
    bool moves_bytes; /* the kernel hands them on later, which makes room by itself */
    ssize_t at_end;   /* what a read gives when the other end was closed */
};

TEST_FN void make_unix(int fds[2])
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

TEST_FN void make_pipe(int fds[2])
{
    CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
}

/* A listener on the loopback, and its address. */
TEST_FN int listen_tcp(int family, struct sockaddr_storage *addr, socklen_t *len)
{
    memset(addr, 0, sizeof *addr);
    if (family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)addr;
        in->sin_family = AF_INET;
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        *len = sizeof *in;
    } else {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)addr;
        in6->sin6_family = AF_INET6;
        in6->sin6_addr = in6addr_loopback;
        *len = sizeof *in6;
    }
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)addr, *len) != 0) {
        SKIP("no loopback of this family");
    }
    CHECK_EQ(listen(fd, 128), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)addr, len), 0);
    return fd;
}

TEST_FN void make_tcp(int family, int fds[2])
{
    struct sockaddr_storage addr;
    socklen_t len;
    int listener = listen_tcp(family, &addr, &len);
    fds[0] = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(connect(fds[0], (struct sockaddr *)&addr, len), 0);
    fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK_GE(fds[1], 0);
    CHECK_EQ(close(listener), 0);
}

TEST_FN void make_tcp4(int fds[2])
{
    make_tcp(AF_INET, fds);
}

TEST_FN void make_tcp6(int fds[2])
{
    make_tcp(AF_INET6, fds);
}

TEST_FN void make_pty(int fds[2])
{
    fds[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fds[0] < 0)
        SKIP("no pseudo-terminal can be had here");
    CHECK_EQ(grantpt(fds[0]), 0);
    CHECK_EQ(unlockpt(fds[0]), 0);
    fds[1] = open(ptsname(fds[0]), O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK_GE(fds[1], 0);
    /* poll(2) says of a terminal that there is room, not how much: a blocking one could block. */
    CHECK_EQ(fcntl(fds[1], F_SETFL, O_RDWR | O_NONBLOCK), 0);
    struct termios raw;
    CHECK_EQ(tcgetattr(fds[1], &raw), 0);
    cfmakeraw(&raw);
    CHECK_EQ(tcsetattr(fds[1], TCSANOW, &raw), 0);
}

static const struct pair_kind pair_kinds[] = {
    {"tcp4", make_tcp4, true, true, true, 0},
    {"tcp6", make_tcp6, true, true, true, 0},
    {"unix", make_unix, true, true, false, 0},
    {"somebody's unix", make_unix, false, true, false, 0},
    {"somebody's tcp4", make_tcp4, false, true, true, 0},
    {"pipe", make_pipe, false, false, false, 0},
    {"terminal", make_pty, false, false, true, -EIO},
};

TEST_FN void make_pair(const struct pair_kind *kind, int fds[2])
{
    kind->make(fds);
    if (kind->is_own) {
        CHECK_EQ(weft__fd_adopt(&group.fds, fds[0]), 0);
        CHECK_EQ(weft__fd_adopt(&group.fds, fds[1]), 0);
    }
}

TEST_FN void close_pair(int fds[2])
{
    CHECK_EQ(close_by_op(0, fds[0]), 0);
    CHECK_EQ(close_by_op(0, fds[1]), 0);
}

TEST_FN void put(int fd, const char *text)
{
    CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
}

/* Read until `n_bytes` came. */
TEST_FN void drain(int rd, size_t n_bytes)
{
    static char block[65536];
    while (n_bytes > 0) {
        struct task t;
        prepare(&t, WEFT__OP_READ, rd);
        t.op.buf = block;
        t.op.bytes = sizeof block < n_bytes ? sizeof block : n_bytes;
        ssize_t n = carry_out(0, &t);
        CHECK_GT(n, 0);
        n_bytes -= (size_t)n;
    }
}

#endif
