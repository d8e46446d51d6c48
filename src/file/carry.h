/* SPDX-License-Identifier: MIT */
/* carry.h - for file/: an operation of a file carried out, by whom it may be. */
#ifndef WEFT_FILE_CARRY_H
#define WEFT_FILE_CARRY_H

#include "../park/park.h"

/* By io_uring, where it is the driver and the kernel has the operation; else by a thread of the
 * pool.  op is part of a weft__op_wait; whoever gives an fd holds it.  The result, or what a scope
 * says that has ended before it began, or -EAGAIN or -ENOMEM: there is no thread for it. */
ssize_t weft__file_carry_out(struct weft__op *op, const void *caller);

/* The same, and hold the fd; of an operation that gives no more than 0. */
int weft__file_carry_out_on_fd(struct weft__op *op, const void *caller);

#endif
