/* SPDX-License-Identifier: MIT */
/*
 * machine.c - Ms: OS threads that run a P each, or are spare.
 *
 * A P can be given to another M between two coroutines, or by a coroutine that goes outside
 * (outside.c).  The M that let it go stays, as a spare one in the end: the kernel may still have
 * operations in flight that this thread submitted, and a submitter that exits would end them.
 * Spares leave when the runtime stops.
 */
#include <errno.h>

#include "../base/census.h"
#include "../base/fatal.h"
#include "../base/forked.h"
#include "../base/sys.h"
#include "../base/text.h"
#include "fault.h"
#include "../base/self.h"
#include "sched.h"
#include "trace.h"

/* Room for the search, the reactor's batches and a dump; the kernel commits what is touched. */
#define M_STACK_BYTES ((size_t)256 * 1024)

WEFT__COLD void weft__m_not_in_coroutine(const char *call)
{
    if (weft__m_outside() != NULL) {
        weft__fatal("between weft_blocking_enter() and weft_blocking_leave() a coroutine made a "
                    "call that is not for plain threads");
    }
    char line[160];
    struct weft__text t;
    bool is_forked = atomic_load_explicit(&weft__is_forked, memory_order_relaxed);
    weft__text_init(&t, line, sizeof line);
    weft__text_add(&t, call);
    weft__text_add(&t, is_forked ? " was called" WEFT__IN_CHILD
                                 : " was called outside a coroutine");
    weft__fatal(line);
}

static void ctx_init(struct weft__m *m)
{
    (void)m;
#ifdef WEFT__ASAN
    weft__sys_thread_stack(&m->ctx.low, &m->ctx.bytes);
#endif
#ifdef WEFT__TSAN
    m->ctx.fiber = weft__san_fiber_current();
#endif
}

/* Run coroutines until the M must let its P go, or has given it away (outside.c), or the runtime
 * stops. */
static void run(struct weft__m *m)
{
    struct weft__g *g;
    weft__place_on_p(m);
    weft__gate_set_self(m->p->gate);
    atomic_store_explicit(&m->p->thread_id, m->thread_id, memory_order_relaxed);
    while (m->p != NULL && (g = weft__find(m)) != NULL) {
        weft__switch_to_g(m, g);
    }
    weft__gate_set_self(NULL);
}

/* Wait as a spare until somebody gives us a P (m->p), or the runtime stops (m->p stays NULL). */
static void wait_for_p(struct weft__m *m)
{
    struct weft_runtime *rt = m->rt;
    weft__place_spare(m);
    for (;;) {
        /* acquire [M-ASSIGN]: all that the last M did with the P is visible. */
        if (atomic_load_explicit(&m->assigned, memory_order_acquire) != 0) {
            atomic_store_explicit(&m->assigned, 0, memory_order_relaxed);
            return;
        }
        if (atomic_load_explicit(&rt->is_stopping, memory_order_relaxed) != 0) {
            return;
        }
        weft__sys_futex_wait(&m->assigned, 0, INT64_MAX);
    }
}

static bool is_stopping(const struct weft__m *m)
{
    return atomic_load_explicit(&m->rt->is_stopping, memory_order_relaxed) != 0;
}

static void add_spare(struct weft_runtime *rt, struct weft__m *m)
{
    weft__lock(&rt->m_lock);
    m->next_spare = rt->spare_ms;
    rt->spare_ms = m;
    weft__unlock(&rt->m_lock);
}

static void *m_main(void *arg)
{
    struct weft__m *m = arg;
    weft__m_set_self(m);
    m->p->m = m; /* not before: one whose thread is refused is freed, and the look-out reads this */
    m->thread_id = weft__sys_thread_id();
    weft__sys_timer_slack(1); /* the kernel's default adds 50 us to every sleep */
    weft__fault_thread_begin(m);
    if (m->rt->reports_stalls) {
        weft__trace_thread_begin();
    }
    m->fp = m->rt->fp;
    weft__fp_load(&m->fp); /* it was started by a coroutine, perhaps, which has one of its own */
    ctx_init(m);
    while (!is_stopping(m)) {
        if (m->p != NULL) {
            run(m);
        }
        if (is_stopping(m)) {
            break;
        }
        if (m->p != NULL) {
            weft__m_hand_off(m);
        } else {
            add_spare(m->rt, m);
        }
        wait_for_p(m);
    }
    weft__fault_thread_end(m);
    weft__census_leave(&m->rt->n_threads);
    weft__m_set_self(NULL);
    /* release [M-LEFT]: pairs with the wait in stop.c.  The thread itself is joined after it. */
    atomic_fetch_sub_explicit(&m->rt->n_running_ms, 1, memory_order_release);
    weft__sys_futex_wake(&m->rt->n_running_ms, INT32_MAX);
    return NULL;
}

