/* SPDX-License-Identifier: MIT */
/* uring_ring.c - see uring_ring.h. */
#ifndef WEFT_NO_LIBURING

#include "uring_ring.h"

#include <errno.h>
#include <string.h>

#include "../base/atomic.h"
#include "../base/clock.h"
#include "../base/compiler.h"
#include "../base/fatal.h"
#include "../base/sys.h"

/* [RING-REUSE]  A new ring may be mapped where an old one was, and its memory was the old owner's
 * until then.  The kernel orders that, but unseen: so the program orders it as well. */
static _Atomic uint32_t rings_gone;

static int ring_init(unsigned entries, struct io_uring *ring, struct io_uring_params *params)
{
    /* acquire [RING-REUSE] */
    (void)atomic_load_explicit(&rings_gone, memory_order_acquire);
    int rc = io_uring_queue_init_params(entries, ring, params);
    /* acquire [RING-REUSE]: and of one that went while we were in there. */
    (void)atomic_load_explicit(&rings_gone, memory_order_acquire);
    return rc;
}

static void ring_exit(struct io_uring *ring)
{
    /* release [RING-REUSE]: before the unmap, after our last access. */
    atomic_fetch_add_explicit(&rings_gone, 1, memory_order_release);
    io_uring_queue_exit(ring);
}

#define ENTRIES 256    /* of the submission queue: a batch, not a limit */
#define ENTRIES_MIN 32 /* where locked memory is short */
#define CQ_FACTOR 4    /* more in flight than 4 times that overflow into the kernel's memory */
#define PATIENCE 5     /* sleeps of 1, 2, 4, ... ms while memory of earlier rings comes back */
#define PROBE_DATA 0x77656674

/* Can this ring do what we need?  A real operation goes through it, since a filter or a kernel may
 * allow the setup and refuse the rest. */
static int probe(struct io_uring *ring)
{
    const unsigned features = IORING_FEAT_NODROP | IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG;
    static const int ops[] = {IORING_OP_POLL_ADD, IORING_OP_RECV,        IORING_OP_SEND,
                              IORING_OP_RECVMSG,  IORING_OP_SENDMSG,     IORING_OP_READ,
                              IORING_OP_NOP,      IORING_OP_ASYNC_CANCEL};
    if ((ring->features & features) != features) {
        return -ENOSYS;
    }
    struct io_uring_probe *known = io_uring_get_probe_ring(ring);
    if (known == NULL) {
        return -ENOSYS;
    }
    bool all = true;
    for (size_t i = 0; i < WEFT__COUNT(ops); i++) {
        all = all && io_uring_opcode_supported(known, ops[i]);
    }
    io_uring_free_probe(known);
    if (!all) {
        return -ENOSYS;
    }
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    io_uring_prep_nop(sqe);
    io_uring_sqe_set_data64(sqe, PROBE_DATA);
    int rc;
    do {
        rc = io_uring_submit_and_wait(ring, 1);
    } while (rc == -EINTR);
    struct io_uring_cqe *cqe;
    if (rc >= 0) {
        rc = io_uring_peek_cqe(ring, &cqe);
    }
    if (rc < 0) {
        return rc;
    }
    rc = cqe->user_data == PROBE_DATA ? cqe->res : -EIO;
    io_uring_cqe_seen(ring, cqe);
    return rc;
}

/* Rings that this process gave back since it last ran out of memory for one. */
static _Atomic uint32_t n_leaving;

/*
 * The locked memory of a ring that was given back is counted against the user for some milliseconds
 * more, until a worker of the kernel has torn it down.  So a user who restarts a runtime may
 * be told that there is none: where rings are leaving, a while of patience (31 ms in all) finds
 * room again.  False if there is nothing to wait for any more.
 */
static bool wait_for_leaving(int *n_waits)
{
    if (atomic_load_explicit(&n_leaving, memory_order_relaxed) == 0) {
        return false;
    }
    if (*n_waits == PATIENCE) {
        atomic_store_explicit(&n_leaving, 0, memory_order_relaxed);
        return false;
    }
    (void)weft__sys_poll(NULL, 0, 1 << (*n_waits)++);
    return true;
}

/*
 * Make a ring.  Flags that an older kernel does not know are left out step by step (-EINVAL); where
 * locked memory is short, a smaller ring does.  Never SINGLE_ISSUER or DEFER_TASKRUN: a P changes
 * threads, and the kernel would refuse the new one.
 */
static int make_ring(struct io_uring *ring, const struct io_uring *first,
                     const struct weft__reactor_choice *choice)
{
    static const unsigned steps[] = {
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL |
            IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE | IORING_SETUP_ATTACH_WQ,
        IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE | IORING_SETUP_ATTACH_WQ,
        IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE,
        0,
    };
    size_t step = 0;
    unsigned entries = choice->ring_entries != 0 ? choice->ring_entries : ENTRIES;
    int n_waits = 0;
    for (;;) {
        struct io_uring_params params;
        memset(&params, 0, sizeof params);
        params.flags = steps[step];
        params.cq_entries = entries * CQ_FACTOR;
        if (choice->ring_poll_ms != 0) { /* nobody's task runs anything then */
            params.flags &= ~(IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG);
            params.flags |= IORING_SETUP_SQPOLL;
            params.sq_thread_idle = choice->ring_poll_ms;
        }
        if (first == NULL) {
            params.flags &= ~IORING_SETUP_ATTACH_WQ;
        } else {
            params.wq_fd = (unsigned)first->ring_fd;
        }
        int rc = weft__sys_fault_now(WEFT__CALL_URING_SETUP);
        if (rc == 0) {
            rc = ring_init(entries, ring, &params);
        }
        if (rc == 0) {
            ring->ring_fd = weft__sys_move_fd(ring->ring_fd);
            ring->enter_ring_fd = ring->ring_fd;
            return 0;
        }
        if (rc == -EINVAL && step + 1 < WEFT__COUNT(steps)) {
            step++;
        } else if (rc == -ENOMEM && wait_for_leaving(&n_waits)) {
            continue;
        } else if (rc == -ENOMEM && entries > ENTRIES_MIN) {
            entries /= 2;
        } else {
            return rc;
        }
    }
}

