/* SPDX-License-Identifier: MIT */
/* sys_bsd.c - what macOS and the BSDs have in common, beside what POSIX says. */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

#include "sys_result.h"

/* MADV_DONTNEED keeps the memory there. */
int weft__sys_forget(void *p, size_t bytes)
{
    return weft__sys_madvise(p, bytes, MADV_FREE);
}

int weft__sys_small_pages(void *p, size_t bytes)
{
    (void)p;
    (void)bytes;
    return 0;
}

ssize_t weft__sys_copy_memory(void *to, const void *from, size_t bytes)
{
    return weft__sys_copy_by_pipe(to, from, bytes);
}

/* There is none: fence.h then has real fences on both sides, and no lock is biased. */
int weft__sys_membarrier_register(void)
{
    return -ENOSYS;
}

int weft__sys_membarrier(void)
{
    return -ENOSYS;
}

void weft__sys_timer_slack(int64_t ns)
{
    (void)ns;
}

size_t weft__sys_signal_stack_bytes(void)
{
    return (size_t)MINSIGSTKSZ;
}
