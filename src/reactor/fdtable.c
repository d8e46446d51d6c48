/* SPDX-License-Identifier: MIT */
/* fdtable.c - see fdtable.h. */
#include "fdtable.h"

#include <errno.h>

#include "../base/compiler.h"
#include "../base/fatal.h"
#include "../base/sys.h"

static void blank(struct weft__fd *entry)
{
    uint32_t next = (weft__fd_generation(entry) + 2) & ~1u;
    atomic_store_explicit(&entry->is_drained, false, memory_order_relaxed);
    atomic_store_explicit(&entry->comes_soon, 0, memory_order_relaxed);
    atomic_store_explicit(&entry->is_nonblocking, false, memory_order_relaxed);
    atomic_store_explicit(&entry->late_error, 0, memory_order_relaxed);
    entry->is_closing = false;
    entry->ready = 0;
    entry->registered = 0;
    entry->home = -1;
    entry->closer = NULL;
    atomic_store_explicit(&entry->is_direct, false, memory_order_relaxed);
    atomic_store_explicit(&entry->is_own, false, memory_order_relaxed);
    /* release [FD-INSIDE]: the next life may be entered.  Those who came too late take their 1
     * back. */
    atomic_fetch_and_explicit(&entry->inside, ~WEFT__FD_CLOSING, memory_order_release);
    weft__perturb();
    /* release [FD-LIFE]: the number may be somebody's file already, who looks without the lock:
     * whoever sees the new life sees nothing of the last one. */
    atomic_store_explicit(&entry->generation, next, memory_order_release);
}

static struct weft__fd *make_chunk(void)
{
    struct weft__fd *chunk = weft__alloc_line(sizeof *chunk * WEFT__FD_CHUNK);
    if (chunk == NULL) {
        return NULL;
    }
    for (int i = 0; i < WEFT__FD_CHUNK; i++) {
        weft__lock_init(&chunk[i].lock, RANK_FD);
        atomic_init(&chunk[i].is_own, false);
        blank(&chunk[i]);
        chunk[i].in_flight_last = &chunk[i].in_flight;
    }
    return chunk;
}

static struct weft__fd *load_chunk(struct weft__fdtable *t, int fd)
{
    if (fd < 0 || fd / WEFT__FD_CHUNK >= WEFT__FD_CHUNKS_MAX) {
        return NULL;
    }
    /* acquire [FD-CHUNK]: the entries are seen as their maker left them. */
    return atomic_load_explicit(&t->chunks[fd / WEFT__FD_CHUNK], memory_order_acquire);
}

struct weft__fd *weft__fd_find(struct weft__fdtable *t, int fd)
{
    struct weft__fd *chunk = load_chunk(t, fd);
    return chunk == NULL ? NULL : &chunk[fd % WEFT__FD_CHUNK];
}

/* relaxed: it is asked for when no other thread is left. */
static void count_chunk(struct weft__fdtable *t, int i)
{
    int n = atomic_load_explicit(&t->n_chunks, memory_order_relaxed);
    while (n <= i &&
           !atomic_compare_exchange_weak_explicit(&t->n_chunks, &n, i + 1, memory_order_relaxed,
                                                  memory_order_relaxed)) {
    }
}

struct weft__fd *weft__fd_get(struct weft__fdtable *t, int fd)
{
    struct weft__fd *chunk = load_chunk(t, fd);
    if (WEFT__UNLIKELY(chunk == NULL)) {
        if (fd < 0 || fd / WEFT__FD_CHUNK >= WEFT__FD_CHUNKS_MAX) {
            return NULL;
        }
        struct weft__fd *made = make_chunk();
        if (made == NULL) {
            return NULL;
        }
        /* release [FD-CHUNK] publishes our chunk; acquire [FD-CHUNK] if another was faster. */
        if (atomic_compare_exchange_strong_explicit(&t->chunks[fd / WEFT__FD_CHUNK], &chunk, made,
                                                    memory_order_release, memory_order_acquire)) {
            chunk = made;
            count_chunk(t, fd / WEFT__FD_CHUNK);
        } else {
            weft__free(made);
        }
    }
    return &chunk[fd % WEFT__FD_CHUNK];
}

