/* SPDX-License-Identifier: MIT */
/* stats.c - counters and descriptions of a runtime. */
#include <weft/observe.h>

#include <errno.h>
#include <string.h>

#include "../sched/lifecycle.h"

static const struct weft_runtime *given_or_own(const struct weft_runtime *rt)
{
    return rt != NULL ? rt : weft_runtime_current();
}

#define SUM(rt, field)                                                                             \
    ({                                                                                             \
        uint64_t sum_ = atomic_load_explicit(&(rt)->served.field, memory_order_relaxed);           \
        for (int i_ = 0; i_ < weft__p_count(rt); i_++) {                                           \
            sum_ += atomic_load_explicit(&weft__p_at(rt, i_)->counts.field, memory_order_relaxed); \
        }                                                                                          \
        sum_;                                                                                      \
    })

static uint64_t count_relief(const struct weft_runtime *rt)
{
    uint64_t n = 0;
    for (int i = rt->procs; i < weft__p_count(rt); i++) {
        n += atomic_load_explicit(&weft__p_at(rt, i)->is_called, memory_order_relaxed) ? 1 : 0;
    }
    return n;
}

int weft_runtime_stats(const struct weft_runtime *rt, struct weft_stats *stats)
{
    rt = given_or_own(rt);
    if (rt == NULL || stats->size < sizeof(size_t)) {
        return -EINVAL;
    }
    struct weft_stats s = {
        .size = stats->size,
        .live = weft__live_count(rt),
        .spawned =
            SUM(rt, spawned) + atomic_load_explicit(&rt->foreign_spawned, memory_order_relaxed),
        .switches = SUM(rt, parks) + SUM(rt, yields) + SUM(rt, ended),
        .parks = SUM(rt, parks),
        .steals = SUM(rt, steals),
        .sleeps = SUM(rt, sleeps),
        .wakes = SUM(rt, wakes),
        .ops = SUM(rt, ops),
        .timers = SUM(rt, timers),
        .stacks = atomic_load_explicit(&rt->stacks.made_count, memory_order_relaxed),
        .accept_waits = SUM(rt, accept_waits),
        .blocking_calls = atomic_load_explicit(&rt->pool.n_begun, memory_order_relaxed),
        .blocking_running = atomic_load_explicit(&rt->pool.n_running, memory_order_relaxed),
        .blocking_queued = atomic_load_explicit(&rt->pool.n_queued, memory_order_relaxed),
        .blocking_threads = atomic_load_explicit(&rt->pool.n_threads, memory_order_relaxed),
        .blocking_peak = atomic_load_explicit(&rt->pool.n_peak, memory_order_relaxed),
        .outside = atomic_load_explicit(&rt->n_outside, memory_order_relaxed),
        .stalls = atomic_load_explicit(&rt->stalls, memory_order_relaxed),
        .relief = count_relief(rt),
        .coroutines_max = rt->limit.max,
        .spawns_waiting = atomic_load_explicit(&rt->limit.n_waiting, memory_order_relaxed),
        .standing = atomic_load_explicit(&rt->n_standing, memory_order_relaxed),
        .standing_changes = atomic_load_explicit(&rt->n_stand_changes, memory_order_relaxed),
    };
    memcpy(stats, &s, stats->size < sizeof s ? stats->size : sizeof s);
    return 0;
}

int weft_runtime_describe(const struct weft_runtime *rt, char *text, size_t bytes)
{
    rt = given_or_own(rt);
    if (rt == NULL || bytes == 0) {
        return -EINVAL;
    }
    struct weft__text t;
    weft__text_init(&t, text, bytes);
    weft__runtime_describe(rt, &t);
    return 0;
}

const char *weft_runtime_reactor(const struct weft_runtime *rt)
{
    rt = given_or_own(rt);
    return rt != NULL ? rt->reactors.driver->name : "";
}

const char *weft_runtime_guard(const struct weft_runtime *rt)
{
    rt = given_or_own(rt);
    return rt != NULL ? weft__guard_name(rt->stacks.guards.kind) : "";
}
