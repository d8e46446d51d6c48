/* SPDX-License-Identifier: MIT */
/*
 * signals_pending.c - a write to a socket whose peer is gone asks for no SIGPIPE at all.
 *
 * The threads of a runtime block SIGPIPE, so that one which is raised after all kills nobody: it
 * stays pending on the thread, where this looks for it.  It would strike when user code unblocks
 * it.
 */
#include <signal.h>

#include "net_test.h"

static bool is_sigpipe_pending(void)
{
    sigset_t pending;

    CHECK_EQ(sigpending(&pending), 0);
    return sigismember(&pending, SIGPIPE) == 1;
}

static ssize_t write_in(int form, int fd)
{
    struct iovec iov[2] = {{.iov_base = "a", .iov_len = 1}, {.iov_base = "b", .iov_len = 1}};

    return form == 0 ? weft_write(fd, "ab", 2) : weft_writev(fd, iov, 2);
}

/* On one thread, whose pending signals they are. */
static int write_to_the_gone(void *unused)
{
    static void (*const makers[])(int fds[2]) = {unix_pair, tcp_pair};

    (void)unused;
    for (int m = 0; m < COUNT(makers); m++) {
        for (int form = 0; form < 2; form++) {
            int fds[2];
            ssize_t n;
            makers[m](fds);
            CHECK_EQ(weft_close(fds[0]), 0);
            while ((n = write_in(form, fds[1])) > 0)
                CHECK_EQ(weft_sleep(100 * WEFT_US), 0); /* until the reset is here */
            CHECK(n == -EPIPE || n == -ECONNRESET);
            CHECK_EQ(write_in(form, fds[1]), -EPIPE);
            CHECK(!is_sigpipe_pending());
            CHECK_EQ(weft_close(fds[1]), 0);
        }
    }
    return 0;
}

CO_TEST(a_write_to_a_closed_socket_leaves_no_sigpipe_pending)
{
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    CHECK(!is_sigpipe_pending());
    join(weft_go_with(write_to_the_gone, NULL, .pinned = 1));
    return 0;
}

/* A write that waits for room and finds the peer gone. */
static int wait_for_room(void *arg)
{
    static const char zeros[65536];
    ssize_t n;

    while ((n = weft_write(*(int *)arg, zeros, sizeof zeros)) > 0)
        ;
    CHECK(n == -EPIPE || n == -ECONNRESET);
    CHECK(!is_sigpipe_pending());
    return 0;
}

CO_TEST(a_waiting_write_leaves_no_sigpipe_pending)
{
    int fds[2];

    unix_pair(fds);
    struct weft_co *co = weft_go_with(wait_for_room, &fds[1], .pinned = 1);
    await_in_flight(1);
    CHECK_EQ(weft_close(fds[0]), 0);
    join(co);
    CHECK_EQ(weft_close(fds[1]), 0);
    return 0;
}
