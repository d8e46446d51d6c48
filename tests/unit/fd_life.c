/* SPDX-License-Identifier: MIT */
/* fd_life.c - an operation belongs to the file on which it was begun, not to a number. */
#include "net_test.h"

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
