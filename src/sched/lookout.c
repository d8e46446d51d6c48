/* SPDX-License-Identifier: MIT */
/* lookout.c - see lookout.h. */
#include "lookout.h"

#include "../base/clock.h"
#include "../base/sys.h"
#include "queue.h"
#include "trace.h"
#include "watch.h"

/* A coroutine that has used the CPU for so long in one turn keeps its P. */
#define HOG_CPU_NS (WEFT__LOOKOUT_NS / 2)
/* One that has not come back for so long keeps it in any case. */
#define STILL_NS (3 * WEFT__LOOKOUT_NS)
#define REAPS 16

_Atomic uint32_t weft__lookout_sleeps;
_Atomic bool weft__lookout_serves = true;

WEFT__COLD void weft__lookout_rouse_slow(void)
{
    if (atomic_exchange_explicit(&weft__lookout_sleeps, 0, memory_order_relaxed) != 0) {
        weft__watch_post(WATCH_LOOK);
    }
}

/* The coroutine that runs on p; NULL if its M looks for one, or waits for a CPU to do so.  Both
 * words are the M's own, which stays as long as its runtime is looked at. */
static struct weft__g *running_on(const struct weft__p *p)
{
    struct weft__m *m = weft__sys_peek((void *const *)&p->m);
    return m != NULL ? weft__sys_peek((void *const *)&m->cur) : NULL;
}

static void restart(struct weft__p *p, uint64_t turns, bool is_busy, int64_t now_ns)
{
    struct weft__p_look *look = &p->look;
    int id = atomic_load_explicit(&p->thread_id, memory_order_relaxed);
    look->turns = turns;
    look->since_ns = now_ns;
    look->cpu_ns = is_busy && id != 0 ? weft__sys_thread_cpu_ns(id) : 0;
    look->is_hogged = false;
    look->was_called = false;
    look->is_deaf = false;
    look->was_counted = false;
}

/* Is it the coroutine that keeps p, or has the kernel put the thread aside for a moment?  In the
 * latter case there is no CPU for somebody else either, and all the others of this P would change
 * theirs.  One that uses none for long may block its thread; only /proc could tell, and would take
 * a descriptor, whose number the program may just have closed. */
static bool is_kept(const struct weft__p *p, int64_t now_ns)
{
    int id = atomic_load_explicit(&p->thread_id, memory_order_relaxed);
    int64_t used_ns = weft__sys_thread_cpu_ns(id) - p->look.cpu_ns;
    return p->look.cpu_ns <= 0 || used_ns >= HOG_CPU_NS || now_ns - p->look.since_ns >= STILL_NS;
}

static void note_stall(struct weft__p *p, struct weft__g *g, int64_t now_ns)
{
    struct weft__p_look *look = &p->look;
    if (look->was_counted || now_ns - look->since_ns < WEFT__STALL_MIN_NS) {
        return;
    }
    look->was_counted = true;
    if (p->rt->reports_stalls) {
        uintptr_t pcs[WEFT__TRACE_MAX];
        int id = atomic_load_explicit(&p->thread_id, memory_order_relaxed);
        int n = weft__trace_take(id, g, pcs);
        weft__report_stall(g, now_ns - look->since_ns, pcs, n);
    }
    weft__count(p->rt->stalls);
}

/* Most of those that compute come by now and then, to lock or to send something, and give way
 * there: then all stays on this P. */
static void call_upon(struct weft__p *p)
{
    p->look.is_deaf = p->look.was_called;
    if (atomic_load_explicit(&weft__lookout_serves, memory_order_relaxed)) {
        p->look.was_called = true;
        weft__gate_call(p->gate);
    }
}

/* Has one and the same coroutine kept p since the last look?  A switch or a sleep would show.
 * Returns whether p is busy. */
static bool look_at(struct weft__p *p, int64_t now_ns)
{
    struct weft__p_look *look = &p->look;
    uint64_t turns = weft__p_turns(p);
    bool is_busy = !weft__idle_is_set(p);
    struct weft__g *g = is_busy && turns == look->turns ? running_on(p) : NULL;
    if (g == NULL) {
        restart(p, turns, is_busy, now_ns);
    } else {
        look->is_hogged = is_kept(p, now_ns);
    }
    if (look->is_hogged) {
        call_upon(p);
        note_stall(p, g, now_ns);
    }
    return is_busy;
}

