/* SPDX-License-Identifier: MIT */
/* pool.c - see pool.h. */
#include "pool.h"

#include <errno.h>

#include "../base/census.h"
#include "../base/clock.h"
#include "../base/fatal.h"
#include "../base/sys.h"
#include "../base/text.h"

/* For code that knows nothing of small stacks (name services, drivers of databases); the kernel
 * commits what is touched. */
#define STACK_BYTES ((size_t)1024 * 1024)

struct weft__pool_thread {
    struct weft__pool *pool;
    struct weft__pool_thread *next;      /* in all */
    struct weft__pool_thread *next_idle; /* in idle */
    uint64_t thread;
    bool has_started;        /* `thread` is set: it may be joined */
    bool has_left;           /* it touches nothing any more */
    _Atomic uint32_t called; /* a futex: it was taken out of idle, to look at the queue */
};

/* All of these are changed under the lock alone. */
static inline uint32_t get(const _Atomic uint32_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

static inline void set(_Atomic uint32_t *count, uint32_t n)
{
    atomic_store_explicit(count, n, memory_order_relaxed);
}

static uint32_t count_free(const struct weft__pool *pool)
{
    return get(&pool->n_threads) - get(&pool->n_running);
}

/* Without those that may not come after all.  Too small for a moment when one has left before its
 * starter could say that it had come. */
static int count_started(const struct weft__pool *pool)
{
    return (int)(get(&pool->n_threads) - pool->n_starting);
}

void weft__pool_init(struct weft__pool *pool, uint32_t threads_max, int64_t idle_ns,
                     const char *prefix)
{
    struct weft__text t;
    weft__lock_init(&pool->lock, RANK_POOL);
    pool->last = &pool->first;
    pool->threads_max = threads_max;
    pool->idle_ns = idle_ns;
    weft__text_init(&t, pool->name, sizeof pool->name);
    weft__text_add(&t, prefix);
    weft__text_add(&t, "-job");
    weft__fp_save(&pool->fp);
}

/* ---- the queue; under the lock ---- */

static void queue_add(struct weft__pool *pool, struct weft__job *job)
{
    job->next = NULL;
    job->prev_next = pool->last;
    *pool->last = job;
    pool->last = &job->next;
}

static void queue_remove(struct weft__pool *pool, struct weft__job *job)
{
    *job->prev_next = job->next;
    if (job->next != NULL) {
        job->next->prev_next = job->prev_next;
    } else {
        pool->last = job->prev_next;
    }
    job->prev_next = NULL;
    set(&pool->n_queued, get(&pool->n_queued) - 1);
}

/* The oldest job that may still run. */
static struct weft__job *take(struct weft__pool *pool)
{
    struct weft__job *job;
    while ((job = pool->first) != NULL) {
        queue_remove(pool, job);
        weft__perturb();
        if (job->may_begin(job)) {
            break;
        }
    }
    return job;
}

/* ---- a thread ---- */

static void run(struct weft__pool *pool, struct weft__job *job)
{
    set(&pool->n_running, get(&pool->n_running) + 1);
    weft__count(pool->n_begun);
    weft__unlock(&pool->lock);
    job->run(job);
    weft__lock(&pool->lock);
    set(&pool->n_running, get(&pool->n_running) - 1);
}

static void idle_remove(struct weft__pool *pool, const struct weft__pool_thread *t)
{
    struct weft__pool_thread **at = &pool->idle;
    while (*at != t) {
        at = &(*at)->next_idle;
    }
    *at = t->next_idle;
}

/* Nothing is queued: wait to be called.  False if nobody did, and nobody counts on it. */
static bool wait_idle(struct weft__pool *pool, struct weft__pool_thread *t)
{
    int64_t until_ns = weft__clock_after(weft__clock_ns(), pool->idle_ns);
    set(&t->called, 0);
    t->next_idle = pool->idle;
    pool->idle = t;
    weft__unlock(&pool->lock);
    int rc = weft__sys_futex_wait(&t->called, 0, until_ns);
    weft__lock(&pool->lock);
    if (get(&t->called) != 0) {
        return true;
    }
    idle_remove(pool, t);
    /* A job may be announced and not yet queued. */
    return rc != -ETIMEDOUT || get(&pool->n_queued) >= count_free(pool);
}

/* Take out those who have left, for the caller to join. */
static struct weft__pool_thread *take_left(struct weft__pool *pool)
{
    struct weft__pool_thread *left = NULL;
    for (struct weft__pool_thread **at = &pool->all, *t; (t = *at) != NULL;) {
        if (t->has_left && t->has_started) {
            *at = t->next;
            t->next = left;
            left = t;
        } else {
            at = &t->next;
        }
    }
    return left;
}

static void join_all(struct weft__pool_thread *left)
{
    while (left != NULL) {
        struct weft__pool_thread *next = left->next;
        weft__sys_thread_join(left->thread);
        weft__free(left);
        left = next;
    }
}

/* Whoever leaves joins those who have left before him: one at most remains, for weft__pool_free().
 */
static void *thread_main(void *arg)
{
    struct weft__pool_thread *t = arg;
    struct weft__pool *pool = t->pool;
    weft__fp_load(&pool->fp); /* not that of the coroutine by which it was started, */
    if (pool->cpus != NULL) {
        (void)weft__sys_cpus_set(pool->cpus); /* nor its CPU */
    }
    weft__lock(&pool->lock);
    set(&pool->n_present, get(&pool->n_present) + 1);
    while (!pool->is_closed) {
        struct weft__job *job = take(pool);
        if (job != NULL) {
            run(pool, job);
        } else if (!wait_idle(pool, t)) {
            break;
        }
    }
    struct weft__pool_thread *left = take_left(pool);
    t->has_left = true;
    weft__census_leave(&pool->n_present);
    /* release [M-LEFT]: pairs with the wait in stop.c.  The thread itself is joined after it. */
    atomic_fetch_sub_explicit(&pool->n_threads, 1, memory_order_release);
    weft__unlock(&pool->lock);
    weft__sys_futex_wake(&pool->n_threads, INT32_MAX);
    join_all(left);
    return NULL;
}

static void all_remove(struct weft__pool *pool, const struct weft__pool_thread *t)
{
    struct weft__pool_thread **at = &pool->all;
    while (*at != t) {
        at = &(*at)->next;
    }
    *at = t->next;
}

/* Start the thread that n_threads and n_starting count already. */
static int start(struct weft__pool *pool)
{
    int rc = -ENOMEM;
    struct weft__pool_thread *t = weft__alloc(sizeof *t);
    if (t != NULL) {
        t->pool = pool;
        weft__lock(&pool->lock);
        t->next = pool->all;
        pool->all = t;
        weft__unlock(&pool->lock);
        rc = weft__sys_thread_start(&t->thread, STACK_BYTES, thread_main, t, pool->name);
    }
    weft__lock(&pool->lock);
    pool->n_starting--;
    if (rc == 0) {
        t->has_started = true; /* it may have left already, but nobody has joined it */
        int n = count_started(pool);
        if (n > (int)get(&pool->n_peak)) {
            set(&pool->n_peak, (uint32_t)n);
        }
    } else {
        set(&pool->n_threads, get(&pool->n_threads) - 1);
        if (t != NULL) {
            all_remove(pool, t);
        }
    }
    weft__unlock(&pool->lock);
    if (rc != 0) {
        weft__free(t);
    }
    return rc;
}

/* ---- the callers' side ---- */

int weft__pool_announce(struct weft__pool *pool)
{
    weft__lock(&pool->lock);
    set(&pool->n_queued, get(&pool->n_queued) + 1);
    uint32_t n = get(&pool->n_threads);
    bool must_start =
        get(&pool->n_queued) > count_free(pool) && n < pool->threads_max && !pool->is_closed;
    if (must_start) {
        set(&pool->n_threads, n + 1);
        pool->n_starting++;
    }
    weft__unlock(&pool->lock);
    int rc = must_start ? start(pool) : 0;
    if (rc == 0) {
        return 0;
    }
    weft__lock(&pool->lock);
    /* One that is there comes to the job in its turn; one that is being started may not come. */
    bool is_served = count_started(pool) > 0;
    if (!is_served) {
        set(&pool->n_queued, get(&pool->n_queued) - 1);
    }
    weft__unlock(&pool->lock);
    return is_served ? 0 : rc;
}

void weft__pool_submit(struct weft__pool *pool, struct weft__job *job)
{
    weft__perturb();
    weft__lock(&pool->lock);
    queue_add(pool, job);
    struct weft__pool_thread *t = pool->idle;
    if (t != NULL) {
        pool->idle = t->next_idle;
        set(&t->called, 1);
    }
    weft__unlock(&pool->lock);
    if (t != NULL) {
        /* It may have woken by itself, left and be gone: then this wakes nobody. */
        weft__sys_futex_wake(&t->called, 1);
    }
}

bool weft__pool_withdraw(struct weft__pool *pool, struct weft__job *job)
{
    weft__lock(&pool->lock);
    bool is_queued = job->prev_next != NULL;
    if (is_queued) {
        queue_remove(pool, job);
    }
    weft__unlock(&pool->lock);
    return is_queued;
}

void weft__pool_close(struct weft__pool *pool)
{
    weft__lock(&pool->lock);
    pool->is_closed = true;
    for (struct weft__pool_thread *t = pool->idle; t != NULL; t = t->next_idle) {
        set(&t->called, 1);
        weft__sys_futex_wake(&t->called, 1); /* they stay until we unlock */
    }
    pool->idle = NULL;
    weft__unlock(&pool->lock);
}

void weft__pool_free(struct weft__pool *pool)
{
    weft__lock(&pool->lock);
    struct weft__pool_thread *left = take_left(pool);
    weft__unlock(&pool->lock);
    WEFT__ASSERT(pool->all == NULL);
    join_all(left);
}
