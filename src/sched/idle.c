/* SPDX-License-Identifier: MIT */
/*
 * idle.c - which Ps sleep, and waking one of them.
 *
 * Whoever makes work visible wakes at most one sleeping P, and none while another P is already
 * looking around (spinning); a spinner that finds something and was the last one wakes the next.
 * So the number of awake Ps grows as long as there is work for them, one at a time.
 *
 * [IDLE-DEKKER]  No wake-up is lost between "queue a coroutine" and "go to sleep".
 *
 *   who makes work visible            P going to sleep
 *   1 push to a queue                 1 announce: leave n_spinning, set the bit in rt->idle
 *   2 fence                           2 fence
 *   3 read n_spinning, n_idle         3 re-check every queue, bound list, n_standing, is_stopping
 *
 * A P makes work visible at every spawn and wake, and seldom goes to sleep: so its fence is the
 * light half of an asymmetric one and the sleeper's the heavy half (base/fence.h).  Plain threads,
 * and whoever takes over a bit, use a seq_cst fence, which pairs with both.
 *
 * At least one of the two reads (3) sees the other's write (1).  Acquire/release would let both
 * miss: each only orders a store after earlier ones, not a later load after a store.  A waker that
 * came between (2) and the sleep writes the reactor's wake, which the wait then finds pending.
 *
 * A P that stands down (stand.h) sleeps in another set, rt->resting: it is woken by name, for what
 * is bound to it or when it is to stand again, and counts for nobody who looks for one to do work.
 * In which set a P is it alone decides, while it is awake.  Who wakes it by name looks into both:
 * of the last announcement that his work came too late for he sees the bit, in whichever set.
 *
 * Rejected: waking a P for each coroutine queued (a system call each, and a herd), and time-outs on
 * the sleep (they hide a lost wake-up and cost idle CPU).
 */
#include "../base/fence.h"
#include "../base/self.h"
#include "lookout.h"
#include "sched.h"

/* Make P leave its sleep.  The caller has taken P's bit out of rt->idle, so it alone does. */
static void wake_sleeper(struct weft__p *p)
{
    struct weft__m *m = weft__m_self();
    if (m != NULL && m->p != NULL) {
        weft__count(m->p->counts.wakes);
    }
    p->rt->reactors.driver->wake(p->reactor);
}

/* Take some P's bit; NULL if none sleeps. */
static struct weft__p *take_idle(struct weft_runtime *rt)
{
    for (int w = 0; w < WEFT__IDLE_WORDS; w++) {
        uint64_t bits = atomic_load_explicit(&rt->idle[w], memory_order_relaxed);
        while (bits != 0) {
            uint64_t bit = bits & (0 - bits);
            /* acq_rel [IDLE-BIT]: one waker gets a bit; the sleeper that finds it gone knows that
             * it was counted as a spinner before. */
            uint64_t old = atomic_fetch_and_explicit(&rt->idle[w], ~bit, memory_order_acq_rel);
            if ((old & bit) != 0) {
                atomic_fetch_sub_explicit(&rt->n_idle, 1, memory_order_relaxed);
                return &rt->p[w * 64 + __builtin_ctzll(bit)];
            }
            bits = old & ~bit;
        }
    }
    return NULL;
}

/* Does any P sleep?  By its bit, which is set last. */
static bool has_idle(const struct weft_runtime *rt)
{
    for (int w = 0; w < WEFT__IDLE_WORDS; w++) {
        if (atomic_load_explicit(&rt->idle[w], memory_order_relaxed) != 0) {
            return true;
        }
    }
    return false;
}

/* Nobody spins after all.  Others may have seen the count and left their work to a spinner that
 * does not exist: if a P sleeps now, the caller must try once more. */
static bool end_false_spin(struct weft_runtime *rt)
{
    weft__perturb();
    atomic_fetch_sub_explicit(&rt->n_spinning, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst); /* [IDLE-DEKKER] */
    return has_idle(rt);
}

void weft__idle_wake_one(struct weft_runtime *rt)
{
    if (!rt->may_steal) {
        return; /* who has work for a P wakes that one */
    }
again:
    atomic_thread_fence(memory_order_seq_cst); /* [IDLE-DEKKER] */
    if (atomic_load_explicit(&rt->n_idle, memory_order_relaxed) == 0 ||
        atomic_load_explicit(&rt->n_spinning, memory_order_relaxed) != 0) {
        return;
    }
    uint32_t none = 0;
    if (!atomic_compare_exchange_strong_explicit(&rt->n_spinning, &none, 1, memory_order_relaxed,
                                                 memory_order_relaxed)) {
        return;
    }
    /* n_spinning counts the P that we wake from here on; it finds its bit gone and takes over. */
    struct weft__p *p = take_idle(rt);
    if (p != NULL) {
        wake_sleeper(p);
    } else if (end_false_spin(rt)) {
        goto again;
    }
}

/* Nobody relies on it to look for work: it is not counted as a spinner. */
static bool wake_resting(struct weft__p *p, uint64_t bit)
{
    _Atomic uint64_t *word = &p->rt->resting[p->index / 64];
    /* acq_rel [IDLE-BIT] */
    if ((atomic_load_explicit(word, memory_order_relaxed) & bit) == 0 ||
        (atomic_fetch_and_explicit(word, ~bit, memory_order_acq_rel) & bit) == 0) {
        return false;
    }
    atomic_fetch_sub_explicit(&p->rt->n_resting, 1, memory_order_relaxed);
    wake_sleeper(p);
    return true;
}

