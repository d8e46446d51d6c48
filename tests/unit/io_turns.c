/* SPDX-License-Identifier: MIT */
/*
 * io_turns.c - a coroutine whose I/O never has to wait does not keep its processor to itself.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "net_test.h"
#include "no_lookout.h" /* orders and shares */

/* A starved one would wait for ever: then the busy coroutine itself says so. */
#define STARVED_NS (5 * WEFT_SEC * test_scale())
/* What others may do to a loaded machine; a turn takes microseconds. */
#define LATE_NS (5 * WEFT_SEC * test_scale()) /* what waits for the busy one waits for ever */

/* ---- coroutines that are always in luck ---- */

enum luck { READS_FILE, READS_VECTORS, READS_SOCKET, WRITES, WRITES_VECTORS, WAITS, LUCKS };

struct busy {
    enum luck luck;
    int fds[2];
    atomic_bool is_over;
    _Atomic long n_ops;
    struct weft_co *co;
    pthread_t feeder;
};

static ssize_t do_one(struct busy *b)
{
    char buf[16] = "always in luck";
    struct iovec iov[2] = {{buf, 8}, {buf + 8, 8}};

    switch (b->luck) {
    case READS_FILE:
        return weft_read(b->fds[0], buf, sizeof buf);
    case READS_SOCKET:
        return weft_read(b->fds[0], buf, 1);
    case READS_VECTORS:
        return weft_readv(b->fds[0], iov, 2);
    case WRITES:
        return weft_write(b->fds[0], buf, sizeof buf);
    case WRITES_VECTORS:
        return weft_writev(b->fds[0], iov, 2);
    default:
        return weft_wait_fd(b->fds[0], POLLIN | POLLOUT);
    }
}

static int be_busy(void *arg)
{
    struct busy *b = arg;
    const int64_t until = weft_now() + STARVED_NS;

    while (!b->is_over) {
        CHECK_GT(do_one(b), 0);
        b->n_ops++;
        if (weft_now() > until)
            TEST_FAIL("luck %d: nobody else got a turn in %ld operations", (int)b->luck,
                      (long)b->n_ops);
    }
    return 0;
}

/* Keeps the socket full until its other end is closed. */
static void *feed(void *arg)
{
    static const char bytes[4096];
    const struct busy *b = arg;

    while (send(b->fds[1], bytes, sizeof bytes, MSG_NOSIGNAL) > 0)
        continue;
    return NULL;
}

static void begin_busy(struct busy *b, enum luck luck)
{
    *b = (struct busy){.luck = luck, .fds = {-1, -1}};
    if (luck == READS_SOCKET) {
        unix_pair(b->fds);
        fill(b->fds[1]);
        CHECK_EQ(pthread_create(&b->feeder, NULL, feed, b), 0);
    } else {
        b->fds[0] = open("/dev/zero", O_RDWR | O_CLOEXEC);
        CHECK_GE(b->fds[0], 0);
    }
}

static void end_busy(struct busy *b)
{
    b->is_over = true;
    if (b->co != NULL)
        join(b->co);
    CHECK_EQ(weft_close(b->fds[0]), 0);
    if (b->luck == READS_SOCKET) {
        CHECK_EQ(pthread_join(b->feeder, NULL), 0);
        CHECK_EQ(weft_close(b->fds[1]), 0);
    }
}

/* Does the work beside a busy coroutine of each kind, which goes on meanwhile. */
static void check_beside_busy(void (*work)(void))
{
    for (int luck = 0; luck < LUCKS; luck++) {
        struct busy b;
        begin_busy(&b, (enum luck)luck);
        b.co = weft_go_with(be_busy, &b);
        while (b.n_ops == 0)
            CHECK_EQ(weft_sleep(50 * WEFT_US), 0);
        const long before = b.n_ops;
        work();
        CHECK_GT(b.n_ops, before);
        end_busy(&b);
    }
}

/* ---- what others do meanwhile ---- */

static void sleep_often(void)
{
    for (int i = 0; i < 8; i++) {
        const int64_t start = weft_now();
        CHECK_EQ(weft_sleep(5 * WEFT_MS), 0);
        CHECK_GE(weft_now() - start, 5 * WEFT_MS);
        CHECK_LT(weft_now() - start, 5 * WEFT_MS + LATE_NS);
    }
}

/* Goal: sleeps end in time beside a coroutine whose I/O never waits. */
CO_TEST_ON_ONE(sleeps_end_beside_io_that_never_waits)
{
    check_beside_busy(sleep_often);
    return 0;
}

enum { ROUNDS = 300 };

static int answer(void *arg)
{
    chan **ch = arg;

    for (int i = 0; i < ROUNDS; i++) {
        int v = -1;
        CHECK_EQ(chan_recv(ch[0], &v), 0);
        CHECK_EQ(v, i);
        CHECK_EQ(chan_send(ch[1], &v), 0);
    }
    return 0;
}

