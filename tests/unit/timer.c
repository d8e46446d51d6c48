/* SPDX-License-Identifier: MIT */
/*
 * timer.c - sleeping: never too short, seldom much too long, in order, and right at the ends of the
 * range of time.  The wheel alone is tested in wheel.c.
 *
 * matrix: short
 */
#include "co_test.h"
#include "no_lookout.h"

/* Goal: no sleep ends before its time, and on a machine that is not loaded beyond measure few are
 * late.
 * Method: durations around the wheel's slots of 1 ms and its levels of 255 ms.  Some of the sleeps
 * must be late by less than 2 ms; a loaded machine may spoil the others. */
CO_TEST(a_sleep_is_never_short_and_rarely_late)
{
    static const int64_t base[] = {
        1,           999,          50 * WEFT_US, WEFT_MS - 1,   WEFT_MS,           WEFT_MS + 1,
        7 * WEFT_MS, 20 * WEFT_MS, WEFT_MS * 60, 254 * WEFT_MS, 255 * WEFT_MS + 1, 257 * WEFT_MS};
    int n_good = 0, n = 0;

    for (int i = 0; i < COUNT(base); i++)
        for (int k = 0; k < (base[i] < 10 * WEFT_MS ? 10 : 1); k++, n++) {
            const int64_t began = weft_now();
            CHECK_EQ(weft_sleep(base[i]), 0);
            const int64_t took = weft_now() - began;
            CHECK_GE(took, base[i]);
            n_good += took < base[i] + 2 * WEFT_MS;
        }
    if (test_scale() == 1)
        CHECK_GE(n_good, n / 8);
    return 0;
}

CO_TEST(a_sleep_of_nothing_returns_at_once)
{
    static const int64_t none[] = {0, -1, -WEFT_SEC, INT64_MIN, INT64_MIN + 1};
    struct weft_stats before = {.size = sizeof before}, after = {.size = sizeof after};

    CHECK_EQ(weft_runtime_stats(NULL, &before), 0);
    for (int i = 0; i < COUNT(none); i++) {
        CHECK_EQ(weft_sleep(none[i]), 0);
        CHECK_EQ(weft_sleep_until(none[i]), 0);
    }
    CHECK_EQ(weft_sleep_until(weft_now()), 0);
    CHECK_EQ(weft_runtime_stats(NULL, &after), 0);
    CHECK_EQ(before.parks, after.parks);
    return 0;
}

/* Goal: durations that overflow the clock wait for ever, and do not wrap into the past. */
CO_TEST(a_sleep_of_nearly_for_ever_does_not_wrap)
{
    static const int64_t far[] = {INT64_MAX,     INT64_MAX - 1,    INT64_MAX - WEFT_SEC,
                                  INT64_MAX / 2, (int64_t)1 << 62, (int64_t)1 << 56};

    for (int i = 0; i < COUNT(far); i++) {
        WEFT_DEADLINE (s, WEFT_MS)
            CHECK_EQ(weft_sleep(far[i]), -ETIMEDOUT);
        WEFT_DEADLINE (s, WEFT_MS)
            CHECK_EQ(weft_sleep_until(far[i]), -ETIMEDOUT);
    }
    CHECK_EQ(weft_deadline_in(INT64_MAX), WEFT_NEVER);
    CHECK_EQ(weft_deadline_in(INT64_MAX - 1), WEFT_NEVER);
    CHECK_LE(weft_deadline_in(INT64_MIN), weft_now());
    CHECK_LE(weft_deadline_in(-1), weft_now());
    return 0;
}

enum { SLEEPERS = 200 }; /* fewer than a P's woken queue holds: they may all be due at once */
static int64_t deadline_of[SLEEPERS];
static int order[SLEEPERS], n_in_order;

static int sleep_and_note(void *arg)
{
    const int i = (int)((int64_t *)arg - deadline_of);

    const bool is_in_time = weft_now() < deadline_of[i];
    CHECK_EQ(weft_sleep_until(deadline_of[i]), 0);
    CHECK_GE(weft_now(), deadline_of[i]);
    if (is_in_time) /* else it was started too late to sleep at all */
        order[n_in_order++] = i;
    return 0;
}

