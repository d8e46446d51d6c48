/* SPDX-License-Identifier: MIT */
/*
 * file.h - files and folders, without blocking a processor for a disk.
 *
 *     int fd = weft_open("data", O_RDWR | O_CREAT, 0666);
 *     n = weft_pread(fd, block, sizeof block, offset);      many coroutines at once, one fd
 *     rc = weft_file_replace("settings", text, bytes, 0666);    the old one or the new one
 *
 * What is in memory is read at once.  What has to wait for a disk is carried out by io_uring, or by
 * a thread of the pool of weft_blocking(), while other coroutines go on; so is what takes long to
 * copy, more than 1 MiB.  Whatever names a path goes through the pool.  weft_read(), weft_write()
 * and the like take files too, at their own position, and go through the pool.
 *
 * What has begun is waited for, whatever becomes of the scopes around it: so buffers and paths are
 * the caller's again when a call returns.  What is queued for a thread when a scope ends is taken
 * out of the queue and never happens.  So the errors below that come of a scope mean that nothing
 * was done.  A disk answers or fails; a network file system whose server is gone may do neither.
 *
 * The kernel's own errors are handed on: -ENOENT, -EACCES, -ENOSPC, -EIO, ...; -EAGAIN says that
 * there is no thread for the call, -ENOMEM that there is no memory for one.
 */
#ifndef WEFT_FILE_H
#define WEFT_FILE_H

#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <weft/base.h>

WEFT_BEGIN_DECLS

/**
 * weft_open - open a file, as open(2).
 *
 * @path   the path; a relative one begins at the working directory.
 * @flags  O_RDONLY, O_WRONLY or O_RDWR, with O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECT, ...;
 *         O_CLOEXEC is always set.
 * @mode   of a file that is created, less the umask; else it does not count.
 *
 * Files for direct I/O are to be opened by this call: it keeps in mind that a look at such a file
 * waits for its disk.  A FIFO waits for its other end in a thread of the pool, and no scope ends
 * that: give O_NONBLOCK, and wait with weft_wait_fd().
 *
 * Returns    the fd, >= 0: to be closed by weft_close() or close().
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first; nothing was opened
 *            -ECANCELED  a surrounding scope was cancelled; nothing was opened
 *            and what open(2) gives; -EAGAIN, -ENOMEM as above
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_open(const char *path, int flags, mode_t mode);

/**
 * weft_pread - read from a place in a file.
 *
 * @fd      a file, or a block device.
 * @buf     receives at most n bytes.
 * @n       how many; 0 returns 0 at once.
 * @offset  where in the file, in bytes from its start.
 *
 * The position of the fd does not count and stays as it is, so any number of coroutines may read
 * from one fd, and WEFT_FD_OPS_MAX does not count them.
 *
 * Returns    how many bytes: n, or less only at the end of the file, or before an error or the end
 *            of a scope, which the next call returns.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first; nothing was read
 *            -ECANCELED  a surrounding scope was cancelled; nothing was read
 *            -EBADF      fd is not open for reading, or is being closed by weft_close()
 *            -EINVAL     offset < 0; or with direct I/O, what is not aligned
 *            -ESPIPE     not a file: a pipe, a socket
 *            and what pread(2) gives: -EIO, -EISDIR, ...; -EAGAIN, -ENOMEM as above
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread; weft_close() of the fd waits for coroutines.
 */
WEFT_API_MUST ssize_t weft_pread(int fd, void *buf, size_t n, int64_t offset);

/**
 * weft_pwrite - write to a place in a file.
 *
 * @fd      a file, or a block device; with O_APPEND all goes to its end.
 * @buf     n bytes.
 * @n       how many; 0 returns 0 at once.
 * @offset  where in the file, in bytes from its start; beyond its end leaves a hole.
 *
 * Returns    how many bytes: n, or less only before an error or the end of a scope, which the next
 *            call returns.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first; nothing was written
 *            -ECANCELED  a surrounding scope was cancelled; nothing was written
 *            -EBADF      fd is not open for writing, or is being closed by weft_close()
 *            -EINVAL     offset < 0; or with direct I/O, what is not aligned
 *            -ESPIPE     not a file: a pipe, a socket
 *            and what pwrite(2) gives: -ENOSPC, -EFBIG, -EIO, ...; -EAGAIN, -ENOMEM as above
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread; weft_close() of the fd waits for coroutines.
 */
WEFT_API_MUST ssize_t weft_pwrite(int fd, const void *buf, size_t n, int64_t offset);

