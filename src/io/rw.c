/* SPDX-License-Identifier: MIT */
/* rw.c - reading, writing and waiting: try first, wait on would-block. */
#include <weft/io.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>

#include "../arch/san.h"
#include "../base/fatal.h"
#include "../base/sys.h"
#include "../reactor/driver.h"
#include "io.h"

#define VECTOR_MAX 1024 /* as IOV_MAX of the kernel */
#ifdef WEFT__TSAN
#define RACES_ARE_WATCHED true
#else
#define RACES_ARE_WATCHED false
#endif

/* [FD-DRAINED]  May the try of an emptied socket of ours be left out?  Not in a scope that has
 * ended, where what can be had at once must be had; nor where an error was kept. */
static inline bool can_only_wait(const struct weft__fd *entry)
{
    return !weft__park_reactors()->driver->by_edges && !weft__fd_has_error(entry) &&
           !weft__park_has_ended();
}

/*
 * If it is a file, might a try keep the processor?  A file is read and written at its own position
 * by one at a time, for which the kernel has a lock: while a thread of the pool may have it, and
 * wait for a disk, a try would wait for that one.  With direct I/O the try itself waits for the
 * disk, and much takes long to copy.
 */
static bool might_block(const struct weft__op *op, struct weft__fd *entry)
{
    return (op->flags & WEFT__OP_LONG) != 0 ||
           (entry != NULL && (weft__fd_is_anybody_inside(entry) ||
                              atomic_load_explicit(&entry->is_direct, memory_order_relaxed)));
}

/* Does it take a disk, and not an event, for it to go on? */
static bool is_of_file(const struct weft__op *op, bool is_own)
{
    return !is_own && op->kind <= WEFT__OP_WRITEV && weft__sys_is_file(op->fd);
}

static int do_at_disk(void *arg)
{
    struct weft__op *op = arg;
    op->result = weft__op_wait_for_disk(op);
    return 0;
}

/* Always in the pool: io_uring takes no lock of the position, so that two reads at once would get
 * the same bytes. */
static ssize_t wait_for_disk(struct weft__op *op, const void *caller)
{
    int rc = weft__io_have_done(op->fd, do_at_disk, op, caller);
    return rc != 0 ? rc : op->result;
}

static const char *call_of(const struct weft__op *op)
{
    if (op->kind == WEFT__OP_POLL) {
        return "weft_wait_fd()";
    }
    return op->kind == WEFT__OP_READ || op->kind == WEFT__OP_READV ? "weft_read()"
                                                                   : "weft_write()";
}

static bool is_read(const struct weft__op *op)
{
    return op->kind == WEFT__OP_READ || op->kind == WEFT__OP_READV ||
           op->kind == WEFT__OP_RECVMSG || op->kind == WEFT__OP_SPLICE_IN;
}

/* What a try has found out besides its result. */
struct tried {
    struct weft__fd *entry; /* of the fd, or NULL */
    bool takes_disk;        /* a disk has to end it, and no event */
    bool is_in_time;        /* no scope had ended */
    bool came_behind;       /* others went first: [FD-SOON] */
};

/* The first try, or one more of an op that was tried before. */
static inline ssize_t try_once(struct weft__op *op, weft__io_try_fn *try_now, bool may_wait,
                               struct tried *t)
{
    if (WEFT__UNLIKELY(weft__g_self() == NULL)) {
        weft__m_not_in_coroutine(call_of(op));
    }
    if (WEFT__UNLIKELY(op->fd < 0)) {
        return -EBADF;
    }
    struct weft__fd *entry = weft__fd_find(&weft__park_reactors()->fds, op->fd);
    bool is_own = false;
    if (entry != NULL) {
        /* The number may be closed and given to another file while we try: see fdtable.h. */
        uint32_t life = weft__fd_life(entry);
        if (WEFT__UNLIKELY(op->life != 0 && op->life != life)) {
            return -EBADF;
        }
        op->life = life;
        is_own = atomic_load_explicit(&entry->is_own, memory_order_relaxed);
    }
    *t = (struct tried){.entry = entry};
    if (is_own && op->kind == WEFT__OP_READ && weft__fd_take_drained(entry)) {
        t->came_behind = may_wait && weft__fd_comes_soon(entry) && weft__park_go_behind();
        t->is_in_time = !t->came_behind && can_only_wait(entry);
        if (t->is_in_time) {
            return -EAGAIN; /* a close in between finds it in flight, or ends its submit */
        }
    }
    /* A race detector takes close(2) under a call on the same fd for a fault: there all enter. */
    bool enters = is_own || (RACES_ARE_WATCHED && entry != NULL);
    bool waits = !is_own && might_block(op, entry); /* by others: before we are inside ourselves */
    weft__perturb();
    if (enters && !weft__fd_enter(entry)) {
        return -EBADF;
    }
    if (WEFT__UNLIKELY(is_own && weft__fd_is_another(entry, op))) {
        weft__fd_leave(entry); /* it was closed before we were inside, and is somebody else's */
        return -EBADF;
    }
    waits = waits && is_of_file(op, is_own);
    ssize_t n = 0;
    if (WEFT__UNLIKELY(is_own && weft__fd_has_error(entry)) && is_read(op)) {
        n = weft__fd_take_error(entry);
    }
    if (WEFT__LIKELY(n == 0)) {
        n = waits ? -EAGAIN : try_now(op, is_own);
    }
    t->takes_disk = n == -EAGAIN && is_of_file(op, is_own);
    if (enters) {
        weft__fd_leave(entry);
    }
    return n;
}