static int adopt(struct weft__fdtable *t, int fd, bool drains)
{
    if (fd / WEFT__FD_CHUNK >= WEFT__FD_CHUNKS_MAX) {
        return -EMFILE;
    }
    struct weft__fd *entry = weft__fd_get(t, fd);
    if (entry == NULL) {
        return -ENOMEM;
    }
    weft__lock(&entry->lock);
    blank(entry);
    atomic_store_explicit(&entry->drains, drains, memory_order_relaxed);
    atomic_store_explicit(&entry->is_own, true, memory_order_relaxed);
    weft__unlock(&entry->lock);
    return 0;
}

int weft__fd_adopt(struct weft__fdtable *t, int fd)
{
    return adopt(t, fd, true);
}

int weft__fd_adopt_datagrams(struct weft__fdtable *t, int fd)
{
    return adopt(t, fd, false);
}

uint32_t weft__fd_life(struct weft__fd *entry)
{
    /* acquire [FD-LIFE] */
    uint32_t life = atomic_load_explicit(&entry->generation, memory_order_acquire);
    if (WEFT__UNLIKELY((life & 1) != 0)) {
        weft__lock(&entry->lock);
        life = weft__fd_generation(entry);
        weft__unlock(&entry->lock);
    }
    return life;
}

bool weft__fd_is_own(struct weft__fdtable *t, int fd)
{
    struct weft__fd *entry = weft__fd_find(t, fd);
    return entry != NULL && atomic_load_explicit(&entry->is_own, memory_order_relaxed);
}

bool weft__fd_has_room(const struct weft__fd *entry, int max)
{
    int n = 0;
    for (const struct weft__op *op = entry->in_flight; op != NULL && n < max; op = op->fd_next) {
        n++;
    }
    return max == 0 || n < max;
}

void weft__fd_link(struct weft__fd *entry, struct weft__op *op)
{
    op->fd_next = NULL;
    op->fd_prev = entry->in_flight_last;
    *entry->in_flight_last = op;
    entry->in_flight_last = &op->fd_next;
}

void weft__fd_unlink(struct weft__fd *entry, struct weft__op *op)
{
    *op->fd_prev = op->fd_next;
    if (op->fd_next != NULL) {
        op->fd_next->fd_prev = op->fd_prev;
    } else {
        entry->in_flight_last = op->fd_prev;
    }
    op->fd_prev = NULL;
}

/* Let nobody in any more, and wait for those inside: each is in a system call that does not block.
 * */
static void wait_until_alone(struct weft__fd *entry)
{
    weft__fd_shut(entry);
    while (weft__fd_is_anybody_inside(entry)) {
        weft__cpu_relax();
        weft__sys_yield_cpu();
    }
}

int weft__fd_close(struct weft__fd *entry, int fd)
{
    wait_until_alone(entry);
    WEFT__ASSERT(entry->in_flight == NULL);
    weft__count(entry->generation); /* odd: see weft__fd_life() */
    int rc = weft__sys_close(fd);
    weft__perturb();
    blank(entry);
    return rc;
}

void weft__fd_give_up(struct weft__fd *entry)
{
    wait_until_alone(entry);
    WEFT__ASSERT(entry->in_flight == NULL);
    blank(entry);
}

void weft__fdtable_free(struct weft__fdtable *t)
{
    int n = atomic_load_explicit(&t->n_chunks, memory_order_relaxed);
    for (int i = 0; i < n; i++) {
        weft__free(atomic_load_explicit(&t->chunks[i], memory_order_relaxed));
        atomic_store_explicit(&t->chunks[i], NULL, memory_order_relaxed);
    }
    atomic_store_explicit(&t->n_chunks, 0, memory_order_relaxed);
}
