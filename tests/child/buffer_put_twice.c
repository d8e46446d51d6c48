/* SPDX-License-Identifier: MIT */
/*
 * buffer_put_twice.c - a buffer is put back once.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*weft_buffer_pool_put.*before
 */
#include <weft.h>

int main(void)
{
    struct weft_buffer_pool *pool = weft_buffer_pool_make(64, 2);
    void *buf;

    if (weft_buffer_pool_get(pool, &buf) == 0)
        weft_buffer_pool_put(pool, buf);
    weft_buffer_pool_put(pool, buf);
    return 0;
}
