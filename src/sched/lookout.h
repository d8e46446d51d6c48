/* SPDX-License-Identifier: MIT */
/*
 * lookout.h - nobody starves behind a coroutine that computes, or blocks its thread.
 *
 * Such a hog keeps its P.  The P is not taken away from it: every public call would have to enter
 * and leave, and pay.  It is served from outside, by what others may touch anyhow:
 *
 *   what waits on the hogged P       who sees to it
 *   its timers                       the look-out fires them, under the wheel's lock
 *   operations that are complete     the look-out reaps them, under the reactor's try-lock
 *   operations not sent yet          the look-out sends them (driver.h)
 *   its queues                       the look-out moves them to the global queue, in the P's gate
 *   what only it may run             nobody: pinned and placed coroutines wait for it
 *
 * From the global queue another P takes them.  Where all of them are hogged, a relief P does: one
 * more than the runtime was started with, with a thread of its own, made when it is first needed.
 *
 * But first a hog is called upon, by its gate (base/gate.h): one that comes by, in
 * weft_mutex_lock(), weft_chan_send(), weft_chan_recv() or weft_select() without a default, gives
 * way.  Only one that had not at the next look is deaf, and calls for a relief P.
 *
 *   a relief P is   because                               and
 *   called          all others are hogged by deaf ones,  takes and steals work as any other
 *                   and something waits
 *   resting         one of the others was free at         takes none; what its own timers and
 *                   WEFT__FREE_LOOKS looks in a row       operations wake it gives away
 *
 * There are WEFT__RELIEF_MAX of them at most: so many coroutines more than there are Ps may compute
 * at once.  They end with the runtime.  In a runtime without stealing hogs are counted and reported
 * only, since there a coroutine stays on its P.
 *
 * The look-out is a part of the watch thread: it looks every WEFT__LOOKOUT_NS, and sleeps without a
 * time-out once all Ps of all runtimes were idle for WEFT__QUIET_LOOKS looks.
 *
 * [LOOKOUT-SLEEP]  A P that stops being idle finds the look-out awake, or rouses it.
 *
 *   P that wakes up                     look-out
 *   1 is idle no more                   1 sleeps = 1
 *   2 fence                             2 fence
 *   3 reads sleeps: 1 -> posts          3 is a P busy?  then sleeps = 0, and on
 */
#ifndef WEFT_SCHED_LOOKOUT_H
#define WEFT_SCHED_LOOKOUT_H

#include "../base/atomic.h"
#include "../base/compiler.h"

struct weft__p;
struct weft_runtime;

#define WEFT__LOOKOUT_NS 2000000
#define WEFT__RELIEF_NS 4000000 /* so long it is hogged before a relief P is called for it */
#define WEFT__STALL_MIN_NS 10000000 /* counted, and reported if that is asked for */
#define WEFT__QUIET_LOOKS 10
#define WEFT__FREE_LOOKS 5

extern _Atomic uint32_t weft__lookout_sleeps;

/* False in a test of wake-ups, where one that is lost shall stay lost: it only looks. */
extern _Atomic bool weft__lookout_serves;

void weft__lookout_rouse_slow(void);

/* By a P that is idle no more. */
static inline void weft__lookout_rouse(void)
{
    atomic_thread_fence(memory_order_seq_cst); /* [LOOKOUT-SLEEP] */
    if (WEFT__UNLIKELY(atomic_load_explicit(&weft__lookout_sleeps, memory_order_relaxed) != 0)) {
        weft__lookout_rouse_slow();
    }
}

/* By the watch thread: look at all runtimes.  Returns when to look again, INT64_MAX if roused. */
int64_t weft__lookout_round(int64_t now_ns);

/* relief.c: by the look-out, when it has served the Ps of rt.  has_free: one of the regular ones is
 * not hogged. */
void weft__relief_see_to(struct weft_runtime *rt, bool has_free, int64_t now_ns);

#endif
