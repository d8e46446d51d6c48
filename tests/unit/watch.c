/* SPDX-License-Identifier: MIT */
/*
 * watch.c - a value and its versions, as include/weft/watch.h promises them.
 *
 * matrix: short
 */
#include "shape_rig.h"

struct config {
    int a, b; /* b is always 2 a */
    char text[40];
};

static struct config config_of(int a)
{
    struct config c = {a, 2 * a, ""};

    snprintf(c.text, sizeof c.text, "configuration %d", a);
    return c;
}

static void check_config(const struct config *c, int a)
{
    struct config expected = config_of(a);

    CHECK_EQ(c->a, a);
    CHECK_EQ(c->b, 2 * a);
    CHECK_STR(c->text, expected.text);
}

/* Goal: the first version is 1, each set counts on, get gives the latest and does not use it up. */
CO_TEST(each_set_is_a_new_version)
{
    struct config c = config_of(1);
    struct weft_watch *w = weft_watch_make(sizeof c, &c);
    uint64_t version = 0;

    for (int i = 1; i <= 5; i++) {
        for (int k = 0; k < 2; k++) {
            memset(&c, 0, sizeof c);
            version = 0;
            weft_watch_get(w, &c, k == 0 ? &version : NULL);
            CHECK_EQ(version, k == 0 ? i : 0);
            check_config(&c, i);
        }
        weft_watch_get(w, NULL, &version);
        CHECK_EQ(version, i);
        c = config_of(i + 1);
        CHECK_EQ(weft_watch_set(w, &c), 0);
        memset(&c, 0xee, sizeof c); /* it was copied before the call returned */
    }
    weft_watch_unref(weft_watch_ref(w));
    weft_watch_get(w, &c, NULL);
    check_config(&c, 6);
    weft_watch_unref(w);
    weft_watch_unref(NULL);
    return 0;
}

/* Goal: a wait returns at once if the version is another one than the caller has seen, with the
 * latest value; what came in between is skipped. */
CO_TEST(a_wait_gives_what_the_caller_has_not_seen)
{
    struct weft_watch *w = weft_watch_make(sizeof(int), &(int){10});
    uint64_t seen = 0;
    int v = 0;

    CHECK_EQ(weft_watch_wait(w, &v, &seen), 0);
    CHECK_EQ(v, 10);
    CHECK_EQ(seen, 1);
    for (int i = 11; i < 14; i++)
        CHECK_EQ(weft_watch_set(w, &i), 0);
    CHECK_EQ(weft_watch_wait(w, &v, &seen), 0);
    CHECK_EQ(v, 13);
    CHECK_EQ(seen, 4);
    CHECK_EQ(weft_watch_set(w, &(int){13}), 0); /* the same bytes are a change as well */
    CHECK_EQ(weft_watch_wait(w, NULL, &seen), 0);
    CHECK_EQ(seen, 5);
    weft_watch_unref(w);

    w = weft_watch_make(sizeof(int), NULL);
    seen = 0;
    CHECK_EQ(weft_watch_wait(w, &v, &seen), 0);
    CHECK_EQ(v, 0);
    weft_watch_unref(w);

    w = weft_watch_make(0, NULL); /* a version alone */
    CHECK_EQ(weft_watch_set(w, NULL), 0);
    CHECK_EQ(weft_watch_wait(w, NULL, &seen), 0);
    CHECK_EQ(seen, 2);
    weft_watch_unref(w);
    return 0;
}

struct crowd {
    struct weft_watch *w;
    int last;
    atomic_int n_seen; /* versions, by all together */
};

/* Follows until the close: versions and values only grow, and the last one is seen. */
static int follow(void *arg)
{
    struct crowd *all = arg;
    struct config c = {0};
    uint64_t seen = 0, before = 0;
    int rc;

    while ((rc = weft_watch_wait(all->w, &c, &seen)) == 0) {
        CHECK_GT(seen, before);
        check_config(&c, (int)seen);
        before = seen;
        atomic_fetch_add(&all->n_seen, 1);
    }
    CHECK_EQ(rc, -EPIPE);
    CHECK_EQ(seen, before);
    CHECK_EQ(c.a, all->last);
    return 0;
}

static int change(void *arg)
{
    struct crowd *all = arg;

    for (int i = 2; i <= all->last; i++) {
        struct config c = config_of(i);

        CHECK_EQ(weft_watch_set(all->w, &c), 0);
    }
    CHECK_EQ(weft_watch_close(all->w), 0);
    return 0;
}

static struct crowd crowd_make(int last)
{
    struct config c = config_of(1);

    return (struct crowd){.w = weft_watch_make(sizeof c, &c), .last = last};
}

