/* SPDX-License-Identifier: MIT */
/*
 * kernel.c - says which drivers and guards the running kernel has, one word each, so that the
 * tests can leave out what cannot be had here.  It asks the kernel, not the library under test.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the headers of the oldest system that is supported. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

static int has_io_uring(void)
{
#if defined(SYS_io_uring_setup) && !defined(WEFT_NO_LIBURING)
    unsigned char params[120]; /* struct io_uring_params, all zero */
    memset(params, 0, sizeof params);
    const int fd = (int)syscall(SYS_io_uring_setup, 8, params);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
#else
    return 0;
#endif
}

/* A success is not believed, since an emulator says yes to any advice: a write from the page must
 * fail. */
static int has_guard_advice(void)
{
    int fds[2], has = 0;
    char *page = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || pipe(fds) != 0)
        return 0;
    if (madvise(page, 65536, MADV_GUARD_INSTALL) == 0)
        has = write(fds[1], page, 1) < 0 && errno == EFAULT;
    close(fds[0]);
    close(fds[1]);
    munmap(page, 65536);
    return has;
}

int main(void)
{
    if (has_io_uring())
        printf("io_uring ");
    if (has_guard_advice())
        printf("madvise ");
#ifdef WEFT_LIBKQUEUE
    printf("kqueue ");
#endif
    puts("epoll mprotect canary");
    return 0;
}
