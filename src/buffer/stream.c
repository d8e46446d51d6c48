/* SPDX-License-Identifier: MIT */
/* stream.c - the stream of an fd, and what the reader and the writer share. */
#include "buffer.h"

#include <weft/io.h>

#include "../base/fatal.h"
#include "../base/sys.h"

static int fd_of(void *arg)
{
    return (int)(intptr_t)arg;
}

static ssize_t read_fd(void *arg, void *buf, size_t n)
{
    return weft_read(fd_of(arg), buf, n);
}

static ssize_t write_fd(void *arg, const void *buf, size_t n)
{
    return weft_write(fd_of(arg), buf, n);
}

static ssize_t writev_fd(void *arg, const struct iovec *iov, int count)
{
    return weft_writev(fd_of(arg), iov, count);
}

struct weft_stream weft_stream_of_fd(int fd)
{
    return (struct weft_stream){
        .read = read_fd, .write = write_fd, .writev = writev_fd, .arg = (void *)(intptr_t)fd};
}

void *weft__buffer_alloc(size_t head_bytes, size_t bytes)
{
    return bytes <= PTRDIFF_MAX - head_bytes ? weft__alloc(head_bytes + bytes) : NULL;
}

void weft__buffer_is_in_use(void)
{
    weft__fatal("a weft_reader or weft_writer is used while a coroutine waits in it");
}
