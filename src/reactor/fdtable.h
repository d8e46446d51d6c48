/* SPDX-License-Identifier: MIT */
/*
 * fdtable.h - what a runtime knows of each fd: whether it is a socket of ours, what is in flight on
 * it, and where it is registered.
 *
 * Read until empty.  A read that gives less than asked for has emptied a socket, mostly.  With a
 * driver that looks at the socket once more when it is given a read, the next read need not try, it
 * waits [FD-DRAINED]; and where more was there after all, it does not wait long.  Not so with
 * edge-triggered events (by_edges): urgent data, descriptors in a message and more can end a read
 * early, and no event tells of what is behind them.  Nor with datagrams: each of them ends a read.
 *
 * Entries are made when first needed, in chunks that are never freed while the runtime lives, so
 * an entry's address is good for ever.
 */
#ifndef WEFT_REACTOR_FDTABLE_H
#define WEFT_REACTOR_FDTABLE_H

#include "../base/atomic.h"
#include "../base/lock.h"
#include "op.h"

#define WEFT__FD_CHUNK 1024      /* entries a chunk */
#define WEFT__FD_CHUNKS_MAX 4096 /* fds up to 4 Mi; -EMFILE beyond */

struct weft__fd {
    struct weft__lock lock;      /* RANK_FD; protects all below */
    _Atomic uint32_t generation; /* even, another one for each life of this fd number; odd while
                                    one ends; written under the lock, and noted without it by an
                                    operation before its first try, which belongs to that life */
    _Atomic bool is_own;         /* a socket made by net/: closed by weft_close() only.
                                   Written under the lock, read by anyone: whoever may use the fd
                                   learned of it after it was adopted */
    _Atomic uint32_t inside;     /* tries under way, and WEFT__FD_CLOSING; see weft__fd_enter() */
    _Atomic bool drains;         /* [FD-DRAINED] holds for it: a stream; written as is_own */
    _Atomic bool is_direct;      /* a file of weft_open() with O_DIRECT: a hint, of the number */
    _Atomic bool is_drained;     /* the last read has emptied it; written by readers, a hint */
    _Atomic int8_t comes_soon;   /* [FD-SOON], a hint */
    _Atomic bool is_nonblocking; /* O_NONBLOCK is set, for good; written inside, a hint */
    _Atomic int late_error;      /* of the connection, or 0; see weft__fd_keep_error() */
    bool is_closing;             /* a CLOSE has begun; no new operation is taken (-EBADF) */
    /* Of drivers that are told of readiness (readiness.h), directions and an index: */
    uint8_t ready;               /* events that came while nobody waited */
    uint8_t registered;          /* what it is registered for now */
    int16_t home;                /* the reactor it is registered at, -1 none */
    struct weft__op *in_flight;  /* linked by fd_next, oldest first */
    struct weft__op **in_flight_last;
    struct weft__op *closer; /* the CLOSE that waits for in_flight to be empty */
} WEFT__ALIGNED_LINE;

/* One that is zeroed is empty: to write to all of it would cost a small program its pages. */
struct weft__fdtable {
    _Atomic int n_chunks; /* there are none from here on */
    _Atomic(struct weft__fd *) chunks[WEFT__FD_CHUNKS_MAX];
};

/* The entry of an fd, made if need be; NULL for lack of memory or an fd out of range. */
struct weft__fd *weft__fd_get(struct weft__fdtable *t, int fd);

/* The entry if it exists already. */
struct weft__fd *weft__fd_find(struct weft__fdtable *t, int fd);

/* Say that fd is a new socket of ours, for a stream or for datagrams: a new generation, nothing
 * registered.  0 or -ENOMEM, -EMFILE. */
int weft__fd_adopt(struct weft__fdtable *t, int fd);
int weft__fd_adopt_datagrams(struct weft__fdtable *t, int fd);

/*
 * A try on a socket of ours, without the entry's lock: between enter and leave the fd is not
 * closed, so that the number cannot become another file under the system call.  weft__fd_close()
 * waits for those inside; they are inside one system call that does not block.
 *
 * [FD-INSIDE]  enter adds 1 and then looks at the closing bit; close sets the bit and then looks at
 * the count.  Both are read-modify-writes of one word, so one of the two sees the other.
 */
#define WEFT__FD_CLOSING 0x80000000u

static inline bool weft__fd_enter(struct weft__fd *entry)
{
    /* acquire [FD-INSIDE]: not before the last life has ended. */
    uint32_t before = atomic_fetch_add_explicit(&entry->inside, 1, memory_order_acquire);
    if ((before & WEFT__FD_CLOSING) != 0) {
        atomic_fetch_sub_explicit(&entry->inside, 1, memory_order_relaxed);
        return false;
    }
    return true;
}

static inline void weft__fd_leave(struct weft__fd *entry)
{
    /* release [FD-INSIDE]: the system call is over. */
    atomic_fetch_sub_explicit(&entry->inside, 1, memory_order_release);
}

/*
 * Who has a thread do something with an fd that may take long (a file, a disk) is inside for all
 * that time.  So who closes it by a coroutine calls weft__fd_shut() first, waits by himself until
 * nobody is inside, and finds weft__fd_close() not waiting then.
 */
