/* SPDX-License-Identifier: MIT */
/*
 * reader_of_no_size.c - a buffer has room for a line's end and a byte of text.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*weft_reader.*3 bytes
 */
#include <weft.h>

int main(void)
{
    char buf[2];
    struct weft_reader in;

    weft_reader_init(&in, weft_stream_of_fd(0), buf, sizeof buf);
    return 0;
}
