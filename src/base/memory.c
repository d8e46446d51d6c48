/* SPDX-License-Identifier: MIT */
/*
 * memory.c - the one door to the heap, and whose heap it is; and memory straight from the kernel.
 *
 * [ALLOCATOR-SET]  The first who needs it decides: by a compare-exchange, the program's allocator
 * or the C library's is put where NULL was, and stays there.  So what one of them has allocated is
 * never released by the other.
 */
#include <weft/memory.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>

#include "atomic.h"
#include "compiler.h"
#include "fatal.h"
#include "sys_result.h"

/* The leak checker does not look into mapped memory by itself; what is pointed to from there is no
 * leak when the program ends by exit(). */
#ifdef WEFT__ASAN
void __lsan_register_root_region(const void *p, size_t bytes);
void __lsan_unregister_root_region(const void *p, size_t bytes);
#else
#define __lsan_register_root_region(p, bytes) ((void)0)
#define __lsan_unregister_root_region(p, bytes) ((void)0)
#endif

/* Zeroed. */
static void *libc_allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    if (alignment <= _Alignof(max_align_t)) {
        return calloc(1, bytes);
    }
    size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    void *p = aligned_alloc(alignment, rounded);
    return p != NULL ? memset(p, 0, rounded) : NULL;
}

static void libc_release(void *user, void *memory)
{
    (void)user;
    free(memory);
}

static const struct weft_allocator libc = {
    .size = sizeof libc, .allocate = libc_allocate, .release = libc_release};

static _Atomic(const struct weft_allocator *) chosen;

/* NULL, and `allocator` is chosen; or the one that was before. */
static const struct weft_allocator *choose(const struct weft_allocator *allocator)
{
    const struct weft_allocator *before = NULL;
    /* release [ALLOCATOR-SET] publishes what is in it; acquire [ALLOCATOR-SET] another's. */
    atomic_compare_exchange_strong_explicit(&chosen, &before, allocator, memory_order_acq_rel,
                                            memory_order_acquire);
    return before;
}

static const struct weft_allocator *current(void)
{
    /* acquire [ALLOCATOR-SET] */
    const struct weft_allocator *a = atomic_load_explicit(&chosen, memory_order_acquire);
    if (WEFT__UNLIKELY(a == NULL)) {
        a = choose(&libc);
    }
    return a != NULL ? a : &libc;
}

int weft_set_allocator(const struct weft_allocator *allocator)
{
    if (allocator->size != sizeof *allocator || allocator->allocate == NULL ||
        allocator->release == NULL) {
        weft__fatal("weft_set_allocator: a size that is wrong, or a function is missing");
    }
    return choose(allocator) == NULL ? 0 : -EBUSY;
}

static void *allocate(size_t bytes, size_t alignment)
{
    if (weft__fault(WEFT__CALL_ALLOC) != 0) {
        return NULL;
    }
    const struct weft_allocator *a = current();
    void *p = a->allocate(a->user, bytes, alignment);
    if (WEFT__UNLIKELY(((uintptr_t)p & (alignment - 1)) != 0)) {
        weft__fatal("the allocator that was set gave memory that is not aligned as it was asked");
    }
    if (a != &libc && p != NULL) {
        memset(p, 0, bytes);
    }
    return p;
}

void *weft__alloc(size_t bytes)
{
    return allocate(bytes, _Alignof(max_align_t));
}

void *weft__alloc_line(size_t bytes)
{
    return allocate(bytes, WEFT__CACHE_LINE);
}

void *weft__map(size_t bytes)
{
    void *p = weft__sys_mmap(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    if (weft__sys_is_error(p)) {
        return NULL;
    }
    __lsan_register_root_region(p, bytes);
    return p;
}

void weft__unmap(void *p, size_t bytes)
{
    if (p != NULL) {
        __lsan_unregister_root_region(p, bytes);
        weft__sys_munmap(p, bytes);
    }
}

void weft__free(void *p)
{
    if (p != NULL) {
        const struct weft_allocator *a = current();
        a->release(a->user, p);
    }
}
