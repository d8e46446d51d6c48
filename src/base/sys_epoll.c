/* SPDX-License-Identifier: MIT */
/* sys_epoll.c - the system calls of epoll and eventfd, as -errno. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "sys_result.h"

int weft__sys_eventfd(void)
{
    FAULT(EVENTFD);
    return weft__sys_move_fd(weft__result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)));
}

int weft__sys_epoll_create(void)
{
    FAULT(EPOLL_CREATE);
    return weft__sys_move_fd(weft__result(epoll_create1(EPOLL_CLOEXEC)));
}

int weft__sys_epoll_ctl(int epfd, int op, int fd, uint32_t events, uint64_t data)
{
    FAULT(EPOLL_CTL);
    struct epoll_event ev = {.events = events, .data.u64 = data};
    return weft__result(epoll_ctl(epfd, op, fd, &ev));
}

/* epoll_pwait2 takes nanoseconds but is younger than our oldest kernel (5.11, and unknown to some
 * emulators): without it, ppoll on the epoll fd sleeps to the nanosecond. */
static int wait_exact(int epfd, struct epoll_event *events, int max, const struct timespec *ts)
{
#ifdef SYS_epoll_pwait2
    int rc = weft__result((int)syscall(SYS_epoll_pwait2, epfd, events, max, ts, NULL, 0L));
    if (rc != -ENOSYS) {
        return rc;
    }
#endif
    struct pollfd p = {.fd = epfd, .events = POLLIN};
    int n = weft__result(ppoll(&p, 1, ts, NULL));
    return n <= 0 ? n : weft__result(epoll_wait(epfd, events, max, 0));
}

int weft__sys_epoll_wait(int epfd, struct epoll_event *events, int max, int64_t deadline_ns)
{
    FAULT(EPOLL_WAIT);
    int rc;
    if (deadline_ns == 0 || deadline_ns == INT64_MAX) {
        rc = weft__result(epoll_wait(epfd, events, max, deadline_ns == 0 ? 0 : -1));
    } else {
        struct timespec ts = weft__clock_timespec(deadline_ns - weft__clock_ns());
        rc = wait_exact(epfd, events, max, &ts);
    }
    return rc == -EINTR ? 0 : rc;
}
