/* SPDX-License-Identifier: MIT */
/*
 * fairness.c - fair.pair, fair.oldest: who gets how many turns on one processor.
 *
 * A pair that talks is put in front again and again, and those that have begun go before those that
 * have not.  Both must have a bound.
 */
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>

#include "bench.h"

#define OTHERS 100
#define ROUNDS 40000 /* of the pair: about 100 ms, as each takes a turn of all the others */
#define BUSY 8
#define PROBES 4
#define REPEATS 3

/* What all of the busy ones share.  They begin together, when each of them has been started. */
struct crowd {
    struct weft_chan *gate;
    struct weft_wait_group *arrived, *left;
    atomic_bool is_over;
    atomic_long n_turns; /* of the yielders; written by one at a time, as there is one processor */
};

static void crowd_open(struct crowd *crowd, int count)
{
    crowd->gate = bench_chan(0, 0);
    crowd->arrived = bench_wg(count);
    crowd->left = bench_wg(count);
    crowd->is_over = false;
    crowd->n_turns = 0;
}

static void crowd_begin(struct crowd *crowd)
{
    bench_wg_finish(crowd->arrived);
    weft_chan_close(crowd->gate);
}

/* Waits until all have left. */
static void crowd_close(struct crowd *crowd)
{
    bench_wg_finish(crowd->left);
    weft_chan_unref(crowd->gate);
}

static void wait_for_the_others(struct crowd *crowd)
{
    weft_wg_done(crowd->arrived);
    const int rc = weft_chan_recv(crowd->gate, NULL);
    if (rc != -EPIPE)
        bench_die("weft_chan_recv", rc);
}

static bool is_over(struct crowd *crowd)
{
    return atomic_load_explicit(&crowd->is_over, memory_order_relaxed);
}

static void set_over(struct crowd *crowd)
{
    atomic_store_explicit(&crowd->is_over, true, memory_order_relaxed);
}

static long turns(struct crowd *crowd)
{
    return atomic_load_explicit(&crowd->n_turns, memory_order_relaxed);
}

static void yielder(void *arg)
{
    struct crowd *crowd = arg;

    wait_for_the_others(crowd);
    while (!is_over(crowd)) {
        atomic_store_explicit(&crowd->n_turns, turns(crowd) + 1, memory_order_relaxed);
        weft_yield();
    }
    weft_wg_done(crowd->left);
}

struct pair {
    struct crowd *crowd;
    struct weft_chan *there, *back;
    long n;       /* rounds to play, unless it is over before */
    long n_turns; /* that yielders had meanwhile */
};

static void pair_open(struct pair *pair, struct crowd *crowd, long n)
{
    *pair = (struct pair){crowd, bench_chan(sizeof(long), 0), bench_chan(sizeof(long), 0), n, 0};
}

static void pair_close(struct pair *pair)
{
    weft_chan_unref(pair->there);
    weft_chan_unref(pair->back);
}

/* Plays until its rounds are over, or all is.  Closing ends the partner. */
static void player(void *arg)
{
    struct pair *pair = arg;
    long ball = 0;

    wait_for_the_others(pair->crowd);
    const long n_before = turns(pair->crowd);
    while (ball < pair->n && !is_over(pair->crowd)) {
        MUST(weft_chan_send(pair->there, &ball));
        MUST(weft_chan_recv(pair->back, &ball));
    }
    pair->n_turns = turns(pair->crowd) - n_before;
    set_over(pair->crowd);
    weft_chan_close(pair->there);
    weft_wg_done(pair->crowd->left);
}

static void partner(void *arg)
{
    struct pair *pair = arg;
    long ball;
    int rc;

    wait_for_the_others(pair->crowd);
    while ((rc = weft_chan_recv(pair->there, &ball)) == 0) {
        ball++;
        MUST(weft_chan_send(pair->back, &ball));
    }
    if (rc != -EPIPE)
        bench_die("weft_chan_recv", rc);
    weft_wg_done(pair->crowd->left);
}

static void pair_spawn(struct pair *pair)
{
    MUST(weft_go(partner, pair));
    MUST(weft_go(player, pair));
}

/* --- fair.pair ------------------------------------------------------------------------------ */

/* A round trip is two turns, one of each side. */
void bench_fair_pair(double *values)
{
    struct crowd crowd;
    struct pair pair;

    crowd_open(&crowd, OTHERS + 2);
    pair_open(&pair, &crowd, ROUNDS);
    for (int i = 0; i < OTHERS; i++)
        MUST(weft_go(yielder, &crowd));
    pair_spawn(&pair);
    crowd_begin(&crowd);
    crowd_close(&crowd);
    pair_close(&pair);

    const double share = 2.0 * ROUNDS / (2.0 * ROUNDS + (double)pair.n_turns);
    values[0] = share / (2.0 / (2 + OTHERS));
}

/* --- fair.oldest ---------------------------------------------------------------------------- */

struct probe {
    int64_t spawned_ns, waited_ns;
    struct weft_wait_group *left;
};

static void note_start(void *arg)
{
    struct probe *probe = arg;

    probe->waited_ns = weft_now() - probe->spawned_ns;
    weft_wg_done(probe->left);
}

/* How long the oldest of some unstarted coroutines waits, at worst. */
static int64_t oldest_wait_ns(void)
{
    struct probe probes[PROBES];
    int64_t worst_ns = 0;

    for (int repeat = 0; repeat < REPEATS; repeat++) {
        struct weft_wait_group *left = bench_wg(PROBES);
        for (int i = 0; i < PROBES; i++) {
            probes[i] = (struct probe){weft_now(), 0, left};
            MUST(weft_go(note_start, &probes[i]));
        }
        bench_wg_finish(left);
        worst_ns = probes[0].waited_ns > worst_ns ? probes[0].waited_ns : worst_ns;
    }
    return worst_ns;
}

/* The busy ones are yielders, or pairs, or half of them each. */
static int64_t wait_behind(int n_yielders)
{
    struct crowd crowd;
    struct pair pairs[BUSY / 2];
    const int n_pairs = (BUSY - n_yielders) / 2;

    crowd_open(&crowd, BUSY);
    for (int i = 0; i < n_yielders; i++)
        MUST(weft_go(yielder, &crowd));
    for (int i = 0; i < n_pairs; i++) {
        pair_open(&pairs[i], &crowd, LONG_MAX);
        pair_spawn(&pairs[i]);
    }
    crowd_begin(&crowd);
    const int64_t ns = oldest_wait_ns();
    set_over(&crowd);
    crowd_close(&crowd);
    for (int i = 0; i < n_pairs; i++)
        pair_close(&pairs[i]);
    return ns;
}

/* The worst of the three mixes. */
void bench_fair_oldest(double *values)
{
    int64_t worst_ns = 0;

    for (int n_yielders = 0; n_yielders <= BUSY; n_yielders += BUSY / 2) {
        const int64_t ns = wait_behind(n_yielders);
        worst_ns = ns > worst_ns ? ns : worst_ns;
    }
    values[0] = (double)worst_ns / 1e6;
}
