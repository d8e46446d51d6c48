/* SPDX-License-Identifier: MIT */
/*
 * find.c - on an M's own context: what to run next when the coroutine that left did not know.
 *
 * In this order: what this P has; the global queue; what the reactor and the timers have made
 * runnable; what others have (a bounded search, at most half of the busy Ps at it); then sleep in
 * the reactor until an event, a timer or a waker.  A P that was woken right before its timer
 * (early.h) does not search and does not sleep, but looks at the reactor until then.
 */
#include <errno.h>

#include "../base/clock.h"
#include "../base/random.h"
#include "../base/sys.h"
#include "aside.h"
#include "glance.h"
#include "queue.h"
#include "stand.h"
#include "watch.h"

/* Rounds of a search before going to sleep, each over all other Ps; between them the CPU is given
 * a pause.  preset.c says how many. */
#define SPIN_ROUNDS(rt) WEFT__BOUND((rt)->search_rounds, 1)
#define SPIN_PAUSES WEFT__BOUND(20, 0)
/* What a P is about to run by itself is taken by others only when they still find it in a late
 * round, and it does not switch meanwhile. */
#define SPIN_ROUNDS_LATE 4u
#define STUCK_PAUSES WEFT__BOUND(200, 1) /* some us */
/* Polls aim at this distance in time: short turns are polled every WEFT__TURNS_GLOBAL of them, long
 * ones after each. */
#define POLL_FAR_NS 200000
#define POLL_NEAR_NS 50000
#define POLLS_LEFT_OUT 4u
/* Some us: as long as the rest of a switch takes at most, if nothing comes between. */
#define SAVED_PAUSES WEFT__BOUND(100, 1)
#define GLOBAL_BATCH 64
#define GATHER_WAITS 16

/* Make runnable who waits for these.  Others are told once for all of them, and of a single one no
 * more often than of any: this P is about to run it. */
static void complete(struct weft__p *p, struct weft__op_list *done)
{
    struct weft__op *op = done->first;
    uint64_t n = atomic_load_explicit(&p->counts.delivered, memory_order_relaxed); /* our own */
    if (op == NULL) {
        return;
    }
    p->tells_later = true;
    for (struct weft__op *next; op != NULL; op = next, n++) {
        next = op->next; /* op is gone once its waiter runs */
        weft__op_done(op);
    }
    p->tells_later = false;
    weft__queue_tell_of_woken(p);
    /* release [OP-DELIVERED]: who sees them delivered sees that we are awake. */
    atomic_store_explicit(&p->counts.delivered, n, memory_order_release);
}

/* Look at the reactor and the timers; sleep in the reactor until deadline_ns unless it is 0. */
void weft__p_poll(struct weft__p *p, int64_t deadline_ns)
{
    struct weft__op_list done;
    weft__op_list_init(&done);
    p->rt->reactors.driver->wait(p->reactor, deadline_ns, &done);
    complete(p, &done);
    if (atomic_load_explicit(&p->wheel_next_ns, memory_order_relaxed) != INT64_MAX) {
        weft__p_note_time(p, weft__clock_ns());
        (void)weft__timers_fire(p, p, p->polled_ns);
    }
}

/* The next poll after so many turns that the time between two of them stays near its aim. */
static void plan_next_poll(struct weft__p *p, int64_t last_ns, uint32_t last_tick)
{
    uint32_t turns = p->tick - last_tick;
    int64_t passed_ns = (p->polled_ns - last_ns) * p->poll_interval / (turns != 0 ? turns : 1);
    if (passed_ns > POLL_FAR_NS) {
        p->poll_interval = p->poll_interval > 1 ? p->poll_interval / 2 : 1;
    } else if (passed_ns < POLL_NEAR_NS && p->poll_interval < WEFT__TURNS_GLOBAL) {
        p->poll_interval =
            p->poll_interval * 2 < WEFT__TURNS_GLOBAL ? p->poll_interval * 2 : WEFT__TURNS_GLOBAL;
    }
    p->poll_tick = p->tick + p->poll_interval;
    p->glances = 0;
    p->glance_interval =
        p->poll_interval * (passed_ns < WEFT__GLANCE_NEAR_NS ? WEFT__GLANCE_TURNS : 1);
}

