/* SPDX-License-Identifier: MIT */
/* io.h - for io/ and net/: an operation that is tried first and waited for only if need be. */
#ifndef WEFT_IO_IO_H
#define WEFT_IO_IO_H

#include "../park/park.h"

struct weft__fd;

/* Try op (whose record is part of a weft__op_wait), wait if it cannot go on.  Returns its result.
 * */
ssize_t weft__io_run(struct weft__op *op, enum weft__wait_reason reason, const void *caller);

/* How an op is tried: by one system call that does not wait, as weft__op_try() does it. */
typedef ssize_t weft__io_try_fn(struct weft__op *op, bool is_socket);

/* The same with a try of one's own, for what one system call can do and no driver.  The wait is for
 * op itself. */
ssize_t weft__io_run_by(struct weft__op *op, weft__io_try_fn *try_now,
                        enum weft__wait_reason reason, const void *caller);

/* Only try: -EAGAIN if it would have to wait.  Tried again, after a wait of the caller's, it is
 * -EBADF if the fd was closed meanwhile, whatever its number has become. */
ssize_t weft__io_try(struct weft__op *op, weft__io_try_fn *try_now);
/* Keep fd from being closed by weft_close(), which waits: for calls that take long, but end.  0, or
 * -EBADF: it is being closed; -ENOMEM.  A plain thread holds nothing, *entry is NULL then. */
int weft__io_hold(int fd, struct weft__fd **entry);
void weft__io_let_go(struct weft__fd *entry);

/* Have a thread of the pool do what may take long with fd, which is held meanwhile.  What fn gives,
 * or what weft__io_hold() and weft__park_job() say. */
int weft__io_have_done(int fd, int (*fn)(void *), void *arg, const void *caller);

/* A new socket of ours: known to the reactor from here on.  fd, or -errno: then it is closed. */
int weft__io_adopt(int fd);
int weft__io_adopt_datagrams(int fd);

/* For what has no event, and is tried again after a while: *delay_ns, 0 at first, 0.2 ms then, and
 * twice as long each time, up to 10 ms.  0, or what a surrounding scope says. */
int weft__io_wait_a_while(int fd, int64_t *delay_ns, enum weft__wait_reason reason,
                           const void *caller);
/* The part of a vector that begins `skip` bytes after its start, at most WEFT__IO_PART pieces of
 * it; returns how many.  The rest comes with the next part. */
#define WEFT__IO_PART 16
int weft__io_part(struct iovec *part, const struct iovec *iov, int count, size_t skip);

/* Is it one: 0 .. 1024 buffers whose lengths add up?  The sum, or -EINVAL. */
ssize_t weft__io_vector_bytes(const struct iovec *iov, int count);

/* Wait until a descriptor may be free again: a weft_close() or at most delay_ns.  0, or -ETIMEDOUT
 * of a surrounding scope. */
int weft__io_wait_for_descriptor(int64_t delay_ns, const void *caller);

#endif
