/* SPDX-License-Identifier: MIT */
/*
 * sys.h - system calls and memory, as the runtime uses them: results >= 0 or -errno, never errno.
 *
 * Every call passes the fault door: built with -DWEFT_FAULT, weft__sys_fault decides whether the
 * call fails, so that tests can make the k-th call of a kind fail.  In a normal build it is
 * nothing.
 */
#ifndef WEFT_BASE_SYS_H
#define WEFT_BASE_SYS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "port.h"

struct epoll_event;
struct kevent;
struct mmsghdr;
struct pollfd;
struct stat;
struct weft_addr;

/* Kinds of calls that can be made to fail. */
#define WEFT__CALLS(X)                                                                             \
    X(ALLOC)                                                                                       \
    X(MMAP)                                                                                        \
    X(MPROTECT) X(MADVISE) X(READ) X(WRITE) X(ACCEPT) X(CONNECT) X(SOCKET) X(BIND) X(LISTEN)       \
        X(SOCKOPT) X(POLL) X(EPOLL_CREATE) X(EPOLL_CTL) X(EPOLL_WAIT) X(EVENTFD) X(URING_SETUP)    \
            X(URING_ENTER) X(THREAD) X(CLOSE) X(MEMBARRIER) X(AFFINITY) X(LOOKUP) X(SPAWN)         \
                X(PIDFD) X(PIPE) X(DUP) X(FILE) X(KQUEUE) X(KEVENT)
enum weft__call {
#define X(name) WEFT__CALL_##name,
    WEFT__CALLS(X)
#undef X
        WEFT__CALL_COUNT,
};

#ifdef WEFT_FAULT
/* Returns 0 to let the call go on, or the -errno that it shall return; for READ and WRITE also how
 * many bytes, more than 0, it shall move at most.  Set by tests. */
typedef int weft__fault_fn(enum weft__call call);
extern _Atomic(weft__fault_fn *) weft__sys_fault;
#endif
/* For the few calls that are made elsewhere (liburing, pthread). */
int weft__sys_fault_now(enum weft__call call);

/* Memory from the allocator of the process (memory.c): zeroed, NULL for lack of it. */
void *weft__alloc(size_t bytes);
void *weft__alloc_line(size_t bytes); /* aligned to a cache line */
void weft__free(void *p);

/* Memory from the kernel: zeroed, and pages that nobody touches are none; NULL for lack of it.  A
 * leak checker looks into it as into the heap. */
void *weft__map(size_t bytes);
void weft__unmap(void *p, size_t bytes); /* p may be NULL */

/* Address space: the address, or -errno as (void *)(intptr_t); test with weft__sys_is_error(). */
void *weft__sys_mmap(size_t bytes, int prot, int flags);
static inline bool weft__sys_is_error(const void *p)
{
    return (uintptr_t)p >= (uintptr_t)-4095;
}
int weft__sys_munmap(void *p, size_t bytes);
int weft__sys_mprotect(void *p, size_t bytes, int prot);
int weft__sys_madvise(void *p, size_t bytes, int advice);
/* The same of n ranges, one call for all of them, which interrupts other CPUs once, if it must; if
 * it fails, of some perhaps.  -ENOSYS where there is no such call. */
int weft__sys_madvise_all(const struct iovec *ranges, int n, int advice);
int weft__sys_forget(void *p, size_t bytes); /* what is in whole pages may be lost; 0 or -errno */
int weft__sys_small_pages(void *p, size_t bytes); /* no huge ones here; 0 or -errno */
int weft__sys_munlock(void *p, size_t bytes);
size_t weft__sys_resident(void *p, size_t bytes); /* of whole pages, how many bytes have memory */
size_t weft__sys_page_bytes(void);
/* Would the kernel refuse to read this byte?  Tests a guard without touching it. */
bool weft__sys_is_guarded(const void *p);
/* Copy our own memory through the kernel: a page that is gone is an error, not a fault. */
ssize_t weft__sys_copy_memory(void *to, const void *from, size_t bytes);
ssize_t weft__sys_copy_by_pipe(void *to, const void *from, size_t bytes); /* the way all have */
/* A pointer that another thread writes plainly, in memory that stays: through the kernel where that
 * takes no fd.  NULL if the kernel refuses. */
