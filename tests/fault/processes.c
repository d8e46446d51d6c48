/* SPDX-License-Identifier: MIT */
/*
 * processes.c - the k-th call on pipes, children and signals fails: no crash, no hang, every error
 * is a code, and neither a child nor an fd is left behind.
 *
 * Method: the files that hold the fault door are compiled into this program with the door open.  A
 * scenario runs for k = 1, 2, ... until nothing was left to fail.
 *
 * cflags: -DWEFT_FAULT
 * matrix: short
 */
#define _GNU_SOURCE
#include "base/memory.c"
#include "base/sys.c"
#include "base/sys_linux.c"
#include "base/sys_epoll.c"
#include "base/sys_fd.c"
#include "base/sys_process.c"
#include "base/sys_copy.c"

#include "net_test.h"
#include "no_lookout.h" /* a relief processor has low fds for a moment */
#include "one_call.h"

/* ---- the scenario ---- */

static int pass_a_byte(int to, int from)
{
    char byte = 'x';
    ssize_t n = 0;

    WEFT_DEADLINE(s, LONG_NS) {
        n = weft_write(to, &byte, 1);
        if (n > 0)
            n = weft_read(from, &byte, 1);
    }
    return n < 0 ? (int)n : 0;
}

static int use_pipe(void)
{
    int fds[2], rc = weft_pipe(fds);

    if (rc != 0)
        return rc;
    int out = weft_reopen(fds[1]);
    if (out >= 0) {
        rc = pass_a_byte(out, fds[0]);
        rc = first_error(rc, weft_close(out));
    }
    rc = first_error(rc, out);
    close_both(fds);
    return rc;
}

static int use_child(void)
{
    struct weft_process *p = NULL;
    int in = -1, out = -1, status = -1;
    int rc = weft_spawn_with(&p, ((char *[]){"cat", NULL}), .in = weft_stdio_pipe(&in),
                             .out = weft_stdio_pipe(&out), .err = weft_stdio_null(), .dir = "/");

    CHECK((rc == 0) == (p != NULL && in >= 0 && out >= 0));
    if (rc != 0)
        return rc;
    rc = pass_a_byte(in, out);
    rc = first_error(rc, weft_close(in));
    WEFT_DEADLINE(s, LONG_NS)
        CHECK_EQ(weft_process_wait(p, &status), 0); /* one way or another */
    CHECK_EQ(weft_status_code(status), 0);
    weft_process_free(p);
    return first_error(rc, weft_close(out));
}

static int end_child(void)
{
    struct weft_process *p = NULL;
    int in = -1, status = -1;
    int rc = weft_spawn_with(&p, ((char *[]){"cat", NULL}), .in = weft_stdio_pipe(&in),
                             .cancel_signal = SIGTERM);

    if (rc != 0)
        return rc;
    WEFT_DEADLINE(s, -1)
        CHECK_EQ(weft_process_wait(p, &status), -ETIMEDOUT);
    CHECK_EQ(weft_status_signal(status), SIGTERM);
    weft_process_free(p);
    return weft_close(in);
}

static int use_signals(void)
{
    struct weft_signals *signals;
    int rc = weft_signals_open(&signals, WEFT_SIGNAL(SIGUSR1));

    if (rc != 0)
        return rc;
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    WEFT_DEADLINE(s, LONG_NS)
        rc = weft_signals_wait(signals, NULL);
    CHECK(rc < 0 || rc == SIGUSR1);
    if (rc < 0) { /* under way it would end the process */
        struct pollfd p = {.fd = weft_signals_fd(signals), .events = POLLIN};
        CHECK_EQ(poll(&p, 1, -1), 1);
    }
    weft_signals_close(signals);
    return rc < 0 ? rc : 0;
}

static int scenario(void)
{
    int rc = first_error(use_pipe(), use_child());

    rc = first_error(rc, end_child());
    return first_error(rc, use_signals());
}

static int sweep(void)
{
    siginfo_t info;
    const int n_fds = open_fds();

    for (int sum = 0;; sum++) {
        k = sum + 1;
        n_calls = 0;
        was_injected = false;
        is_armed = true;
        int rc = scenario();
        is_armed = false;
        if (rc > 0 || rc < -4095 || (!was_injected && rc != 0))
            TEST_FAIL("call %d of kind %d: %d", k, kind, rc);
        CHECK_EQ(open_fds(), n_fds);
        CHECK_EQ(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), -1);
        if (!was_injected)
            return sum;
    }
}

CO_TEST(no_failing_call_on_children_or_signals_leaves_anything)
{
    static const struct {
        enum weft__call kind;
        int error, least;
    } failures[] = {
        {WEFT__CALL_SPAWN, -EAGAIN, 2}, {WEFT__CALL_PIDFD, -EPERM, 2},
        {WEFT__CALL_PIPE, -EMFILE, 4},  {WEFT__CALL_DUP, -EMFILE, 5},
        {WEFT__CALL_DUP, -EACCES, 5},   {WEFT__CALL_EVENTFD, -EMFILE, 1},
        {WEFT__CALL_ALLOC, -ENOMEM, 3}, {WEFT__CALL_POLL, -ENOMEM, 1},
        {WEFT__CALL_THREAD, -EAGAIN, 0}, {WEFT__CALL_EPOLL_CTL, -ENOSPC, 0},
    };

    CHECK_EQ(scenario(), 0);
    weft__sys_fault = decide;
    for (int i = 0; i < COUNT(failures); i++) {
        kind = failures[i].kind;
        error = failures[i].error;
        CHECK_GE(sweep(), failures[i].least);
    }
    return 0;
}

/* ---- an fd is closed while a copy begins ---- */

static int closed_at_the_pipe; /* -1: nothing */

static int close_at_the_pipe(enum weft__call call)
{
    const int fd = closed_at_the_pipe;

    if (call == WEFT__CALL_PIPE && fd >= 0) {
        closed_at_the_pipe = -1;
        CHECK_EQ(weft_close(fd), 0);
    }
    return 0;
}

/* Goal: a copy whose fd is closed just before it makes its pipe does not take that for the fd: it
 * would wait for itself.
 * Method: the call for the pipe closes it first, so that the pipe gets its number. */
CO_TEST(a_copy_does_not_take_its_own_pipe_for_what_was_closed)
{
    for (int closed = 0; closed < 2; closed++) {
        int in[2], out[2];
        ssize_t n = 0;
        unix_pair(in);
        unix_pair(out);
        closed_at_the_pipe = closed == 0 ? in[0] : out[0];
        weft__sys_fault = close_at_the_pipe;
        CHECK_EQ(weft_write(in[1], "abc", 3), 3);
        WEFT_DEADLINE(s, LONG_NS)
            n = weft_copy(out[0], in[0], 3);
        CHECK_EQ(n, -EBADF);
        CHECK_EQ(closed_at_the_pipe, -1);
        weft__sys_fault = NULL;
        CHECK_EQ(weft_close(in[1]), 0);
        CHECK_EQ(weft_close(out[1]), 0);
        CHECK_EQ(weft_close(closed == 0 ? out[0] : in[0]), 0);
    }
    return 0;
}
