/* SPDX-License-Identifier: MIT */
/* sendfile.c - from a file to a socket without a copy in between. */
#include <weft/copy.h>

#include <errno.h>
#include <limits.h>

#include "move.h"

ssize_t weft_sendfile(int out, int file, int64_t offset, size_t count)
{
    const void *caller = __builtin_return_address(0);
    (void)weft__park_self("weft_sendfile()");
    if (offset < 0) {
        return -EINVAL;
    }
    size_t most = (size_t)(INT64_MAX - offset < SSIZE_MAX ? INT64_MAX - offset : SSIZE_MAX);
    count = count < most ? count : most;
    struct weft__io_call call = {0};
    int kind = weft__move_prepare(&call, out);
    if (kind < 0 || kind == WEFT__FD_BLOCKS) {
        return kind < 0 ? kind : -EINVAL;
    }
    while (call.done < count) {
        size_t left = count - call.done;
        size_t part = left < WEFT__MOVE_BYTES ? left : WEFT__MOVE_BYTES;
        struct weft__op_wait ow;
        /* sendfile() to a pipe that is not O_NONBLOCK would wait; splice() need not. */
        weft__op_init(&ow.op, kind == WEFT__FD_PIPE ? WEFT__OP_SPLICE_OUT : WEFT__OP_SENDFILE, out,
                      &ow);
        ow.op.other = file;
        ow.op.offset = offset + (int64_t)call.done;
        ow.op.part = (uint32_t)part;
        weft__move_fetch(file, ow.op.offset, part);
        ssize_t n = weft__move(&call, &ow.op, kind, WAIT_WRITE, caller);
        if (n <= 0) {
            return call.done > 0 ? (ssize_t)call.done : n;
        }
        call.done += (size_t)n;
    }
    return (ssize_t)call.done;
}
