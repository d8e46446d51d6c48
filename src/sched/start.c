/* SPDX-License-Identifier: MIT */
/* start.c - building a runtime from the bottom up; stop.c takes it down again. */
#include <errno.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/random.h"
#include "../arch/exceptions.h"
#include "../base/fence.h"
#include "../base/forked.h"
#include "../base/sys.h"
#include "../base/text.h"
#include "config.h"
#include "lifecycle.h"
#include "preset.h"
#include "queue.h"
#include "stand.h"
#include "watch.h"

int weft__p_init(struct weft__p *p, struct weft_runtime *rt, int i)
{
    p->rt = rt;
    p->index = (uint32_t)i;
    p->is_relief = i >= rt->procs;
    atomic_init(&p->is_asleep, p->is_relief);
    p->cpu = weft__place_cpu(&rt->place, p->is_relief ? -1 : i);
    p->is_alone = (i == 0 && rt->procs == 1) || !rt->may_steal;
    p->birth_flags = (uint16_t)((rt->may_steal ? 0 : G_FLAG_STAYS) |
                                (rt->limit.max != 0 ? G_FLAG_COUNTED : 0) |
                                (weft__exceptions_are_there() ? G_FLAG_EXCEPTIONS : 0));
    p->birth_home = (uint16_t)i;
    p->birth_shift = rt->stacks.default_shift;
    weft__inject_init(&p->own_inject);
    p->own_inject.p_home = (uint16_t)i;
    p->inject = rt->may_steal ? &rt->inject : &p->own_inject;
    p->poll_interval = WEFT__TURNS_GLOBAL;
    p->glance_interval = p->poll_interval;
    p->poll_tick = p->poll_interval;
    p->polled_ns = weft__clock_ns();
    p->oldest_ns = p->polled_ns;
    weft__queue_let_hint(p);
    p->random = weft__random_mix((uint64_t)p->polled_ns + (uint64_t)i) | 1;
    weft__lock_init(&p->bound_lock, RANK_BOUND);
    weft__glist_init(&p->bound);
    weft__wheel_init(&p->wheel, p->polled_ns);
    atomic_init(&p->wheel_next_ns, INT64_MAX);
    p->reactor = &rt->reactors.reactors[i];
    p->gate = weft__gate_make();
    weft__lock_init_for(&p->wheel_lock, RANK_WHEEL, p->gate);
    return p->gate != NULL ? 0 : -ENOMEM;
}

static void drop_gates(struct weft_runtime *rt)
{
    for (int i = 0; i < rt->procs; i++) {
        if (rt->p[i].gate != NULL) {
            weft__gate_drop(rt->p[i].gate);
        }
    }
}

static void say_refused(const char *what, const char *value, int rc)
{
    char line[256];
    struct weft__text t;
    weft__text_init(&t, line, sizeof line);
    weft__text_add(&t, "weft: the ");
    weft__text_add(&t, what);
    weft__text_add(&t, value);
    weft__text_add(&t, " that was asked for does not work here: ");
    weft__text_add(&t, weft_strerror(rc));
    weft__text_add(&t, "; leave the choice to auto, or see what refuses it\n");
    (void)weft__text_write(&t, 2);
}

/* How many processors there are if nobody says: one a CPU, cut by the quota. */
static int count_procs(const struct weft__place *place)
{
    int cpus = weft__cpu_set_count(&place->of_p);
    if (cpus == 0) {
        cpus = weft__cpu_set_count(&place->own);
    }
    int n = weft__cpus_cut(&weft__cpus_here, cpus);
    n = n > 0 ? n : cpus; /* it cannot be told at the moment */
    return n < 1 ? 1 : n < WEFT_PROCS_MAX ? n : WEFT_PROCS_MAX;
}

/* Only where work may be handed over, and a P has no CPU of its own. */
static bool follows_quota(const struct weft_config *c, const struct weft__place *place)
{
    return c->procs == 0 && c->no_steal == WEFT_STEAL && weft__cpu_set_count(&place->of_p) == 0;
}

