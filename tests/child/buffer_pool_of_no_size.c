/* SPDX-License-Identifier: MIT */
/*
 * buffer_pool_of_no_size.c - a pool has buffers of at least a byte.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*weft_buffer_pool_make.*no bytes
 */
#include <weft.h>

int main(void)
{
    weft_buffer_pool_free(weft_buffer_pool_make(0, 1));
    return 0;
}
