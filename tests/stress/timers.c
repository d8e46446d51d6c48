/* SPDX-License-Identifier: MIT */
/*
 * timers.c - timers under load: a hundred thousand at once, and timers that are cancelled at the
 * moment in which they fire, on their own processor and on others.
 *
 * matrix: short
 */
#include "co_test.h"

enum { SLEEPERS = 100000, RACERS = 32 };

static atomic_int n_woken, n_early;

static void sleep_random(void *arg)
{
    uint64_t x = (uint64_t)(uintptr_t)arg * UINT64_C(0x9e3779b97f4a7c15) ^ test_seed();
    const int64_t deadline = weft_deadline_in((int64_t)(test_random(&x) % 300) * WEFT_MS +
                                              (int64_t)(test_random(&x) % 1000000));

    CHECK_EQ(weft_sleep_until(deadline), 0);
    if (weft_now() < deadline)
        atomic_fetch_add(&n_early, 1);
    atomic_fetch_add(&n_woken, 1);
}

/* Goal: a hundred thousand sleepers all wake, none before its time. */
STRESS_TEST(a_hundred_thousand_sleepers_wake_and_none_early)
{
    const int n = scaled(SLEEPERS) / (test_scale() > 1 ? 5 : 1);

    for (int i = 1; i <= n; i++) {
        CHECK_EQ(go(sleep_random, (void *)(intptr_t)i), 0);
        if (i % 200 == 0)
            weft_yield();
    }
    while (atomic_load(&n_woken) < n)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_EQ(atomic_load(&n_early), 0);
    struct weft_stats stats = {.size = sizeof stats};
    CHECK_EQ(weft_runtime_stats(NULL, &stats), 0);
    CHECK_GE(stats.timers, (uint64_t)n * 9 / 10); /* some had passed before they slept */
    return 0;
}

static int64_t until;
static atomic_int n_timeouts, n_wins;

struct duel {
    chan *ch;
    uint64_t seed;
};

static int wake_around_deadline(void *arg)
{
    struct duel *d = arg;
    uint64_t x = d->seed;

    while (test_now_ms() < until) {
        CHECK_EQ(weft_sleep((int64_t)(test_random(&x) % 120) * WEFT_US), 0);
        int rc = chan_try_send(d->ch, NULL);
        CHECK(rc == 0 || rc == -EAGAIN);
    }
    chan_close(d->ch);
    return 0;
}

static int wait_with_deadline(void *arg)
{
    struct duel *d = arg;
    uint64_t x = ~d->seed;
    int rc;

    do {
        const int64_t timeout = (int64_t)(test_random(&x) % 120) * WEFT_US;
        const int64_t before = weft_now();
        rc = -1;
        WEFT_DEADLINE (s, timeout) {
            rc = chan_recv(d->ch, NULL);
            CHECK_EQ(weft_scope_cause(&s), rc == -ETIMEDOUT ? WEFT_CAUSE_THIS : WEFT_CAUSE_NONE);
        }
        if (rc == -ETIMEDOUT) {
            CHECK_GE(weft_now() - before, timeout);
            atomic_fetch_add(&n_timeouts, 1);
        } else if (rc == 0) {
            atomic_fetch_add(&n_wins, 1);
        }
    } while (rc != -EPIPE);
    return 0;
}

/* Goal: a timer that is disarmed while it fires does either, never both and never neither: a missed
 * wake hangs, a late one hits the next wait, which would end before its time.
 * Method: pairs in which one receives with a deadline and the other sends around that time. */
STRESS_TEST(cancel_and_fire_at_the_same_moment_agree)
{
    static struct duel duel[RACERS];
    struct weft_co *co[2 * RACERS];
    uint64_t x = test_seed();

    until = test_now_ms() + test_stress_ms() / 2;
    for (int i = 0; i < RACERS; i++) {
        duel[i].ch = chan_make(0, 0);
        duel[i].seed = test_random(&x) | 1;
        co[2 * i] = weft_go_with(wake_around_deadline, &duel[i]);
        co[2 * i + 1] = weft_go_with(wait_with_deadline, &duel[i]);
    }
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
    CHECK_GT(atomic_load(&n_timeouts), 0);
    CHECK_GT(atomic_load(&n_wins), 0);
    for (int i = 0; i < RACERS; i++)
        chan_unref(duel[i].ch);
    return 0;
}

/* Goal: many timers that are armed and never fire cost nothing later: their processor does not wake
 * for them, and the wheel stays right. */
static int arm_and_cancel(void *arg)
{
    uint64_t x = *(uint64_t *)arg | 1;
    int value = 1;
    chan *ch = chan_make(sizeof value, 1);

    do {
        WEFT_DEADLINE (s, (int64_t)(test_random(&x) % 100000 + 50000) * WEFT_MS) {
            CHECK_EQ(chan_send(ch, &value), 0);
            weft_yield();
            CHECK_EQ(chan_recv(ch, &value), 0);
        }
    } while (test_now_ms() < until);
    chan_unref(ch);
    return 0;
}

STRESS_TEST(scopes_that_never_end_anything_change_nothing)
{
    struct weft_co *co[16];
    uint64_t seed[16], x = test_seed();

    until = test_now_ms() + test_stress_ms() / 4;
    for (int i = 0; i < COUNT(co); i++) {
        seed[i] = test_random(&x);
        co[i] = weft_go_with(arm_and_cancel, &seed[i]);
    }
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
    return 0;
}