static inline void weft__fd_shut(struct weft__fd *entry)
{
    /* acq_rel [FD-INSIDE] */
    atomic_fetch_or_explicit(&entry->inside, WEFT__FD_CLOSING, memory_order_acq_rel);
}

static inline bool weft__fd_is_anybody_inside(const struct weft__fd *entry)
{
    /* acquire [FD-INSIDE] */
    uint32_t inside = atomic_load_explicit(&entry->inside, memory_order_acquire);
    return (inside & ~WEFT__FD_CLOSING) != 0;
}

static inline uint32_t weft__fd_generation(const struct weft__fd *entry)
{
    return atomic_load_explicit(&entry->generation, memory_order_relaxed);
}

/* The life that an operation which begins now belongs to.  Between close(2) and the end of our own
 * close the number may be somebody's new file already: then this waits until the entry is blank. */
uint32_t weft__fd_life(struct weft__fd *entry);

/* Has the fd been closed, and perhaps become another file, since the operation was first tried? */
static inline bool weft__fd_is_another(const struct weft__fd *entry, const struct weft__op *op)
{
    return op->life != 0 && op->life != weft__fd_generation(entry);
}

/* Does a read that gives less than it asked for say that nothing is left? */
static inline bool weft__fd_drains(const struct weft__fd *entry)
{
    return atomic_load_explicit(&entry->drains, memory_order_relaxed);
}

/* Before a read of a socket of ours: can it only wait?  Says so once. */
static inline bool weft__fd_take_drained(struct weft__fd *entry)
{
    /* relaxed [FD-DRAINED]: wrong either way it costs a system call, nothing else. */
    if (!atomic_load_explicit(&entry->is_drained, memory_order_relaxed)) {
        return false;
    }
    atomic_store_explicit(&entry->is_drained, false, memory_order_relaxed);
    return true;
}

/* After a read that gave less than it asked for. */
static inline void weft__fd_note_drained(struct weft__fd *entry)
{
    if (weft__fd_drains(entry)) {
        /* relaxed [FD-DRAINED] */
        atomic_store_explicit(&entry->is_drained, true, memory_order_relaxed);
    }
}

/*
 * [FD-SOON]  Where a P has many to serve, what the next read of a connection waits for has come by
 * the time that all others have had their turn.  Whether that is so is learned of each fd, from
 * reads that let the others go first: some good ones in a row outlast as many bad ones, and after
 * one too many it is left out for a while.  All relaxed: wrong either way it costs a system call.
 */
#define WEFT__FD_SOON_MAX 3
#define WEFT__FD_SOON_LEFT_OUT 16

/* May it be so?  To be asked once a read. */
static inline bool weft__fd_comes_soon(struct weft__fd *entry)
{
    int8_t n = atomic_load_explicit(&entry->comes_soon, memory_order_relaxed);
    if (n < 0) {
        atomic_store_explicit(&entry->comes_soon, (int8_t)(n + 1), memory_order_relaxed);
    }
    return n >= 0;
}

/* It was, or was not. */
static inline void weft__fd_note_soon(struct weft__fd *entry, bool has_come)
{
    int8_t n = atomic_load_explicit(&entry->comes_soon, memory_order_relaxed);
    if (has_come) {
        n = n < WEFT__FD_SOON_MAX ? (int8_t)(n + 1) : WEFT__FD_SOON_MAX;
    } else {
        n = n > 0 ? (int8_t)(n - 1) : -WEFT__FD_SOON_LEFT_OUT;
    }
    atomic_store_explicit(&entry->comes_soon, n, memory_order_relaxed);
}

/*
 * The kernel tells of a reset once, and of the end of the stream from then on.  So a call that has
 * read some bytes already, and returns these, keeps the error that has ended it for the next read:
 * else a stream that was cut off would look whole.  By one who is inside a socket of ours.
 */
static inline void weft__fd_keep_error(struct weft__fd *entry, int error)
{
    atomic_store_explicit(&entry->late_error, error, memory_order_relaxed);
}

/* The error that was kept, once; 0 if there is none. */
static inline int weft__fd_take_error(struct weft__fd *entry)
{
    /* relaxed: who reads after somebody else did learned of that from him. */
    return atomic_exchange_explicit(&entry->late_error, 0, memory_order_relaxed);
}

static inline bool weft__fd_has_error(const struct weft__fd *entry)
{
    return atomic_load_explicit(&entry->late_error, memory_order_relaxed) != 0;
}

bool weft__fd_is_own(struct weft__fdtable *t, int fd);

/* Link an operation that goes into flight; unlink it.  Under the entry's lock. */
void weft__fd_link(struct weft__fd *entry, struct weft__op *op);
/* May one more be linked?  `max` is 0 for any number. */
bool weft__fd_has_room(const struct weft__fd *entry, int max);
void weft__fd_unlink(struct weft__fd *entry, struct weft__op *op);

/* End this life of the fd: close it and make the entry blank for the next one.  Nothing is in
 * flight on it.  Under the entry's lock, so that whoever gets the number next, from any open() of
 * the process, finds the entry blank.  What close(2) gives. */
int weft__fd_close(struct weft__fd *entry, int fd);

/* The same where somebody else closes it. */
void weft__fd_give_up(struct weft__fd *entry);

/* When nobody else is left: it is empty again. */
void weft__fdtable_free(struct weft__fdtable *t);

#endif
