/* SPDX-License-Identifier: MIT */
/*
 * buffer_of_no_pool.c - what is put back is the first byte of a buffer of this pool.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*weft_buffer_pool_put.*no buffer
 */
#include <weft.h>

int main(void)
{
    struct weft_buffer_pool *pool = weft_buffer_pool_make(64, 2);
    void *buf;

    if (weft_buffer_pool_get(pool, &buf) == 0)
        weft_buffer_pool_put(pool, (char *)buf + 1);
    return 0;
}
