/* SPDX-License-Identifier: MIT */
/*
 * future_several.c - waiting for all, and for any, of several futures.
 *
 * matrix: short
 */
#include "future_rig.h"

enum { MANY = 20 }; /* more than wait without an allocation */

struct set {
    struct weft_promise *p[MANY];
    struct weft_future *f[MANY];
    int n;
};

static struct set set_make(int n)
{
    struct set set = {.n = n};

    for (int i = 0; i < n; i++) {
        struct pair pair = pair_make();
        set.p[i] = pair.p;
        set.f[i] = pair.f;
    }
    return set;
}

static void set_free(struct set *set)
{
    for (int i = 0; i < set->n; i++) {
        weft_promise_unref(set->p[i]);
        weft_future_unref(set->f[i]);
    }
}

static int resolve_all_backwards(void *arg)
{
    struct set *set = arg;

    for (int i = set->n; i-- > 0;) {
        yield_often(i % 3);
        resolve_with(set->p[i], i);
    }
    return 0;
}

/* ---- all ---- */

/* Goal: await_all returns when each is complete, in whatever order they were; NULL entries are
 * passed over. */
CO_TEST(await_all_waits_for_each)
{
    struct set set = set_make(MANY);
    struct weft_co *co = weft_go_with(resolve_all_backwards, &set);

    CHECK_EQ(weft_future_await_all(set.f, MANY), 0);
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(value_of(set.f[i]), i);
    join(co);
    CHECK_EQ(weft_future_await_all(set.f, MANY), 0); /* again, at once */
    CHECK_EQ(weft_future_await_all(NULL, 0), 0);
    CHECK_EQ(weft_future_await_all(set.f, -1), -EINVAL);
    struct weft_future *none[3] = {NULL, NULL, NULL};
    CHECK_EQ(weft_future_await_all(none, 3), 0);
    set_free(&set);
    return 0;
}

static int fail_two(void *arg)
{
    struct set *set = arg;

    wait_for_waiters(set->f[0], 1);
    CHECK_EQ(weft_promise_reject(set->p[3], -EIO), 0); /* the first in time */
    yield_often(5);
    CHECK_EQ(weft_promise_reject(set->p[1], -EPERM), 0); /* the first in the array */
    yield_often(5);
    resolve_with(set->p[0], 0);
    resolve_with(set->p[2], 2);
    return 0;
}

/* Goal: await_all waits for the others although one has failed, and says what the first in the
 * array has failed with. */
CO_TEST(await_all_tells_the_first_failure_in_the_array)
{
    struct set set = set_make(4);
    struct weft_co *co = weft_go_with(fail_two, &set);

    CHECK_EQ(weft_future_await_all(set.f, 4), -EPERM);
    for (int i = 0; i < 4; i++)
        CHECK(weft_future_is_done(set.f[i]));
    join(co);
    set_free(&set);
    return 0;
}

/* Goal: a deadline ends the wait for all; those that are not complete stay so. */
CO_TEST(a_deadline_ends_the_wait_for_all)
{
    struct set set = set_make(3);

    resolve_with(set.p[0], 0);
    WEFT_DEADLINE(s, WEFT_MS)
        CHECK_EQ(weft_future_await_all(set.f, 3), -ETIMEDOUT);
    CHECK_EQ(value_of(set.f[0]), 0);
    CHECK(!weft_future_is_done(set.f[1]));
    CHECK_EQ(n_waiting(set.f[1]), 0);
    resolve_with(set.p[1], 1);
    resolve_with(set.p[2], 2);
    WEFT_DEADLINE(s, 0)
        CHECK_EQ(weft_future_await_all(set.f, 3), 0);
    set_free(&set);
    return 0;
}

/* ---- any ---- */

static int meet_each(void *arg)
{
    struct set *set = arg;
    struct weft_future *left[MANY];
    int n = 0, i;

    memcpy(left, set->f, sizeof left);
    while ((i = weft_future_await_any(left, set->n)) >= 0) {
        CHECK_EQ(value_of(left[i]), i);
        left[i] = NULL;
        n++;
    }
    CHECK_EQ(i, -EINVAL);
    CHECK_EQ(n, set->n);
    return 0;
}

/* Goal: await_any with the entries that were met set to NULL meets each once, and then says that
 * there is none; several may do so at the same futures. */
CO_TEST(await_any_meets_each_once)
{
    for (int n = 1; n <= MANY; n += n == 1 ? 1 : 6) {
        struct set set = set_make(n);
        struct weft_co *co[4];

        for (int i = 0; i < COUNT(co); i++)
            co[i] = weft_go_with(meet_each, &set);
        for (int i = 0; i < n; i++)
            wait_for_waiters(set.f[i], COUNT(co));
        CHECK_EQ(resolve_all_backwards(&set), 0);
        for (int i = 0; i < COUNT(co); i++)
            join(co[i]);
        for (int i = 0; i < n; i++)
            CHECK_EQ(n_waiting(set.f[i]), 0);
        set_free(&set);
    }
    CHECK_EQ(weft_future_await_any(NULL, 0), -EINVAL);
    return 0;
}

