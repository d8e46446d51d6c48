/* SPDX-License-Identifier: MIT */
/* sys.c - address space, threads, signals and the environment, as POSIX has them; sys_linux.c and
 * its like have what differs.  Sockets and files are in sys_fd.c, the heap is in memory.c. */
#define _GNU_SOURCE
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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
        if (mincore((char *)p + done, part, (void *)pages) != 0) {
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

/* For a moment.  Where it cannot be close-on-exec at once, a program started beside may inherit
 * it. */
static int open_pipe(int fds[2])
{
#ifdef __APPLE__
    return weft__result(pipe(fds));
#else
    return weft__result(pipe2(fds, O_CLOEXEC));
#endif
}

bool weft__sys_is_guarded(const void *p)
{
    char byte;
    return weft__sys_copy_memory(&byte, p, 1) == -EFAULT;
}

/* The kernel copies into a pipe and out again, in parts that fit into it. */
ssize_t weft__sys_copy_by_pipe(void *to, const void *from, size_t bytes)
{
    int fds[2];
    size_t done = 0;
    ssize_t n = open_pipe(fds);
    if (n != 0) {
        return n;
    }
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

void weft__sys_yield_cpu(void)
{
    sched_yield();
}

void weft__sys_yield_while(const _Atomic uint32_t *word, uint32_t expected, int64_t ns)
{
    int64_t until_ns = weft__clock_ns() + ns;
    while (atomic_load_explicit(word, memory_order_relaxed) == expected &&
           weft__clock_ns() < until_ns) {
        sched_yield();
    }
}

void weft__sys_nap(int64_t ns)
{
    struct timespec ts = weft__clock_timespec(ns);
    (void)nanosleep(&ts, NULL); /* a signal that cuts it short does no harm */
}

int weft__sys_thread_start(uint64_t *thread, size_t stack_bytes, void *(*fn)(void *), void *arg)
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
    *thread = (uint64_t)t;
    return 0;
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
#ifdef __APPLE__
    return issetugid() ? NULL : getenv(name);
#else
    return secure_getenv(name);
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

_Noreturn void weft__sys_exit(int status)
{
    _exit(status);
}
