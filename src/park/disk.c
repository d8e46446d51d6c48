/* SPDX-License-Identifier: MIT */
/* disk.c - see sched/disk.h. */
#include "disk.h"

#include <errno.h>

#include "../base/clock.h"
#include "../sched/away.h"
#include "../sched/sched.h"
#include "job.h"

#define SERVERS_A_PROC 4
#define SLOW_NS 500000
#define OPEN_NS 1000000000
#define PATIENCE_NS 10000000
#define CALLS_A_MEAN 32

/* Who stands in the line. */
struct call {
    struct weft__wait wait;
    struct weft__waiter waiter; /* its value is the call */
    struct weft_runtime *rt;
    int (*fn)(void *);
    void *arg;
    int result;
};

/* ---- the line; under the lock ---- */

/* Those who have come stand in the line, the oldest first. */
static void empty_inbox(struct weft__disk *d)
{
    /* acquire [DISK-CALL] */
    struct weft__waiter *w = atomic_exchange_explicit(&d->inbox, NULL, memory_order_acquire);
    struct weft__waiter *oldest = NULL;
    while (w != NULL) {
        struct weft__waiter *next = w->next;
        w->next = oldest;
        oldest = w;
        w = next;
    }
    while (oldest != NULL) {
        w = oldest;
        oldest = w->next;
        weft__waitq_add(&d->line, w);
    }
}

static void note_time(struct weft__disk *d, int64_t now_ns, int64_t took_ns)
{
    d->timed_ns += took_ns;
    d->n_slow += took_ns > d->slow_ns;
    if (++d->n_timed < CALLS_A_MEAN) {
        return;
    }
    atomic_store_explicit(&d->mean_ns, d->timed_ns / CALLS_A_MEAN, memory_order_relaxed);
    if (d->n_slow > CALLS_A_MEAN / 2) {
        atomic_store_explicit(&d->open_until_ns, weft__clock_after(now_ns, d->open_ns),
                              memory_order_relaxed);
    }
    d->n_timed = 0;
    d->n_slow = 0;
    d->timed_ns = 0;
}

static bool is_anybody_there(struct weft__disk *d)
{
    weft__lock(&d->lock);
    empty_inbox(d);
    bool is = weft__waitq_first(&d->line) != NULL;
    weft__unlock(&d->lock);
    return is;
}

/* ---- servers ---- */

/* Be one, if one more may be; NULL: there are as many as may be. */
static struct weft__disk_server *begin(struct weft__disk *d)
{
    uint64_t serving = atomic_load_explicit(&d->serving, memory_order_relaxed);
    int i;
    do {
        if ((uint32_t)__builtin_popcountll(serving) >= d->servers_max) {
            return NULL;
        }
        i = __builtin_ctzll(~serving);
        /* acquire [DISK-SERVER] */
    } while (!atomic_compare_exchange_weak_explicit(&d->serving, &serving,
                                                    serving | UINT64_C(1) << i,
                                                    memory_order_acquire, memory_order_relaxed));
    return &d->server[i];
}

static void end(struct weft__disk_server *s)
{
    /* release [DISK-SERVER]: somebody else may use it from here on */
    atomic_fetch_and_explicit(&s->disk->serving, ~(UINT64_C(1) << (s - s->disk->server)),
                              memory_order_release);
}

/* The next call, claimed; the last one took so long. */
static struct call *next_call(struct weft__disk *d, int64_t now_ns, int64_t took_ns)
{
    weft__lock(&d->lock);
    if (took_ns >= 0) {
        note_time(d, now_ns, took_ns);
    }
    empty_inbox(d);
    struct weft__waiter *w = weft__waitq_claim_first(&d->line);
    weft__unlock(&d->lock);
    if (w == NULL) {
        return NULL;
    }
    atomic_fetch_sub_explicit(&d->n_waiting, 1, memory_order_relaxed);
    return w->value;
}

static void serve(struct weft__disk *d)
{
    int64_t before_ns = weft__clock_ns(), took_ns = -1;
    struct call *c;
    while ((c = next_call(d, before_ns, took_ns)) != NULL) {
        struct weft_runtime *rt = c->rt;
        c->result = c->fn(c->arg);
        weft__park_wake(&c->wait);
        weft__away_end(rt);
        int64_t now_ns = weft__clock_ns();
        took_ns = now_ns - before_ns;
        before_ns = now_ns;
    }
}

static bool may_begin(struct weft__job *job)
{
    (void)job;
    return true;
}