static int sleep_in_disorder(void *unused)
{
    struct weft_co *co[SLEEPERS];
    uint64_t x = test_seed();
#ifdef WEFT_PERTURB
    const int64_t slack = 40 * WEFT_MS; /* all of them: see below */
#else
    const int64_t slack = (test_scale() > 1 ? 20 : 1) * WEFT_MS;
#endif
    const int64_t base = weft_now() + (test_scale() > 1 ? 3000 : 20) * WEFT_MS;

    (void)unused;
    for (int i = 0; i < SLEEPERS; i++) {
        deadline_of[i] = base + (int64_t)(test_random(&x) % 40000) * WEFT_US;
        co[i] = weft_go_with(sleep_and_note, &deadline_of[i]);
    }
    for (int i = 0; i < SLEEPERS; i++)
        join(co[i]);
    /* Those of one millisecond may fire in one look, in any order; others must not.  Builds that
     * provoke bad luck send woken coroutines through the global queue, which mixes all that are due
     * at one look: there only the rest of the test says something. */
    for (int i = 1; i < n_in_order; i++)
        CHECK_GE(deadline_of[order[i]], deadline_of[order[i - 1]] - slack);
    return 0;
}

TEST(sleepers_wake_in_the_order_of_their_deadlines)
{
    struct weft_config config = WEFT_CONFIG_INIT;

    config.procs = 1;
    CHECK_EQ(weft_run_config(sleep_in_disorder, NULL, &config), 0);
}

enum { CLOSE_TOGETHER = 2000 };
static int64_t late_ns[CLOSE_TOGETHER];

static int sleep_and_time(void *arg)
{
    int64_t *late = arg;
    const int64_t until = *late;

    CHECK_EQ(weft_sleep_until(until), 0);
    *late = weft_now() - until;
    return 0;
}

/* How many of so many are late by more than 2 ms; their deadlines are 10 us apart, or more in a
 * slow build, but still so that several lie in 0.1 ms. */
static int sleep_close_together(void)
{
    struct weft_co *co[CLOSE_TOGETHER];
    const int64_t scale = test_scale();
    const int64_t base = weft_now() + (scale > 1 ? 500 : 10) * WEFT_MS;
    int n_late = 0;

    for (int i = 0; i < CLOSE_TOGETHER; i++) {
        late_ns[i] = base + i * scale * 10 * WEFT_US;
        co[i] = weft_go_with(sleep_and_time, &late_ns[i]);
    }
    for (int i = 0; i < CLOSE_TOGETHER; i++)
        join(co[i]);
    for (int i = 0; i < CLOSE_TOGETHER; i++) {
        CHECK_GE(late_ns[i], 0);
        n_late += late_ns[i] > 2 * scale * WEFT_MS;
    }
    return n_late;
}

/* Goal: a processor that timers wake very often lets several come due before it wakes again, but
 * not for long.  Method: half of two thousand, 10 us apart, are late by less than 2 ms; where other
 * programs want the CPU, that may take more rounds. */
CO_TEST_ON_ONE(many_timers_close_together_fire_on_time)
{
    int n_rounds = 0;

    while (sleep_close_together() > CLOSE_TOGETHER / 2)
        CHECK_LT(n_rounds++, 100);
    return 0;
}

enum { SHORT_SLEEPS = 200 };

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* What a sleep of 20 us takes; three of four take longer. */
static int64_t time_short_sleeps(void)
{
    int64_t took_ns[SHORT_SLEEPS];

    for (int i = 0; i < SHORT_SLEEPS; i++) {
        const int64_t start = weft_now();

        CHECK_EQ(weft_sleep(20 * WEFT_US), 0);
        took_ns[i] = weft_now() - start;
    }
    qsort(took_ns, SHORT_SLEEPS, sizeof *took_ns, compare);
    return took_ns[SHORT_SLEEPS / 4];
}

/* Goal: a processor that has let timers gather does not for ever.  Method: short sleeps take about
 * as long as before; where other programs want the CPU, that may take more rounds. */
CO_TEST_ON_ONE(a_lone_sleep_after_many_is_exact_again)
{
    const int64_t before = time_short_sleeps();
    int n_rounds = 0;

    (void)sleep_close_together();
    CHECK_EQ(weft_sleep(5 * WEFT_MS), 0);
    while (time_short_sleeps() > before + 50 * WEFT_US)
        CHECK_LT(n_rounds++, 100);
    return 0;
}

#define N_SLEEPS 200

static uint64_t count_sleeps(void)
{
    struct weft_stats stats = {.size = sizeof stats};

    CHECK_EQ(weft_runtime_stats(NULL, &stats), 0);
    return stats.sleeps;
}

/* Goal: a processor that is woken a little before its timer stays awake until then.
 * Method: one that has learned how late the kernel is sleeps once for each timer, and not twice.
 * Now and then something else may wake it. */
