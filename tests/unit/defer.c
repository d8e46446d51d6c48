/* SPDX-License-Identifier: MIT */
/*
 * defer.c - cleanups of blocks and of coroutines, and weft_exit(), as include/weft/defer.h promises
 * them.
 *
 * matrix: short
 */
#include "co_test.h"

/* What ran, in order. */
static char trail[64];

static void mark(void *arg)
{
    strcat(trail, arg);
}

/* A letter as an argument. */
#define AS(letter) ((void *)(uintptr_t)(letter))

static void destroy(void *value)
{
    mark(value);
}

static struct weft_key local = {.destroy = destroy};

/* ---- of the coroutine ---- */

static void defer_two_more(void *unused)
{
    (void)unused;
    mark(AS("+"));
    CHECK_EQ(weft_defer(mark, AS("y")), 0);
    CHECK_EQ(weft_defer(mark, AS("x")), 0);
}

static __attribute__((noinline)) void defer_deeply(int depth)
{
    if (depth > 0) {
        defer_deeply(depth - 1);
        return;
    }
    CHECK_EQ(weft_defer(mark, AS("c")), 0);
}

static int owe(void *unused)
{
    (void)unused;
    CHECK_EQ(weft_defer(mark, AS("a")), 0);
    CHECK_EQ(weft_local_set(&local, AS("L")), 0);
    CHECK_EQ(weft_defer(defer_two_more, NULL), 0);
    defer_deeply(3);
    mark(AS("|"));
    return 5;
}

/* Goal: cleanups run at the end, the last first, before locals go; what they defer runs next. */
CO_TEST(the_last_deferred_runs_first_and_locals_go_last)
{
    int result;

    CHECK_EQ(weft_join(weft_go_with(owe, NULL), &result), 0);
    CHECK_EQ(result, 5);
    CHECK_STR(trail, "|c+xyaL");
    return 0;
}

static void wait_a_bit(void *ch)
{
    int got;

    CHECK_EQ(chan_recv(ch, &got), 0);
    CHECK_EQ(weft_sleep(WEFT_US), 0);
    mark(AS("w"));
}

static int owe_a_wait(void *ch)
{
    CHECK_EQ(weft_defer(mark, AS("1")), 0);
    CHECK_EQ(weft_defer(wait_a_bit, ch), 0);
    return 0;
}

CO_TEST(a_cleanup_may_wait_and_join_waits_for_it)
{
    chan *ch = chan_make(sizeof(int), 0);
    struct weft_co *co = weft_go_with(owe_a_wait, ch);
    int one = 1;

    yield_often(100);
    CHECK(!weft_done(co));
    CHECK_EQ(chan_send(ch, &one), 0);
    join(co);
    CHECK_STR(trail, "w1");
    chan_unref(ch);
    return 0;
}

static int end_late(void *unused)
{
    (void)unused;
    CHECK_EQ(weft_defer(mark, AS("d")), 0);
    WEFT_DEADLINE (s, 0) {
        WEFT_DEFER(mark, AS("b"));
        return weft_sleep(WEFT_NEVER);
    }
    return 0;
}

CO_TEST(cleanups_run_after_a_call_that_was_ended)
{
    int result;

    CHECK_EQ(weft_join(weft_go_with(end_late, NULL), &result), 0);
    CHECK_EQ(result, -ETIMEDOUT);
    CHECK_STR(trail, "bd");
    return 0;
}

static int take_back(void *unused)
{
    (void)unused;
    CHECK_EQ(weft_defer_cancel(mark, AS("a")), -ENOENT);
    CHECK_EQ(weft_defer(mark, AS("a")), 0);
    CHECK_EQ(weft_defer(mark, AS("b")), 0);
    CHECK_EQ(weft_defer(mark, AS("c")), 0);
    {
        WEFT_DEFER(mark, AS("d"));
        WEFT_DEFER(mark, AS("e"));
        WEFT_DEFER(mark, AS("f"));
        CHECK_EQ(weft_defer_cancel(mark, AS("e")), 0);
        CHECK_EQ(weft_defer_cancel(mark, AS("e")), -ENOENT);
        CHECK_EQ(weft_defer_cancel(mark, AS("b")), 0);
    }
    CHECK_EQ(weft_defer_cancel(mark, AS("d")), -ENOENT);
    mark(AS("|"));
    return 0;
}

CO_TEST(a_cleanup_that_is_taken_back_does_not_run)
{
    join(weft_go_with(take_back, NULL));
    CHECK_STR(trail, "fd|ca");
    return 0;
}

/* ---- of a block ---- */

static void leave_in_every_way(void)
{
    for (int i = 0; i < 5; i++) {
        WEFT_DEFER(mark, AS(" "));
        if (i == 1)
            continue;
        if (i == 3) {
            WEFT_DEFER(mark, AS("b"));
            break;
        }
        DEFER(mark, AS("n"));
        mark(AS("i"));
    }
    {
        WEFT_DEFER(mark, AS("g"));
        if (trail[0] != '\0')
            goto out;
    }
out:
    mark(AS("o"));
    WEFT_DEFER(mark, AS("r"));
    if (trail[0] != '\0')
        return;
    mark(AS("never"));
}

#define EVERY_WAY "in  in b gor"

CO_TEST(a_blocks_cleanup_runs_however_it_is_left)
{
    leave_in_every_way();
    CHECK_STR(trail, EVERY_WAY);
    return 0;
}

