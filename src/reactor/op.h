/* SPDX-License-Identifier: MIT */
/*
 * op.h - an operation that may have to wait for the kernel: submitted, then completed once.
 *
 * The record lives on the stack of the coroutine that waits for it, with the buffers it names.  It
 * belongs to the reactor from a submit that returned 0 until it is reported complete, and that is
 * only after the kernel has let go of the buffers, also when it was cancelled.
 *
 *   IDLE --submit--> IN FLIGHT --last completion--> reported in a list --> IDLE
 *                     |     ^
 *                     cancel (any number of times; a result that has happened wins)
 *
 * What the makers of our own sockets owe the drivers:
 *   - a connection or a socket for datagrams is left blocking (no O_NONBLOCK), so that the kernel
 *     waits for it inside io_uring; tries pass MSG_DONTWAIT.  sendfile() and splice() have no such
 *     flag: what they are used on is set O_NONBLOCK for good, and waited for by polls from then on.
 *   - a listener is set O_NONBLOCK: accept4() has no flag for one call, and a connection that was
 *     reset between poll and accept would block the thread.
 *   - weft__fd_adopt() before the first operation, and a CLOSE operation at the end.
 *   - a datagram to a UNIX name is tried only: that its reader's queue has room again is no event
 *     for a socket that is not connected to it.
 */
#ifndef WEFT_REACTOR_OP_H
#define WEFT_REACTOR_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "../base/atomic.h"

struct weft__reactor;

enum weft__op_kind {
    WEFT__OP_READ,    /* buf, bytes */
    WEFT__OP_WRITE,   /* buf, bytes */
    WEFT__OP_READV,   /* iov, iov_count */
    WEFT__OP_WRITEV,  /* iov, iov_count */
    WEFT__OP_RECVMSG, /* hdr, hdr_flags; hdr then says what came.  Descriptors are close-on-exec */
    WEFT__OP_SENDMSG, /* hdr, hdr_flags; there is no SIGPIPE */
    WEFT__OP_ACCEPT,  /* addr, addr_len (both may be NULL); result: the fd, close-on-exec */
    WEFT__OP_CONNECT, /* addr, *addr_len; the record itself must be tried or submitted once more
                         after -EAGAIN, since it remembers that the connect has begun */
    WEFT__OP_POLL,    /* events: POLLIN, POLLOUT; result: the poll(2) bits that are there */
    /* Inside the kernel; a socket of ours is non-blocking by then.  `other` never lets one wait. */
    WEFT__OP_SENDFILE,   /* other: a file, read at `offset`; part */
    WEFT__OP_SPLICE_IN,  /* other: an empty pipe, which takes up to `part` from fd */
    WEFT__OP_SPLICE_OUT, /* other: a pipe that holds `part`, or, where fd is a pipe and `offset` is
                            not negative, a file */
    WEFT__OP_CLOSE, /* waits until nothing is in flight on fd, then closes it */

    /* Of files, for a driver that can; the others refuse them with -EOPNOTSUPP.  Not tried by
     * weft__op_try(), and never cancelled: a disk ends them.  -EAGAIN: only a thread can. */
    WEFT__OP_FILE_READ,  /* iov, iov_count, offset */
    WEFT__OP_FILE_WRITE, /* iov, iov_count, offset */
    WEFT__OP_FILE_SYNC,  /* is_data_only */
};

/* What is longer takes a processor a good part of a millisecond. */
#define WEFT__OP_LONG_BYTES ((size_t)1 << 20)

/* weft__op.flags; written by the thread that tries or submits, never while in flight. */
enum {
    WEFT__OP_BEGUN = 1,  /* CONNECT: connect() was called and goes on in the kernel */
    WEFT__OP_BLOCKS = 2, /* the fd cannot be polled: only the blocking call does it */
    WEFT__OP_SHORT = 8,  /* READ of a socket: less was there than asked for */
    WEFT__OP_DIRECT = 4, /* io_uring: the kernel does it itself; else we poll and try */
    WEFT__OP_LONG = 16,  /* of a file: copying it takes so long that no processor shall do it */
};

