/* SPDX-License-Identifier: MIT */
/*
 * procs.h - models of Ps that look for work, sleep and are woken: each thread is an M with its P,
 * or a plain one; finding, queues, idle Ps and wakes are the real sources.  The driver is one that
 * has no operations: its wait sleeps until a wake, as [REACTOR-WAKE] has it.
 */
#ifndef WEFT_MODEL_PROCS_H
#define WEFT_MODEL_PROCS_H

#include <sched/queue.h>
#include <sched/watch.h>

#include "explore.h"

static struct weft_runtime procs_rt;
static struct weft__p procs_p[MODEL_THREADS_MAX];
static struct weft__m procs_m[MODEL_THREADS_MAX];
static struct weft__gate procs_gate[MODEL_THREADS_MAX];
static struct weft__reactor procs_reactor[MODEL_THREADS_MAX];
static struct model_event procs_wake[MODEL_THREADS_MAX]; /* their wake_fd */
static int procs_polls[MODEL_THREADS_MAX];               /* since it slept or found */

/* A P that polls again and again without coming to its sleep waits for what another thread is
 * about to do: it lets it. */
#define PROCS_POLLS_MAX 3

static void procs_wait(struct weft__reactor *r, int64_t deadline_ns, struct weft__op_list *done)
{
    const int i = (int)(r - procs_reactor);

    (void)done;
    if (deadline_ns == 0) {
        if (++procs_polls[i] > PROCS_POLLS_MAX)
            model_spin(MODEL_AT("poll"));
    } else {
        procs_polls[i] = 0;
        if (!weft__reactor_is_woken(r))
            model_event_wait(&procs_wake[i]);
    }
    weft__reactor_clear_wake(r);
}

static void procs_reap(struct weft__reactor *r, struct weft__op_list *done)
{
    (void)r;
    (void)done;
}

static const struct weft__driver procs_driver = {
    .name = "model",
    .wait = procs_wait,
    .reap = procs_reap,
    .wake = weft__reactor_wake,
};

/* A write to a wake_fd. */
ssize_t weft__sys_write(int fd, const void *buf, size_t bytes)
{
    (void)buf;
    model_event_set(&procs_wake[fd]);
    return (ssize_t)bytes;
}

static void procs_begin_p(int i)
{
    struct weft__p *p = &procs_p[i];

    memset(p, 0, offsetof(struct weft__p, wheel));
    p->rt = &procs_rt;
    p->m = &procs_m[i];
    p->gate = &procs_gate[i];
    p->index = (uint32_t)i;
    p->random = (uint64_t)i + 1;
    p->poll_tick = p->poll_interval = p->glance_interval = WEFT__TURNS_GLOBAL;
    p->reactor = &procs_reactor[i];
    p->inject = &procs_rt.inject;
    weft__glist_init(&p->bound);
    weft__lock_init(&p->bound_lock, RANK_BOUND);
    atomic_init(&p->wheel_next_ns, INT64_MAX);
    procs_m[i] = (struct weft__m){.p = p, .rt = &procs_rt};
    memset(&procs_gate[i], 0, sizeof procs_gate[i]);
    memset(&procs_reactor[i], 0, sizeof procs_reactor[i]);
    procs_reactor[i].group = &procs_rt.reactors;
    procs_reactor[i].wake_fd = i;
    model_event_init(&procs_wake[i]);
    procs_polls[i] = 0;
}

static void procs_begin(int n)
{
    memset(&procs_rt, 0, sizeof procs_rt);
    procs_rt.p = procs_p;
    procs_rt.procs = n;
    atomic_init(&procs_rt.n_ps, n);
    procs_rt.may_steal = true;
    atomic_init(&procs_rt.n_standing, (uint32_t)n);
    atomic_init(&procs_rt.stand_look_ns, INT64_MAX);
    procs_rt.reactors.driver = &procs_driver;
    procs_rt.reactors.count = n;
    procs_rt.reactors.reactors = procs_reactor;
    weft__inject_init(&procs_rt.inject);
    atomic_init(&weft__fence_is_asymmetric, true);
    for (int i = 0; i < n; i++)
        procs_begin_p(i);
}

/* A thread that runs a P begins with this. */
static struct weft__m *procs_run(int i)
{
    weft__m_set_self(&procs_m[i]);
    weft__gate_set_self(&procs_gate[i]);
    return &procs_m[i];
}

/* weft__find() */
static struct weft__g *procs_find(struct weft__m *m)
{
    struct weft__g *g = weft__find(m);

    procs_polls[m->p->index] = 0;
    return g;
}

/* What weft__runtime_stop() begins with. */
static inline void procs_stop(void)
{
    atomic_store_explicit(&procs_rt.is_stopping, 1, memory_order_seq_cst);
    weft__idle_wake_all(&procs_rt);
}

/* Whether all sleep for ever is asked elsewhere: here nobody is left to be asked. */
void weft__watch_ask_deadlock(struct weft_runtime *rt)
{
    (void)rt;
}

#endif
