/* SPDX-License-Identifier: MIT */
/*
 * early.h - a P that sleeps for a timer has the kernel wake it a little before that.
 *
 * A kernel ends a sleep some 15 to 60 us after the time that was asked for: the CPU has left an
 * idle state, the thread has waited for its turn.  How long that takes is much the same from one
 * sleep to the next, so a P keeps an estimate and asks for as much less.  What is left until the
 * timer it does not sleep again but looks around.
 *
 * The estimate is what two of three sleeps do not exceed: it goes up by two steps after one that
 * was later, and down by one after one that was not.  What was later than any estimate may be says
 * that others had the CPU, and counts for nothing.  So some microseconds are spent awake for a
 * timer, mostly, and never more than a quarter of what the sleep would have been.
 *
 * All of it belongs to the owner of the P.
 */
#ifndef WEFT_SCHED_EARLY_H
#define WEFT_SCHED_EARLY_H

#include <stdbool.h>
#include <stdint.h>

#define WEFT__EARLY_STEP_NS 500
#define WEFT__EARLY_MAX_NS 50000
#define WEFT__EARLY_PART 4

struct weft__early {
    int64_t late_ns;  /* the estimate */
    int64_t timer_ns; /* the timer of the last sleep; 0: it had none */
    int64_t asked_ns; /* and when that sleep was to end */
};

/* It is now_ns, and the next timer is at timer_ns, INT64_MAX if there is none: when a sleep for it
 * is to end. */
static inline int64_t weft__early_ask(struct weft__early *e, int64_t timer_ns, int64_t now_ns)
{
    int64_t most_ns = (timer_ns - now_ns) / WEFT__EARLY_PART;
    if (timer_ns == INT64_MAX || most_ns <= 0) {
        e->timer_ns = 0;
        return timer_ns;
    }
    e->timer_ns = timer_ns;
    e->asked_ns = timer_ns - (e->late_ns < most_ns ? e->late_ns : most_ns);
    return e->asked_ns;
}

/* A sleep that was to end at asked_ns has ended at now_ns, and nothing else has ended it. */
static inline void weft__early_learn(struct weft__early *e, int64_t asked_ns, int64_t now_ns)
{
    int64_t late_ns = now_ns - asked_ns;
    if (e->timer_ns == 0 || asked_ns != e->asked_ns || late_ns < 0 ||
        late_ns > WEFT__EARLY_MAX_NS) {
        return; /* it was for something else, or somebody's wake, or others had the CPU */
    }
    if (late_ns > e->late_ns) {
        e->late_ns += 2 * WEFT__EARLY_STEP_NS;
    } else {
        e->late_ns -= WEFT__EARLY_STEP_NS;
    }
    if (e->late_ns > WEFT__EARLY_MAX_NS) {
        e->late_ns = WEFT__EARLY_MAX_NS;
    } else if (e->late_ns < 0) {
        e->late_ns = 0;
    }
}

/* Is the timer that it has been woken for, the next one still, a moment away? */
static inline bool weft__early_is_near(const struct weft__early *e, int64_t timer_ns,
                                       int64_t now_ns)
{
    return timer_ns == e->timer_ns && now_ns >= e->asked_ns && now_ns < timer_ns;
}

#endif
