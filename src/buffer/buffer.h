/* SPDX-License-Identifier: MIT */
/* buffer.h - what the reader and the writer share. */
#ifndef WEFT_BUFFER_BUFFER_H
#define WEFT_BUFFER_BUFFER_H

#include <weft/buffer.h>

#include <errno.h>

#include "../base/compiler.h"

/* A scope may be left, and then the stream goes on; any other error is its end. */
static inline bool weft__buffer_error_lasts(ssize_t rc)
{
    return rc < 0 && rc != -ETIMEDOUT && rc != -ECANCELED;
}

/* Room for something of head_bytes with a buffer behind it; NULL for lack of memory. */
void *weft__buffer_alloc(size_t head_bytes, size_t bytes);

/* Fatal: the reader or writer is used while somebody waits in it. */
_Noreturn void weft__buffer_is_in_use(void);

static inline void weft__buffer_check(bool is_waiting)
{
    if (WEFT__UNLIKELY(is_waiting)) {
        weft__buffer_is_in_use();
    }
}

#endif
