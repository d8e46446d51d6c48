/* SPDX-License-Identifier: MIT */
/*
 * threads.c - threads in place of coroutines: what the kernel takes to start, wake and exclude.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "raw.h"

#define MUTEX_THREADS 8

static void start(pthread_t *id, void *(*fn)(void *), void *arg)
{
    const int rc = pthread_create(id, NULL, fn, arg);

    if (rc != 0)
        raw_die("pthread_create", rc);
}

/* ---- spawn_one ---- */

static void *return_at_once(void *arg)
{
    return arg;
}

double raw_spawn_one(int procs, uint64_t n)
{
    const int64_t begin = now_ns();
    pthread_t id;

    (void)procs;
    for (uint64_t i = 0; i < n; i++) {
        start(&id, return_at_once, NULL);
        pthread_join(id, NULL);
    }
    return (double)(now_ns() - begin);
}

/* ---- chan_unbuf ---- */

/* One value on its way; the state is the futex. */
struct slot {
    _Alignas(64) _Atomic uint32_t is_full;
    uint64_t value;
};

static void slot_send(struct slot *s, uint64_t value)
{
    s->value = value;
    atomic_store(&s->is_full, 1); /* the value is seen by whoever sees this */
    syscall(SYS_futex, &s->is_full, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static uint64_t slot_receive(struct slot *s)
{
    uint64_t value;

    while (atomic_load(&s->is_full) == 0)
        syscall(SYS_futex, &s->is_full, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    value = s->value;
    atomic_store(&s->is_full, 0); /* the other side sends again only after our answer */
    return value;
}

struct ping_pong {
    struct slot there, back;
    uint64_t n;
};

static void *pong(void *arg)
{
    struct ping_pong *p = arg;

    for (uint64_t i = 0; i < p->n; i++)
        slot_send(&p->back, slot_receive(&p->there) + 1);
    return NULL;
}

double raw_chan_unbuf(int procs, uint64_t n)
{
    struct ping_pong p = {.n = n};
    int64_t begin;
    pthread_t id;

    (void)procs;
    start(&id, pong, &p);
    begin = now_ns();
    for (uint64_t i = 0; i < n; i++) {
        slot_send(&p.there, i);
        if (slot_receive(&p.back) != i + 1)
            raw_die("chan_unbuf: a wrong value", EPROTO);
    }
    pthread_join(id, NULL);
    return (double)(now_ns() - begin);
}

/* ---- mutex ---- */

struct counter {
    pthread_mutex_t lock;
    pthread_barrier_t ready;
    uint64_t value, n_each;
};

static void *count(void *arg)
{
    struct counter *c = arg;

    pthread_barrier_wait(&c->ready);
    for (uint64_t i = 0; i < c->n_each; i++) {
        pthread_mutex_lock(&c->lock);
        c->value++;
        pthread_mutex_unlock(&c->lock);
    }
    return NULL;
}

double raw_mutex(int procs, uint64_t n)
{
    struct counter c = {.lock = PTHREAD_MUTEX_INITIALIZER, .n_each = n / MUTEX_THREADS + 1};
    const double n_all = (double)c.n_each * MUTEX_THREADS;
    pthread_t ids[MUTEX_THREADS];
    int64_t begin, end;

    (void)procs;
    pthread_barrier_init(&c.ready, NULL, MUTEX_THREADS + 1);
    for (int i = 0; i < MUTEX_THREADS; i++)
        start(&ids[i], count, &c);
    begin = now_ns(); /* the threads wait for us to come to the barrier */
    pthread_barrier_wait(&c.ready);
    for (int i = 0; i < MUTEX_THREADS; i++)
        pthread_join(ids[i], NULL);
    end = now_ns();
    pthread_barrier_destroy(&c.ready);
    if ((double)c.value != n_all)
        raw_die("mutex: a wrong sum", EPROTO);
    return (double)(end - begin) * (double)n / n_all;
}
