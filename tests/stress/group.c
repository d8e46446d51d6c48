/* SPDX-License-Identifier: MIT */
/*
 * group.c - trees of groups in which children fail, are cancelled, run out of time, wait for room
 * and come back, all at random: none outlives its group, and every end is counted once.
 *
 * matrix: short
 */
#include <pthread.h>

#include "co_test.h"

enum { DEPTH_MAX = 4, ROOTS = 4 };

static int64_t until;
static atomic_llong n_started, n_ended;

static int grow(void *arg);

struct branch {
    struct weft_group *group; /* its parent's */
    uint64_t x;
    int depth;
    atomic_int n_alive; /* children in it */
};

static int end_with(struct branch *b, int rc)
{
    atomic_fetch_add(&n_ended, 1);
    atomic_fetch_sub(&b->n_alive, 1);
    return rc;
}

/* A leaf, or a branch of its own; its argument is the branch that it hangs on. */
static int child(void *arg)
{
    struct branch *parent = arg;
    uint64_t x = test_seed() ^ weft_id() << 20;
    int rc = 0;

    switch (test_random(&x) % 8) {
    case 0:
        return end_with(parent, -EIO);
    case 1:
        weft_group_cancel(parent->group);
        break;
    case 2:
        WEFT_DEADLINE (s, (int64_t)(test_random(&x) % 100) * WEFT_US)
            rc = weft_sleep(WEFT_NEVER);
        break;
    case 3:
        weft_yield();
        break;
    case 4:
        rc = weft_sleep((int64_t)(test_random(&x) % 50) * WEFT_US);
        break;
    default:
        if (parent->depth > 0) {
            struct branch b = {.x = x, .depth = parent->depth - 1};
            rc = grow(&b);
        }
    }
    return end_with(parent, test_random(&x) % 2 ? rc : 0);
}

static int fill(struct branch *b, struct weft_group *g)
{
    const int wanted = (int)(test_random(&b->x) % 9);
    int rc = 0;

    for (int i = 0; i < wanted && rc == 0; i++) {
        atomic_fetch_add(&b->n_alive, 1);
        rc = test_random(&b->x) % 4 == 0 ? weft_group_try_go(g, child, b)
                                         : weft_group_go(g, child, b);
        if (rc == 0)
            atomic_fetch_add(&n_started, 1);
        else
            atomic_fetch_sub(&b->n_alive, 1);
        if (rc == -EAGAIN)
            rc = 0;
    }
    return rc;
}

/* A group of some children, left in one of several ways. */
static int grow(void *arg)
{
    struct branch *b = arg;
    int rc = 0;

    WEFT_GROUP (g, .limit = (int64_t)(test_random(&b->x) % 4),
                .on_error = test_random(&b->x) % 2 ? WEFT_GROUP_CANCELS : WEFT_GROUP_RUNS_ON,
                .keep_ends = test_random(&b->x) % 2) {
        b->group = &g;
        rc = fill(b, &g);
        if (test_random(&b->x) % 4 == 0)
            break;
        if (test_random(&b->x) % 2)
            rc = weft_group_wait(&g);
    }
    CHECK_EQ(atomic_load(&b->n_alive), 0);
    return rc;
}

static int grow_until_the_end(void *arg)
{
    (void)arg;
    while (test_now_ms() < until) {
        struct branch b = {.x = test_seed() ^ weft_id() << 20 ^ (uint64_t)test_now_ms(),
                           .depth = DEPTH_MAX};
        (void)grow(&b);
    }
    return 0;
}

/* Goal: whatever happens to its children and around it, a group is left when all have ended. */
STRESS_TEST(no_child_outlives_its_group)
{
    struct weft_co *co[ROOTS];

    until = test_now_ms() + test_stress_ms();
    for (int i = 0; i < ROOTS; i++)
        co[i] = weft_go_with(grow_until_the_end, NULL);
    for (int i = 0; i < ROOTS; i++)
        join(co[i]);
    CHECK_GT(atomic_load(&n_started), 0);
    CHECK_EQ(atomic_load(&n_started), atomic_load(&n_ended));
    return 0;
}

/* --- a group that is cancelled and waited for from plain threads while it is filled */

static struct weft_group shared;

static int wait_for_a_cancel(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_sleep(WEFT_NEVER), -ECANCELED);
    return 0;
}

static void *cancel_soon(void *arg)
{
    uint64_t x = *(uint64_t *)arg;

    usleep((useconds_t)(test_random(&x) % 200));
    weft_group_cancel(&shared);
    return NULL;
}

static void *wait_for_all(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_group_wait(&shared), 0);
    return NULL;
}

STRESS_TEST(threads_cancel_and_wait)
{
    uint64_t x = test_seed();

    until = test_now_ms() + test_stress_ms() / 2;
    do {
        pthread_t canceller, waiter;
        int rc = 0, n = 0;
        test_random(&x);
        weft_group_begin(&shared, NULL);
        CHECK_EQ(pthread_create(&canceller, NULL, cancel_soon, &x), 0);
        while ((rc = weft_group_go(&shared, wait_for_a_cancel, NULL)) == 0)
            if (++n % 16 == 0)
                weft_yield();
        CHECK_EQ(rc, -ECANCELED);
        CHECK_EQ(pthread_create(&waiter, NULL, wait_for_all, NULL), 0);
        CHECK_EQ(weft_group_wait(&shared), 0);
        CHECK_EQ(pthread_join(canceller, NULL), 0);
        CHECK_EQ(pthread_join(waiter, NULL), 0);
        CHECK_EQ(weft_group_end(&shared), 0);
    } while (test_now_ms() < until);
    return 0;
}
