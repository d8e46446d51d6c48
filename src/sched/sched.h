/* SPDX-License-Identifier: MIT */
/*
 * sched.h - the scheduler's own structures: M, P and the runtime.  Seen by sched/ and observe/;
 * what lies above uses park.h.
 *
 *   G  a coroutine (coro/g.h)
 *   M  an OS thread: runs a P, or is spare
 *   P  a processor: queues, timer wheel, reactor, caches; run by one M at a time
 */
#ifndef WEFT_SCHED_SCHED_H
#define WEFT_SCHED_SCHED_H

#include <weft/runtime.h>

#include "../base/atomic.h"
#include "../base/lock.h"
#include "../coro/g.h"
#include "../coro/slab.h"
#include "../pool/pool.h"
#include "../reactor/driver.h"
#include "../reactor/wheel.h"
#include "../stack/stack.h"
#include "deque.h"
#include "disk.h"
#include "early.h"
#include "handle.h"
#include "inject.h"
#include "kept.h"
#include "limit.h"
#include "machine.h"
#include "place.h"
#include "runq.h"
#include "wait.h"

/* A P looks at its reactor, its timers and the global queue after at most so many turns. */
#define WEFT__TURNS_GLOBAL 61u
/* How often an idle P is told of the one coroutine that waits on a busy one; and how often, while
 * others are busy, it looks by itself. */
#if defined(WEFT_PERTURB) || defined(WEFT_MODEL)
#define WEFT__TELL_ALWAYS true /* a wake-up that is lost shall stay lost where bugs are provoked */
#else
#define WEFT__TELL_ALWAYS false
#endif
#define WEFT__HINT_NS 1000000
#define WEFT__LOOK_NS 10000000
/* A coroutine whose I/O never has to wait yields after so much of it: a request or two. */
#define WEFT__SPEND_MAX 4u
/* And at such a look, the oldest of its unstarted coroutines gets its turn if none did for so long.
 * By time, not by turns: each such turn opens another branch of a fork-join tree, and the number of
 * open branches is the number of stacks (a million-leaf tree had 8,000 with a bound of 32 turns).
 * */
#define WEFT__OLDEST_NS 10000000
/* How often run-next goes before the woken queue in a row when that has something; then it goes to
 * the end of it.  A pair that keeps waking each other gets three turns where others get two. */
#define WEFT__RUN_NEXT_MAX 2u

/* How many relief Ps there may be: with so many coroutines more than Ps that compute all the time,
 * the rest still goes on (lookout.h). */
#define WEFT__RELIEF_MAX 8

/* A P's counters: written by its owner, read by anyone; a runtime has a set of the look-out's. */
struct weft__p_counts {
    _Atomic uint64_t spawned;
    _Atomic uint64_t ended;
    _Atomic uint64_t parks;
    _Atomic uint64_t yields; /* and other ways to leave but to park and to end */
    _Atomic uint64_t begun;  /* turns that began on an M's own context */
    _Atomic uint64_t steals;
    _Atomic uint64_t sleeps;
    _Atomic uint64_t rests; /* begun: sleeps, and those that it thought better of */
    _Atomic uint64_t wakes; /* that this P sent */
    _Atomic uint64_t ops;
    _Atomic uint64_t delivered; /* operations whose coroutine it has made runnable */
    _Atomic uint64_t timers;
    _Atomic uint64_t accept_waits;
};

/* What the look-out has seen of a P. */
struct weft__p_look {
    uint64_t turns;   /* and sleeps */
    int64_t since_ns; /* since when they have not changed, or the P was idle */
    int64_t cpu_ns;   /* what its thread had used then; 0: not known */
    bool is_hogged;
    bool was_called;  /* upon to give way */
    bool is_deaf;     /* and had not at the look after that */
    bool was_counted; /* as a stall */
    bool is_started;  /* a relief P that has an M */
};

