/* SPDX-License-Identifier: MIT */
/*
 * allocator_unaligned.c - memory that is not aligned as it was asked is told at once.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*not aligned
 */
#include <weft.h>

static _Alignas(64) char block[4096];

static void *allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    (void)bytes;
    return block + alignment / 2;
}

static void release(void *user, void *memory)
{
    (void)user;
    (void)memory;
}

static const struct weft_allocator bad = {
    .size = sizeof bad, .allocate = allocate, .release = release};

int main(void)
{
    return weft_set_allocator(&bad) == 0 && weft_chan_make_shared(1, 1) != NULL ? 0 : 1;
}