static bool is_wanted(const struct weft_config *c, enum weft_reactor reactor)
{
    return c->reactor == WEFT_REACTOR_AUTO || c->reactor == reactor;
}

static int start_reactors(struct weft_runtime *rt, const struct weft_config *c, bool *was_said)
{
    struct weft__reactor_choice choice = {
        .want_uring = is_wanted(c, WEFT_REACTOR_IO_URING),
        .want_epoll = is_wanted(c, WEFT_REACTOR_EPOLL),
        .want_kqueue = is_wanted(c, WEFT_REACTOR_KQUEUE),
        .ring_entries = (unsigned)c->ring_entries,
        .ring_poll_ms = (unsigned)c->ring_poll_ms,
        .fd_ops_max = c->fd_ops_max,
        .submits_at_once = c->no_submit_wait != 0,
        .workers_max = (unsigned)c->blocking_max,
    };
    int rc = weft__reactors_start(&rt->reactors, c->procs, choice);
    if (rc != 0 && c->reactor != WEFT_REACTOR_AUTO) {
        *was_said = true;
        say_refused("reactor ", weft__reactor_words[c->reactor - WEFT_REACTOR_AUTO], rc);
    }
    return rc;
}

static int start_stacks(struct weft_runtime *rt, const struct weft_config *c, bool *was_said)
{
    int rc = weft__stacks_init(&rt->stacks, c->stack_bytes, c->guard);
    if (rc == -ENOSYS) {
        *was_said = true;
        say_refused("guard ", "madvise", rc);
    }
    return rc;
}

