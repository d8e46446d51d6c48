/* SPDX-License-Identifier: MIT */
/* waits_copy.h - of waits.h: the calls that copy, and the pool of buffers. */
#ifndef WEFT_TESTS_WAITS_COPY_H
#define WEFT_TESTS_WAITS_COPY_H

#include <fcntl.h>

#include "waits_world.h"

static ssize_t call_sendfile(struct world *w)
{
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK_GE(file, 0);
    ssize_t n = weft_sendfile(w->jam[0], file, 0, 1);
    CHECK_EQ(close(file), 0);
    return n;
}

static ssize_t call_relay_copy(struct world *w)
{
    return weft_relay_copy(&w->relay, w->jam[1], w->fd[1], 1);
}

static ssize_t call_relay_copy_to_jam(struct world *w)
{
    CHECK_EQ(write(w->fd[0], "x", 1), 1);
    return weft_relay_copy(&w->relay, w->jam[0], w->fd[1], 1);
}

static ssize_t call_copy(struct world *w)
{
    return weft_copy(w->jam[1], w->fd[1], 1);
}

static ssize_t call_buffer_pool_get(struct world *w)
{
    return weft_buffer_pool_get(w->buffers, &w->buffer);
}

static void put_buffer(struct world *w)
{
    void *buf = w->buffer;
    w->buffer = NULL;
    weft_buffer_pool_put(w->buffers, buf);
}

#endif
