/* SPDX-License-Identifier: MIT */
/* io.h - for io/ and net/: an operation that is tried first and waited for only if need be. */
#ifndef WEFT_IO_IO_H
#define WEFT_IO_IO_H

#include "../park/park.h"

/* Try op (whose record is part of a weft__op_wait), wait if it cannot go on.  Returns its result.
 * */
ssize_t weft__io_run(struct weft__op *op, enum weft__wait_reason reason, const void *caller);

/* A new socket of ours: known to the reactor from here on.  fd, or -errno: then it is closed. */
int weft__io_adopt(int fd);

/* Wait for a while: for what has no event.  0, or -ETIMEDOUT of a surrounding scope. */
int weft__io_pause(int64_t delay_ns, const void *caller);

/* Wait until a descriptor may be free again: a weft_close() or at most delay_ns.  0, or -ETIMEDOUT
 * of a surrounding scope. */
int weft__io_wait_for_descriptor(int64_t delay_ns, const void *caller);

#endif
