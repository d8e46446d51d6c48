/* SPDX-License-Identifier: MIT */
/* stand.c - see stand.h. */
#include "stand.h"

#include "../base/clock.h"
#include "../base/sys.h"
#include "../base/text.h"
#include "watch.h"

#define LOOK_NS ((int64_t)10000000000)

static uint32_t within_bounds(const struct weft_runtime *rt, int n)
{
    int least = rt->procs < WEFT__STAND_LEAST ? rt->procs : WEFT__STAND_LEAST;
    return (uint32_t)(n < least ? least : n > rt->procs ? rt->procs : n);
}

void weft__stand_begin(struct weft_runtime *rt, bool follows)
{
    atomic_init(&rt->n_standing, (uint32_t)rt->procs);
    atomic_init(&rt->stand_look_ns, INT64_MAX);
    if (follows) {
        weft__stand_follow(rt, &weft__cpus_here, LOOK_NS);
    }
}

void weft__stand_follow(struct weft_runtime *rt, const struct weft__cpus_at *at,
                        int64_t interval_ns)
{
    if (rt->procs <= WEFT__STAND_LEAST) {
        return;
    }
    rt->cpus_at = at;
    rt->stand_interval_ns = interval_ns;
    /* release [STAND-FOLLOW]: with the two above. */
    atomic_store_explicit(&rt->stand_look_ns, weft__clock_after(weft__clock_ns(), interval_ns),
                          memory_order_release);
}

WEFT__COLD void weft__stand_ask_now(struct weft_runtime *rt, int64_t now_ns)
{
    /* acquire [STAND-FOLLOW] */
    int64_t due_ns = atomic_load_explicit(&rt->stand_look_ns, memory_order_acquire);
    /* relaxed: it decides who of several Ps asks, nothing more. */
    if (now_ns >= due_ns && atomic_compare_exchange_strong_explicit(
                                &rt->stand_look_ns, &due_ns, now_ns + rt->stand_interval_ns,
                                memory_order_relaxed, memory_order_relaxed)) {
        weft__watch_post(WATCH_CPUS);
    }
}

/*
 * Each P that changes sides is woken if it sleeps, to be counted where it belongs from then on: the
 * number is what is made visible in [IDLE-DEKKER], so a P that is about to sleep finds it in its
 * re-check, and one that sleeps already has its bit seen here.
 */
void weft__stand_set(struct weft_runtime *rt, int n)
{
    uint32_t now = within_bounds(rt, n);
    uint32_t before = atomic_exchange_explicit(&rt->n_standing, now, memory_order_relaxed);
    if (now == before) {
        return;
    }
    atomic_fetch_add_explicit(&rt->n_stand_changes, 1, memory_order_relaxed);
    weft__perturb();
    uint32_t end = now > before ? now : before;
    for (uint32_t i = now > before ? before : now; i < end; i++) {
        (void)weft__idle_wake_p(&rt->p[i]);
    }
}

static void say_how_many(const struct weft_runtime *rt)
{
    char line[160];
    struct weft__text t;
    weft__text_init(&t, line, sizeof line);
    weft__text_add(&t, "weft: CPU quota or affinity: ");
    weft__text_dec(&t, atomic_load_explicit(&rt->n_standing, memory_order_relaxed));
    weft__text_add(&t, " of ");
    weft__text_int(&t, rt->procs);
    weft__text_add(&t, " processors run coroutines from now on\n");
    (void)weft__text_write(&t, 2);
}

static void look(struct weft_runtime *rt)
{
    int n = weft__cpus_usable(rt->cpus_at);
    uint32_t before = atomic_load_explicit(&rt->n_standing, memory_order_relaxed);
    if (n < 0 || within_bounds(rt, n) == before) {
        return; /* or it cannot be told at the moment */
    }
    weft__stand_set(rt, n);
    if (rt->is_verbose) {
        say_how_many(rt);
    }
}

void weft__stand_look(void)
{
    weft__lock(&weft__runtimes_lock);
    for (struct weft_runtime *rt = weft__runtimes; rt != NULL; rt = rt->next) {
        /* acquire [STAND-FOLLOW] */
        if (atomic_load_explicit(&rt->stand_look_ns, memory_order_acquire) != INT64_MAX) {
            look(rt);
        }
    }
    weft__unlock(&weft__runtimes_lock);
}
