/* SPDX-License-Identifier: MIT */
/*
 * dial.c - what a dial may meet on a machine where the ports are few: a network of the test's own.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>

#include "net_test.h"

/* A network with a loopback and nothing else, on which every connection comes from one port. */
static void be_alone_with_one_port(const char *port)
{
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    char range[32];

    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        SKIP("no network of our own here");
    int any = socket(AF_INET, SOCK_DGRAM, 0);
    if (any < 0 || ioctl(any, SIOCSIFFLAGS, &lo) != 0)
        SKIP("no loopback of our own here");
    close(any);
    int fd = open("/proc/sys/net/ipv4/ip_local_port_range", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        SKIP("the range of ports cannot be set here");
    snprintf(range, sizeof range, "%s %s", port, port);
    CHECK_EQ(write(fd, range, strlen(range)), (ssize_t)strlen(range));
    close(fd);
}

static int dial_one_port(void *where)
{
    int before = open_fds();

    for (int i = 0; i < 3; i++) {
        int rc = weft_dial(where);
        if (i == 0 && (rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL))
            SKIP("no such addresses here");
        CHECK_EQ(rc, -ECONNREFUSED);
    }
    CHECK_EQ(open_fds(), before);
    int listener = weft_listen(where);
    CHECK_GE(listener, 0);
    CHECK_EQ(weft_close(listener), 0);
    return 0;
}

/* Goal: nobody listens, and that is what a dial says.  The system may give a connection the very
 * port that it goes to: then it has both ends, and who waits for a server to come would talk to
 * himself, and keep the server's port.
 * Method: there is no other port. */
TEST(a_dial_does_not_meet_itself)
{
    be_alone_with_one_port("40001");
    CHECK_EQ(weft_run(dial_one_port, "127.0.0.1:40001"), 0);
}

TEST(a_dial_does_not_meet_itself_over_ipv6)
{
    be_alone_with_one_port("40001");
    CHECK_EQ(weft_run(dial_one_port, "[::1]:40001"), 0);
}
