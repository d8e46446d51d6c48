/* SPDX-License-Identifier: MIT */
/* watch.c - see watch.h. */
#include "watch.h"

#include "../base/clock.h"
#include "../base/fatal.h"
#include "../base/forked.h"
#include "../base/self.h"
#include "../base/sys.h"
#include "fault.h"
#include "lookout.h"
#include "sched.h"
#include "signals.h"
#include "stand.h"
#include "trace.h"

#define WATCH_STACK_BYTES ((size_t)256 * 1024)

struct weft__lock weft__runtimes_lock;
struct weft_runtime *weft__runtimes;

static _Atomic uint32_t posted; /* a futex: what there is to do */
static uint64_t thread;
static bool has_thread;
static uint32_t n_runtimes;
static _Atomic uint32_t is_leaving; /* a futex: the last thread has been told to leave */

void weft__watch_post(uint32_t what)
{
    /* release [WATCH-POST]: publishes a recorded fault. */
    atomic_fetch_or_explicit(&posted, what, memory_order_release);
    weft__sys_futex_wake(&posted, 1);
}

void weft__watch_ask_deadlock(struct weft_runtime *rt)
{
    atomic_store_explicit(&rt->wants_look, true, memory_order_relaxed);
    weft__watch_post(WATCH_DEADLOCK);
}

/* Look at the runtimes that asked for it, or at all of them a second time; true asks for one. */
static bool look_for_deadlocks(bool is_second_look)
{
    bool again = false;
    weft__lock(&weft__runtimes_lock);
    for (struct weft_runtime *rt = weft__runtimes; rt != NULL; rt = rt->next) {
        if (atomic_exchange_explicit(&rt->wants_look, false, memory_order_relaxed) ||
            is_second_look) {
            again = weft__deadlock_look(rt, is_second_look) || again;
        }
    }
    weft__unlock(&weft__runtimes_lock);
    return again;
}

static void *watch_main(void *arg)
{
    (void)arg;
    weft__sys_thread_name("weft-watch");
    int64_t look_ns = INT64_MAX; /* when to look a second time for a deadlock */
    int64_t lookout_ns = 0;      /* when the look-out looks */
    atomic_store_explicit(&weft__lookout_sleeps, 0, memory_order_relaxed);
    weft__signals_open();
    for (;;) {
        /* acquire [WATCH-POST] */
        uint32_t what = atomic_exchange_explicit(&posted, 0, memory_order_acquire);
        int64_t now_ns = weft__clock_ns();
        bool is_time = now_ns >= look_ns;
        if (now_ns >= lookout_ns || (what & WATCH_LOOK) != 0) {
            lookout_ns = weft__lookout_round(now_ns);
        }
        if (what == 0 && !is_time) {
            weft__sys_futex_wait(&posted, 0, look_ns < lookout_ns ? look_ns : lookout_ns);
            continue;
        }
        if ((what & WATCH_FAULT) != 0) {
            weft__fault_report();
        }
        if ((what & WATCH_DUMP) != 0) {
            (void)weft__report_all(2, "weft: dump on SIGQUIT\n");
        }
        if (is_time || (what & WATCH_DEADLOCK) != 0) {
            bool again = look_for_deadlocks(is_time);
            look_ns = is_time ? INT64_MAX : look_ns;
            if (again && look_ns == INT64_MAX) {
                look_ns = weft__clock_ns() + WEFT__STALL_NS;
            }
        }
        if ((what & WATCH_CPUS) != 0) {
            weft__stand_look();
        }
        if ((what & WATCH_SIGNALS) != 0) {
            weft__signals_open();
        }
        if ((what & WATCH_LEAVE) != 0) {
            weft__signals_shut();
            return NULL;
        }
    }
}

/*
 * The coroutine that forked goes on in the child as a plain thread.  Its P does not go on, but the
 * thread still has the P's gate: it is to go the long way through each lock, on which it is asked
 * who the caller is.
 */
