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
    _Atomic bool has_started; /* `thread` is set: it may be joined */
    bool has_left;            /* it touches nothing any more */
    _Atomic uint32_t called;  /* a futex: it was taken out of idle, to look at the queue */
};

static inline uint32_t get(const _Atomic uint32_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

static inline void add(_Atomic uint32_t *count, int n)
{
    atomic_fetch_add_explicit(count, (uint32_t)n, memory_order_relaxed);
}

/* A job that is no more, or a thread that is done with one. */
static inline void spare_one(struct weft__pool *pool)
{
    atomic_fetch_add_explicit(&pool->n_spare, 1, memory_order_relaxed);
}

/* Does nobody count on the calling thread?  Then nobody will. */
static bool may_leave(struct weft__pool *pool)
{
    int32_t n = atomic_load_explicit(&pool->n_spare, memory_order_relaxed);
    do {
        if (n <= 0) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&pool->n_spare, &n, n - 1, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

/* Threads that find it closed leave; whoever starts one all the same has it leave at once. */
static inline bool is_closed(const struct weft__pool *pool)
{
    return atomic_load_explicit(&pool->is_closed, memory_order_relaxed);
}

/* Under the lock, without those that may not come after all.  Too small for a moment when one has
 * left before its starter could say that it had come. */
static int count_started(const struct weft__pool *pool)
{
    return (int)(get(&pool->n_threads) - get(&pool->n_starting));
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
    add(&pool->n_queued, -1);
}

/* What was submitted goes into the queue, the oldest first. */
static void empty_inbox(struct weft__pool *pool)
{
    /* acquire [POOL-JOB] */
    struct weft__job *job = atomic_exchange_explicit(&pool->inbox, NULL, memory_order_acquire);
    struct weft__job *oldest = NULL;
    while (job != NULL) {
        struct weft__job *next = job->next;
        job->next = oldest;
        oldest = job;
        job = next;
    }
    while (oldest != NULL) {
        job = oldest;
        oldest = job->next;
        queue_add(pool, job);
        pool->n_uncalled++;
    }
}

static bool try_lock(struct weft__pool *pool)
{
    if (!weft__try_lock(&pool->lock)) {
        return false;
    }
    empty_inbox(pool);
    return true;
}

/* The oldest job that may still run. */
static struct weft__job *take(struct weft__pool *pool)
{
    struct weft__job *job;
    empty_inbox(pool);
    while ((job = pool->first) != NULL) {
        queue_remove(pool, job);
        weft__perturb();
        if (job->may_begin(job)) {
            break;
        }
        spare_one(pool);
    }
    if (job != NULL && pool->n_uncalled != 0) {
        pool->n_uncalled--;
    }
    return job;
}

/* ---- the lock ---- */

/* An idle thread for a job that nobody was called for, off the list. */
static struct weft__pool_thread *call_idle(struct weft__pool *pool)
{
    struct weft__pool_thread *t = pool->idle;
    if (pool->n_uncalled == 0 || pool->first == NULL || t == NULL) {
        pool->n_uncalled = 0; /* nothing to do; or all are awake, and look before they are idle */
        return NULL;
    }
    pool->n_uncalled--;
    pool->idle = t->next_idle;
    atomic_store_explicit(&t->called, 1, memory_order_relaxed);
    return t;
}

/*
 * Give the lock back, and see to what was submitted meanwhile:
 *
 *   who submits              who gives the lock back
 *   1 puts it in the inbox   1 gives it back
 *   2 fence                  2 fence
 *   3 tries the lock         3 looks into the inbox, and tries the lock if there is something
 *
 * [POOL-INBOX]  One of the two sees the other's step 1: he who submits finds the lock free, or the
 * other one finds the job.  Should both try, and one fail, the other has it, and comes here again.
 */
static void unlock(struct weft__pool *pool)
{
    bool is_more;
    do {
        struct weft__pool_thread *t = call_idle(pool);
        is_more = pool->n_uncalled != 0;
        weft__unlock(&pool->lock);
        if (t != NULL) {
            /* It may have woken by itself, left and be gone: then this wakes nobody. */
            weft__sys_futex_wake(&t->called, 1);
        }
        atomic_thread_fence(memory_order_seq_cst); /* [POOL-INBOX] */
        is_more = is_more || atomic_load_explicit(&pool->inbox, memory_order_relaxed) != NULL;
    } while (is_more && try_lock(pool));
}

/* ---- a thread ---- */

static void run(struct weft__pool *pool, struct weft__job *job)
{
    add(&pool->n_running, 1);
    weft__count(pool->n_begun);
    unlock(pool);
    job->run(job);
    weft__lock(&pool->lock);
    add(&pool->n_running, -1);
    spare_one(pool);
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
    atomic_store_explicit(&t->called, 0, memory_order_relaxed);
    t->next_idle = pool->idle;
    pool->idle = t;
    unlock(pool);
    int rc = weft__sys_futex_wait(&t->called, 0, until_ns);
    weft__lock(&pool->lock);
    if (get(&t->called) != 0) {
        return true;
    }
    idle_remove(pool, t);
    /* A job may be announced and not yet queued. */
    return rc != -ETIMEDOUT || !may_leave(pool);
}

/* Take out those who have left, for the caller to join. */
static struct weft__pool_thread *take_left(struct weft__pool *pool)
{
    struct weft__pool_thread *left = NULL;
    for (struct weft__pool_thread **at = &pool->all, *t; (t = *at) != NULL;) {
        /* acquire [POOL-STARTED] */
        if (t->has_left && atomic_load_explicit(&t->has_started, memory_order_acquire)) {
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
    weft__sys_thread_name(pool->name);
    weft__fp_load(&pool->fp); /* not that of the coroutine by which it was started, */
    if (pool->cpus != NULL) {
        (void)weft__sys_cpus_set(pool->cpus); /* nor its CPU */
    }
    weft__lock(&pool->lock);
    t->next = pool->all;
    pool->all = t;
    add(&pool->n_present, 1);
    while (!is_closed(pool)) {
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
    unlock(pool);
    weft__sys_futex_wake(&pool->n_threads, INT32_MAX);
    join_all(left);
    return NULL;
}

/* ---- the callers' side: none of it waits for a thread of the pool that has lost its CPU ---- */

static void note_peak(struct weft__pool *pool)
{
    uint32_t peak = get(&pool->n_peak);
    int n = count_started(pool);
    while (n > (int)peak &&
           !atomic_compare_exchange_weak_explicit(&pool->n_peak, &peak, (uint32_t)n,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

/* One more thread, if there may be one: it will be there, but for weft__pool_announce(). */
static bool reserve(struct weft__pool *pool)
{
    uint32_t n = get(&pool->n_threads);
    add(&pool->n_starting, 1); /* first: see count_started() */
    do {
        if (n >= pool->threads_max || is_closed(pool)) {
            add(&pool->n_starting, -1);
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&pool->n_threads, &n, n + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    spare_one(pool);
    return true;
}

/* Start the thread that was reserved. */
static int start(struct weft__pool *pool)
{
    struct weft__pool_thread *t = weft__alloc(sizeof *t);
    if (t == NULL) {
        return -ENOMEM;
    }
    t->pool = pool;
    int rc = weft__sys_thread_start(&t->thread, STACK_BYTES, thread_main, t);
    if (rc != 0) {
        weft__free(t);
        return rc;
    }
    add(&pool->n_starting, -1);
    note_peak(pool);
    /* release [POOL-STARTED]: it may have left already, but nobody has joined it before this. */
    atomic_store_explicit(&t->has_started, true, memory_order_release);
    return 0;
}

int weft__pool_announce(struct weft__pool *pool)
{
    add(&pool->n_queued, 1);
    if (atomic_fetch_sub_explicit(&pool->n_spare, 1, memory_order_relaxed) > 0 || !reserve(pool)) {
        return 0;
    }
    int rc = start(pool);
    if (rc == 0) {
        return 0;
    }
    weft__lock(&pool->lock);
    add(&pool->n_threads, -1);
    add(&pool->n_starting, -1);
    atomic_fetch_sub_explicit(&pool->n_spare, 1, memory_order_relaxed);
    /* One that is there comes to the job in its turn; one that is being started may not come. */
    bool is_served = count_started(pool) > 0;
    if (!is_served) {
        add(&pool->n_queued, -1);
        spare_one(pool);
    }
    unlock(pool);
    return is_served ? 0 : rc;
}

void weft__pool_submit(struct weft__pool *pool, struct weft__job *job)
{
    struct weft__job *head = atomic_load_explicit(&pool->inbox, memory_order_relaxed);
    weft__perturb();
    do {
        job->next = head;
        /* release [POOL-JOB]: publishes the job as we leave it.  Afterwards it may be gone. */
    } while (!atomic_compare_exchange_weak_explicit(&pool->inbox, &head, job, memory_order_release,
                                                    memory_order_relaxed));
    weft__perturb();
    atomic_thread_fence(memory_order_seq_cst); /* [POOL-INBOX] */
    if (try_lock(pool)) {
        unlock(pool);
    }
}

bool weft__pool_withdraw(struct weft__pool *pool, struct weft__job *job)
{
    weft__lock(&pool->lock);
    empty_inbox(pool); /* it may still be there */
    bool is_queued = job->prev_next != NULL;
    if (is_queued) {
        queue_remove(pool, job);
        spare_one(pool);
    }
    unlock(pool);
    return is_queued;
}

void weft__pool_close(struct weft__pool *pool)
{
    weft__lock(&pool->lock);
    atomic_store_explicit(&pool->is_closed, true, memory_order_relaxed);
    for (struct weft__pool_thread *t = pool->idle; t != NULL; t = t->next_idle) {
        atomic_store_explicit(&t->called, 1, memory_order_relaxed);
        weft__sys_futex_wake(&t->called, 1); /* they stay until we unlock */
    }
    pool->idle = NULL;
    unlock(pool);
}

void weft__pool_free(struct weft__pool *pool)
{
    weft__lock(&pool->lock);
    struct weft__pool_thread *left = take_left(pool);
    weft__unlock(&pool->lock);
    WEFT__ASSERT(pool->all == NULL);
    join_all(left);
}
