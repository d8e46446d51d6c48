/* SPDX-License-Identifier: MIT */
/* books_here.h - the part of books.c about what is never closed: locks, permits, meetings, times,
 * and the ends of coroutines. */
#ifndef WEFT_TESTS_BOOKS_HERE_H
#define WEFT_TESTS_BOOKS_HERE_H

#include "books_net.h"

enum { PERMITS = 5, MEMBERS = 3 };

static struct {
    struct weft_mutex *mutex, *tokens_mutex;
    struct weft_rwlock *rwlock;
    struct weft_sem *sem;
    struct weft_cond *cond;
    struct weft_barrier *barrier;
    struct weft_event *event;
    struct weft_waker *waker;
    int64_t n_alone;          /* under the mutex */
    int64_t n_written;        /* under the rwlock */
    int64_t n_tokens;         /* under tokens_mutex */
    atomic_llong n_wakes_put; /* announced by the waker */
    atomic_int n_permits;     /* in use */
} here;

static void here_open(void)
{
    here.mutex = weft_mutex_make();
    here.tokens_mutex = weft_mutex_make();
    here.rwlock = weft_rwlock_make();
    here.sem = weft_sem_make(PERMITS);
    here.cond = weft_cond_make();
    here.barrier = weft_barrier_make(MEMBERS);
    here.event = weft_event_make();
    here.waker = weft_waker_make();
}

static void here_settle(void)
{
    book(COUNTED_ALONE, here.n_alone + here.n_written);
    book(KEPT, here.n_tokens + atomic_load(&here.n_wakes_put));
    CHECK_EQ(weft_mutex_try_lock(here.mutex), 0);
    weft_mutex_unlock(here.mutex);
    CHECK_EQ(weft_rwlock_write_try_lock(here.rwlock), 0);
    weft_rwlock_write_unlock(here.rwlock);
    CHECK_EQ(weft_sem_try_acquire(here.sem, PERMITS), 0);
    CHECK_EQ(weft_sem_try_acquire(here.sem, 1), -EAGAIN);
    weft_mutex_free(here.mutex);
    weft_mutex_free(here.tokens_mutex);
    weft_rwlock_free(here.rwlock);
    weft_sem_free(here.sem);
    weft_cond_free(here.cond);
    weft_barrier_free(here.barrier);
    weft_event_free(here.event);
    weft_waker_unref(here.waker);
}

/* ---- locks and permits ---- */

static int act_lock(struct agent *a)
{
    int rc = below(a, 4) == 0 ? weft_mutex_try_lock(here.mutex) : weft_mutex_lock(here.mutex);

    if (rc != 0)
        return rc;
    int64_t n = here.n_alone;
    dawdle(a);
    here.n_alone = n + 1;
    weft_mutex_unlock(here.mutex);
    book(LOCKED, 1);
    return 0;
}

static int act_write_lock(struct agent *a)
{
    int rc = weft_rwlock_write_lock(here.rwlock);

    if (rc != 0)
        return rc;
    int64_t n = here.n_written;
    dawdle(a);
    here.n_written = n + 1;
    weft_rwlock_write_unlock(here.rwlock);
    book(LOCKED, 1);
    return 0;
}

static int act_read_lock(struct agent *a)
{
    int rc = weft_rwlock_read_lock(here.rwlock);

    if (rc != 0)
        return rc;
    int64_t n = here.n_written;
    dawdle(a);
    CHECK_EQ(here.n_written, n);
    weft_rwlock_read_unlock(here.rwlock);
    return 0;
}

static int act_permits(struct agent *a)
{
    const int n = 1 + below(a, PERMITS);
    int rc = below(a, 4) == 0 ? weft_sem_try_acquire(here.sem, n) : weft_sem_acquire(here.sem, n);

    if (rc != 0)
        return rc;
    book(ACQUIRED, n);
    CHECK_LE(atomic_fetch_add(&here.n_permits, n) + n, PERMITS);
    dawdle(a);
    CHECK_GE(atomic_fetch_sub(&here.n_permits, n), n);
    book(RELEASED, n);
    weft_sem_release(here.sem, n);
    return 0;
}

/* ---- tokens, announced by a condition or a waker ---- */

static int act_put_token(struct agent *a)
{
    if (below(a, 2) == 0) {
        book(PUT, 1);
        atomic_fetch_add(&here.n_wakes_put, 1);
        weft_waker_wake(here.waker);
        return 0;
    }
    int rc = weft_mutex_lock(here.tokens_mutex);
    if (rc != 0)
        return rc;
    here.n_tokens++;
    book(PUT, 1);
    if (below(a, 4) == 0)
        weft_cond_broadcast(here.cond);
    else
        weft_cond_signal(here.cond);
    weft_mutex_unlock(here.tokens_mutex);
    return 0;
}

