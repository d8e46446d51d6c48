/* SPDX-License-Identifier: MIT */
/* fd_life.c - an operation belongs to the file on which it was begun, not to a number. */
#include <sys/syscall.h>

#include "net_test.h"

/* ---- a close that takes its time ---- */

static _Atomic int slow = -1; /* this fd's */
static _Atomic bool is_free, is_used;

/* In place of the C library's: the number is free, as it is in the kernel early in a close, and
 * whoever closed it stays for as long as the next one who has it takes, 30 ms at most. */
int close(int fd)
{
    const int rc = (int)syscall(SYS_close, fd);

    if (fd == slow) {
        slow = -1;
        is_free = true;
        for (int i = 0; i < 30 && !is_used; i++)
            usleep(1000);
    }
    return rc;
}

static int close_slowly(void *fd)
{
    is_free = is_used = false;
    slow = *(int *)fd;
    CHECK_EQ(weft_close(*(int *)fd), 0);
    return 0;
}

/* The fd is being closed by the coroutine, and a file has its number already. */
static struct weft_co *make_another_of(int *fd, int file)
{
    struct weft_co *closer = weft_go_with(close_slowly, fd);

    while (!is_free)
        weft_yield();
    CHECK_EQ(fcntl(file, F_DUPFD_CLOEXEC, 0), *fd);
    return closer;
}

static int open_program(void)
{
    const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    CHECK_GE(fd, 0);
    return fd;
}

/* Goal: a file can be used as soon as it is open, though who had its number before has not come
 * back from his close. */
CO_TEST(a_file_has_its_number_as_soon_as_it_is_open)
{
    const int file = open_program();
    int fd = open_program();
    struct weft_co *closer;
    char byte;

    CHECK_EQ(weft_pread(fd, &byte, 1, 0), 1);
    closer = make_another_of(&fd, file);
    const ssize_t n = weft_pread(fd, &byte, 1, 0);
    is_used = true;
    CHECK_EQ(n, 1);
    join(closer);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(file), 0);
    return 0;
}

/* Goal: the same of one whose number was a socket's: it is no socket. */
CO_TEST(a_file_is_no_socket_though_its_number_was_one)
{
    const int file = open_program();
    int fds[2], ends[2];
    struct weft_co *closer;

    unix_pair(fds);
    CHECK_EQ(weft_pipe(ends), 0);
    closer = make_another_of(&fds[0], file);
    const ssize_t n = weft_copy(ends[1], fds[0], 10);
    is_used = true;
    CHECK_EQ(n, 10);
    join(closer);
    close_both(fds);
    close_both(ends);
    CHECK_EQ(weft_close(file), 0);
    return 0;
}

/* Goal: and it is closed as what it is, one that was written by a thread of the pool. */
CO_TEST(a_file_is_closed_as_one_though_its_number_was_a_sockets)
{
    struct weft_stats before = {.size = sizeof before}, after = {.size = sizeof after};
    const int file = weft_temp_file(NULL);
    int fds[2];
    struct weft_co *closer;

    CHECK_GE(file, 0);
    unix_pair(fds);
    closer = make_another_of(&fds[0], file);
    CHECK_EQ(weft_runtime_stats(NULL, &before), 0);
    CHECK_EQ(weft_close(fds[0]), 0);
    CHECK_EQ(weft_runtime_stats(NULL, &after), 0);
    CHECK_EQ(after.blocking_calls, before.blocking_calls + 1);
    is_used = true;
    join(closer);
    CHECK_EQ(weft_close(fds[1]), 0);
    CHECK_EQ(weft_close(file), 0);
    return 0;
}

/* ---- an operation that is late ---- */

/* Goal: an operation that was tried, and whose fd is closed and is another file before it is
 * submitted, is refused: it would take what belongs to that other file.
 * Method: by hand what weft_read() does, with the close and the next socket in between. */
CO_TEST(an_operation_is_refused_when_its_fd_has_become_another)
{
    struct weft__reactor_group *group = &weft_runtime_current()->reactors;
    struct weft__op op;
    int fds[2], next[2];
    char byte;

    unix_pair(fds);
    weft__op_init(&op, WEFT__OP_READ, fds[0], NULL);
    op.buf = &byte;
    op.bytes = 1;
    op.life = weft__fd_life(weft__fd_find(&group->fds, fds[0]));
    CHECK_EQ(weft__op_try(&op, true), -EAGAIN);
    CHECK_EQ(weft_close(fds[0]), 0);
    unix_pair(next);
    CHECK_EQ(next[0], fds[0]); /* the lowest number that is free */
    CHECK_EQ(group->driver->submit(&group->reactors[weft_thread_index()], &op), -EBADF);
    CHECK_EQ(in_flight(), 0);
    CHECK_EQ(weft_close(fds[1]), 0);
    close_both(next);
    return 0;
}