void *weft__sys_peek(void *const *word);

/* Threads and futexes.  A wait returns 0 when woken or spuriously, -EAGAIN if *word was not
 * `expected`, -ETIMEDOUT after deadline_ns (monotonic; INT64_MAX for none).  Signals restart it. */
int weft__sys_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline_ns);
void weft__sys_futex_wake(_Atomic uint32_t *word, int count);
void weft__sys_yield_cpu(void);
/* As a wait for a word that is about to change: while it is `expected`, and for so long at most,
 * others may have this CPU.  A thread that slept would be woken later than it changes. */
void weft__sys_yield_while(const _Atomic uint32_t *word, uint32_t expected, int64_t ns);
void weft__sys_nap(int64_t ns);
/* membarrier(2), private and expedited: ask for it; then, a fence in all running threads. */
int weft__sys_membarrier_register(void);
int weft__sys_membarrier(void);
/* With all asynchronous signals blocked. */
int weft__sys_thread_start(uint64_t *thread, size_t stack_bytes, void *(*fn)(void *), void *arg);
/* Of the calling thread, 15 bytes.  To name another takes an fd for a moment, of a low number. */
void weft__sys_thread_name(const char *name);
void weft__sys_thread_join(uint64_t thread);
void weft__sys_thread_detach(uint64_t thread);
int weft__sys_at_fork(void (*in_child)(void));
int weft__sys_thread_id(void);
void weft__sys_thread_stack(const void **low, size_t *bytes); /* of the calling thread */
/* How many threads the process has; -errno if /proc cannot tell. */
int weft__sys_thread_count(void);
/* How many of them are the kernel's own, which run nothing of the program: those of io_uring.  Too
 * few where /proc cannot tell. */
int weft__sys_kernel_thread_count(void);
/* The CPU time that a thread of this process has used, by its id; -errno if the kernel does not
 * tell. */
int64_t weft__sys_thread_cpu_ns(int id);
/* Send it a signal; 0 or -errno. */
int weft__sys_thread_signal(int id, int sig);
void weft__sys_timer_slack(int64_t ns);