struct weft__p {
    /* The owner's. */
    struct weft_runtime *rt;
    struct weft__m *m;
    struct weft__gate *gate; /* what our coroutines make is biased to it (base/lock.h) */
    struct weft__g *pending; /* to run next, by the M: it needs a stack first */
    uint32_t index;
    int cpu; /* that its thread is bound to; -1: to none */
    _Atomic bool has_bound;  /* there is something in `bound`; written under bound_lock */
    uint32_t tick;           /* turns so far */
    uint32_t poll_tick;      /* the turn at which to look at reactor, timers, global queue */
    uint32_t poll_interval;  /* turns between two of them */
    uint32_t glances;        /* instead of polls, since the last (glance.h), */
    uint32_t glance_interval; /* turns between two of them, */
    uint32_t polled_tick;     /* and the turn of polled_ns */
    uint32_t polls_left_out; /* in a row */
    uint32_t run_next_streak;
    uint32_t spent;      /* I/O that needed no wait, one after the other, */
    uint32_t spent_tick; /* in this turn */
    uint32_t hint_tick;  /* the last turn in which weft__queue_may_hint() */
    bool is_alone;       /* nobody else looks into its queues: it is the only P, or none steals */
    bool tells_later;    /* of what it queues now others are told at the end */
    bool is_spinning;    /* counted in rt->n_spinning */
    bool is_down;        /* stands down: it runs what is bound to it alone (stand.h) */
    bool must_hand_off;  /* a test asked for another thread */
    bool lets_gather;    /* timers, while it sleeps; they fire often */
    int64_t polled_ns;   /* when it last looked at the clock */
    struct weft__early early; /* how it sleeps for a timer: early.h */
    int64_t rated_ns; /* when it was last asked how often timers fire: timers.c */
    uint64_t rated_count;
    int64_t trimmed_ns;  /* when it last gave stacks back */
    int64_t hinted_ns;   /* when weft__queue_let_hint() was last called */
    int64_t oldest_ns;   /* when the oldest unstarted coroutine last had its turn */
    uint64_t random;
    /* What a coroutine that is spawned here begins with: flags, p_home and stack_shift. */
    uint16_t birth_flags, birth_home;
    uint8_t birth_shift;
    uint64_t id_next, id_end; /* coroutine numbers set aside for this P */
    struct weft__g_cache g_cache;
    struct weft__stack_cache stack_cache;
    struct weft__handle_cache handles;
    struct weft__p_counts counts;

    /* Shared with thieves and wakers. */
    _Atomic(struct weft__g *) run_next WEFT__ALIGNED_LINE;
    struct weft__runq woken;
    struct weft__deque unstarted;

    struct weft__inject *inject; /* the runtime's, or this: */
    struct weft__inject own_inject;

    struct weft__lock bound_lock; /* RANK_BOUND; protects bound */
    struct weft__glist bound;     /* pinned and placed coroutines: nobody else may take them */
    _Atomic bool wants_trim; /* its caches shall be given back: trim.c */
    _Atomic uint32_t pinned_count; /* live pinned coroutines: while there are some, P keeps its M */

    struct weft__lock wheel_lock WEFT__ALIGNED_LINE; /* RANK_WHEEL; protects wheel */
    struct weft__wheel wheel;
    _Atomic int64_t wheel_next_ns; /* a lower bound of what is due next, for a look without lock */

    struct weft__reactor *reactor;

    _Atomic int thread_id; /* of the thread that runs it, or ran it last */

    /* Of a relief P. */
    bool is_relief;
    _Atomic bool is_called; /* by the look-out: it takes work */
    _Atomic bool is_asleep; /* what the idle bit is for the others */

    struct weft__p_look look; /* the look-out's */
} WEFT__ALIGNED_LINE;

/* Is it time, in this turn, to look at the reactor, the timers and the global queue? */
static inline bool weft__p_must_poll_at(const struct weft__p *p, uint32_t tick)
{
    return (int32_t)(tick - p->poll_tick) >= 0;
}

static inline bool weft__p_must_poll(const struct weft__p *p)
{
    return weft__p_must_poll_at(p, p->tick);
}

/* How often a coroutine has left p, parked, runnable or ended: so often one was switched to. */
static inline uint64_t weft__p_switches(const struct weft__p *p)
{
    const struct weft__p_counts *c = &p->counts;
    return atomic_load_explicit(&c->parks, memory_order_relaxed) +
           atomic_load_explicit(&c->yields, memory_order_relaxed) +
           atomic_load_explicit(&c->ended, memory_order_relaxed);
}

/* Does not change while one and the same coroutine runs on p, or nothing does. */
static inline uint64_t weft__p_turns(const struct weft__p *p)
{
    return weft__p_switches(p) + atomic_load_explicit(&p->counts.begun, memory_order_relaxed) +
           atomic_load_explicit(&p->counts.sleeps, memory_order_relaxed);
}

/* A plain thread in weft_block_on(): woken with -EDEADLK when nothing else can. */
struct weft__block_wait {
    struct weft__block_wait *next;
    struct weft__wait *wait;
    bool is_at_rest; /* it has spawned its coroutine; only a wake lets it go on */
};