/* Those of several Ps; that of an only one comes later. */
static int start_ms(struct weft_runtime *rt)
{
    for (int i = 0; rt->procs > 1 && i < rt->procs; i++) {
        int rc = weft__m_start(rt, &rt->p[i]);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

int weft__runtime_begin(struct weft_runtime *rt)
{
    return rt->procs == 1 ? weft__m_start(rt, &rt->p[0]) : 0;
}

static void say_what_is_at_work(const struct weft_runtime *rt)
{
    char line[256];
    struct weft__text t;
    weft__text_init(&t, line, sizeof line);
    weft__text_add(&t, "weft: ");
    weft__runtime_describe(rt, &t);
    weft__text_add(&t, "\n");
    (void)weft__text_write(&t, 2);
}

/* What the configuration says of how Ps find and share their work, and of reports. */
static void set_ways(struct weft_runtime *rt, const struct weft_config *c,
                     const struct weft__place *place, bool exits_on_deadlock)
{
    const struct weft__preset *preset = &weft__presets[c->preset];
    rt->may_steal = c->no_steal == WEFT_STEAL;
    rt->spin_ns = c->spin_ns == WEFT_SPIN_NONE ? 0 : c->spin_ns;
    rt->search_rounds = preset->search_rounds;
    rt->tells_seldom = preset->tells_seldom;
    rt->wake_batch_ns = c->wake_batch_ns;
    rt->with_signals = !c->no_signal_handlers;
    rt->reports_stalls = c->stall_report;
    rt->is_verbose = c->verbose;
    rt->place = *place;
    rt->kept_names.ttl_ns = c->name_ttl_ns;
    rt->kept_names.error_ttl_ns = c->name_error_ttl_ns;
    rt->exits_on_deadlock = exits_on_deadlock;
    strncpy(rt->thread_name, c->thread_name, sizeof rt->thread_name - 1);
}

/* What is waited for outside of the Ps. */
static void set_lines(struct weft_runtime *rt, const struct weft_config *c)
{
    weft__lock_init(&rt->fd_waits.lock, RANK_CHAN);
    weft__waitq_init(&rt->fd_waits.queue, &rt->fd_waits.lock);
    weft__limit_init(&rt->limit, c->coroutines_max, c->at_max == WEFT_AT_MAX_WAIT);
    weft__disk_init(&rt->disk, c->procs);
    weft__pool_init(&rt->pool, (uint32_t)c->blocking_max, c->blocking_idle_ns, rt->thread_name);
    rt->pool.cpus = rt->place.is_used ? &rt->place.own : NULL;
}

int weft__runtime_start(struct weft_runtime **out, const struct weft_config *given,
                        bool exits_on_deadlock, bool *was_said)
{
    struct weft_config c;
    struct weft__place place;
    weft__refuse_in_child("a runtime is started" WEFT__IN_CHILD);
    int rc = weft__config_resolve(&c, &place, given);
    *was_said = rc != 0;
    if (rc != 0) {
        return rc;
    }
    bool follows = follows_quota(&c, &place);
    c.procs = c.procs != 0 ? c.procs : count_procs(&place);
    struct weft_runtime *rt = weft__map(sizeof *rt);
    struct weft__p *ps = weft__map((size_t)c.procs * sizeof *ps);
    if (rt == NULL || ps == NULL) {
        rc = -ENOMEM;
        goto out_free;
    }
    rt->p = ps;
    rt->procs = c.procs;
    atomic_init(&rt->n_ps, c.procs);
    weft__fence_init();
    set_ways(rt, &c, &place, exits_on_deadlock);
    weft__stand_begin(rt, follows);
    weft__lock_init(&rt->m_lock, RANK_IDLE);
    weft__lock_init(&rt->waits_lock, RANK_START);
    weft__inject_init(&rt->inject);
    weft__slabs_init(&rt->slabs, rt);
    weft__fp_save(&rt->fp);
    set_lines(rt, &c);
    if ((rc = start_stacks(rt, &c, was_said)) != 0) {
        goto out_free;
    }
    if ((rc = start_reactors(rt, &c, was_said)) != 0) {
        goto out_stacks;
    }
    for (int i = 0; i < rt->procs; i++) {
        if ((rc = weft__p_init(&rt->p[i], rt, i)) != 0) {
            goto out_reactors;
        }
    }
    if ((rc = weft__watch_begin(rt, exits_on_deadlock)) != 0) {
        goto out_reactors;
    }
    if ((rc = start_ms(rt)) != 0) {
        (void)weft__runtime_stop(rt, INT64_MAX);
        return rc;
    }
    if (c.verbose) {
        say_what_is_at_work(rt);
    }
    *out = rt;
    return 0;

out_reactors:
    drop_gates(rt);
    weft__reactors_stop(&rt->reactors);
out_stacks:
    weft__stacks_free(&rt->stacks);
out_free:
    weft__unmap(ps, (size_t)c.procs * sizeof *ps);
    weft__unmap(rt, sizeof *rt);
    return rc;
}

void weft__runtime_describe(const struct weft_runtime *rt, struct weft__text *t)
{
    weft__text_add(t, "reactor ");
    weft__text_add(t, rt->reactors.driver->name);
    weft__text_add(t, " (");
    weft__text_add(t, rt->reactors.why);
    weft__text_add(t, "), guard ");
    weft__text_add(t, weft__guard_name(rt->stacks.guards.kind));
    weft__text_add(t, " (");
    weft__text_add(t, rt->stacks.guards.why);
    weft__text_add(t, "), ");
    weft__text_int(t, rt->procs);
    weft__text_add(t, rt->procs == 1 ? " processor" : " processors");
    uint32_t n_standing = atomic_load_explicit(&rt->n_standing, memory_order_relaxed);
    if (n_standing != (uint32_t)rt->procs) {
        weft__text_add(t, " (");
        weft__text_dec(t, n_standing);
        weft__text_add(t, " at work, by quota or affinity)");
    }
    weft__text_add(t, ", stacks of ");
    weft__text_bytes(t, (uint64_t)1 << rt->stacks.default_shift);
}
