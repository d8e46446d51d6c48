/* SPDX-License-Identifier: MIT */
/* move.h - for io/: one piece of a copy inside the kernel, by whoever can do it without blocking a
 * processor. */
#ifndef WEFT_IO_MOVE_H
#define WEFT_IO_MOVE_H

#include "../base/sys.h"
#include "io.h"

/* At most so much at a time: others want the processor, too. */
#define WEFT__MOVE_BYTES ((size_t)256 * 1024)

/* Of what kind is an fd that is to be copied from or to?  A socket of ours is set O_NONBLOCK, since
 * the calls have no flag for it.  The call belongs to the life that fd is in now.  enum
 * weft__fd_kind, or -errno. */
int weft__move_prepare(struct weft__io_call *call, int fd);

/* What a copy from a file will read is brought into memory, by a thread of the pool if it is not
 * there. */
void weft__move_fetch(int file, int64_t offset, size_t bytes);

/* Carry out a SENDFILE or SPLICE; `kind` is that of its fd.  Its result. */
ssize_t weft__move(struct weft__io_call *call, struct weft__op *op, int kind,
                   enum weft__wait_reason reason, const void *caller);

#endif
