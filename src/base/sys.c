/* SPDX-License-Identifier: MIT */
/* sys.c - address space, threads, signals and the environment; sockets and files are in sys_fd.c,
 * the heap is in memory.c. */
#define _GNU_SOURCE
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "atomic.h"
#include "clock.h"
#include "compiler.h"
#include "self.h"
#include "sys_result.h"

#ifdef WEFT_FAULT
_Atomic(weft__fault_fn *) weft__sys_fault;
#endif

int weft__sys_fault_now(enum weft__call call)
{
    return weft__fault(call);
}

void *weft__sys_mmap(size_t bytes, int prot, int flags)
{
    int fault = weft__fault(WEFT__CALL_MMAP);
    if (fault != 0) {
        return (void *)(intptr_t)fault;
    }
    void *p = mmap(NULL, bytes, prot, flags, -1, 0);
    return p == MAP_FAILED ? (void *)(intptr_t)-weft__errno() : p;
}

int weft__sys_munmap(void *p, size_t bytes)
{
    return weft__result(munmap(p, bytes));
}

int weft__sys_mprotect(void *p, size_t bytes, int prot)
{
    int fault = weft__fault(WEFT__CALL_MPROTECT);
    return fault != 0 ? fault : weft__result(mprotect(p, bytes, prot));
}

int weft__sys_madvise(void *p, size_t bytes, int advice)
{
    int fault = weft__fault(WEFT__CALL_MADVISE);
    return fault != 0 ? fault : weft__result(madvise(p, bytes, advice));
}

int weft__sys_munlock(void *p, size_t bytes)
{
    return weft__result(munlock(p, bytes));
}

size_t weft__sys_resident(void *p, size_t bytes)
{
    unsigned char pages[256];
    size_t page_bytes = weft__sys_page_bytes();
    size_t n_resident = 0;
    for (size_t done = 0; done < bytes; done += sizeof pages * page_bytes) {
        size_t part = bytes - done;
        if (part > sizeof pages * page_bytes) {
            part = sizeof pages * page_bytes;
        }
        if (mincore((char *)p + done, part, pages) != 0) {
            break;
        }
        for (size_t i = 0; i < part / page_bytes; i++) {
            n_resident += pages[i] & 1;
        }
    }
    return n_resident * page_bytes;
}

size_t weft__sys_page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

bool weft__sys_is_guarded(const void *p)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return false;
    }
    bool guarded = write(fds[1], p, 1) < 0 && weft__errno() == EFAULT;
    close(fds[0]);
    close(fds[1]);
    return guarded;
}

/* The kernel copies into a pipe and out again, in parts that fit into it. */
static ssize_t copy_through_pipe(void *to, const void *from, size_t bytes)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return -weft__errno();
    }
    size_t done = 0;
    ssize_t n = 0;
    while (done < bytes) {
        size_t part = bytes - done < 4096 ? bytes - done : 4096;
        n = weft__result_long(write(fds[1], (const char *)from + done, part));
        if (n > 0) {
            n = weft__result_long(read(fds[0], (char *)to + done, (size_t)n));
        }
        if (n <= 0) {
            break;
        }
        done += (size_t)n;
    }
    close(fds[0]);
    close(fds[1]);
    return done == bytes ? (ssize_t)bytes : n < 0 ? n : -EIO;
}

ssize_t weft__sys_copy_memory(void *to, const void *from, size_t bytes)
{
    static _Atomic bool has_no_call;
    if (atomic_load_explicit(&has_no_call, memory_order_relaxed)) {
        return copy_through_pipe(to, from, bytes);
    }
    struct iovec local = {.iov_base = to, .iov_len = bytes};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)from, .iov_len = bytes};
    ssize_t n =
        weft__result_long(syscall(SYS_process_vm_readv, getpid(), &local, 1L, &remote, 1L, 0L));
    if (n == -ENOSYS || n == -EPERM) { /* an emulator, or a filter */
        atomic_store_explicit(&has_no_call, true, memory_order_relaxed);
        return copy_through_pipe(to, from, bytes);
    }
    return n;
}