/* What was taken from the global queue: the first is returned, the rest goes into our queues. */
static struct weft__g *keep(struct weft__p *p, struct weft__g **out, uint32_t n)
{
    /* Woken ones come first.  Where they end is asked before anything is queued: what is queued
     * may be stolen, run and have a stack at once, and is no longer ours to look at. */
    uint32_t n_woken = 0;
    while (n_woken < n && out[n_woken]->stack != NULL) {
        n_woken++;
    }
    uint32_t from = n_woken > 1 ? n_woken : 1;
    if (from < n) {
        weft__queue_unstarted_all(p, &out[from], n - from);
    }
    for (uint32_t i = 1; i < n_woken; i++) {
        weft__queue_woken(out[i], false);
    }
    return n > 0 ? out[0] : NULL;
}

/* Our share of the global queue, or all of our own; and if there is nothing and it is asked for, of
 * the overflow. */
static struct weft__g *take_global(struct weft__p *p, bool with_overflow)
{
    struct weft__inject *in = p->inject;
    uint32_t n = atomic_load_explicit(&in->count, memory_order_relaxed);
    struct weft__g *out[WEFT__BATCH_MAX];
    if (n != 0) {
        n = p->rt->may_steal
                ? n / atomic_load_explicit(&p->rt->n_standing, memory_order_relaxed) + 1
                : n;
        n = weft__inject_take(in, out, n < GLOBAL_BATCH ? n : GLOBAL_BATCH);
    } else if (with_overflow && weft__inject_has_overflow(in)) {
        n = weft__inject_take_batch(in, out);
    }
    return keep(p, out, n);
}

/* The oldest unstarted coroutine, if it is time for it. */
static struct weft__g *take_oldest(struct weft__p *p)
{
    if (p->polled_ns - p->oldest_ns < WEFT__OLDEST_NS) {
        return NULL;
    }
    p->oldest_ns = p->polled_ns;
    struct weft__g *g = NULL;
    if (weft__inject_has_overflow(p->inject)) {
        g = weft__inject_take_oldest(p->inject);
    }
    return g != NULL ? g : weft__queue_take_oldest(p);
}

/* Is the woken queue so long that what a poll brings would not fit?  It would come from the global
 * queue again, no earlier than by a later poll.  Some in a row are left out at most. */
static bool has_enough(struct weft__p *p)
{
    if (weft__runq_count(&p->woken) < WEFT__RUNQ_CAP / 2 || p->polls_left_out == POLLS_LEFT_OUT) {
        p->polls_left_out = 0;
        return false;
    }
    p->polls_left_out++;
    return true;
}

/* Look at everything that is not looked at on each turn. */
static struct weft__g *look_around(struct weft__p *p)
{
    int64_t last_ns = p->polled_ns;
    uint32_t last_tick = p->polled_tick;
    weft__p_note_time(p, weft__clock_ns());
    if (p->polled_ns - p->hinted_ns >= WEFT__HINT_NS) {
        p->hinted_ns = p->polled_ns;
        weft__queue_let_hint(p);
        weft__stand_ask(p->rt, p->polled_ns);
    }
    if ((weft__reactors_in_flight(&p->rt->reactors) != 0 ||
         atomic_load_explicit(&p->wheel_next_ns, memory_order_relaxed) != INT64_MAX) &&
        !has_enough(p)) {
        weft__p_poll(p, 0);
    }
    plan_next_poll(p, last_ns, last_tick);
    if (weft__gate_is_called(p->gate)) {
        weft__gate_uncall(p->gate); /* whoever was meant has left */
    }
    if (weft__p_must_trim(p)) {
        weft__p_trim(p);
    }
    struct weft__g *g = take_global(p, false);
    return g != NULL ? g : take_oldest(p);
}