/**
 * weft_preadv - weft_pread() into several buffers.
 *
 * @fd      a file, or a block device.
 * @iov     the buffers; not changed.
 * @count   how many, 0 .. 1024.
 * @offset  where in the file, in bytes from its start.
 *
 * Returns    how many bytes in all, as weft_pread().
 * Errors     as weft_pread(); -EINVAL for a bad count.
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread; weft_close() of the fd waits for coroutines.
 */
WEFT_API_MUST ssize_t weft_preadv(int fd, const struct iovec *iov, int count, int64_t offset);

/**
 * weft_pwritev - weft_pwrite() from several buffers.
 *
 * @fd      a file, or a block device.
 * @iov     the buffers; not changed.
 * @count   how many, 0 .. 1024.
 * @offset  where in the file, in bytes from its start.
 *
 * Returns    how many bytes in all, as weft_pwrite().
 * Errors     as weft_pwrite(); -EINVAL for a bad count.
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread; weft_close() of the fd waits for coroutines.
 */
WEFT_API_MUST ssize_t weft_pwritev(int fd, const struct iovec *iov, int count, int64_t offset);

/**
 * weft_fsync - wait until all that was written to a file is on its disk.
 *
 * @fd  the file, or a folder.
 *
 * After an error what was written before may be lost, and a second call does not find it.
 *
 * Returns    0.
 * Errors     -ETIMEDOUT, -ECANCELED  a scope ended before it began
 *            -EBADF                  fd is not open, or is being closed by weft_close()
 *            and what fsync(2) gives: -EIO, -ENOSPC, -EINVAL, ...; -EAGAIN, -ENOMEM as above
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread; weft_close() of the fd waits for coroutines.
 */
WEFT_API_MUST int weft_fsync(int fd);

/**
 * weft_fdatasync - the same without what is not needed to read the data back, times for instance.
 *
 * @fd  the file.
 *
 * Returns    0.
 * Errors     as weft_fsync().
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread; weft_close() of the fd waits for coroutines.
 */
WEFT_API_MUST int weft_fdatasync(int fd);

/**
 * weft_stat - what a path names: size, times, type and rights, as stat(2).
 *
 * @path  the path; a symbolic link stands for what it points to.
 * @st    receives the answer if 0 is returned.
 *
 * Returns    0.
 * Errors     -ETIMEDOUT, -ECANCELED  a scope ended before it began
 *            and what stat(2) gives; -EAGAIN, -ENOMEM as above
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_stat(const char *path, struct stat *st);

/**
 * weft_lstat - the same, of a symbolic link itself.
 *
 * @path  the path.
 * @st    receives the answer if 0 is returned.
 *
 * Returns    0.
 * Errors     as weft_stat().
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_lstat(const char *path, struct stat *st);

/**
 * weft_fstat - the same of an open file.
 *
 * @fd  any fd.
 * @st  receives the answer if 0 is returned.
 *
 * Returns    0.
 * Errors     as weft_stat(); -EBADF  fd is not open, or is being closed by weft_close()
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread; weft_close() of the fd waits for coroutines.
 */
WEFT_API_MUST int weft_fstat(int fd, struct stat *st);

/**
 * weft_truncate - make a file as long as this: what is beyond is lost, what is missing is zeros.
 *
 * @path   the file.
 * @bytes  its new length.
 *
 * Returns    0.
 * Errors     -ETIMEDOUT, -ECANCELED  a scope ended before it began
 *            and what truncate(2) gives: -EINVAL for bytes < 0, ...; -EAGAIN, -ENOMEM as above
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_truncate(const char *path, int64_t bytes);

/**
 * weft_ftruncate - the same of an open file.
 *
 * @fd     the file, open for writing.
 * @bytes  its new length.
 *
 * Returns    0.
 * Errors     as weft_truncate(); -EBADF  fd is not open, or is being closed by weft_close()
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread; weft_close() of the fd waits for coroutines.
 */
WEFT_API_MUST int weft_ftruncate(int fd, int64_t bytes);

/**
 * weft_rename - give a file or a folder another name, in the same file system.
 *
 * @from  the old path.
 * @to    the new one; what it names is replaced in one step.
 *
 * Returns    0.
 * Errors     -ETIMEDOUT, -ECANCELED  a scope ended before it began
 *            and what rename(2) gives: -EXDEV, ...; -EAGAIN, -ENOMEM as above
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_rename(const char *from, const char *to);

/**
 * weft_unlink - take a name of a file away; without a name, the file goes with its last fd.
 *
 * @path  the name.
 *
 * Returns    0.
 * Errors     -ETIMEDOUT, -ECANCELED  a scope ended before it began
 *            and what unlink(2) gives; -EAGAIN, -ENOMEM as above
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 */
WEFT_API int weft_unlink(const char *path);