/* Files and sockets.  read and write never block when the fd could: -EAGAIN instead. */
ssize_t weft__sys_read_now(int fd, const struct iovec *iov, int count);
ssize_t weft__sys_write_now(int fd, const struct iovec *iov, int count);
ssize_t weft__sys_recv_now(int fd, void *buf, size_t bytes);
ssize_t weft__sys_send_now(int fd, const void *buf, size_t bytes);
ssize_t weft__sys_recvmsg_now(int fd, struct msghdr *msg, int flags);
ssize_t weft__sys_sendmsg_now(int fd, const struct msghdr *msg, int flags);
/* Several at once: how many, at least 1. */
int weft__sys_recvmmsg_now(int fd, struct mmsghdr *msgs, unsigned count, int flags);
int weft__sys_sendmmsg_now(int fd, struct mmsghdr *msgs, unsigned count, int flags);
int weft__sys_accept_now(int fd, struct sockaddr *addr, socklen_t *len); /* blocking, CLOEXEC */
int weft__sys_connect(int fd, const struct sockaddr *addr, socklen_t len);
/* Copying inside the kernel.  A pipe never blocks here, a socket only without O_NONBLOCK. */
ssize_t weft__sys_sendfile_now(int out, int file, int64_t offset, size_t bytes);
/* One side is a pipe; offset: where to read in a file, < 0 for none; is_read is for the door. */
ssize_t weft__sys_splice_now(int in, int64_t offset, int out, size_t bytes, bool is_read);
int weft__sys_pipe(int fds[2], bool nonblock); /* CLOEXEC; [0] is read from */
/* What one has to know of an fd before it is copied from or to. */
enum weft__fd_kind { WEFT__FD_STREAM, WEFT__FD_PIPE, WEFT__FD_DISK, WEFT__FD_BLOCKS };
int weft__sys_fd_kind(int fd);      /* or -errno; BLOCKS: no pipe, no file, not O_NONBLOCK */
bool weft__sys_appends(int fd);     /* O_APPEND */
int64_t weft__sys_position(int fd); /* of a file; or -errno */
bool weft__sys_is_cold(int fd, int64_t offset); /* must a read of this byte wait for the disk? */
/* For files, which are always ready: these wait for the disk.  Restarted after a signal. */
ssize_t weft__sys_readv(int fd, const struct iovec *iov, int count);
ssize_t weft__sys_writev(int fd, const struct iovec *iov, int count);
bool weft__sys_is_file(int fd);                    /* a regular file or a block device */
bool weft__sys_close_takes_long(int fd); /* perhaps: a file that was written, or has no name */
int weft__sys_set_nonblock(int fd, bool nonblock); /* 0 or -errno */
ssize_t weft__sys_read(int fd, void *buf, size_t bytes);
ssize_t weft__sys_write(int fd, const void *buf, size_t bytes);
int weft__sys_open_read(const char *path);
int weft__sys_close(int fd);
int weft__sys_unlink(const char *path);
int weft__sys_poll(struct pollfd *fds, unsigned n, int timeout_ms);
int weft__sys_fd_check(int fd); /* 0 if open, else -EBADF */
bool weft__sys_is_socket_file(const char *path);
int weft__sys_socket(int domain, int type, int protocol);
int weft__sys_socketpair(int domain, int type, int fds[2]);
int weft__sys_bind(int fd, const struct sockaddr *addr, socklen_t len);
int weft__sys_listen(int fd, int backlog);
int weft__sys_shutdown(int fd, int how);
int weft__sys_getsockname(int fd, struct sockaddr *addr, socklen_t *len);
int weft__sys_getpeername(int fd, struct sockaddr *addr, socklen_t *len);
int weft__sys_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int weft__sys_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int weft__sys_family(int fd); /* of a socket: AF_INET, ...; or -errno */

/* Ask the name services, which may take long: how many addresses, at least 1, or -errno.  service
 * may be NULL. */
int weft__sys_lookup(const char *host, const char *service, int family, int socktype,
                     struct weft_addr *addrs, int max);
int weft__sys_lookup_error(int eai, int error); /* what EAI_..., and errno, are as -errno */
int64_t weft__sys_interface(const char *name);  /* its index, > 0; or -ENODEV */

/* Files; all of these may wait for a disk, but for the first two: -EAGAIN where they would, and
 * where the file system cannot tell. */
ssize_t weft__sys_pread_now(int fd, const struct iovec *iov, int count, int64_t offset);
ssize_t weft__sys_pwrite_now(int fd, const struct iovec *iov, int count, int64_t offset);
ssize_t weft__sys_pread(int fd, const struct iovec *iov, int count, int64_t offset);
ssize_t weft__sys_pwrite(int fd, const struct iovec *iov, int count, int64_t offset);
int weft__sys_open(const char *path, int flags, unsigned mode); /* CLOEXEC */
int weft__sys_open_temp(const char *dir, unsigned mode);        /* without a name; or -EOPNOTSUPP */
bool weft__sys_is_direct(int flags);                            /* of open: O_DIRECT */
int weft__sys_fsync(int fd, bool is_data_only);
int weft__sys_stat(const char *path, struct stat *st, bool follows);
int weft__sys_fstat(int fd, struct stat *st);
int weft__sys_fchmod(int fd, unsigned mode);
int weft__sys_truncate(const char *path, int64_t bytes);
int weft__sys_ftruncate(int fd, int64_t bytes);
int weft__sys_rename(const char *from, const char *to);
int weft__sys_mkdir(const char *path, unsigned mode);
int weft__sys_rmdir(const char *path);
/* Records as getdents64(2) gives them; how many bytes, 0 at the end. */
struct weft__dir_record {
    uint64_t inode;
    int64_t next;
    uint16_t bytes;
    uint8_t type;
    char name[];
};
ssize_t weft__sys_read_dir(int fd, void *records, size_t bytes);
int weft__sys_flock_now(int fd, int operation); /* flock(2) with LOCK_NB: never waits */
/* What direct I/O on the file must be a multiple of, in memory and in the file: 0 where there is
 * none.  -ENOSYS: the kernel does not tell. */