static void complete(struct weft_runtime *rt, struct weft__op_list *done)
{
    uint64_t n = atomic_load_explicit(&rt->served.delivered, memory_order_relaxed); /* our own */
    struct weft__op *op = done->first;
    if (op == NULL) {
        return;
    }
    for (struct weft__op *next; op != NULL; op = next, n++) {
        next = op->next; /* op is gone once its waiter runs */
        weft__op_done(op);
    }
    /* release [OP-DELIVERED] */
    atomic_store_explicit(&rt->served.delivered, n, memory_order_release);
}

static bool has_queued(const struct weft__p *p)
{
    return weft__runq_count(&p->woken) != 0 || !weft__deque_is_empty(&p->unstarted) ||
           atomic_load_explicit(&p->run_next, memory_order_relaxed) != NULL;
}

/* More than its owner takes at a time: it will be a while until the next look. */
static void reap(struct weft__p *p, struct weft__op_list *done)
{
    struct weft__op **last = NULL;
    for (int i = 0; i < REAPS && last != done->last; i++) {
        last = done->last;
        p->rt->reactors.driver->reap(p->reactor, done);
    }
}

/* What the hog keeps p from. */
static void serve(struct weft__p *p, int64_t now_ns)
{
    struct weft_runtime *rt = p->rt;
    struct weft__op_list done;
    weft__op_list_init(&done);
    (void)weft__timers_fire(NULL, p, now_ns);
    rt->reactors.driver->send(p->reactor, &done);
    reap(p, &done);
    complete(rt, &done);
    if (has_queued(p) && weft__queue_take_away(p) != 0) {
        weft__idle_wake_one(rt);
    }
}

/* Is somebody busy? */
static bool look_at_runtime(struct weft_runtime *rt, int64_t now_ns)
{
    bool is_busy = false;
    bool has_free = false;
    if (atomic_load_explicit(&rt->is_stopping, memory_order_relaxed) != 0) {
        return false; /* a hog is all that can be left there */
    }
    int n_standing = (int)atomic_load_explicit(&rt->n_standing, memory_order_relaxed);
    bool serves =
        rt->may_steal && atomic_load_explicit(&weft__lookout_serves, memory_order_relaxed);
    for (int i = 0; i < weft__p_count(rt); i++) {
        struct weft__p *p = weft__p_at(rt, i);
        is_busy = look_at(p, now_ns) || is_busy;
        if (!p->look.is_hogged || !p->look.is_deaf ||
            now_ns - p->look.since_ns < WEFT__RELIEF_NS) {
            has_free = has_free || i < n_standing; /* the others run what is bound to them alone */
        }
        if (p->look.is_hogged && serves) {
            serve(p, now_ns);
        }
    }
    if (serves) {
        weft__relief_see_to(rt, has_free, now_ns);
    }
    return is_busy;
}

static bool is_busy(const struct weft_runtime *rt)
{
    if (atomic_load_explicit(&rt->is_stopping, memory_order_relaxed) != 0) {
        return false;
    }
    for (int i = 0; i < weft__p_count(rt); i++) {
        if (!weft__idle_is_set(weft__p_at(rt, i))) {
            return true;
        }
    }
    return false;
}

/* May it sleep until somebody rouses it?  With the lock of the runtimes. */
static bool begin_sleep(void)
{
    atomic_store_explicit(&weft__lookout_sleeps, 1, memory_order_relaxed);
    weft__perturb();
    atomic_thread_fence(memory_order_seq_cst); /* [LOOKOUT-SLEEP] */
    for (struct weft_runtime *rt = weft__runtimes; rt != NULL; rt = rt->next) {
        if (is_busy(rt)) {
            atomic_store_explicit(&weft__lookout_sleeps, 0, memory_order_relaxed);
            return false;
        }
    }
    return true;
}

int64_t weft__lookout_round(int64_t now_ns)
{
    static int n_quiet; /* looks in a row */
    bool any = false;
    if (!weft__try_lock(&weft__runtimes_lock)) {
        return now_ns + WEFT__LOOKOUT_NS; /* a start, an end or a dump: not now */
    }
    for (struct weft_runtime *rt = weft__runtimes; rt != NULL; rt = rt->next) {
        any = look_at_runtime(rt, now_ns) || any;
    }
    n_quiet = any ? 0 : n_quiet + 1;
    bool may_sleep = n_quiet >= WEFT__QUIET_LOOKS && begin_sleep();
    weft__unlock(&weft__runtimes_lock);
    return may_sleep ? INT64_MAX : now_ns + WEFT__LOOKOUT_NS;
}