CO_TEST_ON_ONE(a_sleep_takes_one_sleep_of_the_processor)
{
    uint64_t before = 0;

    for (int i = 0; i < 2 * N_SLEEPS; i++) {
        before = i == N_SLEEPS ? count_sleeps() : before;
        CHECK_EQ(weft_sleep(200 * WEFT_US), 0);
    }
    CHECK_LE(count_sleeps() - before, N_SLEEPS + N_SLEEPS / 8);
    return 0;
}

static atomic_bool stop_hogs;

static int hog(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop_hogs))
        weft_yield();
    return 0;
}

/* Goal: timers fire on time although every processor always has something to run.
 * Method: sixteen coroutines only yield; some of the sleeps must be late by less than 2 ms.  Where
 * others have the CPUs, too, that may take more of them. */
CO_TEST(timers_fire_on_time_under_load)
{
    struct weft_co *co[16];
    int n_good = 0;

    for (int i = 0; i < COUNT(co); i++)
        co[i] = weft_go_with(hog, NULL);
    for (int i = 0; i < 40 || (test_scale() == 1 && n_good < 5 && i < 1000); i++) {
        const int64_t began = weft_now();
        CHECK_EQ(weft_sleep(2 * WEFT_MS), 0);
        CHECK_GE(weft_now() - began, 2 * WEFT_MS);
        n_good += weft_now() - began < 4 * WEFT_MS;
    }
    atomic_store(&stop_hogs, true);
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
    if (test_scale() == 1)
        CHECK_GE(n_good, 5);
    return 0;
}

static int park_with_far_deadline(void *arg)
{
    WEFT_DEADLINE (s, 3600 * WEFT_SEC)
        CHECK_EQ(chan_recv(arg, NULL), -EPIPE);
    return 0;
}

static double cpu_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

struct quiet {
    int64_t ns;
    double used_ms;
};

/* Sleeps for so long, and checks that hardly anybody else did anything meanwhile. */
static void be_quiet(struct quiet *q)
{
    /* A build that is slow may let each processor look once at what the timer made runnable. */
    const int looks = test_scale() > 1 ? weft_runtime_procs(NULL) : 0;
    struct weft_stats before = {.size = sizeof before}, after = {.size = sizeof after};

    CHECK_EQ(weft_runtime_stats(NULL, &before), 0);
    const double cpu = cpu_ms();
    CHECK_EQ(weft_sleep(q->ns), 0);
    q->used_ms = cpu_ms() - cpu;
    CHECK_EQ(weft_runtime_stats(NULL, &after), 0);
    CHECK_LE(after.sleeps - before.sleeps, 5 + looks);
    CHECK_LE(after.wakes - before.wakes, 2 + looks);
}

/* Goal: an idle runtime takes no CPU and makes no wake-ups of its own: parked coroutines, timers
 * that are far away, and a deadline each change nothing.
 * Method: the counters and the CPU clock over a quiet second, slept through by one timer.  The
 * limits allow for the wake-up of that timer on each of the processors, and for looks of an idle
 * one while it sees us busy.  A virtual machine counts what its host takes from it as used: so the
 * CPU clock has some seconds to show one without that. */
CO_TEST(an_idle_runtime_takes_no_cpu_and_makes_no_wake_ups)
{
    enum { PARKED = 1000 };
    static struct weft_co *co[PARKED];
    struct weft_stats before = {.size = sizeof before}, after = {.size = sizeof after};
    chan *ch = chan_make(0, 0);
    struct quiet q = {.ns = test_scale() > 1 ? 200 * WEFT_MS : WEFT_SEC};
    int n_looks = 0;

    for (int i = 0; i < PARKED; i++)
        co[i] = weft_go_with(park_with_far_deadline, ch);
    do { /* until all processors have gone to sleep, however slow the machine is */
        CHECK_EQ(weft_runtime_stats(NULL, &before), 0);
        CHECK_EQ(weft_sleep(100 * WEFT_MS), 0);
        CHECK_EQ(weft_runtime_stats(NULL, &after), 0);
    } while (after.sleeps - before.sleeps > 5 || after.wakes - before.wakes > 2);
    do
        be_quiet(&q);
    while (test_scale() == 1 && q.used_ms > 5 && ++n_looks < 5);
    if (test_scale() == 1)
        CHECK_LE((int)(q.used_ms * 1000), 5000);
    chan_close(ch);
    for (int i = 0; i < PARKED; i++)
        join(co[i]);
    chan_unref(ch);
    return 0;
}