struct weft__op {
    /* The caller's. */
    uint8_t kind;
    int fd;
    union {
        struct {
            void *buf;
            size_t bytes;
        };
        struct {
            const struct iovec *iov;
            int iov_count;
        };
        struct {
            struct msghdr *hdr; /* left as it was by a try that gives an error */
            int hdr_flags;      /* MSG_PEEK, MSG_TRUNC, MSG_MORE, ...: what does not change when
                                   it is carried out; never MSG_WAITALL or MSG_DONTWAIT */
        };
        struct {
            struct sockaddr *addr;
            socklen_t *addr_len;
        };
        struct {
            int other;
            uint32_t part; /* how many bytes at most */
        };
        int events;
    };
    ssize_t result; /* >= 0 or -errno, valid once complete */
    void *owner;    /* who waits: the scheduler's, the reactor only carries it */
    uint32_t life;  /* the generation of fd when the operation began; 0: not noted */

    /* The reactor's. */
    struct weft__op *next;               /* in a list of completed ones */
    struct weft__op *fd_next, **fd_prev; /* in flight on its fd; protected by the entry's lock;
                                            fd_prev is NULL when not linked */
    struct weft__op *request_next;       /* in the requests of its reactor */
    struct weft__reactor *reactor;       /* where it was submitted */
    _Atomic int cancel_error;            /* 0, or the -errno that a cancelled result becomes */
    _Atomic uint32_t refs;               /* io_uring: completions that are still to come */
    _Atomic uint32_t wants;              /* io_uring: what its reactor is asked to send */
    uint8_t flags;
    bool is_socket; /* fd is a socket of ours; noted at submit */
    union {
        struct msghdr msg; /* for vectored operations on sockets */
        int64_t offset;    /* in a file: at least 0, but as said of SPLICE_OUT */
        bool is_data_only;
    };
};

/* Completed operations, linked by `next`, oldest first. */
struct weft__op_list {
    struct weft__op *first, **last;
};

static inline void weft__op_list_init(struct weft__op_list *l)
{
    l->first = NULL;
    l->last = &l->first;
}

static inline void weft__op_list_add(struct weft__op_list *l, struct weft__op *op)
{
    op->next = NULL;
    *l->last = op;
    l->last = &op->next;
}

/* Move all of `from` to the end of l. */
static inline void weft__op_list_join(struct weft__op_list *l, struct weft__op_list *from)
{
    if (from->first != NULL) {
        *l->last = from->first;
        l->last = from->last;
        weft__op_list_init(from);
    }
}

/* Set up an operation; the caller then fills in its arguments. */
static inline void weft__op_init(struct weft__op *op, enum weft__op_kind kind, int fd, void *owner)
{
    op->kind = (uint8_t)kind;
    op->fd = fd;
    op->owner = owner;
    op->result = 0;
    op->life = 0;
    op->flags = 0;
    op->is_socket = false;
    op->fd_prev = NULL;
    op->reactor = NULL;
    atomic_init(&op->cancel_error, 0);
    atomic_init(&op->refs, 0);
    atomic_init(&op->wants, 0);
}

static inline bool weft__op_is_of_file(const struct weft__op *op)
{
    return op->kind >= WEFT__OP_FILE_READ;
}

/* The poll(2) events that let it go on. */
int weft__op_events(const struct weft__op *op);

/*
 * Try to carry it out without waiting, by a system call here and now.  is_socket says that fd is a
 * socket of ours.  Returns the result, -EAGAIN if it would have to wait.  Never -EINTR.
 *
 * A CONNECT that has begun gives -EAGAIN; tried again after the fd became writable, it gives what
 * became of it.  -EAGAIN without WEFT__OP_BEGUN in flags, which submit passes on as a result, says
 * that the backlog of a UNIX listener is full: the kernel has no event for its end, so the caller
 * tries again after a while.
 */
ssize_t weft__op_try_now(struct weft__op *op, bool is_socket);

/* The same for a driver, to which a file comes only if somebody has given it the number of the fd
 * that was meant: a file is always ready, and what would have to wait for its disk waits here. */
ssize_t weft__op_try(struct weft__op *op, bool is_socket);

/* The header of RECVMSG or SENDMSG, or op->msg prepared from a vector: at most IOV_MAX parts of it,
 * since a short count is allowed. */
struct msghdr *weft__op_msg(struct weft__op *op);
/* The flags that go with it. */
int weft__op_msg_flags(const struct weft__op *op);
/* Read or write a file at its own position; the thread waits for the disk. */
ssize_t weft__op_wait_for_disk(const struct weft__op *op);


#endif