/* Goal: a set wakes all who wait, a close as well; nobody misses the last value. */
CO_TEST(all_who_wait_see_a_change)
{
    enum { N = 50 };
    struct crowd all = crowd_make(3);
    struct weft_co *co[N];
    struct config c;

    for (int i = 0; i < N; i++)
        co[i] = go_and_park(follow, &all);
    CHECK_EQ(atomic_load(&all.n_seen), N);
    c = config_of(2);
    CHECK_EQ(weft_watch_set(all.w, &c), 0);
    while (atomic_load(&all.n_seen) < 2 * N)
        weft_yield();
    c = config_of(3);
    CHECK_EQ(weft_watch_set(all.w, &c), 0);
    CHECK_EQ(weft_watch_close(all.w), 0); /* comes between their wake and their look */
    for (int i = 0; i < N; i++)
        join(co[i]);
    CHECK_EQ(atomic_load(&all.n_seen), 3 * N);
    weft_watch_unref(all.w);
    return 0;
}

/* Goal: a closed watch cannot be changed, gives its last value to whoever has not seen it, and then
 * ends; get still works. */
CO_TEST(a_closed_watch_keeps_its_last_value)
{
    struct weft_watch *w = weft_watch_make(sizeof(int), &(int){1});
    uint64_t seen = 1;
    int v = 0;

    CHECK_EQ(weft_watch_set(w, &(int){2}), 0);
    CHECK_EQ(weft_watch_close(w), 0);
    CHECK_EQ(weft_watch_close(w), 1);
    CHECK_EQ(weft_watch_set(w, &(int){3}), -EPIPE);
    CHECK_EQ(weft_watch_wait(w, &v, &seen), 0);
    CHECK_EQ(v, 2);
    v = 0;
    CHECK_EQ(weft_watch_wait(w, &v, &seen), -EPIPE);
    CHECK_EQ(v, 0);
    CHECK_EQ(seen, 2);
    weft_watch_get(w, &v, &seen);
    CHECK_EQ(v, 2);
    CHECK_EQ(seen, 2);
    weft_watch_unref(w);
    return 0;
}

/* Goal: a deadline ends the wait and leaves what the caller has seen; what has changed already
 * ignores a deadline that has passed. */
CO_TEST(a_deadline_ends_the_wait_for_a_change)
{
    struct weft_watch *w = weft_watch_make(sizeof(int), &(int){1});
    int64_t since = weft_now();
    uint64_t seen = 1;
    int v = 9;

    WEFT_DEADLINE(d, 2 * WEFT_MS) {
        CHECK_EQ(weft_watch_wait(w, &v, &seen), -ETIMEDOUT);
        CHECK_EQ(weft_scope_cause(&d), WEFT_CAUSE_THIS);
    }
    CHECK_GE(weft_now() - since, 2 * WEFT_MS);
    CHECK_EQ(v, 9);
    CHECK_EQ(seen, 1);
    WEFT_DEADLINE(d, -1) {
        CHECK_EQ(weft_watch_set(w, &(int){2}), 0);
        CHECK_EQ(weft_watch_wait(w, &v, &seen), 0);
        CHECK_EQ(v, 2);
        CHECK_EQ(weft_watch_wait(w, &v, &seen), -ETIMEDOUT);
        CHECK_EQ(seen, 2);
    }
    weft_watch_unref(w);
    return 0;
}

/* ---- select ---- */

static int set_2_or_close(void *arg)
{
    struct crowd *all = arg;

    if (all->last == 0)
        CHECK_EQ(weft_watch_close(all->w), 0);
    else
        CHECK_EQ(weft_watch_set(all->w, &(int){2}), 0);
    return 0;
}

/* Goal: a watch is a case of a select: changed already, waited for, closed; twice in one select;
 * the short way, and the long one beside a timer. */
CO_TEST(a_watch_is_a_case_of_a_select)
{
    for (int round = 0; round < 16; round++) {
        const bool is_there = round & 1, is_closed = round & 2, is_twice = round & 4;
        struct crowd all = {weft_watch_make(sizeof(int), &(int){1}), is_closed ? 0 : 2, 0};
        chan *never = chan_make(0, 0);
        uint64_t seen[2] = {1, 1};
        int v[2] = {0, 0};
        struct weft_case cases[] = {weft_case_recv(never, NULL),
                                    weft_case_watch(all.w, &v[0], &seen[0]),
                                    weft_case_watch(is_twice ? all.w : NULL, &v[1], &seen[1]),
                                    weft_case_after(10 * WEFT_SEC)};
        struct weft_co *co = NULL;

        if (is_there)
            CHECK_EQ(set_2_or_close(&all), 0);
        else
            co = weft_go_with(set_2_or_close, &all);
        int chosen = weft_select(cases, round & 8 ? 4 : 3);
        CHECK(chosen == 1 || (is_twice && chosen == 2));
        CHECK_EQ(cases[chosen].rc, is_closed ? -EPIPE : 0);
        CHECK_EQ(v[chosen - 1], is_closed ? 0 : 2);
        CHECK_EQ(seen[chosen - 1], is_closed ? 1 : 2);
        CHECK_EQ(v[2 - chosen], 0);
        CHECK_EQ(seen[2 - chosen], 1);
        if (co != NULL)
            join(co);
        weft_watch_unref(all.w);
        chan_unref(never);
    }
    return 0;
}