/* Under the lock of the waits: is it going to do nothing before somebody wakes it? */
static inline bool weft__block_wait_rests(const struct weft__block_wait *b)
{
    return b->is_at_rest && !weft__wait_is_claimed(b->wait);
}

#define WEFT__IDLE_WORDS (WEFT_PROCS_MAX / 64)

struct weft__cpus_at;

struct weft_runtime {
    struct weft__p *p; /* `procs` of them */
    int procs;
    _Atomic int n_ps;                             /* and the relief Ps, which come later */
    struct weft__p *relief[WEFT__RELIEF_MAX];     /* those below n_ps - procs; by the look-out */
    bool may_steal; /* if not, a coroutine stays on the P where it was spawned or placed */
    /* preset.h */
    bool tells_seldom;
    uint32_t search_rounds;
    int64_t spin_ns; /* how long a P lingers after its search, before it sleeps */
    int64_t wake_batch_ns; /* and how long, woken by an event, it lets others come */
    _Atomic uint32_t next_home; /* then: the P for what a plain thread spawns */
    bool exits_on_deadlock; /* plain weft_run: a deadlock ends the process */
    bool is_verbose;

    _Atomic uint32_t n_standing;   /* the Ps below run coroutines, the others stand down */
    _Atomic int64_t stand_look_ns; /* when that number is due for a look; INT64_MAX: never */
    int64_t stand_interval_ns;
    const struct weft__cpus_at *cpus_at;
    _Atomic uint64_t n_stand_changes;

    _Atomic uint64_t idle[WEFT__IDLE_WORDS] WEFT__ALIGNED_LINE; /* a bit a P that sleeps */
    _Atomic uint32_t n_idle;
    _Atomic uint32_t n_spinning;
    _Atomic bool has_looker; /* an idle P looks at the busy ones every WEFT__LOOK_NS */
    _Atomic uint32_t n_resting;
    _Atomic uint64_t resting[WEFT__IDLE_WORDS]; /* those that stand down have theirs here */
    struct weft__inject inject WEFT__ALIGNED_LINE;

    struct weft__place place;
    struct weft__reactor_group reactors;
    struct weft__stacks stacks;
    struct weft__slabs slabs;

    struct weft__lock m_lock; /* RANK_IDLE; protects the next three */
    bool ms_are_left;         /* nobody will join them */
    struct weft__m *ms;
    struct weft__m *spare_ms;
    _Atomic uint32_t n_running_ms; /* a futex: Ms that have not left yet */
    _Atomic uint32_t is_stopping;

    _Atomic uint64_t foreign_spawned; /* by threads that have no P */
    _Atomic uint32_t n_inside;        /* a futex: plain threads that are about to touch rt again */
    _Atomic uint32_t n_threads;       /* Ms that have a thread, for the verdict of deadlock.c */
    _Atomic uint32_t n_blocked_on;    /* plain threads in weft_run and weft_block_on */
    struct weft__lock waits_lock;     /* RANK_START; protects block_waits, look_deferred */
    struct weft__block_wait *block_waits;
    bool look_deferred;      /* a look met one of them on its way: it asks for another */
    struct weft__p_counts served; /* what the look-out did for Ps that are hogged */
    _Atomic uint64_t stalls;
    bool reports_stalls;
    int n_free_looks;         /* the look-out's: so often in a row a P was free */
    int64_t relief_refused_ns; /* likewise: when none could be made */
    uint64_t stall_rests;    /* the watch thread's: rests when a stall was first seen */
    bool stall_reported;     /* the watch thread's */
    _Atomic bool wants_look; /* the watch thread shall look for a deadlock */
    struct weft__fd_waits fd_waits;
    struct weft__pool pool;
    struct weft__limit limit;
    struct weft__disk disk;
    _Atomic uint32_t trims_due; /* Ps that have yet to answer to wants_trim, and who asks them */
    struct weft__kept_names kept_names;
    _Atomic uint64_t away_begun; /* away.h */
    _Atomic uint64_t away_ended;
    _Atomic uint32_t n_outside; /* coroutines whose P was given away */
    struct weft__fp_control fp; /* of the thread that has started it, and so of all Ms */
    struct weft_runtime *next;  /* in the process's list */
    char thread_name[12];
    bool with_signals;
};

/* From now on g stands on this stack. */
static inline void weft__g_stand_on(struct weft__g *g, struct weft__stack *stack)
{
    g->stack = stack;
    if (WEFT__UNLIKELY(stack->guard == GUARD_KIND_CANARY)) {
        g->flags |= G_FLAG_CANARY;
    }
}

