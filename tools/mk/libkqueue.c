/* SPDX-License-Identifier: MIT */
/*
 * libkqueue.c - what libkqueue does otherwise than the kernels that it stands for.  Linked into a
 * program, these calls are those that libkqueue makes, too.
 *
 *   getsockopt   a kernel tells with an event why a socket has failed, and keeps the error for the
 *                next call on it; libkqueue asks for it, and so takes it away
 *   epoll_wait   it takes as many fds as the caller has room for events, and loses the last ones if
 *                some have two, one for each direction: it gets half of them
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int is_libkqueue(const void *caller)
{
    Dl_info info;
    return dladdr(caller, &info) != 0 && strstr(info.dli_fname, "libkqueue.so") != NULL;
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    if (level == SOL_SOCKET && name == SO_ERROR && is_libkqueue(__builtin_return_address(0))) {
        memset(value, 0, *len);
        return 0;
    }
    return (int)syscall(SYS_getsockopt, fd, level, name, value, len);
}

int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
    if (max > 1 && is_libkqueue(__builtin_return_address(0))) {
        max /= 2;
    }
    return epoll_pwait(epfd, events, max, timeout, NULL);
}
