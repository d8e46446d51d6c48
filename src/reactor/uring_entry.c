/* SPDX-License-Identifier: MIT */
/*
 * uring_entry.c - operations as entries of io_uring's queue, and what comes back of those of files.
 *
 * The kernel gives what names a path to threads of its own.  An open it would try first in the
 * thread that submits, which has to wait for a file system that asks a server; and as if O_NONBLOCK
 * were set, so that a FIFO without another end would be open, or be an error, at once.  So an open
 * is given to such a thread from the start.
 */
#define _GNU_SOURCE
#ifndef WEFT_NO_LIBURING

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "../base/compiler.h"
#include "../base/fatal.h"
#include "uring_ring.h"

#define BYTES_MAX 0x7ffff000u /* what read(2) moves at most; the queue has 32 bits for it */

/* Newer than the headers of the oldest system that is supported. */
#define OP_FTRUNCATE 55

/* A call that was interrupted, to be made again by whoever made it: the kernel's own numbers, that
 * a system call never shows. */
#define ERESTART_FIRST 512
#define ERESTART_LAST 516

uint32_t weft__ring_file_kinds(const struct io_uring_probe *known)
{
    static const struct {
        uint8_t kind, opcode;
    } all[] = {
        {WEFT__OP_FILE_READ, IORING_OP_READV}, {WEFT__OP_FILE_WRITE, IORING_OP_WRITEV},
        {WEFT__OP_FILE_SYNC, IORING_OP_FSYNC}, {WEFT__OP_FILE_RESIZE, OP_FTRUNCATE},
        {WEFT__OP_STAT, IORING_OP_STATX},      {WEFT__OP_OPEN, IORING_OP_OPENAT},
        {WEFT__OP_RENAME, IORING_OP_RENAMEAT}, {WEFT__OP_UNLINK, IORING_OP_UNLINKAT},
        {WEFT__OP_MKDIR, IORING_OP_MKDIRAT},
    };
    uint32_t kinds = 0;
    for (size_t i = 0; i < WEFT__COUNT(all); i++) {
        if (io_uring_opcode_supported(known, all[i].opcode)) {
            kinds |= UINT32_C(1) << all[i].kind;
        }
    }
    return kinds;
}

_Static_assert(sizeof(struct statx) <= sizeof(union weft__stat), "room for the kernel's answer");

/* As stat(2) and lstat(2) ask, and fstat(2). */
static void prepare_stat(struct io_uring_sqe *sqe, struct weft__op *op)
{
    struct statx *found = (struct statx *)op->found;
    if (weft__op_is_of_path(op)) {
        io_uring_prep_statx(sqe, AT_FDCWD, op->path, AT_NO_AUTOMOUNT | op->how, STATX_BASIC_STATS,
                            found);
    } else {
        io_uring_prep_statx(sqe, op->fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, found);
    }
}

static void prepare_file(struct io_uring_sqe *sqe, struct weft__op *op)
{
    switch (op->kind) {
    case WEFT__OP_FILE_READ:
        io_uring_prep_readv(sqe, op->fd, op->iov, (unsigned)op->iov_count, (uint64_t)op->offset);
        break;
    case WEFT__OP_FILE_WRITE:
        io_uring_prep_writev(sqe, op->fd, op->iov, (unsigned)op->iov_count, (uint64_t)op->offset);
        break;
    case WEFT__OP_FILE_SYNC:
        io_uring_prep_fsync(sqe, op->fd, op->is_data_only ? IORING_FSYNC_DATASYNC : 0);
        break;
    case WEFT__OP_FILE_RESIZE:
        io_uring_prep_rw(OP_FTRUNCATE, sqe, op->fd, NULL, 0, (uint64_t)op->offset);
        break;
    case WEFT__OP_STAT:
        prepare_stat(sqe, op);
        break;
    case WEFT__OP_OPEN:
        io_uring_prep_openat(sqe, AT_FDCWD, op->path, op->how | O_CLOEXEC, op->mode);
        sqe->flags |= IOSQE_ASYNC;
        break;
    case WEFT__OP_RENAME:
        io_uring_prep_renameat(sqe, AT_FDCWD, op->path, AT_FDCWD, op->to, 0);
        break;
    case WEFT__OP_UNLINK:
        io_uring_prep_unlinkat(sqe, AT_FDCWD, op->path, op->how);
        break;
    default:
        WEFT__ASSERT(op->kind == WEFT__OP_MKDIR);
        io_uring_prep_mkdirat(sqe, AT_FDCWD, op->path, op->mode);
        break;
    }
    if ((op->flags & WEFT__OP_LONG) != 0) {
        sqe->flags |= IOSQE_ASYNC;
    }
}

