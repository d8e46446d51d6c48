/* SPDX-License-Identifier: MIT */
/* enter.c - the public calls that start, enter and stop a runtime from a plain thread. */
#include <weft/runtime.h>

#include <errno.h>
#include <stdio.h>

#include "../base/census.h"
#include "../base/clock.h"
#include "../base/forked.h"
#include "../base/self.h"
#include "../base/sys.h"
#include "lifecycle.h"
#include "watch.h"

#define CANNOT_START 125
/* How long weft_run() waits at its end for coroutines that compute without blocking. */
#define RUN_END_NS ((int64_t)100000000)
/* A thread on its way has some calls to make: so a nap is the exception. */
#define SETTLE_NS 100000
/* What a program takes that does next to nothing. */
#define SHORT_RUN_NS 200000
/* When no thread can be had to watch, it is asked for again. */
#define WATCH_AGAIN_NS 10000000

static bool in_coroutine(void)
{
    struct weft__m *m = weft__m_self();
    return m != NULL && m->cur != NULL;
}

/* The last touch of rt: weft__runtime_stop() waits for it. */
static void leave(struct weft_runtime *rt)
{
    _Atomic uint32_t *n_inside = &rt->n_inside;
    /* release [INSIDE-LEFT] */
    atomic_fetch_sub_explicit(n_inside, 1, memory_order_release);
    weft__sys_futex_wake(n_inside, INT32_MAX);
}

/* False if rt is being stopped.  If not, who stops it waits until this thread has started what it
 * came for. */
static bool block_wait_add(struct weft_runtime *rt, struct weft__block_wait *b)
{
    atomic_fetch_add_explicit(&rt->n_inside, 1, memory_order_relaxed);
    weft__lock(&rt->waits_lock);
    bool may_come = atomic_load_explicit(&rt->is_stopping, memory_order_relaxed) == 0;
    if (may_come) {
        atomic_fetch_add_explicit(&rt->n_blocked_on, 1, memory_order_relaxed);
        b->next = rt->block_waits;
        rt->block_waits = b;
    }
    weft__unlock(&rt->waits_lock);
    if (!may_come) {
        leave(rt);
    }
    return may_come;
}

static bool is_anybody_on_his_way(struct weft_runtime *rt)
{
    weft__lock(&rt->waits_lock);
    struct weft__block_wait *b = rt->block_waits;
    while (b != NULL && weft__block_wait_rests(b)) {
        b = b->next;
    }
    weft__unlock(&rt->waits_lock);
    return b != NULL;
}

void weft__block_waits_settle(struct weft_runtime *rt)
{
    while (is_anybody_on_his_way(rt)) {
        weft__sys_nap(SETTLE_NS);
    }
}

/* Leave the lock, and ask for the look at a deadlock that was put off because of such a thread. */
static void unlock_and_look(struct weft_runtime *rt)
{
    bool look = rt->look_deferred;
    rt->look_deferred = false;
    weft__unlock(&rt->waits_lock);
    if (WEFT__UNLIKELY(look)) {
        weft__watch_ask_deadlock(rt);
    }
}

static void block_wait_rest(struct weft_runtime *rt, struct weft__block_wait *b)
{
    weft__lock(&rt->waits_lock);
    b->is_at_rest = true;
    unlock_and_look(rt);
}

static void block_wait_remove(struct weft_runtime *rt, struct weft__block_wait *b)
{
    weft__census_leave(&rt->n_blocked_on);
    weft__lock(&rt->waits_lock);
    for (struct weft__block_wait **at = &rt->block_waits; *at != NULL; at = &(*at)->next) {
        if (*at == b) {
            *at = b->next;
            break;
        }
    }
    unlock_and_look(rt);
    leave(rt);
}

/* Its next wait is this one. */
static void block_wait_next(struct weft_runtime *rt, struct weft__block_wait *b,
                            struct weft__wait *w)
{
    weft__lock(&rt->waits_lock);
    b->wait = w;
    b->is_at_rest = false;
    unlock_and_look(rt);
}

static void wait_for_word(_Atomic uint32_t *word)
{
    /* acquire [WAIT-THREAD] */
    while (atomic_load_explicit(word, memory_order_acquire) == 0) {
        weft__sys_futex_wait(word, 0, INT64_MAX);
    }
}

