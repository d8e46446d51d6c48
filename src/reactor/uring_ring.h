/* SPDX-License-Identifier: MIT */
/* uring_ring.h - making a ring that does what the driver needs; for uring.c alone. */
#ifndef WEFT_REACTOR_URING_RING_H
#define WEFT_REACTOR_URING_RING_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

#include "driver.h"
#include "fdtable.h"
#include "op.h"

/* Make a ring as chosen and prove that it works; `first`, if not NULL, is one whose threads in the
 * kernel it shares.  *file_kinds: what weft__ring_file_kinds() says.  0 or -errno: nothing is left
 * then. */
int weft__ring_start(struct io_uring *ring, const struct io_uring *first,
                     const struct weft__reactor_choice *choice, uint32_t *file_kinds);
void weft__ring_stop(struct io_uring *ring);

/* Check what io_uring_enter() said. */
void weft__ring_check(int rc);

/* Send what is queued and let the kernel bring what it has; sleep until deadline_ns unless it is 0.
 * One system call, none if there is nothing to do in the kernel; with reap_lock held, which keeps
 * weft__ring_send_shown() away: liburing would wait for entries that somebody else has sent. */
void weft__ring_enter(struct io_uring *ring, int64_t deadline_ns);

/*
 * Entries that the owner has queued are the kernel's when their number is in the ring's tail, where
 * liburing puts it as late as at the owner's next enter.  Shown there at once, they can be sent by
 * any thread, while the owner's coroutine computes: which of two who enter takes them is up to the
 * kernel.  An old liburing numbers them only when it sends, and cannot do this.
 */
static inline bool weft__ring_can_show(const struct io_uring *ring)
{
    unsigned i = 0;
    while (i < ring->sq.ring_entries && ring->sq.array[i] == i) {
        i++;
    }
    return i == ring->sq.ring_entries;
}

/* By the owner, when all that is queued is complete. */
static inline void weft__ring_show(struct io_uring *ring)
{
    /* release: to the kernel, which looks at the tail when somebody enters. */
    io_uring_smp_store_release(ring->sq.ktail, ring->sq.sqe_tail);
}

/* Send what is queued; afterwards there is room for some more, unless it says -errno. */
int weft__ring_make_room(struct io_uring *ring);

/* By any thread, with reap_lock held. */
void weft__ring_send_shown(struct io_uring *ring);

/* By any thread: cancel what was sent with this user_data.  0, or -errno if it was not found, could
 * not be cancelled at once, or the kernel has no such call. */
int weft__ring_cancel(struct io_uring *ring, uint64_t user_data);

/* ---- uring_entry.c: operations as entries of the queue ---- */

/* Which operations of files this kernel knows: a bit for each weft__op_kind. */
uint32_t weft__ring_file_kinds(const struct io_uring_probe *known);

/* Shall the kernel carry out an operation on this fd, of a kind that it can, and wait for it? */
bool weft__ring_is_direct(const struct weft__fd *entry, const struct weft__op *op);

/* Say in an entry what an operation is; poll_first: that a first try of it is useless. */
void weft__ring_prepare(struct io_uring_sqe *sqe, struct weft__op *op, bool poll_first);

/* What the kernel's answer to an operation of a file means. */
ssize_t weft__ring_file_result(struct weft__op *op, int res);

/* Can the kernel be told that a first try of a receive or send is useless? */
static inline bool weft__ring_has_poll_first(const struct io_uring *ring)
{
    /* The two came with the same kernel, and this one is known to be accepted. */
    return (ring->flags & IORING_SETUP_COOP_TASKRUN) != 0;
}

#endif
