/* SPDX-License-Identifier: MIT */
/*
 * hogged.c - what a processor had under way when a coroutine began to compute on it: it is sent,
 * cancelled and reported by others.
 *
 * In all of these the hog ends when the one who waited goes on.
 *
 * matrix: short
 */
#include <pthread.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "net_test.h"

static atomic_bool is_over, computes;

static void compute(void)
{
    atomic_store(&computes, true);
    while (!atomic_load(&is_over))
        ;
}

static int read_then_end(void *arg)
{
    char byte;

    CHECK_EQ(weft_read(*(int *)arg, &byte, 1), 1);
    atomic_store(&is_over, true);
    return 0;
}

static void *write_later(void *arg)
{
    while (!atomic_load(&computes))
        usleep(100);
    CHECK_EQ(write(*(int *)arg, "x", 1), 1);
    return NULL;
}

static int become_a_hog(void *unused)
{
    int fds[2];
    pthread_t thread;

    (void)unused;
    atomic_store(&is_over, false);
    atomic_store(&computes, false);
    unix_pair(fds);
    struct weft_co *co = weft_go_with(read_then_end, &fds[0]);
    weft_yield(); /* it has begun to wait, and nobody has looked at the reactor since */
    CHECK_EQ(pthread_create(&thread, NULL, write_later, &fds[1]), 0);
    compute();
    join(co);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    close_both(fds);
    return 0;
}

static int time_out_then_end(void *arg)
{
    char byte;

    WEFT_DEADLINE (s, 10 * WEFT_MS)
        CHECK_EQ(weft_read(*(int *)arg, &byte, 1), -ETIMEDOUT);
    atomic_store(&is_over, true);
    return 0;
}

/* Decided by its channel, it lets go of its fd. */
static int select_then_end(void *arg)
{
    struct weft_case cases[] = {weft_case_readable(*(int *)arg), weft_case_after(10 * WEFT_MS)};

    CHECK_EQ(weft_select(cases, 2), 1);
    atomic_store(&is_over, true);
    return 0;
}

struct select_pair {
    int fd;
    chan *ch;
};

static void skip_where_only_the_owner_cancels(void)
{
    struct utsname kernel;

    CHECK_EQ(uname(&kernel), 0);
    if (atoi(kernel.release) < 6)
        SKIP("io_uring cancels from its submission queue alone");
}

static int keep_a_cancel_waiting(void *fn)
{
    int fds[2];

    for (int is_sent = 0; is_sent < 2; is_sent++) {
        atomic_store(&is_over, false);
        unix_pair(fds);
        struct weft_co *co = weft_go_with((int (*)(void *))(uintptr_t)fn, &fds[0]);
        weft_yield();
        if (is_sent)
            CHECK_EQ(weft_sleep(WEFT_MS), 0);
        compute();
        join(co);
        close_both(fds);
    }
    return 0;
}

/* Goal: an operation that a hogged processor has in flight, or has yet to send, is cancelled.
 * Method: the hog ends when the one who waited goes on. */
TEST(what_was_in_flight_before_a_hog_is_cancelled)
{
    skip_where_only_the_owner_cancels();
    CHECK_EQ(weft_run_with(keep_a_cancel_waiting, (void *)(uintptr_t)time_out_then_end,
                           .procs = 1), 0);
    CHECK_EQ(weft_run_with(keep_a_cancel_waiting, (void *)(uintptr_t)select_then_end, .procs = 1),
             0);
}

/* Decided by a channel, it lets go of its fd. */
static int let_go_of_an_fd(void *arg)
{
    struct select_pair *pair = arg;
    struct weft_case cases[] = {weft_case_readable(pair->fd), weft_case_recv(pair->ch, NULL)};

    CHECK_EQ(weft_select(cases, 2), 1);
    atomic_store(&is_over, true);
    return 0;
}

static int cancel_and_become_a_hog(void *arg)
{
    int fds[2];

    (void)arg;
    atomic_store(&is_over, false);
    unix_pair(fds);
    struct select_pair pair = {.fd = fds[0], .ch = chan_make(0, 0)};
    struct weft_co *co = weft_go_with(let_go_of_an_fd, &pair);
    weft_yield(); /* it waits */
    CHECK_EQ(chan_send(pair.ch, NULL), 0);
    weft_yield(); /* it has cancelled what it had in flight, and nobody has looked at that */
    compute();
    join(co);
    chan_unref(pair.ch);
    close_both(fds);
    return 0;
}

/* Goal: an operation that a processor has cancelled before it was hogged is over for its waiter.
 * Method: the hog ends when the one who waited goes on. */
TEST(what_was_cancelled_right_before_a_hog_is_over)
{
    skip_where_only_the_owner_cancels();
    CHECK_EQ(weft_run_with(cancel_and_become_a_hog, NULL, .procs = 1), 0);
}

static int wait_to_be_closed(void *arg)
{
    char byte;

    CHECK_EQ(weft_read(*(int *)arg, &byte, 1), -EBADF);
    atomic_store(&is_over, true);
    return 0;
}

static int close_and_become_a_hog(void *arg)
{
    int fds[2];

    (void)arg;
    atomic_store(&is_over, false);
    unix_pair(fds);
    struct weft_co *co = weft_go_with(wait_to_be_closed, &fds[0]);
    weft_yield(); /* it waits */
    CHECK_EQ(weft_close(fds[0]), 0);
    compute();
    join(co);
    CHECK_EQ(weft_close(fds[1]), 0);
    return 0;
}

/* Goal: who waits for an fd that is closed is told so, though who closed it computes. */
TEST(who_closes_and_becomes_a_hog_keeps_nobody)
{
    CHECK_EQ(weft_run_with(close_and_become_a_hog, NULL, .procs = 1), 0);
}

/* Goal: an operation that waits to be sent when its processor is hogged is sent.
 * Method: the hog ends when the operation has. */
TEST(what_was_queued_before_a_hog_is_sent)
{
    CHECK_EQ(weft_run_with(become_a_hog, NULL, .procs = 1), 0);
}