static void talk(void)
{
    chan *ch[2] = {chan_make(sizeof(int), 0), chan_make(sizeof(int), 0)};
    const int64_t start = weft_now();
    struct weft_co *co = weft_go_with(answer, ch);

    for (int i = 0; i < ROUNDS; i++) {
        int v = -1;
        CHECK_EQ(chan_send(ch[0], &i), 0);
        CHECK_EQ(chan_recv(ch[1], &v), 0);
        CHECK_EQ(v, i);
    }
    join(co);
    CHECK_LT(weft_now() - start, 2 * LATE_NS);
    chan_unref(ch[0]);
    chan_unref(ch[1]);
}

/* Goal: a pair that talks through channels goes on, and a new coroutine starts. */
CO_TEST_ON_ONE(channels_go_on_beside_io_that_never_waits)
{
    check_beside_busy(talk);
    return 0;
}

static void use_timers(void)
{
    const int64_t start = weft_now();
    struct weft_ticker *t = weft_ticker_make(2 * WEFT_MS, WEFT_TICK_SKIP);
    chan *never = chan_make(1, 0);
    char byte;

    CHECK(t != NULL);
    for (int64_t n = 0; n < 5;) {
        int64_t periods = weft_ticker_wait(t);
        CHECK_GT(periods, 0);
        n += periods;
    }
    weft_ticker_free(t);
    struct weft_case cases[] = {weft_case_recv(never, &byte), weft_case_after(2 * WEFT_MS)};
    CHECK_EQ(weft_select(cases, 2), 1);
    WEFT_DEADLINE (s, 2 * WEFT_MS)
        CHECK_EQ(chan_recv(never, &byte), -ETIMEDOUT);
    CHECK_LT(weft_now() - start, 14 * WEFT_MS + LATE_NS);
    chan_unref(never);
}

/* Goal: a ticker, a select's timeout and a deadline come in time. */
CO_TEST_ON_ONE(timers_fire_beside_io_that_never_waits)
{
    check_beside_busy(use_timers);
    return 0;
}

static void *write_later(void *arg)
{
    const int *fds = arg;

    for (int i = 0; i < 5; i++) {
        usleep(1000);
        CHECK_EQ(write(fds[1], "x", 1), 1);
    }
    return NULL;
}

static void read_slowly(void)
{
    void (*const makers[])(int fds[2]) = {tcp_pair, pipe_pair};

    for (int m = 0; m < COUNT(makers); m++) {
        const int64_t start = weft_now();
        pthread_t writer;
        char byte;
        int fds[2];
        makers[m](fds);
        CHECK_EQ(pthread_create(&writer, NULL, write_later, fds), 0);
        for (int i = 0; i < 5; i++)
            CHECK_EQ(weft_read(fds[0], &byte, 1), 1);
        CHECK_LT(weft_now() - start, 5 * WEFT_MS + LATE_NS);
        CHECK_EQ(pthread_join(writer, NULL), 0);
        close_both(fds);
    }
}

/* Goal: who waits for a socket or a pipe is told when bytes come. */
CO_TEST_ON_ONE(events_arrive_beside_io_that_never_waits)
{
    check_beside_busy(read_slowly);
    return 0;
}

/* ---- alone ---- */

static int sleep_and_say(void *arg)
{
    CHECK_EQ(weft_sleep(5 * WEFT_MS), 0);
    *(atomic_bool *)arg = true;
    return 0;
}

/* Goal: timers are looked at although the only coroutine that could run never waits and never
 * finds anybody to give way to. */
CO_TEST_ON_ONE(timers_fire_where_the_only_one_to_run_never_waits)
{
    for (int luck = 0; luck < LUCKS; luck++) {
        const int64_t start = weft_now();
        struct busy b;
        begin_busy(&b, (enum luck)luck);
        struct weft_co *co = weft_go_with(sleep_and_say, &b.is_over);

        CHECK_EQ(be_busy(&b), 0);
        CHECK_GE(weft_now() - start, 5 * WEFT_MS);
        CHECK_LT(weft_now() - start, 5 * WEFT_MS + LATE_NS);
        join(co);
        end_busy(&b);
    }
    return 0;
}

/* Goal: several who are always in luck get about as much each. */
CO_TEST_ON_ONE(those_whose_io_never_waits_share)
{
    enum { N = 4 };
    struct busy b[N];
    long sum = 0;

    for (int i = 0; i < N; i++) {
        begin_busy(&b[i], READS_FILE);
        b[i].co = weft_go_with(be_busy, &b[i]);
    }
    CHECK_EQ(weft_sleep(30 * WEFT_MS), 0);
    for (int i = 0; i < N; i++)
        b[i].is_over = true;
    for (int i = 0; i < N; i++)
        sum += b[i].n_ops;
    for (int i = 0; i < N; i++) {
        CHECK_GT(b[i].n_ops, sum / N / 4);
        end_busy(&b[i]);
    }
    return 0;
}
