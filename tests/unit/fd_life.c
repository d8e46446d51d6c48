/* SPDX-License-Identifier: MIT */
/* fd_life.c - an operation belongs to the file on which it was begun, not to a number. */
#define _GNU_SOURCE
#include <sys/syscall.h>

#include "net_test.h"
#include "no_lookout.h"

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

/* ---- calls of several operations ---- */

/* What a call does that the other coroutine closes the fd of, in the middle of it. */
enum call { READ_FULL, WRITE_FULL, WRITEV_FULL, SENDFILE, COPY_FROM, COPY_TO, COPY_BY_HAND, CALLS };

#define MUCH ((size_t)4 << 20)

struct victim {
    int call, fd, other;
    ssize_t result;
};

static int call_it(void *arg)
{
    struct victim *v = arg;
    char buf[6];
    char *much = calloc(1, MUCH);
    const struct iovec iov = {much, MUCH};

    switch (v->call) {
    case READ_FULL: v->result = weft_read_full(v->fd, buf, sizeof buf); break;
    case WRITE_FULL: v->result = weft_write_full(v->fd, much, MUCH); break;
    case WRITEV_FULL: v->result = weft_writev_full(v->fd, &iov, 1); break;
    case SENDFILE: v->result = weft_sendfile(v->fd, v->other, 0, MUCH); break;
    case COPY_TO: v->result = weft_copy(v->fd, v->other, MUCH); break;
    default: v->result = weft_copy(v->other, v->fd, MUCH); break;
    }
    free(much);
    return 0;
}

/* Closes the victim's fd when told to, and has its number taken by another connection. */
struct closer {
    int told, fd, next[2];
};

static int close_and_take(void *arg)
{
    struct closer *c = arg;
    char byte;

    CHECK_EQ(weft_read(c->told, &byte, 1), 1);
    CHECK_EQ(weft_close(c->fd), 0);
    unix_pair(c->next);
    CHECK_EQ(c->next[0], c->fd); /* the lowest number that is free */
    CHECK_EQ(write(c->next[1], "xyz", 3), 3);
    return 0;
}

static int other_side(int call, int fds[2])
{
    fds[0] = fds[1] = -1;
    if (call == SENDFILE) {
        fds[0] = open("/tmp", O_TMPFILE | O_RDWR, 0600);
        if (fds[0] < 0)
            SKIP("no file without a name can be had here");
        CHECK_EQ(ftruncate(fds[0], (off_t)MUCH), 0);
    } else if (call == COPY_TO || call == COPY_FROM) {
        unix_pair(fds);
    } else if (call == COPY_BY_HAND) {
        foreign_pair(fds);
    }
    return fds[0];
}

/* Goal: a call that takes several operations belongs to the file on which it was begun, too.
 * Method: one that has waited for its fd, and one who will close it, are woken by the same look at
 * the reactor, in both orders; in one of them the fd is another when the first goes on. */
static int close_between_two_operations(void *unused)
{
    static char sink[1 << 16];
    (void)unused;

    for (int round = 0; round < 2 * CALLS; round++) {
        int tell[2], fds[2], others[2];
        pipe_pair(tell);
        unix_pair(fds);
        struct victim v = {.call = round / 2, .fd = fds[0]};
        struct closer c = {.told = tell[0], .fd = fds[0]};
        bool writes = v.call == WRITE_FULL || v.call == WRITEV_FULL || v.call == SENDFILE ||
                      v.call == COPY_TO;

        v.other = other_side(v.call, others);
        struct weft_co *victim = weft_go_with(call_it, &v);
        struct weft_co *closer = weft_go_with(close_and_take, &c);
        await_in_flight(2);
        for (int i = 0; v.call == COPY_TO && i < 5; i++) { /* until it waits for room */
            (void)fill(others[1]);
            yield_often(10);
            await_in_flight(2);
        }
        for (int i = 0; i < 2; i++) {
            if (i == round % 2)
                CHECK_EQ(write(tell[1], "!", 1), 1);
            else if (!writes)
                CHECK_EQ(write(fds[1], "abc", 3), 3);
            else
                while (recv(fds[1], sink, sizeof sink, MSG_DONTWAIT) > 0)
                    ;
        }
        join(closer);
        yield_often(10);
        CHECK_EQ(recv(c.next[0], sink, sizeof sink, MSG_DONTWAIT | MSG_PEEK), 3);
        CHECK_EQ(recv(c.next[1], sink, sizeof sink, MSG_DONTWAIT), -1);
        CHECK_EQ(weft_close(c.next[1]), 0);
        if (v.call == COPY_TO) { /* it may have had room for all, and wait for more */
            CHECK_EQ(weft_close(others[1]), 0);
            others[1] = -1;
        }
        join(victim);
        CHECK(v.result == -EBADF || (v.result > 0 && (size_t)v.result < MUCH));
        CHECK_EQ(weft_close(c.next[0]), 0);
        CHECK_EQ(weft_close(fds[1]), 0);
        close_both(tell);
        for (int i = 0; i < 2 && others[i] >= 0; i++)
            CHECK_EQ(weft_close(others[i]), 0);
    }
    return 0;
}

TEST(a_long_call_ends_with_its_fd)
{
    CHECK_EQ(weft_run_with(close_between_two_operations, NULL, .procs = 1), 0);
}
