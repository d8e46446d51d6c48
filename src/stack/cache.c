/* SPDX-License-Identifier: MIT */
/* cache.c - stacks that were used before: hot ones are used again, too many lose their memory. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "../base/sys.h"
#include "arena.h"

/* How many stacks move between a P's cache and the shared list at a time. */
#define BATCH (WEFT__STACK_CACHE_MAX / 2)
#define TRIM_AT_ONCE 32

int weft__stack_shift(size_t bytes)
{
    if (bytes < WEFT_STACK_BYTES_MIN || bytes > WEFT_STACK_BYTES_MAX) {
        return -1;
    }
    int shift = WEFT__STACK_SHIFT_MIN;
    size_t page_bytes = weft__sys_page_bytes();
    while (((size_t)1 << shift) < bytes || ((size_t)1 << shift) < 4 * page_bytes) {
        shift++;
    }
    return shift;
}

int weft__stacks_init(struct weft__stacks *s, size_t stack_bytes, enum weft_guard guard)
{
    weft__lock_init(&s->lock, RANK_STACK);
    int shift = weft__stack_shift(stack_bytes);
    if (shift < 0) {
        return -EINVAL;
    }
    s->default_shift = (uint8_t)shift;
    return weft__guards_init(&s->guards, guard);
}

void weft__stacks_free(struct weft__stacks *s)
{
    weft__arena_free(s);
}

static struct weft__stack *pop(struct weft__stack **list)
{
    struct weft__stack *stack = *list;
    if (stack != NULL) {
        *list = stack->next;
    }
    return stack;
}

static void push(struct weft__stack **list, struct weft__stack *stack)
{
    stack->next = *list;
    *list = stack;
}

/* From the shared lists: hot before cold before fresh.  Under the lock. */
static struct weft__stack *take_shared(struct weft__stacks *s, int shift, bool *was_hot)
{
    int c = shift - WEFT__STACK_SHIFT_MIN;
    struct weft__stack *stack = pop(&s->hot[c]);
    *was_hot = stack != NULL;
    if (stack != NULL) {
        atomic_fetch_sub_explicit(&s->hot_count, 1, memory_order_relaxed);
        return stack;
    }
    stack = pop(&s->cold[c]);
    if (stack != NULL) {
        if (stack->guard == GUARD_KIND_CANARY) {
            weft__canary_write(stack->low);
        }
        return stack;
    }
    return weft__arena_take(s, shift);
}

struct weft__stack *weft__stack_get(struct weft__stacks *s, struct weft__stack_cache *cache,
                                    int shift)
{
    bool is_default = shift == s->default_shift;
    struct weft__stack *own = is_default && cache != NULL ? weft__stack_get_hot(cache) : NULL;
    if (own != NULL) {
        return own;
    }
    bool was_hot;
    weft__lock(&s->lock);
    struct weft__stack *stack = take_shared(s, shift, &was_hot);
    /* Hot ones come in batches; a fresh or cold one alone, since more of them would only tie up
     * memory that nobody asked for. */
    for (int i = 1; was_hot && is_default && cache != NULL && i < BATCH; i++) {
        struct weft__stack *more = pop(&s->hot[shift - WEFT__STACK_SHIFT_MIN]);
        if (more == NULL) {
            break;
        }
        atomic_fetch_sub_explicit(&s->hot_count, 1, memory_order_relaxed);
        push(&cache->first, more);
        cache->count++;
    }
    weft__unlock(&s->lock);
    return stack;
}

static void put_shared(struct weft__stacks *s, struct weft__stack *stack)
{
    push(&s->hot[stack->shift - WEFT__STACK_SHIFT_MIN], stack);
    atomic_fetch_add_explicit(&s->hot_count, 1, memory_order_relaxed);
}

static void flush(struct weft__stacks *s, struct weft__stack_cache *cache, uint32_t n)
{
    weft__lock(&s->lock);
    while (n-- > 0 && cache->first != NULL) {
        cache->count--;
        put_shared(s, pop(&cache->first));
    }
    weft__unlock(&s->lock);
}