/* Goal: of several that are complete each is chosen with the same chance, wherever it stands. */
CO_TEST(await_any_is_fair_among_those_that_are_complete)
{
    struct set set = set_make(MANY);
    int count[MANY] = {0};
    const int rounds = scaled(4000);

    resolve_with(set.p[0], 0); /* two neighbours, and one far away */
    resolve_with(set.p[1], 1);
    CHECK_EQ(weft_promise_reject(set.p[15], -EIO), 0);
    for (int i = 0; i < rounds; i++) {
        int chosen = weft_future_await_any(set.f, MANY);
        CHECK_GE(chosen, 0);
        count[chosen]++;
    }
    CHECK_EQ(count[0] + count[1] + count[15], rounds);
    for (int k = 0; k < MANY; k++)
        if (count[k] != 0)
            CHECK_GT(count[k], rounds / 6); /* a third is expected */
    CHECK(count[0] != 0 && count[1] != 0 && count[15] != 0);
    set_free(&set);
    return 0;
}

/* Goal: a deadline ends the wait for any, and leaves nobody in the futures. */
CO_TEST(a_deadline_ends_the_wait_for_any)
{
    struct set set = set_make(12);

    for (int n = 3; n <= 12; n += 9) {
        WEFT_DEADLINE(s, WEFT_MS)
            CHECK_EQ(weft_future_await_any(set.f, n), -ETIMEDOUT);
        for (int i = 0; i < n; i++)
            CHECK_EQ(n_waiting(set.f[i]), 0);
    }
    CHECK_EQ(weft_future_cancel(set.f[2]), 0);
    WEFT_DEADLINE(s, 0)
        CHECK_EQ(weft_future_await_any(set.f, 3), 2);
    set_free(&set);
    return 0;
}

static int resolve_after_it_waits_twice(void *arg)
{
    struct set *set = arg;

    wait_for_waiters(set->f[0], 2);
    resolve_with(set->p[0], 7);
    return 0;
}

/* Goal: a future may stand in the array more than once. */
CO_TEST(a_future_stands_in_an_any_twice)
{
    for (int i = 0; i < scaled(500); i++) {
        struct set set = set_make(2);
        struct weft_future *f[3] = {set.f[0], set.f[1], set.f[0]};
        struct weft_co *co = weft_go_with(resolve_after_it_waits_twice, &set);
        int chosen = weft_future_await_any(f, 3);

        CHECK(chosen == 0 || chosen == 2);
        CHECK_EQ(n_waiting(set.f[1]), 0);
        CHECK_EQ(n_waiting(set.f[0]), 0);
        join(co);
        set_free(&set);
    }
    return 0;
}

static void *meet_each_on_a_thread(void *arg)
{
    CHECK_EQ(meet_each(arg), 0);
    return NULL;
}

static void *resolve_on_a_thread(void *arg)
{
    struct set *set = arg;

    for (int i = 0; i < set->n; i++)
        resolve_with(set->p[i], i);
    return NULL;
}

static void *await_all_on_a_thread(void *arg)
{
    struct set *set = arg;

    CHECK_EQ(weft_future_await_all(set->f, set->n), 0);
    return NULL;
}

/* Goal: plain threads, without any runtime, wait for any and for all. */
TEST(plain_threads_wait_for_several_futures)
{
    for (int round = 0; round < scaled(200); round++) {
        struct set set = set_make(1 + round % MANY);
        pthread_t th[] = {thread_start(meet_each_on_a_thread, &set),
                          thread_start(await_all_on_a_thread, &set),
                          thread_start(resolve_on_a_thread, &set)};

        for (int i = 0; i < COUNT(th); i++)
            thread_join(th[i]);
        set_free(&set);
    }
}

static void *await_the_last(void *arg)
{
    struct set *set = arg;

    CHECK_EQ(weft_future_await_any(set->f, set->n), set->n - 1);
    return NULL;
}

/* Goal: a future that is completed between the look at it and the waiter in it is not missed.
 * Method: the lock of the one before it is held, so that who links his waiters comes as far. */
TEST(a_completion_while_any_links_its_waiters_is_seen)
{
    for (int n = 3; n <= MANY; n += MANY - 3) {
        struct set set = set_make(n);

        weft__lock(&set.f[n - 2]->lock);
        pthread_t th = thread_start(await_the_last, &set);
        wait_for_waiters(set.f[n - 3], 1);
        resolve_with(set.p[n - 1], 1);
        weft__unlock(&set.f[n - 2]->lock);
        thread_join(th);
        for (int i = 0; i < n; i++)
            CHECK_EQ(n_waiting(set.f[i]), 0);
        set_free(&set);
    }
}