static inline ssize_t run(struct weft__op *op, weft__io_try_fn *try_now,
                          enum weft__wait_reason reason, const void *caller)
{
    struct tried t = {.entry = NULL};
    ssize_t n = try_once(op, try_now, true, &t);
    if (t.came_behind && n != -EBADF) {
        weft__fd_note_soon(t.entry, n != -EAGAIN);
    }
    if (t.takes_disk) {
        return wait_for_disk(op, caller);
    }
    if (n == -EAGAIN) {
        int rc = t.is_in_time ? 0 : weft__park_check_scope();
        if (rc != 0) {
            return rc;
        }
        n = weft__park_op(op, true, reason, caller);
    } else {
        weft__park_spend();
    }
    if ((op->flags & WEFT__OP_SHORT) != 0) {
        weft__fd_note_drained(t.entry);
    }
    return n;
}

ssize_t weft__io_run(struct weft__op *op, enum weft__wait_reason reason, const void *caller)
{
    return run(op, weft__op_try_now, reason, caller);
}

ssize_t weft__io_run_by(struct weft__op *op, weft__io_try_fn *try_now,
                        enum weft__wait_reason reason, const void *caller)
{
    return run(op, try_now, reason, caller);
}

ssize_t weft__io_try(struct weft__op *op, weft__io_try_fn *try_now)
{
    struct tried t;
    ssize_t n = try_once(op, try_now, false, &t);
    if (n != -EAGAIN) {
        weft__park_spend();
    }
    return n;
}

static uint8_t flags_for(size_t bytes)
{
    return bytes > WEFT__OP_LONG_BYTES ? WEFT__OP_LONG : 0;
}

/* Will it not come again by itself?  What is of the call alone is not for the next one. */
static bool is_of_connection(ssize_t error)
{
    switch (error) {
    case -EBADF:
    case -EBUSY:
    case -ECANCELED:
    case -EFAULT:
    case -ENOMEM:
        return false;
    case -ETIMEDOUT:
        return !weft__park_has_ended();
    default:
        return true;
    }
}

static void keep_error(const struct weft__op *op, ssize_t error)
{
    struct weft__fd *entry = weft__fd_find(&weft__park_reactors()->fds, op->fd);
    if (!is_of_connection(error) || entry == NULL || !weft__fd_enter(entry)) {
        return;
    }
    if (atomic_load_explicit(&entry->is_own, memory_order_relaxed) &&
        !weft__fd_is_another(entry, op)) {
        weft__fd_keep_error(entry, (int)error);
    }
    weft__fd_leave(entry);
}

ssize_t weft__io_run_next(struct weft__io_call *call, struct weft__op *op,
                          enum weft__wait_reason reason, const void *caller)
{
    op->life = call->life;
    ssize_t n = weft__io_run(op, reason, caller);
    call->life = op->life;
    if (WEFT__UNLIKELY(n < 0) && call->done > 0 && is_read(op)) {
        keep_error(op, n);
    }
    return n;
}

ssize_t weft__io_read(struct weft__io_call *call, int fd, void *buf, size_t n, const void *caller)
{
    if (n == 0) {
        return 0;
    }
    struct weft__op_wait ow;
    weft__op_init(&ow.op, WEFT__OP_READ, fd, &ow);
    ow.op.flags = flags_for(n);
    ow.op.buf = buf;
    ow.op.bytes = n < SSIZE_MAX ? n : SSIZE_MAX;
    return weft__io_run_next(call, &ow.op, WAIT_READ, caller);
}

static ssize_t write_some(struct weft__io_call *call, int fd, const void *buf, size_t n,
                          const void *caller)
{
    if (n == 0) {
        return 0;
    }
    struct weft__op_wait ow;
    weft__op_init(&ow.op, WEFT__OP_WRITE, fd, &ow);
    ow.op.flags = flags_for(n);
    ow.op.buf = (void *)(uintptr_t)buf;
    ow.op.bytes = n < SSIZE_MAX ? n : SSIZE_MAX;
    return weft__io_run_next(call, &ow.op, WAIT_WRITE, caller);
}

