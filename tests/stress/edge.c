/* SPDX-License-Identifier: MIT */
/*
 * edge.c - an event that comes just when its reader has found nothing and is about to wait.
 *
 * The socket's events arrive on processor 0, which has nothing else to do and takes them at once;
 * the reader stands on processor 1, somewhere between its try and its wait.  A plain thread writes
 * one byte, and nothing more until that one was read: a lost event is not made good by the next.
 */
#include <pthread.h>
#include <sched.h>

#include "net_test.h"

#define PAUSE_NS_MAX 3000

static atomic_uint_fast64_t n_read;
static int64_t until;

struct reader {
    int fd;
    bool waits_first; /* weft_wait_fd() instead of a read that has to wait */
};

static int read_one(void *arg)
{
    const struct reader *r = arg;
    char byte;

    CHECK_EQ(weft_read(r->fd, &byte, 1), 1);
    return 0;
}

static int read_all(void *arg)
{
    const struct reader *r = arg;
    char byte;
    ssize_t n;

    do {
        if (r->waits_first)
            CHECK_GT(weft_wait_fd(r->fd, POLLIN), 0);
        n = weft_read(r->fd, &byte, 1);
        CHECK_GE(n, 0);
        atomic_fetch_add(&n_read, 1);
    } while (n > 0);
    return 0;
}

static void *write_one_by_one(void *arg)
{
    const int fd = *(const int *)arg;
    uint64_t x = test_seed();

    for (uint64_t i = 1; test_now_ms() < until; i++) {
        const int64_t late_ms = test_now_ms() + 4000 * test_scale();
        CHECK_EQ(send(fd, "x", 1, MSG_NOSIGNAL), 1);
        for (unsigned looks = 1; atomic_load(&n_read) < i; looks++) {
            if (looks % 1024 == 0)
                sched_yield();
            if (looks % 65536 == 0 && test_now_ms() > late_ms)
                TEST_FAIL("nobody reads byte %llu", (unsigned long long)i);
        }
        const int64_t end = weft_now() + (int64_t)(test_random(&x) % PAUSE_NS_MAX);
        while (weft_now() < end)
            ;
    }
    CHECK_EQ(shutdown(fd, SHUT_WR), 0);
    return NULL;
}

static void write_and_read(bool waits_first)
{
    pthread_t th;
    int fds[2];

    unix_pair(fds);
    struct reader r = {fds[0], waits_first};
    until = test_now_ms() + test_stress_ms() / 4;
    /* Who waits first decides where the events arrive. */
    struct weft_co *co = weft_go_with(read_one, &r, .on_p = WEFT_ON_P(0), .pinned = 1);
    await_in_flight(1);
    CHECK_EQ(weft_write(fds[1], "x", 1), 1);
    join(co);
    co = weft_go_with(read_all, &r, .on_p = WEFT_ON_P(1), .pinned = 1);
    CHECK_EQ(pthread_create(&th, NULL, write_one_by_one, &fds[1]), 0);
    join(co);
    CHECK_EQ(pthread_join(th, NULL), 0);
    close_both(fds);
}

STRESS_TEST_ON_TWO(a_byte_that_comes_before_the_wait_ends_the_read)
{
    write_and_read(false);
    return 0;
}

STRESS_TEST_ON_TWO(a_byte_that_comes_before_the_wait_ends_the_wait)
{
    write_and_read(true);
    return 0;
}
