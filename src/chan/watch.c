/* SPDX-License-Identifier: MIT */
/*
 * watch.c - a value and its version.
 *
 * A set counts the version on and wakes all who wait.  They wait for a change, not for a value:
 * whoever was woken takes what is the latest when he runs, which may be a later one than the one
 * that woke him.  A close that comes in between takes nothing from him.
 */
#include <weft/watch.h>

#include "../base/fatal.h"
#include "../base/sys.h"
#include "shapes.h"

struct weft_watch {
    struct weft__lock lock; /* RANK_CHAN; protects all below but elem_bytes */
    bool is_closed;
    uint32_t elem_bytes;
    uint32_t refs;
    uint64_t version;
    struct weft__waitq waiters;
    unsigned char value[];
};

struct weft_watch *weft_watch_make(size_t elem_bytes, const void *initial)
{
    if (elem_bytes > WEFT_CHAN_ELEM_BYTES_MAX) {
        weft__fatal("weft_watch_make: elem_bytes is larger than WEFT_CHAN_ELEM_BYTES_MAX");
    }
    struct weft_watch *w = weft__alloc(sizeof *w + elem_bytes);
    if (w != NULL) {
        weft__lock_init_biased(&w->lock, RANK_CHAN);
        weft__waitq_init(&w->waiters, &w->lock);
        w->elem_bytes = (uint32_t)elem_bytes;
        w->refs = 1;
        w->version = 1;
        if (initial != NULL) {
            weft__shape_copy(w->value, initial, elem_bytes);
        }
    }
    return w;
}

struct weft_watch *weft_watch_ref(struct weft_watch *w)
{
    weft__lock(&w->lock);
    w->refs++;
    weft__unlock(&w->lock);
    return w;
}

void weft_watch_unref(struct weft_watch *w)
{
    if (w == NULL) {
        return;
    }
    weft__lock(&w->lock);
    bool had_none = w->refs == 0;
    bool is_last = --w->refs == 0;
    bool has_waiters = weft__waitq_first(&w->waiters) != NULL;
    weft__unlock(&w->lock);
    if (had_none) {
        weft__fatal("weft_watch_unref: the watch has no reference left");
    }
    if (!is_last) {
        return;
    }
    if (has_waiters) {
        weft__fatal("weft_watch_unref: the last reference to a watch was given back while somebody "
                    "waits in it");
    }
    weft__free(w);
}

int weft_watch_set(struct weft_watch *w, const void *value)
{
    weft__lock(&w->lock);
    int rc = -EPIPE;
    if (!w->is_closed) {
        weft__shape_copy(w->value, value, w->elem_bytes);
        w->version++;
        weft__shape_end_waits(&w->waiters, 0);
        rc = 0;
    }
    weft__unlock(&w->lock);
    return rc;
}

int weft_watch_close(struct weft_watch *w)
{
    weft__lock(&w->lock);
    bool was_closed = w->is_closed;
    w->is_closed = true;
    weft__shape_end_waits(&w->waiters, -EPIPE);
    weft__unlock(&w->lock);
    return was_closed ? 1 : 0;
}

/* Under the lock. */
static void take_latest(const struct weft_watch *w, void *value, uint64_t *version)
{
    weft__shape_copy(value, w->value, w->elem_bytes);
    if (version != NULL) {
        *version = w->version;
    }
}

/* Under the lock: 0, -EPIPE, or -EAGAIN if the caller has seen the latest. */
static int take_change(const struct weft_watch *w, void *value, uint64_t *version)
{
    if (w->version == *version) {
        return w->is_closed ? -EPIPE : -EAGAIN;
    }
    take_latest(w, value, version);
    return 0;
}

void weft_watch_get(struct weft_watch *w, void *value, uint64_t *version)
{
    weft__lock(&w->lock);
    take_latest(w, value, version);
    weft__unlock(&w->lock);
}

int weft_watch_wait(struct weft_watch *w, void *value, uint64_t *version)
{
    weft__lock(&w->lock);
    int rc = take_change(w, value, version);
    if (rc != -EAGAIN) {
        weft__unlock(&w->lock);
        return rc;
    }
    rc = weft__shape_wait(&w->waiters, NULL, WAIT_WATCH, w, __builtin_return_address(0));
    if (rc == 0) {
        weft_watch_get(w, value, version);
    }
    return rc;
}

static bool is_ready(const struct weft_case *c)
{
    const struct weft_watch *w = c->object;
    return w->version != *c->version || w->is_closed;
}

static bool try_locked(struct weft_case *c, struct weft__wait **wake)
{
    (void)wake;
    int rc = take_change(c->object, c->value, c->version);
    c->rc = rc;
    return rc != -EAGAIN;
}

static void won(struct weft_case *c, struct weft__waiter *w)
{
    c->rc = w->rc;
    if (c->rc == 0) {
        weft_watch_get(c->object, c->value, c->version);
    }
}

const struct weft__select_ops weft__watch_ops = {
    .queue_at = offsetof(struct weft_watch, waiters),
    .has_value = false,
    .check = weft__shape_check,
    .is_ready = is_ready,
    .try_locked = try_locked,
    .won = won,
};