/* Does the P not switch for a while? */
static bool is_stuck(const struct weft__p *victim)
{
    uint64_t turns = weft__p_turns(victim);
    for (int i = 0; i < STUCK_PAUSES; i++) {
        weft__cpu_relax();
        if (weft__p_turns(victim) != turns) {
            return false;
        }
    }
    return true;
}

/* Run-next is what its P is about to run: taking it would tear a talking pair apart, whose
 * hand-offs then cross CPUs at a thousand times the cost.  So only from a P that does not switch
 * meanwhile. */
static bool run_next_is_stuck(const struct weft__p *victim)
{
    return atomic_load_explicit(&victim->run_next, memory_order_relaxed) != NULL &&
           is_stuck(victim);
}

/* Is there something on victim for others to take?  Of a single unstarted coroutine the same holds
 * as of run-next. */
static bool can_be_robbed(const struct weft__p *victim, bool is_late, bool *with_next)
{
    int64_t n_unstarted = weft__deque_count(&victim->unstarted);
    *with_next = false;
    if (weft__runq_count(&victim->woken) != 0 || n_unstarted > 1) {
        return true;
    }
    if (!is_late) {
        return false;
    }
    *with_next = run_next_is_stuck(victim);
    return *with_next || (n_unstarted == 1 && is_stuck(victim));
}

/* Take work from one other P; NULL if it has none. */
static struct weft__g *steal_from(struct weft__p *p, struct weft__p *victim, bool is_late)
{
    struct weft__g *out[WEFT__STEAL_MAX];
    bool with_next, were_woken;
    uint32_t n = can_be_robbed(victim, is_late, &with_next)
                     ? weft__queue_steal(victim, out, with_next, &were_woken)
                     : 0;
    if (n == 0) {
        return NULL;
    }
    weft__count_add(p->counts.steals, n);
    /* Ours are empty, so they fit.  Of unstarted ones the oldest is pushed last, and so runs first.
     */
    for (uint32_t i = 1; i < n; i++) {
        if (were_woken) {
            (void)weft__runq_push(&p->woken, out[i]);
        } else {
            (void)weft__deque_push(&p->unstarted, out[n - i]);
        }
    }
    return out[0];
}

/* Timers that are due and operations that are complete on a P that is too busy to look. */
static bool help(struct weft__p *p, struct weft__p *victim)
{
    int fired = 0;
    if (atomic_load_explicit(&victim->wheel_next_ns, memory_order_relaxed) != INT64_MAX) {
        fired = weft__timers_fire(p, victim, weft__clock_ns());
    }
    struct weft__op_list done;
    weft__op_list_init(&done);
    p->rt->reactors.driver->reap(victim->reactor, &done);
    complete(p, &done);
    return fired > 0 || done.first != NULL;
}

static struct weft__g *search_round(struct weft__p *p, uint32_t round)
{
    struct weft_runtime *rt = p->rt;
    uint32_t n = (uint32_t)weft__p_count(rt);
    uint32_t start = weft__random_below(&p->random, n);
    for (uint32_t i = 0; i < n; i++) {
        struct weft__p *victim = weft__p_at(rt, (int)((start + i) % n));
        if (victim == p) {
            continue;
        }
        struct weft__g *g = steal_from(p, victim, round + SPIN_ROUNDS_LATE >= SPIN_ROUNDS(rt));
        if (g == NULL && round + 1 == SPIN_ROUNDS(rt) && help(p, victim)) {
            g = weft__queue_pick(p);
        }
        if (g != NULL) {
            return g;
        }
    }
    return take_global(p, true);
}

/* May one more search?  A relief P is not counted: nobody leaves work to it, so it owes nobody a
 * look when it gives up. */