/* Not so what sends a datagram.  A UNIX socket takes the bytes before it finds that the queue of
 * its peer is full; the kernel then waits and goes on where it has stopped, with an empty
 * datagram (seen on Linux 6.18).  A stream, which drains, says that it is full before it takes
 * anything. */
bool weft__ring_is_direct(const struct weft__fd *entry, const struct weft__op *op)
{
    return op->is_socket && op->kind <= WEFT__OP_SENDMSG &&
           !atomic_load_explicit(&entry->is_nonblocking, memory_order_relaxed) &&
           (atomic_load_explicit(&entry->drains, memory_order_relaxed) ||
            weft__op_events(op) == POLLIN);
}

void weft__ring_prepare(struct io_uring_sqe *sqe, struct weft__op *op, bool poll_first)
{
    if (weft__op_is_of_file(op)) {
        prepare_file(sqe, op);
        return;
    }
    if ((op->flags & WEFT__OP_DIRECT) == 0) {
        io_uring_prep_poll_add(sqe, op->fd, (unsigned)weft__op_events(op));
        return;
    }
    unsigned bytes = op->bytes > BYTES_MAX ? BYTES_MAX : (unsigned)op->bytes;
    switch (op->kind) {
    case WEFT__OP_READ:
        io_uring_prep_recv(sqe, op->fd, op->buf, bytes, 0);
        break;
    case WEFT__OP_WRITE:
        io_uring_prep_send(sqe, op->fd, op->buf, bytes, MSG_NOSIGNAL);
        break;
    case WEFT__OP_READV:
    case WEFT__OP_RECVMSG:
        io_uring_prep_recvmsg(sqe, op->fd, weft__op_msg(op), (unsigned)weft__op_msg_flags(op));
        break;
    default:
        io_uring_prep_sendmsg(sqe, op->fd, weft__op_msg(op), (unsigned)weft__op_msg_flags(op));
        break;
    }
    if (poll_first) {
        sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    }
}

static struct timespec time_of(const struct statx_timestamp *t)
{
    return (struct timespec){.tv_sec = t->tv_sec, .tv_nsec = t->tv_nsec};
}

/* In the same place. */
static void become_stat(union weft__stat *found)
{
    struct statx x;
    memcpy(&x, found, sizeof x);
    memset(&found->st, 0, sizeof found->st);
    struct stat *st = &found->st;
    st->st_dev = makedev(x.stx_dev_major, x.stx_dev_minor);
    st->st_ino = x.stx_ino;
    st->st_mode = x.stx_mode;
    st->st_nlink = x.stx_nlink;
    st->st_uid = x.stx_uid;
    st->st_gid = x.stx_gid;
    st->st_rdev = makedev(x.stx_rdev_major, x.stx_rdev_minor);
    st->st_size = (off_t)x.stx_size;
    st->st_blksize = (blksize_t)x.stx_blksize;
    st->st_blocks = (blkcnt_t)x.stx_blocks;
    st->st_atim = time_of(&x.stx_atime);
    st->st_mtim = time_of(&x.stx_mtime);
    st->st_ctim = time_of(&x.stx_ctime);
}

ssize_t weft__ring_file_result(struct weft__op *op, int res)
{
    if (op->kind == WEFT__OP_STAT && res == 0) {
        become_stat(op->found);
    }
    /* The thread that had sent it ended, or there is no thread of the kernel's for it. */
    bool is_cut_short =
        res == -EINTR || res == -ECANCELED || (res <= -ERESTART_FIRST && res >= -ERESTART_LAST);
    return is_cut_short ? -EAGAIN : res;
}

#endif