/* Goal: a loop over the block form sees the latest each time, and takes its default meanwhile. */
CO_TEST(a_watch_in_the_block_form_of_select)
{
    struct weft_watch *w = weft_watch_make(sizeof(int), &(int){1});
    uint64_t seen = 0;
    int v = 0, n_changes = 0, n_default = 0;

    for (int i = 0; i < 6; i++) {
        SELECT {
            ON_WATCH(w, &v, &seen) {
                CHECK_EQ(SELECT_RC, 0);
                CHECK_EQ(v, ++n_changes);
                CHECK_EQ(seen, n_changes);
            }
            ON_DEFAULT {
                n_default++;
                CHECK_EQ(weft_watch_set(w, &(int){n_changes + 1}), 0);
            }
        }
    }
    CHECK_EQ(n_changes, 3);
    CHECK_EQ(n_default, 3);
    weft_watch_unref(w);
    return 0;
}

/* ---- threads, runtimes, lifetimes ---- */

enum { MANY = 3000 };

static void *follow_on_a_thread(void *arg)
{
    CHECK_EQ(follow(arg), 0);
    return NULL;
}

static void *change_on_a_thread(void *arg)
{
    CHECK_EQ(change(arg), 0);
    return NULL;
}

/* Goal: plain threads change and follow, beside a coroutine and without any runtime. */
TEST(plain_threads_change_and_follow)
{
    for (int round = 0; round < 4; round++) {
        struct crowd all = crowd_make(scaled(MANY));
        pthread_t th[3];

        for (int i = 0; i < COUNT(th); i++)
            th[i] = start(i == 0 ? change_on_a_thread : follow_on_a_thread, &all);
        if (round % 2 == 0)
            CHECK_EQ(weft_run(follow, &all), 0);
        for (int i = 0; i < COUNT(th); i++)
            CHECK_EQ(pthread_join(th[i], NULL), 0);
        weft_watch_unref(all.w);
    }
}

/* Goal: a watch reaches from one runtime to another. */
TEST(two_runtimes_use_one_watch)
{
    for (int i = 0; i < 3; i++) {
        struct crowd all = crowd_make(scaled(MANY));

        run_in_two_runtimes(follow, change, &all);
        weft_watch_unref(all.w);
    }
}

static int see_one_and_leave(void *arg)
{
    uint64_t seen = 1;
    int v;

    CHECK_EQ(weft_watch_wait(arg, &v, &seen), 0);
    weft_watch_unref(arg);
    return 0;
}

/* Goal: the last reference frees the watch at once, while the others are on their way out. */
CO_TEST(the_last_reference_frees_it)
{
    for (int i = 0; i < scaled(4000); i++) {
        struct weft_watch *w = weft_watch_make(sizeof(int), &i);
        struct weft_co *co = weft_go_with(see_one_and_leave, weft_watch_ref(w));

        yield_often(i % 3);
        CHECK_EQ(weft_watch_set(w, &i), 0);
        weft_watch_unref(w);
        join(co);
    }
    return 0;
}

static void wait_for_ever(void *arg)
{
    uint64_t seen = 1;

    (void)!weft_watch_wait(arg, NULL, &seen);
}

static void select_for_ever(void *arg)
{
    uint64_t seen = 1;
    struct weft_case cases[] = {weft_case_watch(arg, NULL, &seen),
                                weft_case_watch(arg, NULL, &seen)};

    (void)!weft_select(cases, 2);
}

/* Goal: coroutines that are discarded while they wait are gone from the watch. */
TEST(a_stopped_runtime_leaves_nobody_in_a_watch)
{
    for (int round = 0; round < 10; round++) {
        struct weft_watch *w = weft_watch_make(sizeof(int), &round);

        stop_while_they_wait(round % 2 == 0 ? wait_for_ever : select_for_ever, w, 3);
        CHECK_EQ(weft_watch_set(w, &round), 0);
        weft_watch_unref(w);
    }
}