int weft__ring_start(struct io_uring *ring, const struct io_uring *first,
                     const struct weft__reactor_choice *choice)
{
    int rc = make_ring(ring, first, choice);
    if (rc < 0) {
        return rc;
    }
    rc = probe(ring);
    if (rc < 0) {
        ring_exit(ring);
        return rc;
    }
    /* A fork's child must not reach the parent's ring. */
    (void)io_uring_ring_dontfork(ring);
    return 0;
}

void weft__ring_stop(struct io_uring *ring)
{
    ring_exit(ring);
    atomic_fetch_add_explicit(&n_leaving, 1, memory_order_relaxed);
}

/* Some errors pass; all others mean that the ring is broken. */
void weft__ring_check(int rc)
{
    if (rc == -EAGAIN || rc == -ENOMEM) {
        weft__sys_yield_cpu(); /* no memory for requests: nothing is lost, others may free some */
    }
    WEFT__ASSERT(rc >= 0 || rc == -ETIME || rc == -EINTR || rc == -EAGAIN || rc == -EBUSY ||
                 rc == -ENOMEM);
}

void weft__ring_enter(struct io_uring *ring, int64_t deadline_ns)
{
    int rc = weft__sys_fault_now(WEFT__CALL_URING_ENTER);
    if (rc != 0) {
        weft__ring_check(rc);
        return;
    }
    if (deadline_ns == 0) {
        unsigned flags = IO_URING_READ_ONCE(*ring->sq.kflags);
        bool has_work = (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
        if (io_uring_sq_ready(ring) != 0) {
            rc = has_work ? io_uring_submit_and_get_events(ring) : io_uring_submit(ring);
        } else if (has_work) {
            rc = io_uring_get_events(ring);
        }
    } else {
        struct io_uring_cqe *cqe;
        struct __kernel_timespec ts;
        struct __kernel_timespec *timeout = NULL;
        if (deadline_ns != INT64_MAX) {
            struct timespec left = weft__clock_timespec(deadline_ns - weft__clock_ns());
            ts.tv_sec = left.tv_sec;
            ts.tv_nsec = left.tv_nsec;
            timeout = &ts;
        }
        rc = io_uring_submit_and_wait_timeout(ring, &cqe, 1, timeout, NULL);
    }
    weft__ring_check(rc);
}

static bool has_poller(const struct io_uring *ring)
{
    return (ring->flags & IORING_SETUP_SQPOLL) != 0;
}

int weft__ring_make_room(struct io_uring *ring)
{
    int rc = weft__sys_fault_now(WEFT__CALL_URING_ENTER);
    if (rc == 0) {
        rc = io_uring_submit(ring);
    }
    if (rc >= 0 && has_poller(ring)) {
        rc = io_uring_sqring_wait(ring);
    }
    return rc;
}

void weft__ring_send_shown(struct io_uring *ring)
{
    unsigned tail = io_uring_smp_load_acquire(ring->sq.ktail);
    unsigned n = tail - io_uring_smp_load_acquire(ring->sq.khead);
    /* The kernel takes no more than there are, should the owner be faster. */
    if (n != 0) {
        unsigned flags = has_poller(ring) ? IORING_ENTER_SQ_WAKEUP : 0;
        weft__ring_check(io_uring_enter((unsigned)ring->ring_fd, n, 0, flags, NULL));
    }
}

int weft__ring_cancel(struct io_uring *ring, uint64_t user_data)
{
    /* A time-out of 0, and by user_data alone. */
    struct io_uring_sync_cancel_reg cancel = {.addr = user_data, .fd = -1};
    int rc = io_uring_register_sync_cancel(ring, &cancel);
    return rc < 0 ? rc : 0;
}

void weft__ring_prepare_file(struct io_uring_sqe *sqe, const struct weft__op *op)
{
    if (op->kind == WEFT__OP_FILE_SYNC) {
        io_uring_prep_fsync(sqe, op->fd, op->is_data_only ? IORING_FSYNC_DATASYNC : 0);
        return;
    }
    unsigned count = (unsigned)op->iov_count;
    uint64_t offset = (uint64_t)op->offset;
    if (op->kind == WEFT__OP_FILE_READ) {
        io_uring_prep_readv(sqe, op->fd, op->iov, count, offset);
    } else {
        io_uring_prep_writev(sqe, op->fd, op->iov, count, offset);
    }
    if ((op->flags & WEFT__OP_LONG) != 0) {
        sqe->flags |= IOSQE_ASYNC;
    }
}

#endif
