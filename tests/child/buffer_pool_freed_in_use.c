/* SPDX-License-Identifier: MIT */
/*
 * buffer_pool_freed_in_use.c - a pool of which a buffer is out cannot be freed.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*weft_buffer_pool_free.*not put back
 */
#include <weft.h>

int main(void)
{
    struct weft_buffer_pool *pool = weft_buffer_pool_make(64, 2);
    void *buf;

    if (weft_buffer_pool_get(pool, &buf) == 0)
        weft_buffer_pool_free(pool);
    return 0;
}