/* The same in weft_run(), which need not have gone to sleep when a short program is over, and sees
 * to it that a longer one has a watch thread. */
static void wait_for_end(_Atomic uint32_t *word)
{
    int64_t until_ns = weft__clock_after(weft__clock_ns(), WEFT__WATCH_LATER_NS);
    weft__sys_yield_while(word, 0, SHORT_RUN_NS);
    /* acquire [WAIT-THREAD] */
    while (atomic_load_explicit(word, memory_order_acquire) == 0) {
        if (weft__sys_futex_wait(word, 0, until_ns) == -ETIMEDOUT) {
            until_ns = weft__watch_now() == 0
                           ? INT64_MAX
                           : weft__clock_after(weft__clock_ns(), WATCH_AGAIN_NS);
        }
    }
}

/* Wait on a plain thread until co is done; 0, or -EDEADLK if the watch thread says that it never
 * will be. */
static int wait_until_done(struct weft_runtime *rt, struct weft_co *co,
                           struct weft__block_wait *entry, bool is_whole)
{
    struct weft__wait *w = entry->wait;
    struct weft__waiter waiter = {.wait = w, .index = 0};
    weft__lock(&co->lock);
    bool is_done = weft__handle_has_ended(co);
    if (!is_done) {
        weft__waitq_add(&co->waiters, &waiter);
    }
    weft__unlock(&co->lock);
    if (is_done) {
        return 0;
    }
    block_wait_rest(rt, entry);
    if (is_whole) {
        wait_for_end(&w->thread_word);
    } else {
        wait_for_word(&w->thread_word);
    }
    weft__lock(&co->lock);
    weft__waitq_remove(&co->waiters, &waiter);
    weft__unlock(&co->lock);
    return w->value;
}

/* A wait of this thread, which counts as waiting before there is anything to wait for: else a
 * deadlock that comes at once would find a thread that might still do something. */
#define THREAD_WAIT                                                                                \
    {                                                                                              \
        .g = NULL, .contest = CONTEST_OPEN, .is_bounded = true, .deadline_ns = INT64_MAX           \
    }

/* Where rt has a limit, a place for a coroutine; s is the first wait of the entry. */
static int take_place(struct weft_runtime *rt, struct weft__block_wait *entry,
                      struct weft__start *s)
{
    int rc = rt->limit.max != 0 ? weft__limit_enter(&rt->limit, s, NULL) : 0;
    if (rc == 1) {
        block_wait_rest(rt, entry);
        weft__watch_ask_deadlock(rt); /* its Ps may be asleep, and nobody else would ask */
        rc = weft__limit_wait(&rt->limit, s);
    }
    return rc;
}

/* Start a coroutine that has a place, or needs none: fn with a handle, or plain without. */
static int start_in(struct weft_runtime *rt, int (*fn)(void *), void (*plain)(void *), void *arg,
                    const char *site, const char *name, struct weft_co *co)
{
    if (weft__spawn_foreign(rt, fn, plain, arg, site, name, co)) {
        return 0;
    }
    if (rt->limit.max != 0) {
        weft__limit_leave(&rt->limit);
    }
    return -ENOMEM;
}

/* is_whole: this coroutine is all that rt is for: it begins with it, and ends. */
static int run_in(struct weft_runtime *rt, int (*fn)(void *), void *arg, bool is_whole, int *result)
{
    const char *site = is_whole ? "weft_run" : "weft_block_on";
    struct weft__wait w = THREAD_WAIT;
    struct weft__start s = {.wait = THREAD_WAIT};
    struct weft__block_wait entry = {.wait = &s.wait, .is_at_rest = false};
    if (!block_wait_add(rt, &entry)) {
        return -ESHUTDOWN;
    }
    struct weft_co *co = weft__handle_make(NULL);
    int rc = co != NULL ? take_place(rt, &entry, &s) : -ENOMEM;
    block_wait_next(rt, &entry, &w);
    if (rc == 0) {
        co->ends_runtime = is_whole;
        rc = start_in(rt, fn, NULL, arg, site, is_whole ? "main" : NULL, co);
    }
    bool has_started = rc == 0;
    if (has_started && is_whole) {
        rc = weft__runtime_begin(rt);
    }
    if (rc == 0) {
        rc = wait_until_done(rt, co, &entry, is_whole);
    }
    block_wait_remove(rt, &entry);
    if (rc == 0 && co->was_abandoned) {
        rc = -ESHUTDOWN;
    } else if (rc == 0 && result != NULL) {
        *result = co->result;
    }
    if (has_started) {
        (void)weft__handle_release(co);
    } else if (co != NULL) {
        weft__handle_drop(NULL, co);
    }
    return rc;
}

