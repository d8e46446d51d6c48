/* SPDX-License-Identifier: MIT */
/* uring_ring.h - making a ring that does what the driver needs; for uring.c alone. */
#ifndef WEFT_REACTOR_URING_RING_H
#define WEFT_REACTOR_URING_RING_H

#include <liburing.h>
#include <stdbool.h>

/* Make a ring and prove that it works; `first`, if not NULL, is one whose kernel workers it shares.
 * 0 or -errno: nothing is left then. */
int weft__ring_start(struct io_uring *ring, const struct io_uring *first);
void weft__ring_stop(struct io_uring *ring);

/* Can the kernel be told that a first try of a receive or send is useless? */
static inline bool weft__ring_has_poll_first(const struct io_uring *ring)
{
    /* The two came with the same kernel, and this one is known to be accepted. */
    return (ring->flags & IORING_SETUP_COOP_TASKRUN) != 0;
}

#endif