ssize_t weft_read(int fd, void *buf, size_t n)
{
    return weft__io_read(&(struct weft__io_call){0}, fd, buf, n, __builtin_return_address(0));
}

ssize_t weft_write(int fd, const void *buf, size_t n)
{
    return write_some(&(struct weft__io_call){0}, fd, buf, n, __builtin_return_address(0));
}

ssize_t weft_read_full(int fd, void *buf, size_t n)
{
    const void *caller = __builtin_return_address(0);
    struct weft__io_call call = {0};
    while (call.done < n) {
        ssize_t got = weft__io_read(&call, fd, (char *)buf + call.done, n - call.done, caller);
        if (got <= 0) {
            return call.done > 0 ? (ssize_t)call.done : got;
        }
        call.done += (size_t)got;
    }
    return (ssize_t)call.done;
}

ssize_t weft__io_write_full(struct weft__io_call *call, int fd, const void *buf, size_t n,
                            const void *caller)
{
    size_t done = 0;
    while (done < n) {
        ssize_t put = write_some(call, fd, (const char *)buf + done, n - done, caller);
        if (put < 0) {
            return done > 0 ? (ssize_t)done : put;
        }
        done += (size_t)put;
    }
    return (ssize_t)done;
}

ssize_t weft_write_full(int fd, const void *buf, size_t n)
{
    return weft__io_write_full(&(struct weft__io_call){0}, fd, buf, n, __builtin_return_address(0));
}

ssize_t weft__io_vector_bytes(const struct iovec *iov, int count)
{
    if (count < 0 || count > VECTOR_MAX || (count > 0 && iov == NULL)) {
        return -EINVAL;
    }
    size_t bytes = 0;
    for (int i = 0; i < count; i++) {
        if (iov[i].iov_len > (size_t)SSIZE_MAX - bytes) {
            return -EINVAL;
        }
        bytes += iov[i].iov_len;
    }
    return (ssize_t)bytes;
}

static ssize_t vector(struct weft__io_call *call, enum weft__op_kind kind, int fd,
                      const struct iovec *iov, int count, const void *caller)
{
    ssize_t bytes = weft__io_vector_bytes(iov, count);
    if (bytes <= 0) {
        return bytes;
    }
    struct weft__op_wait ow;
    weft__op_init(&ow.op, kind, fd, &ow);
    ow.op.flags = flags_for((size_t)bytes);
    ow.op.iov = iov;
    ow.op.iov_count = count;
    return weft__io_run_next(call, &ow.op, kind == WEFT__OP_READV ? WAIT_READ : WAIT_WRITE, caller);
}

ssize_t weft_readv(int fd, const struct iovec *iov, int count)
{
    return vector(&(struct weft__io_call){0}, WEFT__OP_READV, fd, iov, count,
                  __builtin_return_address(0));
}

ssize_t weft_writev(int fd, const struct iovec *iov, int count)
{
    return vector(&(struct weft__io_call){0}, WEFT__OP_WRITEV, fd, iov, count,
                  __builtin_return_address(0));
}

int weft__io_part(struct iovec *part, const struct iovec *iov, int count, size_t skip)
{
    int n = 0;
    for (int i = 0; i < count && n < WEFT__IO_PART; i++) {
        if (skip >= iov[i].iov_len) {
            skip -= iov[i].iov_len;
            continue;
        }
        part[n].iov_base = (char *)iov[i].iov_base + skip;
        part[n].iov_len = iov[i].iov_len - skip;
        skip = 0;
        n++;
    }
    return n;
}

ssize_t weft_writev_full(int fd, const struct iovec *iov, int count)
{
    const void *caller = __builtin_return_address(0);
    if (count < 0 || count > VECTOR_MAX || (count > 0 && iov == NULL)) {
        return -EINVAL;
    }
    struct weft__io_call call = {0};
    for (;;) {
        struct iovec part[WEFT__IO_PART];
        int n = weft__io_part(part, iov, count, call.done);
        if (n == 0) {
            return (ssize_t)call.done;
        }
        ssize_t put = vector(&call, WEFT__OP_WRITEV, fd, part, n, caller);
        if (put < 0) {
            return call.done > 0 ? (ssize_t)call.done : put;
        }
        call.done += (size_t)put;
    }
}

int weft_wait_fd(int fd, int events)
{
    if (events == 0 || (events & ~(POLLIN | POLLOUT)) != 0) {
        return -EINVAL;
    }
    struct weft__op_wait ow;
    weft__op_init(&ow.op, WEFT__OP_POLL, fd, &ow);
    ow.op.events = events;
    return (int)weft__io_run(&ow.op, WAIT_FD, __builtin_return_address(0));
}
