/* SPDX-License-Identifier: MIT */
/*
 * deadlock.c - can anything still wake a runtime whose Ps all sleep?
 *
 * The last P to go to sleep without a timer, with nothing in flight and with live coroutines, asks
 * the watch thread for a look.  The look counts as long as nobody woke up meanwhile: all Ps idle
 * before and after, and the number of rests unchanged.
 *
 * A thread that Weft did not start could still send, close or spawn.  So the verdict is "deadlock"
 * only if every such thread is waiting in weft_run() or weft_block_on(); else it is a stall, which
 * is reported once and ends nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../base/census.h"
#include "../base/sys.h"
#include "away.h"
#include "queue.h"
#include "watch.h"

/* Threads that sanitizers and the like run in the background; they wake nobody. */
#ifdef WEFT__TSAN
static int process_id(void)
{
    char text[32];
    return weft__sys_read_file("/proc/self/stat", text, sizeof text) > 0 ? atoi(text) : 0;
}

static int loaded_in;

__attribute__((constructor)) static void note_process(void)
{
    loaded_in = process_id();
}

/* ThreadSanitizer has one; in a forked child it starts one at the fork and another one later. */
static int count_tool_threads(void)
{
    return process_id() == loaded_in ? 1 : 2;
}
#elif defined(WEFT_LIBKQUEUE)
/* libkqueue has two as long as there is a queue: for those that are closed, and for signals. */
static int count_tool_threads(void)
{
    for (struct weft_runtime *rt = weft__runtimes; rt != NULL; rt = rt->next) {
        if (rt->reactors.driver == &weft__driver_kqueue) {
            return 2;
        }
    }
    return 0;
}
#else
static int count_tool_threads(void)
{
    return 0;
}
#endif

/* Whoever woke up and is among the idle again has moved this: he counts before he says that he is
 * ([IDLE-BIT]). */
static uint64_t count_rests(const struct weft_runtime *rt)
{
    uint64_t n = atomic_load_explicit(&rt->away_begun, memory_order_relaxed);
    for (int i = 0; i < weft__p_count(rt); i++) {
        n += atomic_load_explicit(&weft__p_at(rt, i)->counts.rests, memory_order_relaxed);
    }
    return n;
}

/*
 * Is there an operation whose coroutine was not made runnable yet?  What a driver has reported is
 * no longer in flight, but the P that waited in it may still be on its way back, and count as idle.
 */
static bool has_undelivered_ops(const struct weft_runtime *rt)
{
    /* acquire [OP-DELIVERED] */
    uint64_t n_delivered = atomic_load_explicit(&rt->served.delivered, memory_order_acquire);
    for (int i = 0; i < weft__p_count(rt); i++) {
        const struct weft__p_counts *counts = &weft__p_at(rt, i)->counts;
        /* acquire [OP-DELIVERED] */
        n_delivered += atomic_load_explicit(&counts->delivered, memory_order_acquire);
    }
    return weft__reactors_submitted(&rt->reactors) != n_delivered;
}

bool weft__has_undelivered(const struct weft_runtime *rt)
{
    /* acquire [AWAY-END]; and what has ended first, so that the sum is never too small. */
    uint64_t n_ended = atomic_load_explicit(&rt->away_ended, memory_order_acquire);
    return atomic_load_explicit(&rt->away_begun, memory_order_relaxed) != n_ended ||
           has_undelivered_ops(rt);
}

void weft__away_begin(struct weft_runtime *rt)
{
    /* relaxed: a P of rt is awake, and the look finds that first. */
    atomic_fetch_add_explicit(&rt->away_begun, 1, memory_order_relaxed);
}

void weft__away_end(struct weft_runtime *rt)
{
    weft__perturb();
    /* release [AWAY-END]: who sees it ended sees that a P was woken, or has the coroutine. */
    atomic_fetch_add_explicit(&rt->away_ended, 1, memory_order_release);
    /* That P may have run the coroutine and be asleep again by now, and it asked for no look
     * because this was still under way: one of the two sees the other. */
    atomic_thread_fence(memory_order_seq_cst); /* [IDLE-DEKKER] */
    if (weft__idle_count(rt) == (uint32_t)rt->procs && !weft__has_undelivered(rt)) {
        weft__watch_ask_deadlock(rt);
    }
}

/* Asleep, with no queue, timer or operation that could end the sleep. */
static bool is_quiet(struct weft_runtime *rt)
{
    if (weft__live_count(rt) == 0 || weft__idle_count(rt) != (uint32_t)rt->procs ||
        weft__has_undelivered(rt) ||
        atomic_load_explicit(&rt->is_stopping, memory_order_relaxed) != 0) {
        return false;
    }
    for (int i = 0; i < weft__p_count(rt); i++) {
        struct weft__p *p = weft__p_at(rt, i);
        if (!weft__idle_is_set(p) || weft__runq_count(&p->woken) != 0 ||
            !weft__deque_is_empty(&p->unstarted) || !weft__inject_is_empty(p->inject) ||
            weft__inject_has_overflow(p->inject) ||
            weft__queue_has_bound(p) ||
            atomic_load_explicit(&p->run_next, memory_order_relaxed) != NULL ||
            atomic_load_explicit(&p->wheel_next_ns, memory_order_relaxed) != INT64_MAX) {
            return false;
        }
    }
    return true;
}

