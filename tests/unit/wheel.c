/* SPDX-License-Identifier: MIT */
/*
 * Goal: the timer wheel takes out exactly the due timers, never early, whatever the deadlines, the
 * age of the clock and the pattern of use, and says truthfully when to look again.
 * Method: a naive model (an array of deadlines that is searched from end to end) beside the wheel,
 * random and boundary deadlines, and a checker of the wheel's invariants.
 *
 * matrix: once
 */
#include "reactor/wheel.h"
#include "test.h"

#include <limits.h>

#define LAST (WEFT__WHEEL_LEVELS - 1)
#define TICK_NS (INT64_C(1) << WEFT__WHEEL_TICK_SHIFT)

/* Where the clocks begin: boot, 2^36 ms (2,178 years) and the last hours of int64_t. */
static const int64_t ages[] = {0, (INT64_C(1) << 36) * 1000000, INT64_MAX - (INT64_C(1) << 45),
                               INT64_MAX - 5000, INT64_MAX};
#define N_AGES (sizeof(ages) / sizeof(ages[0]))

static int64_t saturating_add(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return a < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

static int64_t clamped_tick(const struct weft__timer *t, int64_t elapsed_tick)
{
    int64_t tick = t->deadline_ns < 0 ? 0 : t->deadline_ns / TICK_NS;
    return tick < elapsed_tick ? elapsed_tick : tick;
}

/* Of each level: the bits of a tick below its slots', how many it has, and the first of them. */
static const struct {
    int shift, count, first;
} levels[] = {{0, 256, 0}, {8, 4096, 256}, {20, 256, 4352}, {28, 256, 4608}, {36, 256, 4864}};

/* A timer is in the slot that its deadline and elapsed_tick asked for: none of a lower level sees
 * as far, or did not when it was put there. */
static void check_place(const struct weft__wheel *w, const struct weft__timer *t, int level, int i)
{
    int shift = levels[level].shift;
    int64_t here = w->elapsed_tick >> shift;
    int64_t ahead = (i - here) & (levels[level].count - 1);
    int64_t slot = here + ahead, due = clamped_tick(t, w->elapsed_tick) >> shift;

    CHECK_EQ(t->slot, levels[level].first + i);
    CHECK(level == 0 || ahead > 0);
    if (level < LAST)
        CHECK_EQ(slot, due);
    else if (slot != due)
        CHECK_GT(due, slot); /* waits for want of a farther slot */
}

static uint64_t check_list(const struct weft__wheel *w, struct weft__timer *const *link,
                           int64_t min_ns, int level, int i)
{
    uint64_t count = 0;

    for (const struct weft__timer *t; (t = *link) != NULL; link = &t->next, count++) {
        CHECK(t->prev_next == link);
        CHECK_LE(min_ns, t->deadline_ns);
        check_place(w, t, level, i);
    }
    return count;
}

static uint64_t check_slot(const struct weft__wheel *w, int level, int i)
{
    const int slot = levels[level].first + i;
    uint64_t count = 0;

    if (level == 0) {
        count = check_list(w, &w->fine[i].first, w->fine[i].min_ns, 0, i);
    } else {
        const struct weft__wheel_coarse *coarse = &w->coarse[slot - WEFT__WHEEL_FINE_SLOTS];
        for (int lane = 0; lane < WEFT__WHEEL_LANES; lane++)
            count += check_list(w, &coarse->first[lane], coarse->min_ns, level, i);
    }
    CHECK_EQ(count != 0, w->bits[slot / 64] >> (slot % 64) & 1);
    return count;
}

static void check_invariants(const struct weft__wheel *w)
{
    uint64_t count = 0;

    for (int level = 0; level <= LAST; level++) {
        for (int i = 0; i < levels[level].count; i++)
            count += check_slot(w, level, i);
        for (int word = 0; word < levels[level].count / 64; word++)
            CHECK_EQ(w->bits[levels[level].first / 64 + word] != 0, w->words[level] >> word & 1);
    }
    CHECK_EQ(w->armed_count, count);
    CHECK_GE(w->elapsed_tick, 0);
}

/* The wheel, and beside it what should be in it. */
#define N_TIMERS 256
static struct model {
    struct weft__wheel wheel;
    struct weft__timer timers[N_TIMERS];
    bool is_armed[N_TIMERS];
    int64_t deadline_ns[N_TIMERS];
    uint64_t random;
} model;

static void model_init(struct model *m, int64_t now_ns)
{
    memset(&m->wheel, 0, sizeof m->wheel);
    weft__wheel_init(&m->wheel, now_ns);
    for (int i = 0; i < N_TIMERS; i++) {
        weft__timer_init(&m->timers[i], (uint16_t)i);
        m->is_armed[i] = false;
    }
}

static void model_add(struct model *m, int i, int64_t deadline_ns)
{
    m->is_armed[i] = true;
    m->deadline_ns[i] = deadline_ns;
    weft__wheel_add(&m->wheel, &m->timers[i], deadline_ns);
    CHECK(weft__timer_is_armed(&m->timers[i]));
}

/* The earliest deadline; INT64_MAX if there is none. */
static int64_t model_next_ns(const struct model *m)
{
    int64_t next_ns = INT64_MAX;
    for (int i = 0; i < N_TIMERS; i++)
        if (m->is_armed[i] && m->deadline_ns[i] < next_ns)
            next_ns = m->deadline_ns[i];
    return next_ns;
}

/* Advance, and compare what came out with what should have; returns how many. */
static int model_advance(struct model *m, int64_t now_ns, int max)
{
    const int64_t elapsed_tick = m->wheel.elapsed_tick;
    int64_t last_tick = 0;
    int count = 0;

    if (now_ns < elapsed_tick * TICK_NS)
        now_ns = elapsed_tick * TICK_NS;
    struct weft__timer *t = weft__wheel_advance(&m->wheel, now_ns, max);
    for (; t != NULL; t = t->next, count++) {
        int i = t->kind;
        CHECK(t == &m->timers[i]);
        CHECK(m->is_armed[i]);
        CHECK(!weft__timer_is_armed(t));
        CHECK_EQ(t->deadline_ns, m->deadline_ns[i]);
        CHECK_LE(t->deadline_ns, now_ns);
        CHECK_LE(last_tick, clamped_tick(t, elapsed_tick));
        last_tick = clamped_tick(t, elapsed_tick);
        m->is_armed[i] = false;
    }
    CHECK_LE(count, max);
    CHECK_GE(m->wheel.elapsed_tick, elapsed_tick);
    if (count < max) {
        for (int i = 0; i < N_TIMERS; i++)
            CHECK(!m->is_armed[i] || m->deadline_ns[i] > now_ns);
        CHECK_EQ(m->wheel.elapsed_tick, now_ns / TICK_NS);
    }
    return count;
}

static uint64_t random_bits(struct model *m, unsigned bits)
{
    return bits == 0 ? 0 : test_random(&m->random) >> (64 - bits);
}

/* Deadlines of all sizes; many share a fine slot, and some are long past. */
static int64_t random_deadline(struct model *m, int64_t now_ns)
{
    switch (random_bits(m, 3)) {
    case 0:
        return (int64_t)test_random(&m->random);
    case 1:
        return saturating_add(now_ns, -(int64_t)random_bits(m, 1 + random_bits(m, 4)));
    case 2:
    case 3:
        return saturating_add(now_ns, (int64_t)random_bits(m, 13));
    default:
        return saturating_add(now_ns, (int64_t)random_bits(m, random_bits(m, 6)));
    }
}

/* Steps of the clock: mostly none or a little, seldom a month. */
static int64_t random_step(struct model *m)
{
    uint64_t dice = random_bits(m, 10);
    if (dice < 300)
        return 0;
    if (dice < 600)
        return (int64_t)random_bits(m, 10);
    if (dice < 1000)
        return (int64_t)random_bits(m, 14);
    return (int64_t)random_bits(m, dice < 1023 ? 30 : random_bits(m, 6) * 7 / 8);
}

/* One random run from a start time; removals make the next expiry a bound instead of exact. */
static void random_run(struct model *m, int64_t start_ns, int n_ops, bool removes)
{
    int64_t now_ns = start_ns;

    model_init(m, start_ns);
    for (int op = 0; op < n_ops; op++) {
        int i = (int)random_bits(m, 8);
        if (!m->is_armed[i]) {
            model_add(m, i, random_deadline(m, now_ns));
        } else if (removes && random_bits(m, 1)) {
            CHECK(weft__wheel_remove(&m->wheel, &m->timers[i]));
            CHECK(!weft__wheel_remove(&m->wheel, &m->timers[i]));
            m->is_armed[i] = false;
        } else {
            now_ns = saturating_add(now_ns, random_step(m));
            if (random_bits(m, 1))
                weft__wheel_catch_up(&m->wheel, now_ns - (int64_t)random_bits(m, 20));
            int64_t said_ns = random_bits(m, 6) ? now_ns : now_ns - (int64_t)random_bits(m, 40);
            model_advance(m, said_ns, removes && random_bits(m, 1) ? 1 + (op & 3) : INT_MAX);
        }
        if (removes)
            CHECK_LE(weft__wheel_next_ns(&m->wheel), model_next_ns(m));
        else
            CHECK_EQ(weft__wheel_next_ns(&m->wheel), model_next_ns(m));
        if (op % 128 == 0)
            check_invariants(&m->wheel);
    }
    check_invariants(&m->wheel);
    while (model_advance(m, INT64_MAX, 100) > 0)
        check_invariants(&m->wheel);
    CHECK_EQ(m->wheel.armed_count, 0);
    CHECK_EQ(weft__wheel_next_ns(&m->wheel), INT64_MAX);
}

TEST_LIMIT(a_million_random_operations_agree_with_the_model, 60)
{
    model.random = test_seed();
    for (int run = 0; run < 50; run++)
        random_run(&model, ages[run % (int)N_AGES], 20000, true);
}

TEST_LIMIT(without_removals_the_next_expiry_is_exact, 60)
{
    model.random = test_seed();
    for (int run = 0; run < 25; run++)
        random_run(&model, ages[run % (int)N_AGES], 10000, false);
}

/* {0, 1, -1, 2^k-1, 2^k, 2^k+1 for k < 63, INT64_MIN, INT64_MAX} */
#define N_EDGES (5 + 3 * 63)
static int64_t edge(int i)
{
    static const int64_t few[] = {0, 1, -1, INT64_MIN, INT64_MAX};
    return i < 5 ? few[i] : (INT64_C(1) << (i - 5) / 3) + (i - 5) % 3 - 1;
}

/* Goal: each boundary value, as a deadline and as a distance, fires at its time and not 1 ns
 * before.  Method: alone in a wheel, with the advances a sleeper would make. */
TEST(a_timer_fires_at_its_exact_nanosecond)
{
    for (size_t a = 0; a < N_AGES; a++) {
        for (int e = 0; e < 2 * N_EDGES; e++) {
            struct model *m = &model;
            int64_t deadline_ns = edge(e / 2);
            if (e % 2)
                deadline_ns = saturating_add(ages[a], deadline_ns);
            model_init(m, ages[a]);
            model_add(m, 0, deadline_ns);
            CHECK_EQ(weft__wheel_next_ns(&m->wheel), deadline_ns);
            check_invariants(&m->wheel);
            if (deadline_ns > ages[a]) {
                CHECK_EQ(model_advance(m, ages[a], 1), 0);
                CHECK_EQ(model_advance(m, ages[a] + (deadline_ns - ages[a]) / 2, 1), 0);
                CHECK_EQ(model_advance(m, deadline_ns - 1, 1), 0);
            }
            CHECK_EQ(weft__wheel_next_ns(&m->wheel), deadline_ns);
            CHECK_EQ(model_advance(m, deadline_ns, 1), 1);
            CHECK_EQ(m->wheel.armed_count, 0);
        }
    }
}

/* Goal: a sleeper that trusts the next expiry meets every deadline and never wakes for nothing.
 * Method: all boundary distances in one wheel; each advance is made when the wheel asks. */
TEST(sleeping_until_the_next_expiry_wakes_for_something_each_time)
{
    for (size_t a = 0; a < N_AGES; a++) {
        struct model *m = &model;
        int left = N_EDGES;
        model_init(m, ages[a]);
        for (int e = 0; e < N_EDGES; e++)
            model_add(m, e, saturating_add(ages[a], edge(e)));
        while (left > 0) {
            int64_t next_ns = weft__wheel_next_ns(&m->wheel);
            CHECK_EQ(next_ns, model_next_ns(m));
            int n = model_advance(m, next_ns, INT_MAX);
            CHECK_GT(n, 0);
            check_invariants(&m->wheel);
            left -= n;
        }
        CHECK_EQ(m->wheel.armed_count, 0);
    }
}

/* Goal: timers beyond the last level do not hide nearer ones that are armed later and sit in
 * slots behind theirs.  Method: one for a year, then, 10 slots on, one for 55 days. */
TEST(a_far_timer_does_not_hide_a_nearer_one_of_the_last_level)
{
    const int64_t slot_ns = INT64_C(1) << 44, day_ns = INT64_C(86400000000000);
    struct model *m = &model;

    model_init(m, 0);
    model_add(m, 0, 365 * day_ns);
    CHECK_EQ(model_advance(m, 10 * slot_ns, 1), 0);
    model_add(m, 1, 260 * slot_ns + 5);
    CHECK_EQ(weft__wheel_next_ns(&m->wheel), 260 * slot_ns + 5);
    CHECK_EQ(model_advance(m, 260 * slot_ns + 4, 1), 0);
    CHECK_EQ(model_advance(m, 260 * slot_ns + 5, 1), 1);
    CHECK(!m->is_armed[1]);
    CHECK_EQ(weft__wheel_next_ns(&m->wheel), 365 * day_ns);
    CHECK_EQ(model_advance(m, 365 * day_ns, 1), 1);
}

/* Goal: where a slot above the fine level begins with a fine one, what is due in it is not passed
 * over for a timer of that fine slot which is not.  Method: one armed from far away, the other one
 * from near. */
TEST(a_coarse_slot_goes_before_the_fine_one_that_it_begins_with)
{
    struct model *m = &model;

    model_init(m, 0);
    model_add(m, 0, 512 * TICK_NS + 100);
    CHECK_EQ(model_advance(m, 400 * TICK_NS, 10), 0);
    model_add(m, 1, 512 * TICK_NS + 3000);
    CHECK_LT(m->timers[1].slot, m->timers[0].slot);
    CHECK_EQ(model_advance(m, 512 * TICK_NS + 1000, 10), 1);
    CHECK_EQ(model_advance(m, 512 * TICK_NS + 3000, 10), 1);
}

/* Goal: what is armed after a long calm fires without a move from level to level, and what was
 * armed before it is not lost.  Method: the level, by the slot; a wheel that is empty, and one with
 * a timer that the catching up must not pass. */
TEST(a_wheel_that_was_calm_catches_up)
{
    const int64_t day_ns = INT64_C(86400000000000), ms = 1000000;
    struct model *m = &model;

    model_init(m, 0);
    weft__wheel_catch_up(&m->wheel, day_ns);
    model_add(m, 0, day_ns + 1000 * ms);
    CHECK_LT(m->timers[0].slot, levels[2].first);
    weft__wheel_catch_up(&m->wheel, 2 * day_ns); /* nobody has advanced it meanwhile */
    check_invariants(&m->wheel);
    model_add(m, 1, 2 * day_ns + 1000 * ms);
    CHECK_EQ(weft__wheel_next_ns(&m->wheel), day_ns + 1000 * ms);
    CHECK_EQ(model_advance(m, day_ns + 1000 * ms - 1, 10), 0);
    CHECK_EQ(model_advance(m, 2 * day_ns, 10), 1);
    weft__wheel_catch_up(&m->wheel, day_ns); /* the past */
    check_invariants(&m->wheel);
    CHECK_EQ(model_advance(m, 2 * day_ns + 1000 * ms, 10), 1);
}

TEST(time_that_goes_backwards_stands_still)
{
    struct model *m = &model;

    model_init(m, 1000 * TICK_NS);
    CHECK_EQ(model_advance(m, 2000 * TICK_NS, 10), 0);
    model_add(m, 0, 2001 * TICK_NS);
    model_add(m, 1, 1500 * TICK_NS);
    struct weft__timer *t = weft__wheel_advance(&m->wheel, 1200 * TICK_NS, 10);
    CHECK(t == &m->timers[1] && t->next == NULL);
    CHECK(weft__wheel_advance(&m->wheel, INT64_MIN, 10) == NULL);
    CHECK_EQ(m->wheel.elapsed_tick, 2000);
    CHECK(weft__wheel_advance(&m->wheel, 2001 * TICK_NS, 10) == &m->timers[0]);
}

TEST(an_advance_takes_out_at_most_max)
{
    static const int64_t deadlines[] = {0, 5 * TICK_NS, 300 * TICK_NS, INT64_MAX};

    for (size_t d = 0; d < 4; d++) {
        struct model *m = &model;
        model_init(m, 0);
        for (int i = 0; i < 100; i++)
            model_add(m, i, deadlines[d]);
        CHECK_EQ(model_advance(m, deadlines[d], 0), 0);
        for (int i = 0; i < 14; i++)
            CHECK_EQ(model_advance(m, deadlines[d], 7), 7);
        check_invariants(&m->wheel);
        CHECK_LE(weft__wheel_next_ns(&m->wheel), deadlines[d]);
        CHECK_EQ(model_advance(m, deadlines[d], 7), 2);
        CHECK_EQ(model_advance(m, deadlines[d], 7), 0);
    }
}

static struct weft__timer *many_timers(int n)
{
    struct weft__timer *t = calloc((size_t)n, sizeof(*t));
    CHECK(t != NULL);
    for (int i = 0; i < n; i++)
        weft__timer_init(&t[i], 0);
    return t;
}

/* Goal: advances that find timers of the current slot not due do not search them each time, nor
 * does a drain in small portions.  Method: so many that a quadratic wheel runs for minutes and
 * fails by the limit. */
TEST(many_advances_within_a_crowded_slot_are_cheap)
{
    enum { n = 300000 };
    struct weft__wheel *w = &model.wheel;
    struct weft__timer *timers = many_timers(n);

    weft__wheel_init(w, 0);
    for (int i = 0; i < n; i++)
        weft__wheel_add(w, &timers[i], i % 2 ? 3000 : 2000);
    for (int i = 0; i < n; i++)
        CHECK(weft__wheel_advance(w, i % 2000, 1) == NULL);
    for (int i = 0; i < n / 2; i++)
        CHECK_EQ(weft__wheel_advance(w, 2000, 1)->deadline_ns, 2000);
    for (int i = 0; i < n; i++)
        CHECK(weft__wheel_advance(w, 2999, 1) == NULL);
    CHECK_EQ(w->armed_count, n / 2);
    free(timers);
}

/* Informational: the cost of the three operations with a million timers over a minute. */
TEST_LIMIT(a_million_timers_all_fire, 60)
{
    enum { n = 1000000 };
    struct weft__wheel *w = &model.wheel;
    struct weft__timer *timers = many_timers(n);
    uint64_t random = test_seed();
    int fired = 0, removed = 0;

    weft__wheel_init(w, 0);
    int64_t t0 = test_now_ms();
    for (int i = 0; i < n; i++)
        weft__wheel_add(w, &timers[i], (int64_t)(test_random(&random) % 60000000000u));
    int64_t t1 = test_now_ms();
    for (int i = 0; i < n; i += 4)
        removed += weft__wheel_remove(w, &timers[i]);
    int64_t t2 = test_now_ms();
    for (int64_t now_ns = 0; w->armed_count > 0; now_ns += 1000000)
        for (struct weft__timer *t = weft__wheel_advance(w, now_ns, INT_MAX); t; t = t->next)
            fired++;
    int64_t t3 = test_now_ms();
    CHECK_EQ(fired + removed, n);
    printf("# a timer: add %lld ns, remove %lld ns, fire %lld ns\n",
           (long long)(t1 - t0) * 1000000 / n, (long long)(t2 - t1) * 1000000 / removed,
           (long long)(t3 - t2) * 1000000 / fired);
    free(timers);
}
