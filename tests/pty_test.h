/* SPDX-License-Identifier: MIT */
/* pty_test.h - a terminal of the tests' own. */
#ifndef TESTS_PTY_TEST_H
#define TESTS_PTY_TEST_H

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "test.h"

/* [0] is the terminal, [1] what is behind it: the keys and the screen.  What is typed is not shown;
 * a raw one gives it as it is, another by lines and with Ctrl-C.  Both are close-on-exec. */
TEST_FN void open_pty(int fds[2], bool is_raw)
{
    struct termios t;
    char path[64];

    fds[1] = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fds[1] < 0)
        SKIP("there are no terminals here");
    int number = 0, zero = 0;
    CHECK_EQ(ioctl(fds[1], TIOCSPTLCK, &zero), 0);
    CHECK_EQ(ioctl(fds[1], TIOCGPTN, &number), 0);
    snprintf(path, sizeof path, "/dev/pts/%d", number);
    fds[0] = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fds[0] < 0)
        SKIP("there are no terminals here");
    CHECK_EQ(tcgetattr(fds[0], &t), 0);
    t.c_lflag &= (tcflag_t) ~(is_raw ? ECHO | ICANON | ISIG : ECHO);
    t.c_oflag &= (tcflag_t)~OPOST;
    CHECK_EQ(tcsetattr(fds[0], TCSANOW, &t), 0);
}

#endif
