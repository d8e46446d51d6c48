/* SPDX-License-Identifier: MIT */
/*
 * pool.c - a pool of buffers: a semaphore says how many are free, a stack of numbers which.
 *
 * A number is pushed before its permit is released and popped after one was acquired: so who has a
 * permit finds a number.
 */
#include <weft/buffer_pool.h>
#include <weft/sem.h>

#include <sys/mman.h>

#include "../base/fatal.h"
#include "../base/lock.h"
#include "../base/sys.h"

#define LINE_BYTES ((size_t)64)

struct weft_buffer_pool {
    struct weft_sem *permits; /* as many as there are free buffers, but for those on their way */
    char *memory;
    size_t bytes; /* of a buffer */
    int count;
    struct weft__lock lock; /* RANK_CHAN; protects all below */
    int n_free;
    bool *is_free;   /* by number */
    uint16_t free[]; /* numbers; the last of n_free is the next to be given */
};

static size_t memory_bytes(const struct weft_buffer_pool *pool)
{
    return pool->bytes * (size_t)pool->count;
}

static bool take_memory(struct weft_buffer_pool *pool)
{
    pool->permits = weft_sem_make(pool->count);
    pool->is_free = weft__alloc((size_t)pool->count * sizeof *pool->is_free);
    pool->memory = weft__sys_mmap(memory_bytes(pool), PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
    return pool->permits != NULL && pool->is_free != NULL && !weft__sys_is_error(pool->memory);
}

static void give_back_memory(struct weft_buffer_pool *pool)
{
    weft_sem_free(pool->permits);
    weft__free(pool->is_free);
    if (!weft__sys_is_error(pool->memory)) {
        (void)weft__sys_munmap(pool->memory, memory_bytes(pool));
    }
    weft__free(pool);
}

struct weft_buffer_pool *weft_buffer_pool_make(size_t bytes, int count)
{
    if (bytes == 0) {
        weft__fatal("weft_buffer_pool_make: buffers of no bytes");
    }
    if (count < 1 || count > WEFT_BUFFERS_MAX) {
        weft__fatal("weft_buffer_pool_make: the number of buffers is not 1 to 32768");
    }
    if (bytes > SIZE_MAX / WEFT_BUFFERS_MAX - LINE_BYTES) {
        return NULL;
    }
    struct weft_buffer_pool *pool =
        weft__alloc(sizeof *pool + (size_t)count * sizeof pool->free[0]);
    if (pool == NULL) {
        return NULL;
    }
    pool->bytes = (bytes + LINE_BYTES - 1) & ~(LINE_BYTES - 1);
    pool->count = count;
    if (!take_memory(pool)) {
        give_back_memory(pool);
        return NULL;
    }
    weft__lock_init(&pool->lock, RANK_CHAN);
    for (int i = 0; i < count; i++) {
        pool->free[i] = (uint16_t)(count - 1 - i); /* from the front, so that few pages are used */
        pool->is_free[i] = true;
    }
    pool->n_free = count;
    return pool;
}

void weft_buffer_pool_free(struct weft_buffer_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    if (pool->n_free != pool->count) {
        weft__fatal("weft_buffer_pool_free: a buffer was not put back");
    }
    give_back_memory(pool);
}

size_t weft_buffer_pool_bytes(const struct weft_buffer_pool *pool)
{
    return pool->bytes;
}

/* By one who has acquired a permit. */
static void *pop(struct weft_buffer_pool *pool)
{
    weft__lock(&pool->lock);
    WEFT__ASSERT(pool->n_free > 0);
    int i = pool->free[--pool->n_free];
    pool->is_free[i] = false;
    weft__unlock(&pool->lock);
    return pool->memory + (size_t)i * pool->bytes;
}

int weft_buffer_pool_get(struct weft_buffer_pool *pool, void **buf)
{
    int rc = weft_sem_acquire(pool->permits, 1);
    if (rc == 0) {
        *buf = pop(pool);
    }
    return rc;
}

int weft_buffer_pool_try_get(struct weft_buffer_pool *pool, void **buf)
{
    int rc = weft_sem_try_acquire(pool->permits, 1);
    if (rc == 0) {
        *buf = pop(pool);
    }
    return rc;
}

/* NULL if the buffer can be put back, else why not. */
static const char *push(struct weft_buffer_pool *pool, const void *buf)
{
    size_t at = (uintptr_t)buf - (uintptr_t)pool->memory;
    size_t i = at / pool->bytes;
    if (at >= memory_bytes(pool) || at % pool->bytes != 0) {
        return "weft_buffer_pool_put: this is no buffer of the pool";
    }
    weft__lock(&pool->lock);
    bool was_free = pool->is_free[i];
    if (!was_free) {
        pool->is_free[i] = true;
        pool->free[pool->n_free++] = (uint16_t)i;
    }
    weft__unlock(&pool->lock);
    return was_free ? "weft_buffer_pool_put: the buffer was put back before" : NULL;
}

void weft_buffer_pool_put(struct weft_buffer_pool *pool, void *buf)
{
    const char *wrong = push(pool, buf);
    if (wrong != NULL) {
        weft__fatal(wrong);
    }
    weft_sem_release(pool->permits, 1);
}