/* weft_runtime_go() where there is a limit, on a plain thread. */
static WEFT__COLD int go_limited(struct weft_runtime *rt, void (*fn)(void *), void *arg,
                                 const char *site)
{
    struct weft__start s = {.wait = THREAD_WAIT};
    struct weft__block_wait entry = {.wait = &s.wait, .is_at_rest = false};
    if (!block_wait_add(rt, &entry)) {
        return -ESHUTDOWN;
    }
    int rc = take_place(rt, &entry, &s);
    if (rc == 0) {
        rc = start_in(rt, NULL, fn, arg, site, NULL, NULL);
    }
    block_wait_remove(rt, &entry);
    return rc;
}

/* And in a coroutine. */
static WEFT__COLD int go_limited_inside(struct weft_runtime *rt, void (*fn)(void *), void *arg,
                                        const char *site, const void *caller)
{
    int rc = weft__limit_take(&rt->limit, weft_runtime_current() == rt, caller);
    return rc == 0 ? start_in(rt, NULL, fn, arg, site, NULL, NULL) : rc;
}

int weft_run_config(int (*app)(void *), void *arg, const struct weft_config *config)
{
    if (in_coroutine()) {
        fputs("weft: weft_run() was called inside a coroutine; use go()\n", stderr);
        return CANNOT_START;
    }
    struct weft_runtime *rt;
    bool was_said;
    int rc = weft__runtime_start(&rt, config, true, &was_said);
    if (rc != 0) {
        if (!was_said) {
            fprintf(stderr, "weft: cannot start a runtime: %s\n", weft_strerror(rc));
        }
        return CANNOT_START;
    }
    int result = CANNOT_START;
    rc = run_in(rt, app, arg, true, &result);
    if (rc != 0) {
        fprintf(stderr, "weft: cannot run the first coroutine: %s\n", weft_strerror(rc));
    }
    (void)weft__runtime_stop(rt, weft__clock_after(weft__clock_ns(), RUN_END_NS));
    return result;
}

int weft_run(int (*app)(void *), void *arg)
{
    return weft_run_config(app, arg, NULL);
}

int weft_runtime_start(struct weft_runtime **out, const struct weft_config *config)
{
    bool was_said;
    struct weft_runtime *rt;
    int rc = weft__runtime_start(&rt, config, false, &was_said);
    if (rc != 0) {
        return rc;
    }
    rc = weft__runtime_begin(rt);
    if (rc != 0) {
        (void)weft__runtime_stop(rt, INT64_MAX);
        return rc;
    }
    *out = rt;
    return 0;
}

int weft_runtime_stop(struct weft_runtime *rt)
{
    weft__refuse_in_child("weft_runtime_stop() was called" WEFT__IN_CHILD);
    struct weft__m *m = weft__m_of_thread();
    if (m != NULL && m->rt == rt) {
        return -EDEADLK;
    }
    return (int)weft__runtime_stop(rt, INT64_MAX);
}

int weft_block_on(struct weft_runtime *rt, int (*fn)(void *), void *arg, int *result)
{
    if (in_coroutine()) {
        return -EXDEV;
    }
    return run_in(rt, fn, arg, false, result);
}

int weft_runtime_go_at(struct weft_runtime *rt, void (*fn)(void *), void *arg, const char *site)
{
    if (atomic_load_explicit(&rt->is_stopping, memory_order_relaxed) != 0) {
        return -ESHUTDOWN;
    }
    if (rt->limit.max != 0) {
        return in_coroutine()
                   ? go_limited_inside(rt, fn, arg, site, __builtin_return_address(0))
                   : go_limited(rt, fn, arg, site);
    }
    return weft__spawn_foreign(rt, NULL, fn, arg, site, NULL, NULL) ? 0 : -ENOMEM;
}