TEST(a_blocks_cleanup_runs_on_a_plain_thread)
{
    leave_in_every_way();
    CHECK_STR(trail, EVERY_WAY);
    CHECK_EQ(weft_defer(mark, AS("x")), -EPERM);
    CHECK_EQ(weft_defer_cancel(mark, AS("x")), -EPERM);
}

static int mix(void *unused)
{
    (void)unused;
    CHECK_EQ(weft_defer(mark, AS("1")), 0);
    {
        WEFT_DEFER(mark, AS("b"));
        CHECK_EQ(weft_local_set(&local, AS("L")), 0); /* in front of the list from now on */
        CHECK_EQ(weft_defer(mark, AS("2")), 0);
    }
    CHECK_EQ(weft_defer(mark, AS("3")), 0);
    mark(AS("|"));
    return 0;
}

/* Goal: a block takes its own cleanup and leaves those of the coroutine that came after it. */
CO_TEST(a_block_leaves_the_coroutines_cleanups_alone)
{
    join(weft_go_with(mix, NULL));
    CHECK_STR(trail, "b|321L");
    return 0;
}

/* ---- weft_exit ---- */

static __attribute__((noinline)) int exit_deeply(int depth)
{
    WEFT_DEFER(mark, AS("b"));
    if (depth == 0)
        weft_exit(42);
    if (depth < 0)
        return 0; /* never; a compiler wants an end */
    return exit_deeply(depth - 1) + 1;
}

static int exit_under_all(void *unused)
{
    (void)unused;
    CHECK_EQ(weft_defer(mark, AS("c")), 0);
    CHECK_EQ(weft_local_set(&local, AS("L")), 0);
    WEFT_DEADLINE (outer, 1000 * WEFT_SEC) {
        WEFT_DEADLINE (inner, 0)
            exit_deeply(2);
    }
    mark(AS("never"));
    return 1;
}

/* Goal: weft_exit() runs all cleanups of frames that are still there, and gives its result.
 * Method: under two scopes, one of which has ended, from three frames. */
CO_TEST(exit_runs_the_cleanups_of_all_frames)
{
    int result;

    CHECK_EQ(weft_join(weft_go_with(exit_under_all, NULL), &result), 0);
    CHECK_EQ(result, 42);
    CHECK_STR(trail, "bbbcL");
    return 0;
}

static void exit_here(void *arg)
{
    mark(arg);
    weft_exit(3);
}

static struct weft_key exiting = {.destroy = exit_here};

static int exit_in_cleanups(void *unused)
{
    (void)unused;
    CHECK_EQ(weft_local_set(&exiting, AS("E")), 0);
    CHECK_EQ(weft_local_set(&local, AS("E")), 0);
    CHECK_EQ(weft_defer(mark, AS("a")), 0);
    CHECK_EQ(weft_defer(exit_here, AS("b")), 0);
    CHECK_EQ(weft_defer(mark, AS("c")), 0);
    WEFT_DEFER(exit_here, AS("d"));
    WEFT_DEFER(mark, AS("e"));
    return 1;
}

/* Goal: weft_exit() in a cleanup or a destructor leaves out none of those that are left. */
CO_TEST(exit_in_a_cleanup_runs_the_rest)
{
    int result;

    CHECK_EQ(weft_join(weft_go_with(exit_in_cleanups, NULL), &result), 0);
    CHECK_EQ(result, 3);
    CHECK_STR(trail, "edcbaEE");
    return 0;
}

static void exit_at_once(void *arg)
{
    (void)arg;
    weft_exit(0);
}

static int exit_after_a_wait(void *arg)
{
    int got;

    weft_own_fp();
    CHECK_EQ(chan_recv(arg, &got), 0);
    weft_exit(got);
}

/* Goal: coroutines that exit leave nothing behind, and whoever comes next on their stacks, begun or
 * not, runs as ever.
 * Method: many of each kind among others; the number of stacks stays what it was. */
CO_TEST(what_exits_gives_its_stack_back)
{
    enum { N = 10 };
    struct weft_co *co[N];
    struct weft_stats before = {.size = sizeof before}, after = before;
    chan *ch = chan_make(sizeof(int), 0);

    for (int i = 0; i < 100 + scaled(2000); i++) {
        if (i == 100)
            CHECK_EQ(weft_runtime_stats(NULL, &before), 0);
        for (int k = 0; k < N; k++)
            co[k] = weft_go_with(exit_after_a_wait, ch);
        CHECK_EQ(go(exit_at_once, NULL), 0);
        for (int k = 0; k < N; k++)
            CHECK_EQ(chan_send(ch, &k), 0);
        for (int k = 0, sum = 0, result; k < N; k++) {
            CHECK_EQ(weft_join(co[k], &result), 0);
            sum += result;
            CHECK(k < N - 1 || sum == N * (N - 1) / 2);
        }
    }
    CHECK_EQ(weft_runtime_stats(NULL, &after), 0);
    CHECK_LE(after.stacks, before.stacks + 1000); /* each processor keeps some */
    chan_unref(ch);
    return 0;
}

static int exit_from_app(void *unused)
{
    (void)unused;
    weft_exit(17);
}

TEST(exit_of_the_first_coroutine_is_what_run_returns)
{
    CHECK_EQ(weft_run(exit_from_app, NULL), 17);
}
