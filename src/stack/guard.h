/* SPDX-License-Identifier: MIT */
/*
 * guard.h - what stops a stack from growing into its neighbour.
 *
 *   madvise   MADV_GUARD_INSTALL (Linux 6.13): splits no mapping, so a million of them fit
 *   mprotect  a PROT_NONE part: two mappings a stack, so only up to a share of vm.max_map_count
 *   canary    a pattern at the low end, checked at every switch out: finds an overflow, late
 */
#ifndef WEFT_STACK_GUARD_H
#define WEFT_STACK_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weft/runtime.h>

#include "../base/atomic.h"

enum weft__guard_kind {
    GUARD_KIND_MADVISE,
    GUARD_KIND_MPROTECT,
    GUARD_KIND_CANARY,
};

struct weft__guards {
    enum weft__guard_kind kind; /* what new stacks get first */
    const char *why;            /* a phrase for people */
    uint64_t mprotect_count;    /* guards made by mprotect; under the lock of the stacks */
    uint64_t mprotect_max;      /* 45 % of vm.max_map_count; 0: not asked yet */
    _Atomic bool fell_back;     /* said once that the budget is used up */
};

#define WEFT__CANARY_BYTES 64

/* Choose; 0, or -ENOSYS if the one asked for by name does not work here. */
int weft__guards_init(struct weft__guards *g, enum weft_guard wanted);

/* How wide the guard of a stack of so many bytes is. */
size_t weft__guard_bytes(size_t stack_bytes);

/* Guard [low, low + bytes) of accessible memory; returns the kind that it got. */
enum weft__guard_kind weft__guard_install(struct weft__guards *g, char *low, size_t bytes);

/* The same of n stacks, all at once, the first of which begins at low and the others each `stride`
 * bytes on; false if not all of them can be guarded so, by madvise. */
#define WEFT__GUARDS_MAX 16
bool weft__guard_install_all(const struct weft__guards *g, char *low, size_t bytes, size_t stride,
                             uint32_t n);

/* Write the pattern above the low end of a stack, and see whether it is still there. */
void weft__canary_write(char *low);
bool weft__canary_is_intact(const char *low);

const char *weft__guard_name(enum weft__guard_kind kind);

#endif
