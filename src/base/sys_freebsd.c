/* SPDX-License-Identifier: MIT */
/* sys_freebsd.c - what only FreeBSD is asked so. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <pthread_np.h>
#include <string.h>
#include <sys/param.h>
#include <sys/cpuset.h>
#include <sys/eventfd.h>
#include <sys/sysctl.h>
#include <sys/thr.h>
#include <sys/types.h>
#include <sys/umtx.h>
#include <sys/user.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "atomic.h"
#include "clock.h"
#include "sys_bsd.h"
#include "sys_result.h"

int weft__sys_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline_ns)
{
    struct _umtx_time until = {._flags = UMTX_ABSTIME, ._clockid = CLOCK_MONOTONIC};
    void *size = NULL;
    void *time = NULL;
    if (deadline_ns != INT64_MAX) {
        until._timeout = weft__clock_timespec(deadline_ns);
        size = (void *)sizeof until;
        time = &until;
    }
    int rc = weft__result(
        _umtx_op((void *)word, UMTX_OP_WAIT_UINT_PRIVATE, expected, size, time));
    return rc == -EINTR ? 0 : rc;
}

void weft__sys_futex_wake(_Atomic uint32_t *word, int count)
{
    (void)_umtx_op((void *)word, UMTX_OP_WAKE_PRIVATE, (unsigned long)count, NULL, NULL);
}

void weft__sys_thread_name(const char *name)
{
    pthread_set_name_np(pthread_self(), name);
}

int weft__sys_thread_id(void)
{
    return pthread_getthreadid_np();
}

void weft__sys_thread_stack(const void **low, size_t *bytes)
{
    pthread_attr_t attr;
    void *from = NULL;
    *bytes = 0;
    if (pthread_attr_init(&attr) == 0) {
        if (pthread_attr_get_np(pthread_self(), &attr) == 0) {
            (void)pthread_attr_getstack(&attr, &from, bytes);
        }
        pthread_attr_destroy(&attr);
    }
    *low = from;
}

int weft__sys_thread_count(void)
{
    int what[] = {CTL_KERN, KERN_PROC, KERN_PROC_PID, getpid()};
    struct kinfo_proc process;
    size_t bytes = sizeof process;
    int rc = weft__result(sysctl(what, 4, &process, &bytes, NULL, 0));
    return rc < 0 ? rc : process.ki_numthreads;
}

int64_t weft__sys_thread_cpu_ns(int id)
{
    clockid_t clock;
    struct timespec ts;
    int rc = weft__result(clock_getcpuclockid2(id, CPUCLOCK_WHICH_TID, &clock));
    if (rc == 0) {
        rc = weft__result(clock_gettime(clock, &ts));
    }
    return rc < 0 ? rc : (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int weft__sys_thread_signal(int id, int sig)
{
    return weft__result(thr_kill(id, sig));
}

int weft__sys_cpus_get(struct weft__cpu_set *set)
{
    cpuset_t cpus;
    memset(set, 0, sizeof *set);
    int rc = weft__fault(WEFT__CALL_AFFINITY);
    if (rc == 0) {
        rc = weft__result(
            cpuset_getaffinity(CPU_LEVEL_WHICH, CPU_WHICH_TID, -1, sizeof cpus, &cpus));
    }
    for (int i = 0; rc == 0 && i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &cpus)) {
            set->bits[(size_t)i / WEFT__CPU_WORD_BITS] |= 1ul << ((size_t)i % WEFT__CPU_WORD_BITS);
        }
    }
    return rc;
}

int weft__sys_cpus_set(const struct weft__cpu_set *set)
{
    cpuset_t cpus;
    CPU_ZERO(&cpus);
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if ((set->bits[(size_t)i / WEFT__CPU_WORD_BITS] >> (size_t)i % WEFT__CPU_WORD_BITS & 1) !=
            0) {
            CPU_SET(i, &cpus);
        }
    }
    int rc = weft__fault(WEFT__CALL_AFFINITY);
    if (rc == 0) {
        rc = weft__result(
            cpuset_setaffinity(CPU_LEVEL_WHICH, CPU_WHICH_TID, -1, sizeof cpus, &cpus));
    }
    return rc;
}

void weft__sys_signal_registers(const void *ucontext, uintptr_t registers[WEFT__SIGNAL_REGISTERS])
{
    const mcontext_t *mc = &((const ucontext_t *)ucontext)->uc_mcontext;
    memset(registers, 0, WEFT__SIGNAL_REGISTERS * sizeof *registers);
#if defined(__x86_64__)
    const __register_t by_number[] = {
        mc->mc_rax, mc->mc_rdx, mc->mc_rcx, mc->mc_rbx, mc->mc_rsi, mc->mc_rdi,
        mc->mc_rbp, mc->mc_rsp, mc->mc_r8,  mc->mc_r9,  mc->mc_r10, mc->mc_r11,
        mc->mc_r12, mc->mc_r13, mc->mc_r14, mc->mc_r15, mc->mc_rip};
    memcpy(registers, by_number, sizeof by_number);
#elif defined(__aarch64__)
    memcpy(registers, mc->mc_gpregs.gp_x, sizeof mc->mc_gpregs.gp_x);
    registers[30] = (uintptr_t)mc->mc_gpregs.gp_lr;
    registers[31] = (uintptr_t)mc->mc_gpregs.gp_sp;
    registers[32] = (uintptr_t)mc->mc_gpregs.gp_elr;
#endif
}

ssize_t weft__sys_read_dir(int fd, void *records, size_t bytes)
{
    FAULT(FILE);
    struct dirent room[64];
    char *to = records;
    off_t base;
    ssize_t n = weft__result_long(
        getdirentries(fd, (char *)room, bytes < sizeof room ? bytes : sizeof room, &base));
    for (ssize_t at = 0; at < n;) {
        const struct dirent *from = (const struct dirent *)((const char *)room + at);
        to += weft__sys_put_record(to, from->d_fileno, from->d_type, from->d_name, from->d_namlen);
        at += from->d_reclen;
    }
    return n < 0 ? n : to - (char *)records;
}

int weft__sys_eventfd(void)
{
    FAULT(EVENTFD);
    return weft__sys_move_fd(weft__result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)));
}
