/* SPDX-License-Identifier: MIT */
/*
 * allocator_incomplete.c - an allocator needs both its functions.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*a function is missing
 */
#include <weft.h>

static void *allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    (void)bytes;
    (void)alignment;
    return NULL;
}

static const struct weft_allocator bad = {.size = sizeof bad, .allocate = allocate};

int main(void)
{
    return weft_set_allocator(&bad);
}
