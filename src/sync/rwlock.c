/* SPDX-License-Identifier: MIT */
/*
 * rwlock.c - many readers or one writer.
 *
 * Strictly in order: who comes while others wait goes behind them, and the lock is handed over, so
 * neither readers nor writers can starve.  Whoever lets go admits from the front of the queue: one
 * writer, or all readers up to the next writer.
 */
#include <weft/rwlock.h>

#include <errno.h>

#include "../base/fatal.h"
#include "../base/sys.h"
#include "holder.h"
#include "room.h"

/* What is wanted: the index of a waiter. */
enum {
    TO_READ = 0,
    TO_WRITE = 1,
};

struct weft_rwlock {
    struct weft__held held; /* the writer's */
    struct weft__room room; /* protects all below */
    uint32_t readers;       /* who hold it for reading */
    bool is_written;        /* somebody holds it for writing */
};

struct weft_rwlock *weft_rwlock_make(void)
{
    struct weft_rwlock *rw = weft__alloc(sizeof *rw);
    if (rw != NULL) {
        weft__held_init(&rw->held, "write lock");
        weft__room_init(&rw->room);
        rw->readers = 0;
        rw->is_written = false;
    }
    return rw;
}

void weft_rwlock_free(struct weft_rwlock *rw)
{
    if (rw == NULL) {
        return;
    }
    weft__lock(&rw->room.lock);
    bool is_held = rw->readers != 0 || rw->is_written;
    weft__unlock(&rw->room.lock);
    if (is_held) {
        weft__fatal("weft_rwlock_free: the read-write lock is locked");
    }
    weft__room_free(&rw->room, rw, "weft_rwlock_free: somebody waits for the read-write lock");
}

static inline bool may_enter(const struct weft_rwlock *rw, int want)
{
    return !rw->is_written && (want == TO_READ || rw->readers == 0);
}

static inline void enter(struct weft_rwlock *rw, int want)
{
    if (want == TO_READ) {
        rw->readers++;
    } else {
        rw->is_written = true;
    }
}

static inline bool try_enter(struct weft_rwlock *rw, int want)
{
    bool can = weft__waitq_first(&rw->room.waiters) == NULL && may_enter(rw, want);
    if (can) {
        enter(rw, want);
    }
    return can;
}

/* Under the lock: let in whoever can go in, from the front of the queue. */
static void admit(struct weft_rwlock *rw)
{
    struct weft__waiter *w;
    while ((w = weft__waitq_first(&rw->room.waiters)) != NULL && may_enter(rw, w->index)) {
        weft__waitq_take(&rw->room.waiters, w);
        if (weft__wait_claim(w->wait, w->index)) {
            enter(rw, w->index);
            weft__park_wake(w->wait);
        }
    }
}

/* Under the lock, which is given back. */
static WEFT__COLD int wait_for(struct weft_rwlock *rw, int want, const void *caller)
{
    struct weft__seat s;
    if (weft__holder_has(&rw->held, weft__holder_mark(weft__g_self()))) {
        weft__unlock(&rw->room.lock);
        weft__fatal("a read-write lock is taken by the one who holds it for writing");
    }
    s.waiter.index = want;
    weft__room_enter(&rw->room, &s, want == TO_READ ? WAIT_RW_READ : WAIT_RW_WRITE, rw, caller);
    int rc = weft__room_wait(&rw->room, &s);
    if (rc < 0) {
        admit(rw); /* those behind us may have waited for us alone */
    }
    weft__room_leave(&rw->room, rw);
    return rc < 0 ? rc : 0;
}

void weft__rwlock_discard(void *rwlock)
{
    struct weft_rwlock *rw = rwlock;
    weft__lock(&rw->room.lock);
    admit(rw);
    weft__room_leave(&rw->room, rw);
}

int weft_rwlock_read_lock(struct weft_rwlock *rw)
{
    weft__lock(&rw->room.lock);
    if (WEFT__UNLIKELY(!try_enter(rw, TO_READ))) {
        return wait_for(rw, TO_READ, __builtin_return_address(0));
    }
    weft__room_unlock(&rw->room);
    return 0;
}

int weft_rwlock_read_try_lock(struct weft_rwlock *rw)
{
    weft__lock(&rw->room.lock);
    bool is_in = try_enter(rw, TO_READ);
    weft__room_unlock(&rw->room);
    return is_in ? 0 : -EAGAIN;
}

void weft_rwlock_read_unlock(struct weft_rwlock *rw)
{
    weft__lock(&rw->room.lock);
    if (WEFT__UNLIKELY(rw->readers == 0)) {
        weft__unlock(&rw->room.lock);
        weft__fatal("weft_rwlock_read_unlock: nobody holds the lock for reading");
    }
    rw->readers--;
    admit(rw);
    weft__room_unlock(&rw->room);
}

static void begin_write(struct weft_rwlock *rw)
{
    struct weft__g *g = weft__g_self();
    atomic_store_explicit(&rw->held.holder, weft__holder_mark(g), memory_order_relaxed);
    weft__holder_link(g, &rw->held);
}

int weft_rwlock_write_lock(struct weft_rwlock *rw)
{
    int rc = 0;
    weft__lock(&rw->room.lock);
    if (WEFT__LIKELY(try_enter(rw, TO_WRITE))) {
        weft__room_unlock(&rw->room);
    } else {
        rc = wait_for(rw, TO_WRITE, __builtin_return_address(0));
    }
    if (rc == 0) {
        begin_write(rw);
    }
    return rc;
}

int weft_rwlock_write_try_lock(struct weft_rwlock *rw)
{
    weft__lock(&rw->room.lock);
    bool is_in = try_enter(rw, TO_WRITE);
    weft__room_unlock(&rw->room);
    if (!is_in) {
        return -EAGAIN;
    }
    begin_write(rw);
    return 0;
}

void weft_rwlock_write_unlock(struct weft_rwlock *rw)
{
    struct weft__g *g = weft__g_self();
    if (WEFT__UNLIKELY(!weft__holder_has(&rw->held, weft__holder_mark(g)))) {
        weft__fatal("weft_rwlock_write_unlock: the caller does not hold the lock for writing");
    }
    weft__holder_unlink(g, &rw->held);
    atomic_store_explicit(&rw->held.holder, 0, memory_order_relaxed);
    weft__lock(&rw->room.lock);
    rw->is_written = false;
    admit(rw);
    weft__room_unlock(&rw->room);
}