/* Wake this P if it sleeps: for what only it can do. */
bool weft__idle_wake_p(struct weft__p *p)
{
    struct weft_runtime *rt = p->rt;
    if (WEFT__UNLIKELY(p->is_relief)) {
        rt->reactors.driver->wake(p->reactor);
        return true;
    }
    uint64_t bit = (uint64_t)1 << (p->index % 64);
    _Atomic uint64_t *word = &rt->idle[p->index / 64];
    atomic_thread_fence(memory_order_seq_cst); /* [IDLE-DEKKER] */
    if (wake_resting(p, bit)) {
        return true;
    }
    if ((atomic_load_explicit(word, memory_order_relaxed) & bit) == 0) {
        return false;
    }
    atomic_fetch_add_explicit(&rt->n_spinning, 1, memory_order_relaxed);
    /* acq_rel [IDLE-BIT] */
    if ((atomic_fetch_and_explicit(word, ~bit, memory_order_acq_rel) & bit) == 0) {
        if (end_false_spin(rt)) {
            weft__idle_wake_one(rt);
        }
        return false;
    }
    atomic_fetch_sub_explicit(&rt->n_idle, 1, memory_order_relaxed);
    wake_sleeper(p);
    return true;
}

void weft__idle_wake_all(struct weft_runtime *rt)
{
    for (int i = 0; i < weft__p_count(rt); i++) {
        rt->reactors.driver->wake(weft__p_at(rt, i)->reactor);
    }
}

bool weft__idle_is_set(const struct weft__p *p)
{
    if (p->is_relief) {
        /* acquire [IDLE-BIT] */
        return atomic_load_explicit(&p->is_asleep, memory_order_acquire);
    }
    uint32_t w = p->index / 64;
    /* acquire [IDLE-BIT]: with all that it counted before it went to sleep. */
    uint64_t bits = atomic_load_explicit(&p->rt->idle[w], memory_order_acquire) |
                    atomic_load_explicit(&p->rt->resting[w], memory_order_acquire);
    return (bits >> (p->index % 64) & 1) != 0;
}

/* Where p, which calls, has its bit when it sleeps. */
static _Atomic uint64_t *own_word(struct weft__p *p)
{
    return &(p->is_down ? p->rt->resting : p->rt->idle)[p->index / 64];
}

/*
 * A relief P is woken by the look-out, which comes again (lookout.h), and by those who then write
 * to its reactor.  So it needs no place among the idle, whom everybody wakes, and who looks for a
 * deadlock asks for its own word: either he sees that it sleeps, or it sees that all others do and
 * asks him once more.
 */
static void set_asleep(struct weft__p *p, bool is_asleep)
{
    /* release [IDLE-BIT] */
    atomic_store_explicit(&p->is_asleep, is_asleep, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst); /* [IDLE-DEKKER] */
}

/* Step 1 and 2 of going to sleep; the caller re-checks after it. */
void weft__idle_announce(struct weft__p *p)
{
    struct weft_runtime *rt = p->rt;
    if (p->is_relief) {
        set_asleep(p, true);
        return;
    }
    if (p->is_spinning) {
        p->is_spinning = false;
        atomic_fetch_sub_explicit(&rt->n_spinning, 1, memory_order_relaxed);
    }
    weft__perturb();
    atomic_fetch_add_explicit(p->is_down ? &rt->n_resting : &rt->n_idle, 1, memory_order_relaxed);
    weft__perturb();
    /* release [IDLE-BIT]: publishes what this P did to the one who wakes it. */
    atomic_fetch_or_explicit(own_word(p), (uint64_t)1 << (p->index % 64), memory_order_release);
    weft__perturb();
    /* [IDLE-DEKKER]: enough for one P alone, and where nobody takes work from another, who wakes
     * the one that has it.  Who adds a relief P says so, fences and then starts it: either we see
     * that there is one, or it sees what we have announced. */
    atomic_thread_fence(memory_order_seq_cst);
    if (rt->may_steal && weft__p_count(rt) > 1) {
        weft__fence_heavy(); /* [IDLE-DEKKER] */
    }
}

/* Awake again, for whatever reason. */
void weft__idle_end(struct weft__p *p)
{
    struct weft_runtime *rt = p->rt;
    if (p->is_relief) {
        set_asleep(p, false);
        weft__lookout_rouse();
        return;
    }
    uint64_t bit = (uint64_t)1 << (p->index % 64);
    /* acquire [IDLE-BIT]: what the waker queued before it took the bit is visible. */
    uint64_t old = atomic_fetch_and_explicit(own_word(p), ~bit, memory_order_acquire);
    if ((old & bit) != 0) {
        atomic_fetch_sub_explicit(p->is_down ? &rt->n_resting : &rt->n_idle, 1,
                                  memory_order_relaxed);
    } else {
        p->is_spinning = !p->is_down; /* whoever took the bit counted us in n_spinning */
    }
    weft__lookout_rouse();
}
