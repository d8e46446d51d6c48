/* SPDX-License-Identifier: MIT */
/* sys_kqueue.c - the system calls of kqueue, as -errno. */
#include <errno.h>
#include <fcntl.h>
#include <sys/event.h>
#include <time.h>

#include "clock.h"
#include "compiler.h"
#include "sys_result.h"

/* Not moved to a high number as others are: libkqueue knows a queue by its number. */
int weft__sys_kqueue(void)
{
    FAULT(KQUEUE);
    int kq = weft__result(kqueue());
    if (kq >= 0) {
        (void)fcntl(kq, F_SETFD, FD_CLOEXEC);
    }
    return kq;
}

int weft__sys_kevent(int kq, const struct kevent *changes, int n_changes, struct kevent *events,
                     int n_events, int64_t deadline_ns)
{
    FAULT(KEVENT);
    struct timespec ts = {0, 0};
    if (deadline_ns != 0 && deadline_ns != INT64_MAX) {
        ts = weft__clock_timespec(deadline_ns - weft__clock_ns());
    }
    int rc = weft__result(kevent(kq, changes, n_changes, events, n_events,
                                 deadline_ns == INT64_MAX ? NULL : &ts));
    return rc == -EINTR ? 0 : rc;
}

void weft__sys_kevent_trigger(int kq, uintptr_t ident)
{
    struct kevent trigger;
    EV_SET(&trigger, ident, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
    (void)kevent(kq, &trigger, 1, NULL, 0, NULL);
}