/* Make an M that runs p; 0 or -errno. */
int weft__m_start(struct weft_runtime *rt, struct weft__p *p)
{
    struct weft__m *m = weft__alloc_line(sizeof *m);
    if (m == NULL) {
        return -ENOMEM;
    }
    m->rt = rt;
    m->p = p;
    m->cpu = WEFT__PLACE_UNKNOWN;
    m->role = WEFT__PLACE_UNKNOWN;
    weft__lock(&rt->m_lock);
    m->next = rt->ms;
    rt->ms = m;
    weft__unlock(&rt->m_lock);
    atomic_fetch_add_explicit(&rt->n_running_ms, 1, memory_order_relaxed);
    int rc = weft__sys_thread_start(&m->thread, M_STACK_BYTES, m_main, m);
    if (rc == 0) {
        atomic_fetch_add_explicit(&rt->n_threads, 1, memory_order_relaxed);
        weft__lock(&rt->m_lock);
        m->has_thread = true;
        bool is_left = rt->ms_are_left;
        weft__unlock(&rt->m_lock);
        if (is_left) {
            weft__sys_thread_detach(m->thread);
        }
    }
    if (rc != 0) {
        atomic_fetch_sub_explicit(&rt->n_running_ms, 1, memory_order_relaxed);
        weft__sys_futex_wake(&rt->n_running_ms, INT32_MAX); /* a stop may wait for this one alone */
        weft__lock(&rt->m_lock);
        for (struct weft__m **at = &rt->ms; *at != NULL; at = &(*at)->next) {
            if (*at == m) {
                *at = m->next;
                break;
            }
        }
        weft__unlock(&rt->m_lock);
        weft__free(m);
    }
    return rc;
}

static struct weft__m *take_spare(struct weft_runtime *rt)
{
    weft__lock(&rt->m_lock);
    struct weft__m *m = rt->spare_ms;
    if (m != NULL) {
        rt->spare_ms = m->next_spare;
    }
    weft__unlock(&rt->m_lock);
    return m;
}

/* Give m's P to a spare M, or to a new one; false if no thread can be had, and m keeps it. */
bool weft__m_give_away(struct weft__m *m)
{
    struct weft__p *p = m->p;
    struct weft__m *spare = take_spare(m->rt);
    m->p = NULL;
    if (spare == NULL) {
        p->m = NULL;
        if (weft__m_start(m->rt, p) == 0) {
            return true;
        }
        m->p = p;
        p->m = m;
        return false;
    }
    spare->p = p;
    p->m = spare;
    /* release [M-ASSIGN]: hands the P over with everything in it. */
    atomic_store_explicit(&spare->assigned, 1, memory_order_release);
    weft__sys_futex_wake(&spare->assigned, 1);
    return true;
}

/* By the M that runs a P, on its own context: let the P go and become a spare. */
void weft__m_hand_off(struct weft__m *m)
{
    struct weft__p *p = m->p;
    p->must_hand_off = false;
    if (atomic_load_explicit(&p->pinned_count, memory_order_relaxed) != 0) {
        /* Its pinned coroutines need this thread. */
        atomic_store_explicit(&m->assigned, 1, memory_order_relaxed);
        return;
    }
    if (weft__m_give_away(m)) {
        add_spare(m->rt, m);
    } else {
        atomic_store_explicit(&m->assigned, 1, memory_order_relaxed);
    }
}

void weft__p_ask_hand_off(struct weft__p *p)
{
    p->must_hand_off = true;
}