static int act_take_token(struct agent *a)
{
    if (below(a, 2) == 0) {
        int rc = weft_waker_wait(here.waker);
        if (rc == 0)
            book(TAKEN, atomic_exchange(&here.n_wakes_put, 0));
        return rc;
    }
    int rc = weft_mutex_lock(here.tokens_mutex);
    if (rc != 0)
        return rc;
    while (rc == 0 && here.n_tokens == 0)
        rc = weft_cond_wait(here.cond, here.tokens_mutex);
    if (rc == 0) {
        here.n_tokens--;
        book(TAKEN, 1);
    }
    weft_mutex_unlock(here.tokens_mutex);
    return rc;
}

/* ---- meetings and times ---- */

static int act_meet(struct agent *a)
{
    int rc = weft_barrier_wait(here.barrier);

    (void)a;
    if (rc < 0)
        return rc;
    book(CAME, 1);
    book(MET, rc == 1 ? MEMBERS : 0);
    return 0;
}

static int act_event(struct agent *a)
{
    if (!a->is_thread && below(a, 2) == 0)
        return weft_event_wait(here.event);
    if (below(a, 3) == 0)
        weft_event_set(here.event);
    else
        weft_event_reset(here.event);
    return 0;
}

static int act_sleep(struct agent *a)
{
    if (below(a, 2) == 0)
        return weft_sleep(below(a, 100) * WEFT_US);
    struct weft_ticker *t = weft_ticker_make((1 + below(a, 100)) * WEFT_US, below(a, 3));
    int64_t rc = weft_ticker_wait(t);
    weft_ticker_free(t);
    CHECK_NE(rc, 0);
    return rc < 0 ? (int)rc : 0;
}

/* ---- the ends of coroutines ---- */

struct child {
    struct weft_wait_group *wg; /* NULL: none */
    int naps;
    bool fails;
};

static int live(void *arg)
{
    struct child *c = arg;
    struct weft_wait_group *wg = c->wg;
    int rc = c->fails ? -EIO : 0;

    for (int i = 0; i < c->naps; i++)
        (void)!weft_sleep(10 * WEFT_US);
    book(ENDED, 1);
    if (wg != NULL)
        weft_wg_done(wg);
    return rc;
}

static void live_detached(void *arg)
{
    (void)live(arg);
}

static int act_join(struct agent *a)
{
    struct child child = {.naps = below(a, 3), .fails = below(a, 2) == 0};
    struct weft_co *co = weft_go_with(live, &child);
    int result = 1;

    book(BEGUN, 1);
    if (below(a, 2) == 0)
        weft_cancel(co);
    int rc = weft_join(co, &result);
    if (rc != 0)
        WEFT_SHIELD (s, WEFT_NEVER)
            CHECK_EQ(weft_join(co, &result), 0);
    CHECK_EQ(result, child.fails ? -EIO : 0);
    return rc;
}

static int act_wait_group(struct agent *a)
{
    struct child child = {.wg = weft_wg_make(), .naps = below(a, 3)};
    const int n = 1 + below(a, 3);

    weft_wg_add(child.wg, n);
    for (int i = 0; i < n; i++)
        CHECK_EQ(go(live_detached, &child), 0);
    book(BEGUN, n);
    int rc = weft_wg_wait(child.wg);
    WEFT_SHIELD (s, WEFT_NEVER)
        CHECK_EQ(weft_wg_wait(child.wg), 0);
    weft_wg_free(child.wg);
    return rc;
}

/* The ends that are taken and those that are not: all have ended when the group has. */
static int act_group(struct agent *a)
{
    struct child child[4] = {{0}};
    struct weft_group_opts opts = {.size = sizeof opts, .limit = below(a, 3), .keep_ends = 1,
                                   .on_error = below(a, 2)};
    struct weft_group g;
    int n_begun = 0, n_taken = 0, rc = 0;

    weft_group_begin(&g, &opts);
    for (int i = 0; i < COUNT(child) && rc == 0; i++) {
        child[i] = (struct child){.naps = below(a, 3), .fails = below(a, 8) == 0};
        rc = weft_group_go(&g, live, &child[i]);
        n_begun += rc == 0;
    }
    book(BEGUN, n_begun);
    if (below(a, 4) == 0)
        weft_group_cancel(&g);
    while (rc == 0 && below(a, 8) != 0 && (rc = weft_group_next(&g, NULL)) == 0)
        n_taken++;
    CHECK(rc == -ECHILD ? n_taken == n_begun : n_taken <= n_begun);
    if (rc == 0 && below(a, 2) == 0)
        rc = weft_group_wait(&g);
    int error = weft_group_end(&g);
    CHECK(error == 0 || error == -EIO);
    return weft_scope_status() == rc ? rc : 0; /* else it was the group that was cancelled */
}

static int be_blocked(void *arg)
{
    (void)arg;
    book(RETURNED, 1);
    return 7;
}

static int act_blocking(struct agent *a)
{
    int result = 0;
    int rc = weft_blocking(be_blocked, NULL, &result);

    (void)a;
    if (rc == 0) {
        CHECK_EQ(result, 7);
        book(CALLED, 1);
    }
    return rc;
}

#endif