static void leave_coroutine(struct weft__m *m)
{
    m->forker = m->cur;
    m->cur = NULL;
    m->p = NULL;
    atomic_fetch_or_explicit(&weft__gate_self()->asked, GATE_FENCES, memory_order_relaxed);
}

/* See base/forked.h.  By the one thread that there is; nothing here takes a lock. */
static void poison_child(void)
{
    struct weft__m *m = weft__m_self();
    if (weft__runtimes == NULL) {
        return;
    }
    atomic_store_explicit(&weft__is_forked, true, memory_order_relaxed);
    weft__signals_in_child();      /* whose handlers may lie over the next */
    weft__fault_handlers_remove(); /* they ask the watch thread */
    if (m != NULL && m->cur != NULL) {
        weft__place_in_child(m);
        leave_coroutine(m);
    }
}

static void watch_forks(void)
{
    static bool is_registered;
    if (!is_registered) {
        is_registered = weft__sys_at_fork(poison_child) == 0;
    }
}

/* Under the lock of the runtimes. */
static int start_thread(void)
{
    int rc = has_thread ? 0 : weft__sys_thread_start(&thread, WATCH_STACK_BYTES, watch_main, NULL);
    has_thread = rc == 0;
    return rc;
}

int weft__watch_now(void)
{
    weft__lock(&weft__runtimes_lock);
    int rc = start_thread();
    weft__unlock(&weft__runtimes_lock);
    return rc;
}

int weft__watch_begin(struct weft_runtime *rt, bool starts_later)
{
    int rc = 0;
    weft__lock(&weft__runtimes_lock);
    /* acquire [WATCH-LEFT]: a new thread must not find what was posted for the old one, nor the
     * other way round. */
    while (atomic_load_explicit(&is_leaving, memory_order_acquire) != 0) {
        weft__unlock(&weft__runtimes_lock);
        weft__sys_futex_wait(&is_leaving, 1, INT64_MAX);
        weft__lock(&weft__runtimes_lock);
    }
    if (n_runtimes == 0) {
        weft__fatal_who = weft__report_who;
        weft__fatal_trace = weft__report_own_stack;
        weft__unwind_prime();
        watch_forks();
        atomic_store_explicit(&posted, 0, memory_order_relaxed);
    }
    if (!starts_later) {
        rc = start_thread();
    }
    if (rc == 0) {
        n_runtimes++;
        rt->next = weft__runtimes;
        weft__runtimes = rt;
        weft__lookout_rouse(); /* its Ps are busy before they first sleep */
        if (rt->with_signals) {
            weft__fault_handlers_install();
        }
        if (rt->with_signals && rt->reports_stalls) {
            weft__trace_handler_install();
        }
    }
    weft__unlock(&weft__runtimes_lock);
    return rc;
}

bool weft__watch_end(struct weft_runtime *rt)
{
    weft__lock(&weft__runtimes_lock);
    for (struct weft_runtime **at = &weft__runtimes; *at != NULL; at = &(*at)->next) {
        if (*at == rt) {
            *at = rt->next;
            break;
        }
    }
    if (weft__runtimes != NULL) {
        weft__watch_post(WATCH_DEADLOCK); /* a look at another may have waited for this one */
    }
    bool is_last = --n_runtimes == 0;
    bool must_join = is_last && has_thread;
    if (is_last) {
        weft__fault_handlers_remove();
        weft__trace_handler_remove();
    }
    if (must_join) {
        has_thread = false;
        atomic_store_explicit(&is_leaving, 1, memory_order_relaxed);
        weft__watch_post(WATCH_LEAVE);
    }
    weft__unlock(&weft__runtimes_lock);
    return must_join;
}

void weft__watch_join(void)
{
    weft__sys_thread_join(thread); /* nobody starts another before is_leaving is 0 */
    /* release [WATCH-LEFT] */
    atomic_store_explicit(&is_leaving, 0, memory_order_release);
    weft__sys_futex_wake(&is_leaving, INT32_MAX);
}
