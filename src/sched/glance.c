/* SPDX-License-Identifier: MIT */
/*
 * glance.c - a look around by a coroutine that leaves: is there anything to look at?
 *
 * To look around (find.c) takes the M's own context and a clock, some 70 ns each WEFT__TURNS_GLOBAL
 * turns: where a turn takes 6 ns, a sixth of it.  Mostly nobody waits for the kernel or a timer,
 * and nothing lies in the global queue; that is seen by a few loads.  What only a clock tells, as
 * that the oldest unstarted coroutine has waited long enough, and what the M looks at by the way,
 * waits for the next real look: after WEFT__GLANCES_MAX glances in a row there is one.
 *
 * Where turns are short, what a glance costs is felt as well (the processor has to learn the way
 * again), so they are farther apart: WEFT__GLANCE_TURNS as many turns.  Who begins to wait for the
 * kernel or a timer meanwhile is not kept waiting by that: weft__p_expect_poll().
 */
#include "glance.h"

WEFT__NOINLINE bool weft__p_glance(struct weft__p *p)
{
    const struct weft_runtime *rt = p->rt;
    if (p->glances == WEFT__GLANCES_MAX || !weft__inject_is_empty(p->inject) ||
        atomic_load_explicit(&p->wheel_next_ns, memory_order_relaxed) != INT64_MAX ||
        weft__reactors_in_flight(&rt->reactors) != 0 || weft__gate_is_asked(p->gate) ||
        weft__p_must_trim(p) || atomic_load_explicit(&rt->is_stopping, memory_order_relaxed) != 0) {
        return false;
    }
    p->glances++;
    p->poll_tick = p->tick + p->glance_interval;
    return true;
}
