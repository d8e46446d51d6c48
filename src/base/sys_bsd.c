/* SPDX-License-Identifier: MIT */
/* sys_bsd.c - what macOS and the BSDs have in common, beside what POSIX says. */
#include "sys_bsd.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys_result.h"

/* MADV_DONTNEED keeps the memory there. */
int weft__sys_forget(void *p, size_t bytes)
{
    return weft__sys_madvise(p, bytes, MADV_FREE);
}

int weft__sys_madvise_all(const struct iovec *ranges, int n, int advice)
{
    (void)ranges;
    (void)n;
    (void)advice;
    return -ENOSYS;
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

void *weft__sys_peek(void *const *word)
{
    return *(void *const volatile *)word;
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

int weft__sys_kernel_thread_count(void)
{
    return 0;
}

void weft__sys_timer_slack(int64_t ns)
{
    (void)ns;
}

size_t weft__sys_signal_stack_bytes(void)
{
    return (size_t)MINSIGSTKSZ;
}

/* What a part of a file's bytes takes on its way, on the caller's stack; what is not written is
 * read again. */
#define PART_BYTES 4096

static ssize_t copy_from_file(int out, int file, int64_t offset, size_t bytes)
{
    char part[PART_BYTES];
    struct iovec iov = {part, bytes < sizeof part ? bytes : sizeof part};
    ssize_t n;
    do {
        n = weft__result_long(pread(file, part, iov.iov_len, offset));
    } while (n == -EINTR);
    if (n <= 0) {
        return n;
    }
    iov.iov_len = (size_t)n;
    return weft__sys_write_now(out, &iov, 1);
}

ssize_t weft__sys_sendfile_now(int out, int file, int64_t offset, size_t bytes)
{
    return copy_from_file(out, file, offset, bytes);
}

/* What was taken from a pipe could not be put back. */
ssize_t weft__sys_splice_now(int in, int64_t offset, int out, size_t bytes, bool is_read)
{
    (void)is_read;
    return offset >= 0 ? copy_from_file(out, in, offset, bytes) : -EINVAL;
}

int weft__sys_direct_alignment(int fd, uint32_t *memory, uint32_t *offset)
{
    (void)fd;
    *memory = 0;
    *offset = 0;
    return -ENOSYS;
}

size_t weft__sys_put_record(char *to, uint64_t inode, unsigned type, const char *name,
                            size_t name_bytes)
{
    uint16_t bytes = (uint16_t)((19 + name_bytes + 1 + 7) & ~(size_t)7);
    memcpy(to, &inode, 8);
    memset(to + 8, 0, 8);
    memcpy(to + 16, &bytes, 2);
    to[18] = (char)type;
    memcpy(to + 19, name, name_bytes);
    to[19 + name_bytes] = 0;
    return bytes;
}
