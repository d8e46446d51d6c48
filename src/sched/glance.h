/* SPDX-License-Identifier: MIT */
/* glance.h - when a P looks around, and when a glance will do (glance.c). */
#ifndef WEFT_SCHED_GLANCE_H
#define WEFT_SCHED_GLANCE_H

#include "sched.h"

#define WEFT__GLANCES_MAX 7u
#define WEFT__GLANCE_TURNS 4u
/* Turns are short if as many as lie between two polls take less. */
#define WEFT__GLANCE_NEAR_NS 5000

/* By the owner, which has looked at the clock. */
static inline void weft__p_note_time(struct weft__p *p, int64_t now_ns)
{
    p->polled_ns = now_ns;
    p->polled_tick = p->tick;
}

/* By the owner: is there nothing to look at?  Then the next look is planned. */
bool weft__p_glance(struct weft__p *p);

/* By the owner: is it time for the M's own context to look around? */
static inline bool weft__p_is_due(struct weft__p *p)
{
    return WEFT__UNLIKELY(weft__p_must_poll(p)) && !weft__p_glance(p);
}

/* By the owner: there is something to poll for now. */
static inline void weft__p_expect_poll(struct weft__p *p)
{
    uint32_t poll_tick = p->tick + p->poll_interval;
    if ((int32_t)(p->poll_tick - poll_tick) > 0) {
        p->poll_tick = poll_tick;
    }
}

/* By the owner: it shall look around at its next turn, whatever a glance may see. */
static inline void weft__p_look_soon(struct weft__p *p)
{
    p->poll_tick = p->tick;
    p->glances = WEFT__GLANCES_MAX;
}

#endif
