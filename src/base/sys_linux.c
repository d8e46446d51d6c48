/* SPDX-License-Identifier: MIT */
/* sys_linux.c - what only Linux is asked so: futexes, fences in other threads, threads by number,
 * affinity, advice on memory, copies inside the kernel, folders. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "atomic.h"
#include "clock.h"
#include "sys_result.h"

#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
#define PIDFD_OF_CALLER (-10000) /* PIDFD_SELF_THREAD */
#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

int weft__sys_forget(void *p, size_t bytes)
{
    return weft__sys_madvise(p, bytes, MADV_DONTNEED);
}

/* Of the caller's own memory without a pidfd since Linux 6.15; not under some filters. */
int weft__sys_madvise_all(const struct iovec *ranges, int n, int advice)
{
    static _Atomic bool has_no_call;
    int fault = weft__fault(WEFT__CALL_MADVISE);
    if (fault != 0) {
        return fault;
    }
    if (atomic_load_explicit(&has_no_call, memory_order_relaxed)) {
        return -ENOSYS;
    }
    size_t bytes = 0;
    for (int i = 0; i < n; i++) {
        bytes += ranges[i].iov_len;
    }
    long done = weft__result_long(
        syscall(SYS_process_madvise, PIDFD_OF_CALLER, ranges, (size_t)n, advice, 0u));
    if (done == -ENOSYS || done == -EBADF || done == -EPERM) {
        atomic_store_explicit(&has_no_call, true, memory_order_relaxed);
        return -ENOSYS;
    }
    return done == (long)bytes ? 0 : done < 0 ? (int)done : -EAGAIN;
}

int weft__sys_small_pages(void *p, size_t bytes)
{
    return weft__sys_madvise(p, bytes, MADV_NOHUGEPAGE);
}

/* -ENOSYS in an emulator, or under a filter. */
static ssize_t copy_by_call(void *to, const void *from, size_t bytes)
{
    static _Atomic bool has_no_call;
    if (atomic_load_explicit(&has_no_call, memory_order_relaxed)) {
        return -ENOSYS;
    }
    struct iovec local = {.iov_base = to, .iov_len = bytes};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)from, .iov_len = bytes};
    ssize_t n =
        weft__result_long(syscall(SYS_process_vm_readv, getpid(), &local, 1L, &remote, 1L, 0L));
    if (n == -ENOSYS || n == -EPERM) {
        atomic_store_explicit(&has_no_call, true, memory_order_relaxed);
        return -ENOSYS;
    }
    return n;
}

ssize_t weft__sys_copy_memory(void *to, const void *from, size_t bytes)
{
    ssize_t n = copy_by_call(to, from, bytes);
    return n == -ENOSYS ? weft__sys_copy_by_pipe(to, from, bytes) : n;
}

void *weft__sys_peek(void *const *word)
{
    void *value = NULL;
    ssize_t n = copy_by_call(&value, word, sizeof value);
    return n == -ENOSYS ? *(void *const volatile *)word : value;
}

static int futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline_ns)
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

#ifdef WEFT__TSAN
#define TSAN_SLEEP_NS_MAX (100 * INT64_C(1000000))

/*
 * TSan puts a signal off that comes just before a system call which it does not know, until the
 * thread comes to something that it does: so no sleep of a thread that may be the only one to get a
 * signal is for ever.  Its caller takes the end for one of the wake-ups that come for nothing.
 */
static int wait_as_tsan_can(_Atomic uint32_t *word, uint32_t expected, int64_t deadline_ns)
{
    int64_t soon_ns = weft__clock_ns() + TSAN_SLEEP_NS_MAX;
    int rc = futex_wait(word, expected, deadline_ns < soon_ns ? deadline_ns : soon_ns);
    return rc == -ETIMEDOUT && soon_ns < deadline_ns ? 0 : rc;
}
#endif

int weft__sys_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline_ns)
{
#ifdef WEFT__TSAN
    return wait_as_tsan_can(word, expected, deadline_ns);
#else
    return futex_wait(word, expected, deadline_ns);
#endif
}