static void run(struct weft__job *job)
{
    struct weft__disk_server *s = WEFT__CONTAINER(job, struct weft__disk_server, job);
    struct weft__disk *d = s->disk;
    do {
        serve(d);
        weft__perturb();
        end(s);
        atomic_thread_fence(memory_order_seq_cst); /* [DISK-LINE] */
    } while (is_anybody_there(d) && (s = begin(d)) != NULL);
}

void weft__disk_init(struct weft__disk *d, int procs)
{
    weft__lock_init(&d->lock, RANK_CHAN);
    weft__waitq_init(&d->line, &d->lock);
    d->servers_max = procs < WEFT__DISK_SERVERS / SERVERS_A_PROC ? (uint32_t)procs * SERVERS_A_PROC
                                                                 : WEFT__DISK_SERVERS;
    d->slow_ns = SLOW_NS;
    d->open_ns = OPEN_NS;
    d->patience_ns = PATIENCE_NS;
    for (int i = 0; i < WEFT__DISK_SERVERS; i++) {
        d->server[i].job.may_begin = may_begin;
        d->server[i].job.run = run;
        d->server[i].disk = d;
    }
}

/* ---- those who come ---- */

/* A server that will look at the line: 0 if it will come, or there are enough. */
static int call_server(struct weft__disk *d, struct weft__pool *pool)
{
    struct weft__disk_server *s = begin(d);
    if (s == NULL) {
        return 0;
    }
    int rc = weft__pool_announce(pool);
    if (rc != 0) {
        end(s);
        return rc;
    }
    weft__pool_submit(pool, &s->job);
    return 0;
}

static bool is_open(const struct weft__disk *d)
{
    int64_t until_ns = atomic_load_explicit(&d->open_until_ns, memory_order_relaxed);
    return until_ns != 0 && weft__clock_ns() < until_ns;
}

static int64_t give_up_at(const struct weft__disk *d)
{
    int64_t n = atomic_load_explicit(&d->n_waiting, memory_order_relaxed);
    int64_t each_ns = atomic_load_explicit(&d->mean_ns, memory_order_relaxed);
    return weft__clock_after(weft__clock_ns(),
                             d->patience_ns + 2 * n * each_ns / d->servers_max);
}

static void come(struct weft__disk *d, struct call *c)
{
    atomic_fetch_add_explicit(&d->n_waiting, 1, memory_order_relaxed);
    struct weft__waiter *head = atomic_load_explicit(&d->inbox, memory_order_relaxed);
    do {
        c->waiter.next = head;
        /* release [DISK-CALL]: publishes the call as we leave it */
    } while (!atomic_compare_exchange_weak_explicit(&d->inbox, &head, &c->waiter,
                                                    memory_order_release, memory_order_relaxed));
    weft__perturb();
    atomic_thread_fence(memory_order_seq_cst); /* [DISK-LINE] */
}

/* Out of the line, by one who was not served. */
static void leave(struct weft__disk *d, struct call *c)
{
    weft__lock(&d->lock);
    empty_inbox(d); /* he may still be there */
    weft__waitq_remove(&d->line, &c->waiter);
    weft__unlock(&d->lock);
    atomic_fetch_sub_explicit(&d->n_waiting, 1, memory_order_relaxed);
    weft__away_end(c->rt);
}

int weft__park_disk_job(int (*fn)(void *), void *arg, int *result, enum weft__wait_reason reason,
                        const void *object, const void *caller)
{
    struct weft_runtime *rt = weft__park_runtime();
    if (rt == NULL || is_open(&rt->disk)) {
        return weft__park_job(fn, arg, result, reason, object, caller);
    }
    int rc = weft__park_check_scope();
    if (rc != 0) {
        return rc;
    }
    struct weft__disk *d = &rt->disk;
    struct call c = {.waiter = {.wait = &c.wait, .value = &c}, .rt = rt, .fn = fn, .arg = arg};
    weft__away_begin(rt);
    weft__park_init(&c.wait);
    weft__park_until(&c.wait, give_up_at(d), -EAGAIN);
    weft__park_begin(&c.wait, reason, object, caller);
    come(d, &c);
    (void)call_server(d, &rt->pool); /* if none can be had, patience ends the wait */
    rc = weft__park_wait(&c.wait);
    if (rc == 0) {
        *result = c.result; /* whoever served it has taken it out of the line */
        return 0;
    }
    leave(d, &c);
    return rc == -EAGAIN ? weft__park_job(fn, arg, result, reason, object, caller) : rc;
}