void weft__stack_put(struct weft__stacks *s, struct weft__stack_cache *cache,
                     struct weft__stack *stack)
{
    if (cache == NULL || stack->shift != s->default_shift) {
        weft__lock(&s->lock);
        put_shared(s, stack);
        weft__unlock(&s->lock);
        return;
    }
    if (!weft__stack_put_hot(s, cache, stack)) {
        flush(s, cache, BATCH);
        (void)weft__stack_put_hot(s, cache, stack);
    }
}

void weft__stack_cache_flush(struct weft__stacks *s, struct weft__stack_cache *cache)
{
    flush(s, cache, cache->count);
}

/* All of a stack's memory, without the colour of its top. */
static struct iovec memory_of(const struct weft__stack *stack)
{
    char *end = (char *)(((uintptr_t)stack->top + 1023) & ~(uintptr_t)1023);
    return (struct iovec){stack->low, (size_t)(end - stack->low)};
}

static bool forget(const struct iovec *ranges, int n)
{
    if (n > 1 && weft__sys_madvise_all(ranges, n, MADV_DONTNEED) == 0) {
        return true;
    }
    bool is_done = true;
    for (int i = 0; i < n; i++) {
        is_done &= weft__sys_forget(ranges[i].iov_base, ranges[i].iov_len) == 0;
    }
    return is_done;
}

/* Returns how much that was, if it is asked for. */
static uint64_t give_memory_back(struct weft__stack *const *stacks, int n, bool counts)
{
    struct iovec ranges[TRIM_AT_ONCE];
    uint64_t given = 0;
    for (int i = 0; i < n; i++) {
        ranges[i] = memory_of(stacks[i]);
        given += counts ? weft__sys_resident(ranges[i].iov_base, ranges[i].iov_len) : 0;
    }
    return forget(ranges, n) ? given : 0;
}

/* Of those beyond `keep` up to max, of the default class first; returns how many. */
static int take_hot(struct weft__stacks *s, uint32_t keep, struct weft__stack **out, int max)
{
    int n = 0;
    if (atomic_load_explicit(&s->hot_count, memory_order_relaxed) <= keep) {
        return 0;
    }
    weft__lock(&s->lock);
    while (n < max && atomic_load_explicit(&s->hot_count, memory_order_relaxed) > keep) {
        struct weft__stack *stack = pop(&s->hot[s->default_shift - WEFT__STACK_SHIFT_MIN]);
        for (int i = WEFT__STACK_CLASSES - 1; stack == NULL && i >= 0; i--) {
            stack = pop(&s->hot[i]);
        }
        if (stack == NULL) {
            break;
        }
        atomic_fetch_sub_explicit(&s->hot_count, 1, memory_order_relaxed);
        out[n++] = stack;
    }
    weft__unlock(&s->lock);
    return n;
}

static void put_cold(struct weft__stacks *s, struct weft__stack *const *stacks, int n)
{
    weft__lock(&s->lock);
    for (int i = 0; i < n; i++) {
        push(&s->cold[stacks[i]->shift - WEFT__STACK_SHIFT_MIN], stacks[i]);
    }
    weft__unlock(&s->lock);
}

bool weft__stacks_trim(struct weft__stacks *s, uint32_t keep, uint32_t max, uint64_t *given)
{
    while (max > 0) {
        struct weft__stack *stacks[TRIM_AT_ONCE];
        int n = take_hot(s, keep, stacks, max < TRIM_AT_ONCE ? (int)max : TRIM_AT_ONCE);
        if (n == 0) {
            return false;
        }
        uint64_t bytes = give_memory_back(stacks, n, given != NULL); /* without the lock */
        if (given != NULL) {
            *given += bytes;
        }
        put_cold(s, stacks, n);
        max -= (uint32_t)n;
    }
    return true;
}