static bool begin_search(struct weft__p *p)
{
    struct weft_runtime *rt = p->rt;
    if (p->is_spinning || p->is_relief) {
        return true;
    }
    uint32_t n_spinning = atomic_load_explicit(&rt->n_spinning, memory_order_relaxed);
    if (2 * n_spinning + weft__idle_count(rt) >= (uint32_t)rt->procs) {
        return false;
    }
    p->is_spinning = true;
    atomic_fetch_add_explicit(&rt->n_spinning, 1, memory_order_relaxed);
    return true;
}

static void pause_between_rounds(void)
{
    for (int i = 0; i < SPIN_PAUSES; i++) {
        weft__cpu_relax();
    }
}

/* Search the other Ps for a bounded while. */
static struct weft__g *search(struct weft__p *p)
{
    struct weft_runtime *rt = p->rt;
    if (!rt->may_steal || !begin_search(p)) {
        return NULL;
    }
    for (uint32_t round = 0; round < SPIN_ROUNDS(rt); round++) {
        struct weft__g *g = search_round(p, round);
        if (g != NULL) {
            return g;
        }
        if (atomic_load_explicit(&rt->is_stopping, memory_order_relaxed) != 0) {
            return NULL;
        }
        pause_between_rounds();
    }
    return NULL;
}

/* Look at everything that would end a sleep, for as long as it was asked for: to wake a thread
 * takes tens of microseconds, to find that there is something one.  Whether or not it may search as
 * well: each P has fds, timers and callers of its own. */
static struct weft__g *linger(struct weft__p *p)
{
    struct weft_runtime *rt = p->rt;
    int64_t until_ns = weft__clock_after(weft__clock_ns(), rt->spin_ns);
    bool searches = rt->procs > 1 && rt->may_steal && begin_search(p);
    for (uint32_t round = 0;; round = (round + 1) % SPIN_ROUNDS(rt)) {
        struct weft__g *g;
        weft__p_poll(p, 0);
        if ((g = weft__queue_pick(p)) != NULL ||
            (g = searches ? search_round(p, round) : take_global(p, true)) != NULL) {
            return g;
        }
        if (atomic_load_explicit(&rt->is_stopping, memory_order_relaxed) != 0 ||
            weft__clock_ns() >= until_ns) {
            return NULL;
        }
        pause_between_rounds();
    }
}

/* Are there unstarted ones on q, for p to take?  A single one, and what is in run-next, will be run
 * by a P that goes on switching; should it stop, the looker finds out (below). */
static bool has_unstarted(const struct weft__p *p, const struct weft__p *q)
{
    int64_t n = weft__deque_count(&q->unstarted);
    return n > 1 || (n == 1 && (q == p || WEFT__TELL_ALWAYS || is_stuck(q)));
}

/* Step 3 of [IDLE-DEKKER]: is there anything that somebody may have queued before he could see that
 * we sleep?  For a relief P, whose reactor is written to in any case, what he may have written
 * before its last poll: the rest comes with the next look. */
static bool has_work(struct weft__p *p)
{
    struct weft_runtime *rt = p->rt;
    if (weft__queue_has_bound(p) ||
        atomic_load_explicit(&rt->is_stopping, memory_order_relaxed) != 0) {
        return true;
    }
    if (p->is_relief) {
        return !atomic_load_explicit(&p->is_called, memory_order_relaxed) &&
               weft__p_has_cached(p); /* it was sent to rest: aside.c */
    }
    if (weft__p_must_trim(p) || weft__stand_has_changed(p)) {
        return true;
    }
    if (p->is_down) {
        return false; /* the rest is for others, who were told */
    }
    if (!weft__inject_is_empty(p->inject) || weft__inject_has_overflow(p->inject)) {
        return true;
    }
    for (int i = 0; i < weft__p_count(rt); i++) {
        struct weft__p *q = weft__p_at(rt, i);
        if (q != p && !rt->may_steal) {
            continue;
        }
        if (weft__runq_count(&q->woken) != 0 || has_unstarted(p, q) ||
            (q != p && run_next_is_stuck(q))) {
            return true;
        }
    }
    return false;
}