int weft__sys_direct_alignment(int fd, uint32_t *memory, uint32_t *offset);

/* The reactor's. */
/* A descriptor of the runtime's own goes where no number is that a program uses and closes: it may
 * be made at any time, and whoever still uses a number that was closed must not meet it.  Returns
 * the new number, or fd where there is no room; CLOEXEC. */
int weft__sys_move_fd(int fd);
int weft__sys_copy_fd(int fd); /* another number, there if it can be; CLOEXEC; or -errno */
int weft__sys_eventfd(void);   /* non-blocking, CLOEXEC */
int weft__sys_epoll_create(void);
int weft__sys_epoll_ctl(int epfd, int op, int fd, uint32_t events, uint64_t data);
/* deadline_ns: 0 does not wait, INT64_MAX waits for ever.  Exact to the nanosecond where the
 * kernel is.  EINTR counts as 0 events. */
int weft__sys_epoll_wait(int epfd, struct epoll_event *events, int max, int64_t deadline_ns);
int weft__sys_kqueue(void);
/* deadline_ns as above, and so EINTR. */
int weft__sys_kevent(int kq, const struct kevent *changes, int n_changes, struct kevent *events,
                     int n_events, int64_t deadline_ns);
/* Trigger an EVFILT_USER that was added: nothing is left to fail. */
void weft__sys_kevent_trigger(int kq, uintptr_t ident);

/* Signals. */
void weft__sys_block_signals(sigset_t *old); /* all asynchronous ones, for this thread */
void weft__sys_restore_signals(const sigset_t *old);
size_t weft__sys_signal_stack_bytes(void); /* that the kernel needs for its frame */
/* What was in the registers when a signal arrived, from the third argument of its handler: by DWARF
 * number (x86_64: 16 is the pc; aarch64: 31 the stack pointer, 32 the pc). */
#define WEFT__SIGNAL_REGISTERS 33
void weft__sys_signal_registers(const void *ucontext, uintptr_t registers[WEFT__SIGNAL_REGISTERS]);

/* What the environment says: the value, or NULL.  Not in set-uid programs. */
const char *weft__sys_env(const char *name);
uint64_t weft__sys_env_seed(const char *name);
/* Read a small file of /proc or /sys as text; its length or -errno. */
ssize_t weft__sys_read_file(const char *path, char *text, size_t bytes);

/* CPUs this thread may run on. */
int weft__sys_cpu_count(void);
/* And which.  More than cpu_set_t holds, for machines with more than 1,024 CPUs. */
#define WEFT__CPUS_MAX 8192
#define WEFT__CPU_WORD_BITS (8 * sizeof(unsigned long))
struct weft__cpu_set {
    unsigned long bits[WEFT__CPUS_MAX / WEFT__CPU_WORD_BITS];
};
int weft__sys_cpus_get(struct weft__cpu_set *set); /* 0 or -errno */
int weft__sys_cpus_set(const struct weft__cpu_set *set);
_Noreturn void weft__sys_exit(int status); /* at once, no handlers */

#endif
