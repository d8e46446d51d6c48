/* SPDX-License-Identifier: MIT */
/* arena.c - regions of address space, and the stacks cut from them. */
#include "arena.h"

#include <sys/mman.h>

#include "../arch/san.h"
#include "../base/sys.h"

/* The first region is small, so that a small program reserves little; each further one doubles.
 * A million stacks then lie in about 25 mappings. */
#define REGION_COUNT_MIN 256
#define REGION_COUNT_MAX 65536
#define REGION_BYTES_MAX ((size_t)64 << 30)
/* Memory is made accessible for so many stacks at a time. */
#define COMMIT_COUNT 64
/* Tops are coloured, so that the hot lines of many stacks do not fall into one set of a cache: in
 * steps of a line within 1 KiB, more of which would cost a parked coroutine a second page; and
 * stacks lie a page more than their size apart, which colours by pages and costs addresses only. */
#define COLOURS 16

/* Under the lock, or when nobody else is left. */
static uint32_t used_count(const struct weft__stack_region *r)
{
    return atomic_load_explicit(&r->used, memory_order_relaxed);
}

static size_t table_bytes(uint32_t count)
{
    return sizeof(struct weft__stack_region) + count * sizeof(struct weft__stack);
}

/* Mapped with its table, not allocated: a thread's first allocation costs more than that. */
static struct weft__stack_region *region_make(int shift, uint32_t count)
{
    struct weft__stack_region *r =
        weft__sys_mmap(table_bytes(count), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
    if (weft__sys_is_error(r)) {
        return NULL;
    }
    /* Reserved without access: an mlockall(MCL_FUTURE) of the program must not fill it with
     * memory.  munlock, since locked memory takes no MADV_GUARD_INSTALL. */
    r->stride = ((size_t)1 << shift) + weft__sys_page_bytes();
    size_t bytes = count * r->stride;
    r->base = weft__sys_mmap(bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
    if (weft__sys_is_error(r->base)) {
        weft__sys_munmap(r, table_bytes(count));
        return NULL;
    }
    (void)weft__sys_munlock(r->base, bytes);
    (void)weft__sys_small_pages(r->base, bytes);
    r->count = count;
    return r;
}

/* Under the lock, or when nobody else is left. */
static struct weft__stack_region *newest_region(struct weft__stacks *s, int shift)
{
    return atomic_load_explicit(&s->regions[shift - WEFT__STACK_SHIFT_MIN], memory_order_relaxed);
}

/* Make a region, smaller ones if the address space is short. */
static struct weft__stack_region *region_add(struct weft__stacks *s, int shift)
{
    struct weft__stack_region *newest = newest_region(s, shift);
    uint32_t count = newest != NULL ? newest->count * 2 : REGION_COUNT_MIN;
    if (count > REGION_COUNT_MAX) {
        count = REGION_COUNT_MAX;
    }
    while (count > 1 && (size_t)count << shift > REGION_BYTES_MAX) {
        count /= 2;
    }
    struct weft__stack_region *r = NULL;
    while (r == NULL && count >= 1) {
        r = region_make(shift, count);
        count /= 2;
    }
    if (r != NULL) {
        r->next = newest;
        /* release [STACK-REGION]: publishes the region to weft__stack_find(). */
        atomic_store_explicit(&s->regions[shift - WEFT__STACK_SHIFT_MIN], r, memory_order_release);
    }
    return r;
}

static bool region_commit(struct weft__stack_region *r)
{
    uint32_t n = r->count - r->committed;
    if (n > COMMIT_COUNT) {
        n = COMMIT_COUNT;
    }
    char *from = r->base + r->committed * r->stride;
    while (n >= 1) {
        if (weft__sys_mprotect(from, n * r->stride, PROT_READ | PROT_WRITE) == 0) {
            r->committed += n;
            return true;
        }
        n /= 2;
    }
    return false;
}

/* The guard of stack i of r, which is taken next.  Who needs many stacks has some guarded at once:
 * not a small program, which has one region. */
static enum weft__guard_kind guard(struct weft__stacks *s, struct weft__stack_region *r,
                                   uint32_t i, size_t guard_bytes)
{
    char *low = r->base + i * r->stride;
    uint32_t n = r->committed - i;
    if (n > WEFT__GUARDS_MAX) {
        n = WEFT__GUARDS_MAX;
    }
    if (i >= r->guarded && r->next != NULL && n > 1 &&
        weft__guard_install_all(&s->guards, low, guard_bytes, r->stride, n)) {
        r->guarded = i + n;
    }
    return i < r->guarded ? GUARD_KIND_MADVISE
                          : weft__guard_install(&s->guards, low, guard_bytes);
}

struct weft__stack *weft__arena_take(struct weft__stacks *s, int shift)
{
    struct weft__stack_region *r = newest_region(s, shift);
    if (r == NULL || used_count(r) == r->count) {
        r = region_add(s, shift);
        if (r == NULL) {
            return NULL;
        }
    }
    if (used_count(r) == r->committed && !region_commit(r)) {
        return NULL;
    }
    uint32_t i = used_count(r);
    struct weft__stack *stack = &r->table[i];
    char *base = r->base + i * r->stride;
    size_t bytes = (size_t)1 << shift;
    size_t guard_bytes = weft__guard_bytes(bytes);
    enum weft__guard_kind kind = guard(s, r, i, guard_bytes);
    stack->guard = (uint8_t)kind;
    stack->shift = (uint8_t)shift;
    stack->low = kind == GUARD_KIND_CANARY ? base : base + guard_bytes;
    stack->top = base + bytes - (size_t)(i % COLOURS) * WEFT__CACHE_LINE;
    stack->fiber = NULL;
    stack->call = NULL;
    if (kind == GUARD_KIND_CANARY) {
        weft__canary_write(stack->low);
    }
    /* release [STACK-FIND]: a fault report looks for the stack without the lock. */
    atomic_store_explicit(&r->used, i + 1, memory_order_release);
    atomic_fetch_add_explicit(&s->made_count, 1, memory_order_relaxed);
    return stack;
}

void weft__arena_free(struct weft__stacks *s)
{
    for (int c = 0; c < WEFT__STACK_CLASSES; c++) {
        struct weft__stack_region *r = newest_region(s, c + WEFT__STACK_SHIFT_MIN);
        while (r != NULL) {
            struct weft__stack_region *next = r->next;
            for (uint32_t i = 0; i < used_count(r); i++) {
                weft__san_fiber_free(r->table[i].fiber);
            }
            weft__san_clear(r->base, r->count * r->stride);
            weft__sys_munmap(r->base, r->count * r->stride);
            weft__sys_munmap(r, table_bytes(r->count));
            r = next;
        }
        atomic_init(&s->regions[c], NULL);
    }
}

struct weft__stack *weft__stack_find(struct weft__stacks *s, uintptr_t address, bool *in_guard)
{
    for (int c = 0; c < WEFT__STACK_CLASSES; c++) {
        /* acquire [STACK-REGION] */
        struct weft__stack_region *r = atomic_load_explicit(&s->regions[c], memory_order_acquire);
        for (; r != NULL; r = r->next) {
            uintptr_t base = (uintptr_t)r->base;
            if (address < base || address >= base + r->count * r->stride) {
                continue;
            }
            uint32_t i = (uint32_t)((address - base) / r->stride);
            /* acquire [STACK-FIND] */
            if (i >= atomic_load_explicit(&r->used, memory_order_acquire)) {
                return NULL;
            }
            *in_guard = address < (uintptr_t)r->table[i].low;
            return &r->table[i];
        }
    }
    return NULL;
}