static int count_our_threads(void)
{
    int ours = 1 + count_tool_threads(); /* 1: the watch thread */
    for (struct weft_runtime *rt = weft__runtimes; rt != NULL; rt = rt->next) {
        ours += (int)atomic_load_explicit(&rt->n_threads, memory_order_relaxed);
        ours += (int)atomic_load_explicit(&rt->n_blocked_on, memory_order_relaxed);
        ours += (int)atomic_load_explicit(&rt->pool.n_present, memory_order_relaxed);
    }
    return ours;
}

/* Threads of the process that are neither ours nor waiting for a runtime; 1 if that is not known:
 * then somebody may be there. */
static int count_foreign_threads(void)
{
    uint64_t n_left = weft__census_count_left(); /* [CENSUS-LEFT] */
    int ours = count_our_threads();
    int all = weft__sys_thread_count();
    if (all > ours) {
        /* The kernel's own leave when they like, but come only with an operation, and none is in
         * flight: those that are found now were there before. */
        ours += weft__sys_kernel_thread_count();
    }
    return all < 0 || weft__census_count_left() != n_left ? 1 : all - ours;
}

/* Could another runtime of the process wake this one through a shared channel? */
static bool others_are_quiet(struct weft_runtime *but)
{
    for (struct weft_runtime *rt = weft__runtimes; rt != NULL; rt = rt->next) {
        if (rt != but && weft__live_count(rt) != 0 && !is_quiet(rt)) {
            return false;
        }
    }
    return true;
}

/*
 * Do all threads in weft_run() and weft_block_on() really wait?  One that has yet to spawn its
 * coroutine, or that has been woken and is about to return, counts as blocked but may still do
 * anything: the look is put off until it has come to rest or left.  And a runtime in which nobody
 * waits has nobody to tell: parked coroutines are then its normal rest, or app has returned and
 * they are about to be discarded.
 */
static bool callers_are_at_rest(struct weft_runtime *looked_at)
{
    bool at_rest = true;
    for (struct weft_runtime *rt = weft__runtimes; rt != NULL; rt = rt->next) {
        weft__lock(&rt->waits_lock);
        for (struct weft__block_wait *b = rt->block_waits; b != NULL; b = b->next) {
            if (!weft__block_wait_rests(b)) {
                rt->look_deferred = true;
                at_rest = false;
            }
        }
        if (rt == looked_at && rt->block_waits == NULL) {
            at_rest = false;
        }
        weft__unlock(&rt->waits_lock);
    }
    return at_rest;
}

static void end_block_ons(struct weft_runtime *rt)
{
    weft__lock(&rt->waits_lock);
    for (struct weft__block_wait *b = rt->block_waits; b != NULL; b = b->next) {
        if (weft__wait_claim(b->wait, -EDEADLK)) {
            weft__wait_wake(b->wait);
        }
    }
    weft__unlock(&rt->waits_lock);
}

/* With the next request, of whomever. */
static void look_again(struct weft_runtime *rt)
{
    atomic_store_explicit(&rt->wants_look, true, memory_order_relaxed);
}

static void end_process(void)
{
    /* What the program has printed should be seen, but a parked coroutine may hold stdout's lock.
     * */
    if (ftrylockfile(stdout) == 0) {
        fflush(stdout);
    }
    weft__sys_exit(2);
}

/* Some other thread could still end it.  Most programs that mix threads and coroutines are in this
 * state now and then, so only one that lasts is reported, once. */
static bool stall(struct weft_runtime *rt, uint64_t rests, bool is_second_look)
{
    if (rt->stall_reported) {
        return false;
    }
    if (is_second_look && rt->stall_rests == rests) {
        rt->stall_reported = true;
        weft__report_deadlock(rt, false);
        return false;
    }
    if (is_second_look || rt->stall_rests == 0) {
        rt->stall_rests = rests; /* further first looks do not move the mark */
    }
    return true;
}

bool weft__deadlock_look(struct weft_runtime *rt, bool is_second_look)
{
    uint64_t rests = count_rests(rt);
    if (!is_quiet(rt)) {
        return false;
    }
    if (!others_are_quiet(rt) || !callers_are_at_rest(rt)) {
        look_again(rt);
        return false;
    }
    bool is_certain = count_foreign_threads() <= 0;
    /* The fence keeps this second look after the first and after the count of threads. */
    atomic_thread_fence(memory_order_seq_cst); /* [DEADLOCK-LOOK] pairs with [IDLE-DEKKER] */
    if (!is_quiet(rt) || count_rests(rt) != rests) {
        return false; /* [DEADLOCK-LOOK] whoever woke up asks again when it goes back to sleep */
    }
    if (!callers_are_at_rest(rt)) {
        look_again(rt); /* it came between the first look and the count of threads */
        return false;
    }
    if (!is_certain) {
        return stall(rt, rests, is_second_look);
    }
    if (atomic_load_explicit(&rt->inject.starved_count, memory_order_relaxed) != 0) {
        weft__report_no_stack(rt);
        end_process();
    }
    weft__report_deadlock(rt, true);
    if (rt->exits_on_deadlock) {
        end_process();
    }
    end_block_ons(rt);
    return false;
}