/* How many Ps there are, relief Ps included: for those who look at all of them. */
static inline int weft__p_count(const struct weft_runtime *rt)
{
    /* acquire [RELIEF-MADE] */
    return atomic_load_explicit(&rt->n_ps, memory_order_acquire);
}

static inline struct weft__p *weft__p_at(const struct weft_runtime *rt, int i)
{
    return i < rt->procs ? &rt->p[i] : rt->relief[i - rt->procs];
}

/* ready.c */
void weft__g_ready(struct weft__g *g, bool run_next);
_Noreturn void weft__g_did_not_wait(void);
void weft__foreign_wake_begin(void);
void weft__foreign_wake_end(void);
void weft__foreign_wakes_end(void); /* wait until there is none under way */
void weft__wait_wake(struct weft__wait *w);
void weft__op_done(struct weft__op *op);

/* switch.c (and machine.h) */
void weft__switch_to_g(struct weft__m *m, struct weft__g *g);
void weft__switch_yield(struct weft__m *m, struct weft__g *g);
bool weft__g_bind_stack(struct weft__p *p, struct weft__g *g);
void weft__g_give_stack(struct weft__p *p, struct weft__stack *stack); /* back to the runtime */

/* idle.c */
void weft__idle_wake_one(struct weft_runtime *rt);
bool weft__idle_wake_p(struct weft__p *p);
void weft__idle_wake_all(struct weft_runtime *rt);
void weft__idle_announce(struct weft__p *p);
void weft__idle_end(struct weft__p *p);
bool weft__idle_is_set(const struct weft__p *p);

/* start.c */
int weft__p_init(struct weft__p *p, struct weft_runtime *rt, int i);
/* How many Ps sleep, whether they stand or not; exact while none comes or goes. */
static inline uint32_t weft__idle_count(const struct weft_runtime *rt)
{
    return atomic_load_explicit(&rt->n_idle, memory_order_relaxed) +
           atomic_load_explicit(&rt->n_resting, memory_order_relaxed);
}

/* timers.c */
void weft__timer_arm(struct weft__p *p, struct weft__wait *w);
void weft__timer_disarm(struct weft__wait *w);
int weft__timers_fire(struct weft__p *self, struct weft__p *p, int64_t now_ns);
/* By the owner of p, which is about to sleep: until when at most; INT64_MAX if nothing is armed. */
int64_t weft__timers_sleep_until(struct weft__p *p);
/* By the owner, after a sleep that was to end at deadline_ns; is_quiet: it brought no event. */
void weft__timers_after_sleep(struct weft__p *p, int64_t deadline_ns, bool is_quiet);
/* By the owner: is the timer that ended its sleep so near that it should not sleep again? */
bool weft__timers_are_near(const struct weft__p *p);
/* By the owner: do timers wake p so often that it hardly rests? */
bool weft__timers_are_dense(const struct weft__p *p);

/* find.c */
struct weft__g *weft__find(struct weft__m *m);

/* trim.c: by the owner of p */
void weft__p_flush_caches(struct weft__p *p);
static inline bool weft__p_has_cached(const struct weft__p *p)
{
    return p->g_cache.count != 0 || p->stack_cache.count != 0;
}
void weft__p_trim(struct weft__p *p);
/* By an idle P: some stacks of too many are given back; false if there is nothing to do now. */
bool weft__p_trim_some(struct weft__p *p);
/* A deadline of its sleep, or an earlier one, when it is to give back more. */
int64_t weft__p_trim_next(const struct weft__p *p, int64_t deadline_ns);
static inline bool weft__p_must_trim(const struct weft__p *p)
{
    return WEFT__UNLIKELY(atomic_load_explicit(&p->wants_trim, memory_order_relaxed));
}

/* enter.c: by who stops rt, and has said so: wait until no plain thread will start anything more */
void weft__block_waits_settle(struct weft_runtime *rt);

/* deadlock.c */
bool weft__has_undelivered(const struct weft_runtime *rt);

/* spawn.c */
uint64_t weft__id_take(struct weft__p *p);
bool weft__spawn_foreign(struct weft_runtime *rt, int (*fn)(void *), void (*plain)(void *),
                         void *arg, const char *site, const char *name, struct weft_co *co);

/* live coroutines, exact when nothing runs */
uint64_t weft__live_count(const struct weft_runtime *rt);

#endif
