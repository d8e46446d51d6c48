/* SPDX-License-Identifier: MIT */
/*
 * pipe.h - pipes, and the standard streams.
 *
 * weft_read(0, ...) and weft_write(1, ...) work as they are, whatever the two fds are, and change
 * nothing of them: O_NONBLOCK belongs to what is open, not to the fd, so that a program that sets
 * it leaves it to the shell, and to all who write to the same terminal.  But to be sure not to
 * wait, they write a byte at a time to a terminal, and 4 KiB to a pipe; and a coroutine that asks
 * first and reads then may still wait with its thread if another process was faster.
 * weft_reopen(1) has neither fault.  (A job in the background that reads its terminal gets -EIO
 * instead of being stopped: the threads that read let no signal through.)
 *
 *     int out = weft_reopen(1);
 *     n = weft_write_full(out, text, bytes);
 *     weft_close(out);
 */
#ifndef WEFT_PIPE_H
#define WEFT_PIPE_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

/**
 * weft_pipe - make a pipe.
 *
 * @fds  receives both ends: what is written to fds[1] is read from fds[0].  They are close-on-exec
 *       and O_NONBLOCK, and closed by weft_close() or close().
 *
 * For the standard streams of a child use weft_stdio_pipe(), which gives it an end that blocks, as
 * programs expect; and for what leads from one child to another pipe2(fds, O_CLOEXEC).
 *
 * Returns    0.
 * Errors     -EMFILE, -ENFILE  no descriptors are left
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API_MUST int weft_pipe(int fds[2]);

/**
 * weft_reopen - the terminal or pipe behind an fd, opened once more for the caller alone.
 *
 * @fd  any fd; it is not changed, and stays the caller's.
 *
 * The new fd reads and writes the same terminal or pipe and is O_NONBLOCK, without making those so
 * who share the old one.  Where there is nothing to open again (a file, a socket, /dev/null, the
 * master's side of a pseudo-terminal), or /proc is not there, or does not permit it, it is a copy
 * of fd as it is.  A terminal or pipe is at its end for others when all fds of it are closed, this
 * one included.
 *
 * Returns    the new fd, close-on-exec, to be closed by weft_close() or close().
 * Errors     -EBADF  fd is not open
 *            -EMFILE, -ENFILE  no descriptors are left
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API_MUST int weft_reopen(int fd);

WEFT_END_DECLS
#endif
