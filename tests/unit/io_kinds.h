/* SPDX-License-Identifier: MIT */
/* io_kinds.h - connected pairs of every kind of fd; define _GNU_SOURCE first. */
#ifndef WEFT_IO_KINDS_H
#define WEFT_IO_KINDS_H

#include <sys/ioctl.h>
#include <termios.h>

#include "net_test.h"

/* In all of them fds[0] is read and fds[1] is written. */
TEST_FN void nonblocking_pipe(int fds[2])
{
    CHECK_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
}

TEST_FN void nonblocking_foreign_pair(int fds[2])
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
}

/* What is written to the master of a pty in raw mode is read from its slave. */
TEST_FN void pty_pair(int fds[2])
{
    char name[64];
    int unlock = 0;
    struct termios raw;

    fds[1] = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    if (fds[1] < 0)
        SKIP("no pseudo-terminal can be had here");
    CHECK_EQ(ioctl(fds[1], TIOCSPTLCK, &unlock), 0);
    CHECK_EQ(ptsname_r(fds[1], name, sizeof name), 0);
    fds[0] = open(name, O_RDWR | O_NOCTTY);
    CHECK_GE(fds[0], 0);
    CHECK_EQ(tcgetattr(fds[0], &raw), 0);
    cfmakeraw(&raw);
    CHECK_EQ(tcsetattr(fds[0], TCSANOW, &raw), 0);
}

struct kind {
    const char *name;
    void (*make)(int fds[2]);
    bool is_bounded; /* a writer meets a full buffer */
};

static const struct kind kinds[] = {
    {"tcp", tcp_pair, true},
    {"unix", unix_pair, true},
    {"pipe", pipe_pair, true},
    {"nonblocking pipe", nonblocking_pipe, true},
    {"foreign socketpair", foreign_pair, true},
    {"nonblocking foreign socketpair", nonblocking_foreign_pair, true},
    {"pty", pty_pair, false},
};

#endif
