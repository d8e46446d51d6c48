/* SPDX-License-Identifier: MIT */
/*
 * stream_that_gives_too_much.c - a read function says that it has written beyond its buffer.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*read function of a weft_stream gave more
 */
#include <weft.h>

static ssize_t boast(void *arg, void *buf, size_t n)
{
    (void)arg;
    (void)buf;
    return (ssize_t)n + 1;
}

int main(void)
{
    char buf[8], byte;
    struct weft_reader in;

    weft_reader_init(&in, (struct weft_stream){.read = boast}, buf, sizeof buf);
    return weft_reader_read(&in, &byte, 1) == 1;
}
