/* SPDX-License-Identifier: MIT */
/* calls_copy.h - rows of calls.h: copies between fds, pools of buffers, other ways to close. */
#ifndef WEFT_TESTS_CALLS_COPY_H
#define WEFT_TESTS_CALLS_COPY_H

#include "calls.h"

#define RELAYING(call)                                                                             \
    ({                                                                                             \
        struct weft_relay r;                                                                       \
        int opened = weft_relay_open(&r);                                                          \
        opened != 0 ? opened : (int64_t)(call);                                                    \
    })

static int64_t get_and_put(void)
{
    struct weft_buffer_pool *pool = weft_buffer_pool_make(1, 1);
    void *buf;
    int rc = weft_buffer_pool_try_get(pool, &buf);

    if (rc == 0)
        weft_buffer_pool_put(pool, buf);
    return rc;
}

ROW("weft_sendfile", COROUTINE, -EBADF, FATAL, FATAL, weft_sendfile(t->pipe[1], -1, 0, 1))
ROW("weft_relay_open", EVERYWHERE, 0, 0, 0, weft_relay_open(&(struct weft_relay){0}))
ROW("weft_relay_close", ANY_THREAD, 0, 0, FATAL, RELAYING(weft_relay_close(&r)))
ROW("weft_relay_held", EVERYWHERE, 0, 0, 0, RELAYING(weft_relay_held(&r)))
ROW("weft_relay_copy", COROUTINE, 1, FATAL, FATAL,
    RELAYING(weft_relay_copy(&r, t->pipe[1], t->pipe[0], 1)))
ROW("weft_copy", COROUTINE, 1, FATAL, FATAL, weft_copy(t->pipe[1], t->pipe[0], 1))
ROW("weft_buffer_pool_make", ANY_THREAD, 0, 0, 0, MADE(weft_buffer_pool_make(1, 1)))
ROW("weft_buffer_pool_free", ANY_THREAD, 0, 0, 0,
    DONE(weft_buffer_pool_free(weft_buffer_pool_make(1, 1))))
ROW("weft_buffer_pool_bytes", EVERYWHERE, 64, 64, 64,
    weft_buffer_pool_bytes(weft_buffer_pool_make(1, 1)))
ROW("weft_buffer_pool_get", ANY_THREAD, 0, 0, 0,
    weft_buffer_pool_get(weft_buffer_pool_make(1, 1), &(void *){NULL}))
ROW("weft_buffer_pool_try_get", ANY_THREAD, 0, 0, 0,
    weft_buffer_pool_try_get(weft_buffer_pool_make(1, 1), &(void *){NULL}))
ROW("weft_buffer_pool_put", ANY_THREAD, 0, 0, 0, get_and_put())
ROW("weft_listen_each", COROUTINE, 0, FATAL, FATAL,
    weft_listen_each(&t->addr, NULL, (int[1]){0}, 1))
ROW("weft_close_linger", COROUTINE, -ENOTSOCK, FATAL, FATAL, weft_close_linger(t->pipe[0], 0))
ROW("weft_close_abort", ANY_THREAD, 0, 0, FATAL, weft_close_abort(t->pipe[0]))

#endif
