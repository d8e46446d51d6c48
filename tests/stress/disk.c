/* SPDX-License-Identifier: MIT */
/*
 * disk.c - calls that wait for a disk (park/disk.h), by callers who come, lose patience and are
 * called off while servers come and go: each is made once, or never and its caller knows.
 */
#include "park/disk.h"

#include "base/self.h"
#include "co_test.h"
#include "sched/sched.h"

#define CALLERS 12

static atomic_long n_made;
static int64_t end_ms;

static int make(void *n)
{
    ++*(int *)n;
    atomic_fetch_add(&n_made, 1);
    return 11;
}

struct tally {
    long good, ended;
};

static int call_until(void *arg)
{
    struct tally *t = arg;
    uint64_t random = test_seed() ^ (uint64_t)(uintptr_t)t;

    while (test_now_ms() < end_ms) {
        int n = 0, result = 0, rc = 0;

        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        WEFT_DEADLINE (s, random >> 62 ? WEFT_NEVER : (int64_t)(random >> 33) % (200 * WEFT_US))
            rc = weft__park_disk_job(make, &n, &result, WAIT_FILE, NULL, NULL);
        if (rc == 0) {
            CHECK_EQ(n, 1);
            CHECK_EQ(result, 11);
            t->good++;
        } else {
            CHECK_EQ(rc, -ETIMEDOUT);
            CHECK_EQ(n, 0);
            t->ended++;
        }
        if (random >> 60 == 0)
            (void)weft_sleep(50 * WEFT_US); /* the last server leaves */
    }
    return 0;
}

static void call_by(struct weft__disk *d, int n_callers)
{
    struct weft_co *callers[CALLERS];
    struct tally tally[CALLERS] = {{0}};
    long good = 0;

    atomic_store(&n_made, 0);
    for (int i = 0; i < n_callers; i++)
        callers[i] = weft_go_with(call_until, &tally[i]);
    for (int i = 0; i < n_callers; i++) {
        join(callers[i]);
        good += tally[i].good;
    }
    CHECK_EQ(atomic_load(&n_made), good);
    CHECK_GT(good, 0);
    while (atomic_load(&d->serving) != 0)
        CHECK_EQ(weft_sleep(100 * WEFT_US), 0);
    CHECK_EQ(atomic_load(&d->n_waiting), 0);
    CHECK(atomic_load(&d->inbox) == NULL && d->line.first == NULL);
}

/* Among few, nobody comes who would see to one that was forgotten. */
static void call_all(struct weft__disk *d)
{
    static const int n_callers[] = {1, 2, CALLERS};

    for (int i = 0; i < COUNT(n_callers); i++) {
        end_ms = test_now_ms() + test_stress_ms() / COUNT(n_callers);
        call_by(d, n_callers[i]);
    }
}

/* Goal: nobody stays in a line that nobody serves, whatever meets a server that leaves.
 * Method: patience would hide that, so there is none. */
STRESS_TEST(each_call_is_served_or_called_off)
{
    struct weft__disk *d = &weft__m_self()->rt->disk;

    d->servers_max = 1 + (uint32_t)(test_seed() % 3);
    d->slow_ns = INT64_MAX;
    d->patience_ns = 3600 * WEFT_SEC;
    call_all(d);
    return 0;
}

STRESS_TEST(who_loses_patience_is_served_elsewhere)
{
    struct weft__disk *d = &weft__m_self()->rt->disk;

    d->servers_max = 1;
    d->patience_ns = 5 * WEFT_US;
    d->open_ns = WEFT_MS;
    d->slow_ns = 20 * WEFT_US;
    call_all(d);
    return 0;
}
