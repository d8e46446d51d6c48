/* SPDX-License-Identifier: MIT */
/* aside.c - see aside.h. */
#include "aside.h"

#include "../base/clock.h"
#include "glance.h"
#include "queue.h"
#include "stand.h"

#define POLL_NS 50000 /* so often, beside what is bound to the P */

/* What waits on p is for others from now on, but for what only p may run. */
static void hand_over(struct weft__p *p)
{
    if (weft__queue_give_away(p) != 0) {
        weft__perturb();
        weft__idle_wake_one(p->rt);
    }
}

/* A relief P whose help is not wanted: what its timers and operations have made runnable is for
 * others, but for what only it may run. */
struct weft__g *weft__find_at_rest(struct weft__p *p)
{
    hand_over(p);
    if (weft__queue_has_bound(p)) {
        return weft__queue_take_bound(p);
    }
    weft__p_flush_caches(p);
    weft__p_sleep(p);
    return NULL;
}

/*
 * This P was told to stand down, or to stand again (stand.h).
 *
 * One that stands down may have been woken for work that is now another's to find, be the last
 * searcher, to whom others have left theirs, or have been the looker, without whom idle Ps may not
 * sleep.  Whichever it was, the next P woken is it from now on.
 */
WEFT__COLD void weft__change_sides(struct weft__p *p)
{
    p->is_down = !p->is_down;
    if (!p->is_down) {
        p->poll_tick = p->tick + p->poll_interval;
        return;
    }
    weft__p_look_soon(p);
    if (p->is_spinning) {
        p->is_spinning = false;
        atomic_fetch_sub_explicit(&p->rt->n_spinning, 1, memory_order_relaxed);
    }
    weft__idle_wake_one(p->rt); /* its fence comes after the counts: [IDLE-DEKKER] */
}

/* A coroutine waits for a stack, and this P has one that it needs no more: true if it was given. */
static bool pass_stack(struct weft__p *p)
{
    struct weft__g *g = weft__starved_take(p);
    if (g == NULL) {
        return false;
    }
    if (!weft__g_bind_stack(p, g)) {
        weft__inject_starve(&p->rt->inject, g);
        return false;
    }
    weft__queue_woken(g, false);
    return true;
}

/*
 * A turn of a P that stands down.  It is due for a poll at all times: so who leaves it for another
 * coroutine leaves it for this context, and what he has made runnable is handed over here.  Of that
 * others are told at once, since this P will not run it.
 */
WEFT__COLD struct weft__g *weft__find_bound(struct weft__p *p)
{
    p->tick++;
    weft__p_look_soon(p);
    weft__queue_let_hint(p);
    if (weft__queue_has_bound(p)) { /* else the sleep does it */
        int64_t now_ns = weft__clock_ns();
        if (now_ns - p->polled_ns >= POLL_NS) {
            weft__p_note_time(p, now_ns);
            weft__stand_ask(p->rt, now_ns);
            weft__p_poll(p, 0);
        }
    }
    if (weft__p_must_trim(p)) {
        weft__p_trim(p);
    }
    hand_over(p);
    struct weft__g *g = weft__queue_has_bound(p) ? weft__queue_take_bound(p) : NULL;
    if (g == NULL && !pass_stack(p)) {
        weft__p_sleep(p);
    }
    return g;
}