/* Of the idle Ps one looks at the busy ones now and then: for the one coroutine that waits on a P
 * of which nobody was told (queue.h).  If it finds something it wakes the next, as any searcher.
 * Is there one whenever it is needed?  The first time after its own sleep that a P has something to
 * tell of, it does tell; whom that wakes is the looker from then on, as long as anybody is busy. */
static bool become_looker(struct weft__p *p)
{
    struct weft_runtime *rt = p->rt;
    return rt->may_steal && !p->is_relief && !p->is_down && !WEFT__TELL_ALWAYS &&
           weft__idle_count(rt) < (uint32_t)rt->procs &&
           !atomic_exchange_explicit(&rt->has_looker, true, memory_order_relaxed);
}

/* After a sleep others have gone to sleep too, perhaps, and have to be told. */
static void allow_hint(struct weft__p *p)
{
    if (p->rt->tells_seldom) {
        int64_t now_ns = weft__clock_ns();
        if (now_ns - p->hinted_ns < WEFT__HINT_NS) {
            return;
        }
        p->hinted_ns = now_ns;
    }
    weft__queue_let_hint(p);
}

/* Events have come, or a wake: of events let more come, as long as no timer is due, and take more
 * of them than a wait does. */
static void gather(struct weft__p *p, struct weft__op_list *done, int64_t deadline_ns)
{
    if (done->first != NULL) {
        int64_t now_ns = weft__clock_ns(), nap_ns = p->rt->wake_batch_ns;
        if (deadline_ns - now_ns < nap_ns) {
            nap_ns = deadline_ns - now_ns;
        }
        weft__sys_nap(nap_ns > 0 ? nap_ns : 0);
        struct weft__op **last = NULL;
        for (int i = 0; i < GATHER_WAITS && last != done->last; i++) {
            last = done->last;
            p->rt->reactors.driver->wait(p->reactor, 0, done);
        }
    }
}

void weft__p_sleep(struct weft__p *p)
{
    struct weft_runtime *rt = p->rt;
    weft__count(p->counts.rests); /* first, for who looks for a deadlock: deadlock.c */
    weft__idle_announce(p);
    if (has_work(p)) {
        weft__idle_end(p);
        return;
    }
    weft__count(p->counts.sleeps);
    int64_t deadline_ns = weft__timers_sleep_until(p);
    bool is_looker = become_looker(p);
    if (is_looker) {
        int64_t look_ns = weft__clock_ns() + WEFT__LOOK_NS;
        deadline_ns = look_ns < deadline_ns ? look_ns : deadline_ns;
    }
    if (deadline_ns == INT64_MAX && weft__idle_count(rt) == (uint32_t)rt->procs &&
        !weft__has_undelivered(rt) && weft__live_count(rt) != 0) {
        weft__watch_ask_deadlock(rt); /* it looks again, and more closely */
    }
    deadline_ns = weft__p_trim_next(p, deadline_ns);
    struct weft__op_list done;
    weft__op_list_init(&done);
    rt->reactors.driver->wait(p->reactor, deadline_ns, &done);
    if (WEFT__UNLIKELY(rt->wake_batch_ns != 0)) {
        gather(p, &done, deadline_ns);
    }
    weft__perturb();
    if (is_looker) {
        atomic_store_explicit(&rt->has_looker, false, memory_order_relaxed);
    }
    weft__idle_end(p);
    allow_hint(p);
    complete(p, &done);
    weft__timers_after_sleep(p, deadline_ns, done.first == NULL);
    if (weft__stand_follows(rt)) { /* it may have been a long sleep */
        weft__stand_ask(rt, weft__clock_ns());
    }
}

/* Found: leave the search, and if nobody else is left searching, let another P look for more. */
static struct weft__g *found(struct weft__p *p, struct weft__g *g)
{
    if (p->is_spinning) {
        p->is_spinning = false;
        if (atomic_fetch_sub_explicit(&p->rt->n_spinning, 1, memory_order_relaxed) == 1) {
            weft__idle_wake_one(p->rt); /* its fence comes after the count: [IDLE-DEKKER] */
        }
    }
    return g;
}