void weft__sys_futex_wake(_Atomic uint32_t *word, int count)
{
    syscall(SYS_futex, (uint32_t *)word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, NULL, NULL, 0);
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

void weft__sys_thread_name(const char *name)
{
    prctl(PR_SET_NAME, (unsigned long)name, 0, 0, 0);
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

int weft__sys_cpus_get(struct weft__cpu_set *set)
{
    memset(set, 0, sizeof *set); /* the kernel writes no more than it has */
    int rc = weft__fault(WEFT__CALL_AFFINITY);
    if (rc == 0) {
        rc = weft__result((int)syscall(SYS_sched_getaffinity, 0, sizeof set->bits, set->bits));
    }
    return rc < 0 ? rc : 0;
}

int weft__sys_cpus_set(const struct weft__cpu_set *set)
{
    int rc = weft__fault(WEFT__CALL_AFFINITY);
    if (rc == 0) {
        rc = weft__result((int)syscall(SYS_sched_setaffinity, 0, sizeof set->bits, set->bits));
    }
    return rc;
}

size_t weft__sys_signal_stack_bytes(void)
{
    size_t kernel = (size_t)getauxval(AT_MINSIGSTKSZ);
    return kernel < (size_t)MINSIGSTKSZ ? (size_t)MINSIGSTKSZ : kernel;
}

void weft__sys_signal_registers(const void *ucontext, uintptr_t registers[WEFT__SIGNAL_REGISTERS])
{
    const ucontext_t *uc = ucontext;
    memset(registers, 0, WEFT__SIGNAL_REGISTERS * sizeof *registers);
#if defined(__x86_64__)
    static const unsigned char numbers[] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                                            REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                            REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
    for (size_t i = 0; i < WEFT__COUNT(numbers); i++) {
        registers[i] = (uintptr_t)uc->uc_mcontext.gregs[numbers[i]];
    }
#elif defined(__aarch64__)
    for (int i = 0; i <= 30; i++) {
        registers[i] = uc->uc_mcontext.regs[i];
    }
    registers[31] = uc->uc_mcontext.sp;
    registers[32] = uc->uc_mcontext.pc;
#endif
}

ssize_t weft__sys_sendfile_now(int out, int file, int64_t offset, size_t bytes)
{
    FAULT(WRITE);
    ssize_t n;
    do {
        off_t at = offset;
        n = weft__result_long(sendfile(out, file, &at, bytes));
    } while (n == -EINTR);
    return n;
}

ssize_t weft__sys_splice_now(int in, int64_t offset, int out, size_t bytes, bool is_read)
{
    int fault = weft__fault(is_read ? WEFT__CALL_READ : WEFT__CALL_WRITE);
    if (WEFT__UNLIKELY(fault != 0)) {
        return fault;
    }
    ssize_t n;
    do {
        loff_t at = offset;
        n = weft__result_long(
            splice(in, offset < 0 ? NULL : &at, out, NULL, bytes, SPLICE_F_NONBLOCK));
    } while (n == -EINTR);
    return n;
}

ssize_t weft__sys_read_dir(int fd, void *records, size_t bytes)
{
    FAULT(FILE);
    return weft__result_long(syscall(SYS_getdents64, fd, records, bytes));
}

/* The words of struct statx that we want; headers older than Linux 6.1 do not name them. */
enum { STATX_MASK = 0, STATX_MEMORY_ALIGN = 38, STATX_OFFSET_ALIGN = 39, STATX_WORDS = 64 };
#define ASK_DIRECT 0x2000U

int weft__sys_direct_alignment(int fd, uint32_t *memory, uint32_t *offset)
{
    FAULT(FILE);
    uint32_t words[STATX_WORDS] = {0};
    int rc = weft__result((int)syscall(SYS_statx, fd, "", AT_EMPTY_PATH, ASK_DIRECT, words));
    if (rc == 0 && (words[STATX_MASK] & ASK_DIRECT) == 0) {
        rc = -ENOSYS;
    }
    *memory = words[STATX_MEMORY_ALIGN];
    *offset = words[STATX_OFFSET_ALIGN];
    return rc;
}