/**
 * weft_mkdir - make a folder.
 *
 * @path  its path; the folder around it is there.
 * @mode  its rights, less the umask.
 *
 * Returns    0.
 * Errors     -ETIMEDOUT, -ECANCELED  a scope ended before it began
 *            and what mkdir(2) gives: -EEXIST, ...; -EAGAIN, -ENOMEM as above
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_mkdir(const char *path, mode_t mode);

/**
 * weft_rmdir - remove an empty folder.
 *
 * @path  its path.
 *
 * Returns    0.
 * Errors     -ETIMEDOUT, -ECANCELED  a scope ended before it began
 *            and what rmdir(2) gives: -ENOTEMPTY, ...; -EAGAIN, -ENOMEM as above
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 */
WEFT_API int weft_rmdir(const char *path);

/**
 * weft_temp_file - a new file without a name, which is gone with its last fd.
 *
 * @dir  the folder in whose file system it is to be; NULL for $TMPDIR or else /tmp.
 *
 * Returns    an fd, open for reading and writing, of mode 0600.
 * Errors     as weft_open().
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_temp_file(const char *dir);

/* ---- folders ---- */

struct weft_dir;

/* What is in a folder. */
struct weft_dir_entry {
    const char *name; /* valid until the next call for this folder */
    uint64_t inode;
    mode_t type; /* S_IFREG, S_IFDIR, S_IFLNK, ...; 0: the file system does not say, ask
                    weft_lstat() */
};

/**
 * weft_dir_open - begin to list a folder.
 *
 * @dir   receives the list if 0 is returned: to be closed by weft_dir_close().
 * @path  the folder.
 *
 * Returns    0.
 * Errors     -ETIMEDOUT, -ECANCELED  a scope ended before it began
 *            -ENOTDIR                not a folder
 *            and what open(2) gives; -EAGAIN, -ENOMEM as above
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_dir_open(struct weft_dir **dir, const char *path);

/**
 * weft_dir_next - what is next in a folder, "." and ".." left out; in no order.
 *
 * @dir    the list.
 * @entry  receives it if 1 is returned.
 *
 * Some 32 KiB of names are fetched at a time, and given one by one.  What is made or removed
 * meanwhile may be given or not.
 *
 * Returns    1; 0 at the end.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first; call again to go on
 *            -ECANCELED  a surrounding scope was cancelled, likewise
 *            and what getdents64(2) gives: -EIO, ...; -EAGAIN, -ENOMEM as above
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread, one at a time for a list.
 */
WEFT_API_MUST int weft_dir_next(struct weft_dir *dir, struct weft_dir_entry *entry);

/**
 * weft_dir_close - end a list, read to its end or not.
 *
 * @dir  the list; NULL does nothing.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread, when no call for the list is under way.
 */
WEFT_API void weft_dir_close(struct weft_dir *dir);

/* ---- locks between programs ---- */

enum weft_file_lock_kind {
    WEFT_FILE_LOCK_SHARED = 1,    /* beside other shared ones */
    WEFT_FILE_LOCK_EXCLUSIVE = 2, /* alone */
};

/**
 * weft_file_lock - lock a file, as flock(2): against all who do the same, in other programs too.
 *
 * @fd    any fd of the file, which must not be closed by close() meanwhile.
 * @kind  WEFT_FILE_LOCK_SHARED or WEFT_FILE_LOCK_EXCLUSIVE; an fd that has the other one gives it
 *        up first, and somebody else may come in between.
 *
 * The lock belongs to what open() made: copies of the fd share it, two opens of one file exclude
 * each other also in one program, and it ends with the last copy.  It keeps nobody from reading or
 * writing.  (Locks of fcntl(2) belong to the process: two coroutines would both have them.)
 *
 * Who waits looks again after 1 ms, later after 50 ms at most: no thread waits, which could not be
 * interrupted, and of several who wait anyone may be next.  On a network file system a look is a
 * message to the server, for which the processor waits.
 *
 * Returns    0.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled
 *            -EBADF      fd is not open, or was closed by weft_close() during the call
 *            -EINVAL     no such kind
 *            -ENOLCK, -EOPNOTSUPP  the kernel has no room for it, or the file system has no locks
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_file_lock(int fd, enum weft_file_lock_kind kind);

/**
 * weft_file_try_lock - the same without waiting.
 *
 * @fd    any fd of the file.
 * @kind  as weft_file_lock().
 *
 * Returns    0.
 * Errors     -EAGAIN  somebody else has a lock that excludes this one; the fd has none then
 *            -EBADF, -EINVAL, -ENOLCK, -EOPNOTSUPP  as weft_file_lock()
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_file_try_lock(int fd, enum weft_file_lock_kind kind);

/**
 * weft_file_unlock - give the lock up; without one it does nothing.
 *
 * @fd  any fd of the file.
 *
 * Returns    0.
 * Errors     -EBADF  not open
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API int weft_file_unlock(int fd);

/* ---- whole files ---- */