int weft__sys_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline_ns)
{
    struct timespec ts;
    struct timespec *until = NULL;
    if (deadline_ns != INT64_MAX) {
        ts = weft__clock_timespec(deadline_ns);
        until = &ts;
    }
    /* FUTEX_WAIT_BITSET takes an absolute time. */
    int rc = weft__result((int)syscall(SYS_futex, (uint32_t *)word,
                                       FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected, until,
                                       NULL, FUTEX_BITSET_MATCH_ANY));
    return rc == -EINTR ? 0 : rc;
}

void weft__sys_futex_wake(_Atomic uint32_t *word, int count)
{
    syscall(SYS_futex, (uint32_t *)word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, NULL, NULL, 0);
}

void weft__sys_yield_cpu(void)
{
    sched_yield();
}

static int membarrier(int command)
{
    int rc = weft__sys_fault_now(WEFT__CALL_MEMBARRIER);
    return rc != 0 ? rc : weft__result((int)syscall(SYS_membarrier, command, 0, 0));
}

int weft__sys_membarrier_register(void)
{
    return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
}

int weft__sys_membarrier(void)
{
    return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

void weft__sys_nap(int64_t ns)
{
    struct timespec ts = weft__clock_timespec(ns);
    (void)nanosleep(&ts, NULL); /* a signal that cuts it short does no harm */
}

int weft__sys_thread_start(uint64_t *thread, size_t stack_bytes, void *(*fn)(void *), void *arg,
                           const char *name)
{
    int fault = weft__fault(WEFT__CALL_THREAD);
    if (fault != 0) {
        return fault;
    }
    pthread_attr_t attr;
    int rc = pthread_attr_init(&attr);
    if (rc != 0) {
        return -rc;
    }
    (void)pthread_attr_setstacksize(&attr, stack_bytes);
    pthread_t t;
    sigset_t old;
    weft__sys_block_signals(&old); /* the new thread inherits the mask */
    rc = pthread_create(&t, &attr, fn, arg);
    weft__sys_restore_signals(&old);
    pthread_attr_destroy(&attr);
    if (rc != 0) {
        return -rc;
    }
    if (name != NULL) {
        pthread_setname_np(t, name);
    }
    *thread = (uint64_t)t;
    return 0;
}

void weft__sys_thread_name(const char *name)
{
    prctl(PR_SET_NAME, (unsigned long)name, 0, 0, 0);
}

int weft__sys_at_fork(void (*in_child)(void))
{
    return -pthread_atfork(NULL, NULL, in_child);
}

void weft__sys_thread_detach(uint64_t thread)
{
    pthread_detach((pthread_t)thread);
}

void weft__sys_thread_join(uint64_t thread)
{
    pthread_join((pthread_t)thread, NULL);
}

int weft__sys_thread_id(void)
{
    return (int)syscall(SYS_gettid);
}

void weft__sys_thread_stack(const void **low, size_t *bytes)
{
    pthread_attr_t attr;
    void *from = NULL;
    *bytes = 0;
    if (pthread_getattr_np(pthread_self(), &attr) == 0) {
        (void)pthread_attr_getstack(&attr, &from, bytes);
        pthread_attr_destroy(&attr);
    }
    *low = from;
}

/* Not by listing /proc/self/task: a list ends early when the thread that it has come to exits. */
int weft__sys_thread_count(void)
{
    char text[4096];
    int rc = (int)weft__sys_read_file("/proc/self/status", text, sizeof text);
    if (rc < 0) {
        return rc;
    }
    const char *at = strstr(text, "\nThreads:");
    return at != NULL ? atoi(at + strlen("\nThreads:")) : -ENOENT;
}

/* The last component of a path in /proc/self/task is an id. */
static bool is_of_kernel(const char *id)
{
    char path[64];
    char comm[16];
    snprintf(path, sizeof path, "/proc/self/task/%.20s/comm", id);
    return weft__sys_read_file(path, comm, sizeof comm) > 0 && strncmp(comm, "iou-", 4) == 0;
}

int weft__sys_kernel_thread_count(void)
{
    uint64_t records[256];
    ssize_t n;
    int count = 0;
    int fd = weft__sys_open_read("/proc/self/task");
    if (fd < 0) {
        return 0;
    }
    while ((n = weft__sys_read_dir(fd, records, sizeof records)) > 0) {
        for (ssize_t at = 0; at < n;) {
            const struct weft__dir_record *r = (const void *)((const char *)records + at);
            at += r->bytes;
            count += is_of_kernel(r->name);
        }
    }
    (void)weft__sys_close(fd);
    return count;
}

int64_t weft__sys_thread_cpu_ns(int id)
{
    /* What pthread_getcpuclockid() makes: the clock of a thread, as the scheduler counts. */
    clockid_t clock = (clockid_t)((~(unsigned)id << 3) | 6u);
    struct timespec ts;
    int rc = weft__result(clock_gettime(clock, &ts));
    return rc < 0 ? rc : (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int weft__sys_thread_signal(int id, int sig)
{
    return (int)weft__result((int)syscall(SYS_tgkill, getpid(), id, sig));
}

void weft__sys_timer_slack(int64_t ns)
{
    prctl(PR_SET_TIMERSLACK, (unsigned long)ns, 0, 0, 0);
}

void weft__sys_block_signals(sigset_t *old)
{
    sigset_t block;
    sigfillset(&block);
    /* Those that the thread itself causes must arrive. */
    static const int synchronous[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    for (size_t i = 0; i < WEFT__COUNT(synchronous); i++) {
        sigdelset(&block, synchronous[i]);
    }
    pthread_sigmask(SIG_BLOCK, &block, old);
}

void weft__sys_restore_signals(const sigset_t *old)
{
    pthread_sigmask(SIG_SETMASK, old, NULL);
}

const char *weft__sys_env(const char *name)
{
#ifdef __GLIBC__
    return secure_getenv(name);
#else
    return getenv(name);
#endif
}

uint64_t weft__sys_env_seed(const char *name)
{
    const char *text = weft__sys_env(name);
    if (text != NULL) {
        return strtoull(text, NULL, 0);
    }
    return (uint64_t)weft__clock_ns() ^ ((uint64_t)getpid() << 32);
}

ssize_t weft__sys_read_file(const char *path, char *text, size_t bytes)
{
    int fd = weft__sys_open_read(path);
    if (fd < 0) {
        return fd;
    }
    size_t used = 0;
    ssize_t n = 1;
    while (used + 1 < bytes && (n = weft__sys_read(fd, text + used, bytes - 1 - used)) > 0) {
        used += (size_t)n;
    }
    weft__sys_close(fd);
    text[used] = 0;
    return n < 0 ? n : (ssize_t)used;
}

int weft__sys_cpus_get(struct weft__cpu_set *set)
{
    memset(set, 0, sizeof *set); /* the kernel writes no more than it has */
    int rc = weft__fault(WEFT__CALL_AFFINITY);
    if (rc == 0) {
        rc = weft__result((int)syscall(SYS_sched_getaffinity, 0, sizeof set->bits, set->bits));
    }
    return rc < 0 ? rc : 0;
}

int weft__sys_cpu_count(void)
{
    struct weft__cpu_set set;
    int count = 0;
    (void)weft__sys_cpus_get(&set);
    for (size_t i = 0; i < WEFT__COUNT(set.bits); i++) {
        count += __builtin_popcountl(set.bits[i]);
    }
    return count > 0 ? count : 1;
}

int weft__sys_cpus_set(const struct weft__cpu_set *set)
{
    int rc = weft__fault(WEFT__CALL_AFFINITY);
    if (rc == 0) {
        rc = weft__result((int)syscall(SYS_sched_setaffinity, 0, sizeof set->bits, set->bits));
    }
    return rc;
}

_Noreturn void weft__sys_exit(int status)
{
    _exit(status);
}