/* Is there another P whose work it could take?  Those of a relief P that rests are empty. */
static bool has_others(const struct weft__p *p)
{
    const struct weft_runtime *rt = p->rt;
    if (rt->procs > 1 || p->is_relief) {
        return true;
    }
    for (int i = rt->procs; i < weft__p_count(rt); i++) {
        if (!weft__idle_is_set(weft__p_at(rt, i))) {
            return true;
        }
    }
    return false;
}

static struct weft__g *find_candidate(struct weft__p *p)
{
    struct weft__g *g = p->pending;
    if (g != NULL) {
        p->pending = NULL;
        return g;
    }
    if (WEFT__UNLIKELY(p->is_relief) &&
        !atomic_load_explicit(&p->is_called, memory_order_relaxed)) {
        return weft__find_at_rest(p);
    }
    if (WEFT__UNLIKELY(p->is_down)) {
        return weft__find_bound(p);
    }
    if (weft__p_must_poll(p) && (g = look_around(p)) != NULL) {
        return g;
    }
    if ((g = weft__queue_pick(p)) != NULL || (g = take_global(p, true)) != NULL) {
        return g;
    }
    bool is_near = weft__timers_are_near(p); /* too near for a sleep */
    if (is_near || has_others(p)) { /* alone, the sleep does the same in one system call */
        weft__p_poll(p, 0);
        bool searches = !is_near || p->is_spinning; /* as who is relied on must */
        if ((g = weft__queue_pick(p)) != NULL || (searches && (g = search(p)) != NULL)) {
            return g;
        }
    }
    if (is_near) {
        return NULL;
    }
    if (p->rt->spin_ns != 0 && !p->is_relief && (g = linger(p)) != NULL) {
        return g;
    }
    if ((g = weft__starved_take(p)) != NULL) {
        if (weft__g_bind_stack(p, g)) {
            return g;
        }
        weft__inject_starve(&p->rt->inject, g);
    }
    if (weft__p_must_trim(p)) {
        weft__p_trim(p);
    } else if (!weft__p_trim_some(p)) {
        weft__p_sleep(p);
    }
    return NULL;
}

/* Has g left its last M?  That one is about to store where it is, unless the kernel has just put
 * its thread aside. */
static bool is_saved(const struct weft__g *g)
{
    for (int i = 0; i < SAVED_PAUSES; i++) {
        /* acquire [G-SAVED] */
        if (WEFT__LIKELY(atomic_load_explicit(&g->ctx.sp, memory_order_acquire) != NULL)) {
            return true;
        }
        weft__cpu_relax();
    }
    return false;
}

/* It cannot run yet, and that may last milliseconds: all others come first, timers and events
 * too. */
static void put_behind(struct weft__p *p, struct weft__g *g)
{
    p->tells_later = true;
    weft__queue_woken(g, false);
    p->tells_later = false;
    weft__queue_tell_of_woken(p);
    weft__sys_yield_cpu(); /* perhaps to that thread */
}

/* The next coroutine to run, with its stack; NULL when the M must leave its P or stop. */
struct weft__g *weft__find(struct weft__m *m)
{
    for (;;) {
        struct weft__p *p = m->p;
        if (atomic_load_explicit(&p->rt->is_stopping, memory_order_relaxed) != 0 ||
            p->must_hand_off) {
            return NULL;
        }
        if (weft__stand_has_changed(p)) {
            weft__change_sides(p);
        }
        struct weft__g *g = find_candidate(p);
        if (g == NULL) {
            continue;
        }
        if (WEFT__LIKELY(g->stack != NULL || weft__g_bind_stack(p, g))) {
            if (WEFT__LIKELY(is_saved(g))) {
                return found(p, g);
            }
            put_behind(p, g);
            continue;
        }
        weft__inject_starve(&p->rt->inject, g);
        weft__idle_wake_all(p->rt); /* a P that sleeps may have a stack in its cache */
    }
}