/**
 * weft_file_read_all - read a whole file into memory.
 *
 * @path   the file.
 * @limit  how many bytes it may have at most.
 * @data   receives them if a count is returned, with a byte 0 behind them that does not count: to
 *         be freed by weft_file_free().
 *
 * One call of a thread of the pool does all, so it is for files that are read in a moment.
 *
 * Returns    how many bytes.
 * Errors     -ETIMEDOUT, -ECANCELED  a scope ended before it began
 *            -EFBIG                  there are more than limit
 *            and what open(2) and read(2) give; -EAGAIN, -ENOMEM as above
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 */
WEFT_API_MUST ssize_t weft_file_read_all(const char *path, size_t limit, char **data);

/**
 * weft_file_free - free what weft_file_read_all() gave.
 *
 * @data  that; NULL does nothing.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API void weft_file_free(char *data);

/**
 * weft_file_replace - give a file a new content in one step: whoever opens it finds the old one or
 * the new one, also after a crash.
 *
 * @path   the file, which need not exist; a symbolic link there is replaced itself.
 * @data   the new content.
 * @bytes  how many.
 * @mode   of a file that did not exist, less the umask; another one keeps its rights.
 *
 * A file beside it is written, brought to the disk and renamed, then the folder is brought to the
 * disk.  If it fails, the old content is there; only if that last step does, the new one.  The file
 * then belongs to the caller's user.  One call of a thread of the pool does all.
 *
 * Returns    0.
 * Errors     -ETIMEDOUT, -ECANCELED  a scope ended before it began
 *            and what open(2), write(2), fsync(2) and rename(2) give; -EAGAIN, -ENOMEM as above
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_file_replace(const char *path, const void *data, size_t bytes, mode_t mode);

/* ---- direct I/O ---- */

/* What addresses and lengths must be multiples of, in bytes, with O_DIRECT: powers of two. */
struct weft_file_alignment {
    uint32_t memory; /* addresses of buffers, as posix_memalign() takes it */
    uint32_t offset; /* places in the file, and lengths */
};

/**
 * weft_file_alignment - what direct I/O on a file asks of buffers and offsets.
 *
 * @fd         the file.
 * @alignment  receives the answer if 0 is returned.
 *
 * Kernels before Linux 6.1 do not tell: then both are 4096, which suits all but odd devices.
 *
 * Returns    0.
 * Errors     -EOPNOTSUPP             the file has no direct I/O
 *            -ETIMEDOUT, -ECANCELED  a scope ended before it began
 *            -EBADF                  fd is not open, or is being closed by weft_close()
 *            -EAGAIN, -ENOMEM        as above
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread; weft_close() of the fd waits for coroutines.
 */
WEFT_API_MUST int weft_file_alignment(int fd, struct weft_file_alignment *alignment);

/**
 * weft_file_align - widen a range of a file to one that direct I/O can read or write.
 *
 * @alignment  what weft_file_alignment() gave.
 * @offset     where the range begins; lowered if need be.
 * @bytes      its length; raised if need be.
 *
 *     if (weft_file_alignment(fd, &a) == 0 && weft_file_align(&a, &offset, &bytes) == 0 &&
 *         posix_memalign(&buf, a.memory, bytes) == 0)
 *         n = weft_pread(fd, buf, bytes, offset);
 *
 * Returns    0.
 * Errors     -EINVAL  offset < 0, or the range ends beyond what a file can have; nothing is changed
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API_MUST int weft_file_align(const struct weft_file_alignment *alignment, int64_t *offset,
                                  size_t *bytes);

WEFT_END_DECLS
#endif
