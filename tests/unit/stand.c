/* SPDX-License-Identifier: MIT */
/*
 * stand.c - the number of processors that run coroutines follows quota and affinity: those that
 * stand down run nothing but what is bound to them, and lose nothing that they have.
 *
 * matrix: short
 */
#include <pthread.h>
#include <sched.h>
#include <sched/stand.h>
#include <sys/socket.h>

#include "no_lookout.h"
#include "quota_rig.h"
#define PROCS 8

static struct weft_runtime *start(int procs)
{
    struct weft_config config = WEFT_CONFIG_INIT;
    struct weft_runtime *rt;

    config.procs = procs;
    CHECK_EQ(weft_runtime_start(&rt, &config), 0);
    return rt;
}

static int block_on(struct weft_runtime *rt, int (*fn)(void *), void *arg)
{
    int result = -1;

    CHECK_EQ(weft_block_on(rt, fn, arg, &result), 0);
    return result;
}

static int standing(const struct weft_runtime *rt)
{
    struct weft_stats stats = {.size = sizeof stats};

    CHECK_EQ(weft_runtime_stats(rt, &stats), 0);
    return (int)stats.standing;
}

/* A bit for each that sleeps and stands down. */
static uint64_t resting(struct weft_runtime *rt)
{
    return atomic_load(&rt->resting[0]);
}

static uint64_t all_from(int n)
{
    return (UINT64_C(1) << PROCS) - (UINT64_C(1) << n);
}

#define ALL_BUT_THE_LAST (all_from(2) & ~all_from(PROCS - 1))

/* Waits until the number is set, and all that are to stand down sleep and know that they do. */
static void await_standing(struct weft_runtime *rt, int n)
{
    weft__stand_set(rt, n);
    CHECK_EQ(standing(rt), n);
    while (resting(rt) != all_from(n))
        sched_yield();
}

static uint64_t switches(const struct weft_runtime *rt, int from, int end)
{
    uint64_t n = 0;

    for (int i = from; i < end; i++)
        n += weft__p_switches(&rt->p[i]);
    return n;
}

/* --- following */

struct expected {
    const char *cgroup, *text;
    int affinity, count;
};

/* Its sleeps are what makes the runtime look. */
static int await_count(void *arg)
{
    const struct expected *e = arg;

    while (standing(NULL) != e->count)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    return 0;
}

/* Goal: the number follows each quota, of the cgroup itself or one above, and the affinity, down
 * to two and up to the number at the start.
 * Method: a runtime that looks at a test's own files, every millisecond. */
TEST(the_number_follows_quota_and_affinity)
{
    static const struct expected all[] = {
        {"/a/b", "400000 100000\n", 8, 4}, {"/a", "250000 100000\n", 8, 3},
        {"", "100000 100000\n", 8, 2},     {"", "max 100000\n", 8, 3},
        {"/a", "max 100000\n", 8, 4},      {"/a/b", "6400000 100000\n", 8, 8},
        {"/a/b", "700000 100000\n", 8, 7}, {"/a/b", "700000 100000\n", 5, 5},
        {"/a/b", "700000 100000\n", 1, 2}, {"/a/b", "max 100000\n", 64, 8},
    };
    struct weft_stats stats = {.size = sizeof stats};
    struct weft_runtime *rt = start(PROCS);

    quota_begin();
    weft__stand_follow(rt, &quota_at, WEFT_MS);
    for (int i = 0; i < COUNT(all); i++) {
        atomic_store(&quota_affinity, all[i].affinity);
        quota_set(all[i].cgroup, all[i].text);
        CHECK_EQ(block_on(rt, await_count, (void *)(uintptr_t)&all[i]), 0);
        CHECK_EQ(weft_runtime_procs(rt), PROCS);
    }
    CHECK_EQ(weft_runtime_stats(rt, &stats), 0);
    CHECK_GE(stats.standing_changes, COUNT(all));
    CHECK_EQ(weft_runtime_stop(rt), 0);
    quota_end();
}

/* Goal: who wants to hear what is at work hears of each change, in one line. */
TEST(a_change_is_told_to_who_wants_to_hear)
{
    static const struct expected fewer = {"/a", "250000 100000\n", 8, 3};
    struct weft_config config = WEFT_CONFIG_INIT;
    struct weft_runtime *rt;
    char said[1000];
    FILE *f = tmpfile();
    const int old = dup(2);

    CHECK(f != NULL && old >= 0);
    quota_begin();
    quota_set(fewer.cgroup, fewer.text);
    config.procs = PROCS;
    config.verbose = 1;
    CHECK_GE(dup2(fileno(f), 2), 0);
    CHECK_EQ(weft_runtime_start(&rt, &config), 0);
    weft__stand_follow(rt, &quota_at, WEFT_MS);
    CHECK_EQ(block_on(rt, await_count, (void *)(uintptr_t)&fewer), 0);
    CHECK_EQ(weft_runtime_stop(rt), 0); /* after the line: the same thread sees to both */
    CHECK_GE(dup2(old, 2), 0);
    quota_end();
    rewind(f);
    said[fread(said, 1, sizeof said - 1, f)] = '\0';
    CHECK(strstr(said, "\nweft: CPU quota or affinity: 3 of 8 processors run coroutines from now "
                       "on\n") != NULL);
}

static int follows(void *arg)
{
    (void)arg;
    CHECK_EQ(standing(NULL), weft_runtime_procs(NULL));
    return weft__stand_follows(weft_runtime_current());
}

/* Goal: a number that is asked for, by the program or the environment, is kept; so it is where
 * nothing may be handed over. */
TEST(a_number_that_is_asked_for_is_kept)
{
    unsetenv("WEFT_PROCS");
    CHECK_EQ(weft_run(follows, NULL), weft__cpus_usable(&weft__cpus_here) > 2);
    setenv("WEFT_STEAL", "0", 1);
    CHECK_EQ(weft_run(follows, NULL), 0);
    unsetenv("WEFT_STEAL");
    setenv("WEFT_PROCS", "4", 1);
    CHECK_EQ(weft_run(follows, NULL), 0);
    unsetenv("WEFT_PROCS");
    CHECK_EQ(weft_run_with(follows, NULL, .procs = 4), 0);
}

TEST(one_processor_stays_one_and_two_stay_two)
{
    for (int procs = 1; procs <= 2; procs++) {
        struct weft_runtime *rt = start(procs);
        weft__stand_follow(rt, &weft__cpus_here, WEFT_MS);
        CHECK(!weft__stand_follows(rt));
        for (int n = -1; n <= 4; n++) {
            weft__stand_set(rt, n);
            CHECK_EQ(standing(rt), procs);
        }
        CHECK_EQ(weft_runtime_stop(rt), 0);
    }
}

/* All sleep, and none will look around by itself. */
static bool is_at_rest(const struct weft_runtime *rt)
{
    return atomic_load(&rt->n_idle) == PROCS && !atomic_load(&rt->has_looker) &&
           atomic_load(&rt->n_idle) == PROCS;
}

/* Goal: a runtime that has nothing to do does not look, however often it might.
 * Method: nobody asks for a look, so that the time of the next one stands still. */
TEST(an_idle_runtime_does_not_look)
{
    struct weft_runtime *rt = start(PROCS);

    while (!is_at_rest(rt))
        usleep(1000);
    weft__stand_follow(rt, &weft__cpus_here, WEFT_US);
    const int64_t look_ns = atomic_load(&rt->stand_look_ns);
    usleep(100000);
    CHECK_EQ(atomic_load(&rt->stand_look_ns), look_ns);
    CHECK_EQ(weft_runtime_stop(rt), 0);
}

TEST(the_description_tells_how_many_are_at_work)
{
    struct weft_runtime *rt = start(PROCS);
    char text[200];

    CHECK_EQ(weft_runtime_describe(rt, text, sizeof text), 0);
    CHECK(strstr(text, "8 processors, ") != NULL);
    await_standing(rt, 3);
    CHECK_EQ(weft_runtime_describe(rt, text, sizeof text), 0);
    CHECK(strstr(text, "8 processors (3 at work, by quota or affinity), ") != NULL);
    CHECK_EQ(weft_runtime_stop(rt), 0);
}

/* --- standing down */

static int leaf(void *arg)
{
    CHECK_EQ(weft_sleep((intptr_t)arg % 3 * 100 * WEFT_US), 0);
    yield_often(5);
    return 0;
}

static void add(void *wg)
{
    weft_wg_done(wg);
}

/* Something of everything: joins, timers, sockets, unstarted ones by the hundred. */
static int work(void *arg)
{
    struct weft_co *co[50];
    struct weft_wait_group *wg = weft_wg_make();
    int fds[2];

    (void)arg;
    CHECK_EQ(weft_socket_pair(fds), 0);
    for (int round = 0; round < 20; round++) {
        char byte = (char)round;
        for (int i = 0; i < COUNT(co); i++)
            co[i] = weft_go_with(leaf, (void *)(intptr_t)i);
        weft_wg_add(wg, 300);
        for (int i = 0; i < 300; i++)
            go(add, wg);
        CHECK_EQ(weft_write(fds[0], &byte, 1), 1);
        CHECK_EQ(weft_read(fds[1], &byte, 1), 1);
        CHECK_EQ(byte, round);
        for (int i = 0; i < COUNT(co); i++)
            join(co[i]);
        CHECK_EQ(weft_wg_wait(wg), 0);
    }
    CHECK_EQ(weft_close(fds[0]), 0);
    CHECK_EQ(weft_close(fds[1]), 0);
    weft_wg_free(wg);
    return 0;
}

/* Goal: processors that stand down switch to no coroutine, whatever there is to do; those that
 * stand do it all. */
TEST(who_stands_down_runs_nothing)
{
    struct weft_runtime *rt = start(PROCS);

    CHECK_EQ(block_on(rt, work, NULL), 0);
    for (int n = 2; n <= 5; n++) {
        await_standing(rt, n);
        const uint64_t before = switches(rt, n, PROCS), others = switches(rt, 0, n);
        CHECK_EQ(block_on(rt, work, NULL), 0);
        CHECK_EQ(switches(rt, n, PROCS), before);
        CHECK_GT(switches(rt, 0, n), others);
        await_standing(rt, PROCS);
    }
    CHECK_EQ(weft_runtime_stop(rt), 0);
}

static atomic_int n_arrived;

/* Takes a processor until all others have one, too. */
static void meet(void *wg)
{
    atomic_fetch_add(&n_arrived, 1);
    while (atomic_load(&n_arrived) < PROCS)
        sched_yield();
    weft_wg_done(wg);
}

static int meet_all(void *arg)
{
    struct weft_wait_group *wg = weft_wg_make();

    (void)arg;
    weft_wg_add(wg, PROCS);
    atomic_store(&n_arrived, 0);
    for (int i = 0; i < PROCS; i++)
        go(meet, wg);
    CHECK_EQ(weft_wg_wait(wg), 0);
    weft_wg_free(wg);
    return 0;
}

/* Goal: processors that stand again get work, each of them.
 * Method: as many coroutines as there are processors, which wait for each other without leaving
 * theirs. */
TEST(who_stands_again_gets_work)
{
    struct weft_runtime *rt = start(PROCS);

    for (int i = 0; i < 20; i++) {
        await_standing(rt, 2 + i % 5);
        weft__stand_set(rt, PROCS);
        CHECK_EQ(block_on(rt, meet_all, NULL), 0);
    }
    CHECK_EQ(weft_runtime_stop(rt), 0);
}

static void begin_anywhere(void *wg)
{
    weft_wg_done(wg);
}

static int queue_and_stand_down(void *arg)
{
    struct weft_wait_group *wg = weft_wg_make();

    (void)arg;
    weft_wg_add(wg, 600);
    for (int i = 0; i < 600; i++) /* more than fit */
        go(begin_anywhere, wg);
    weft__stand_set(weft_runtime_current(), 2);
    CHECK_EQ(weft_wg_wait(wg), 0);
    weft_wg_free(wg);
    return 0;
}

static void begin_where_others_stand(void *wg)
{
    CHECK_LT(weft_thread_index(), 2);
    weft_wg_done(wg);
}

/* Pinned: it goes on where it is. */
static int stand_down_and_queue(void *arg)
{
    struct weft_runtime *rt = weft_runtime_current();
    struct weft_wait_group *wg = weft_wg_make();

    (void)arg;
    weft__stand_set(rt, 2);
    while (!rt->p[PROCS - 1].is_down || resting(rt) != ALL_BUT_THE_LAST)
        weft_yield();
    weft_wg_add(wg, 600);
    for (int i = 0; i < 600; i++)
        go(begin_where_others_stand, wg);
    CHECK_EQ(weft_wg_wait(wg), 0);
    CHECK_EQ(weft_thread_index(), PROCS - 1);
    weft_wg_free(wg);
    return 0;
}

static int on_the_last(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        weft__stand_set(weft_runtime_current(), PROCS);
        join(weft_go_with(queue_and_stand_down, NULL, .on_p = WEFT_ON_P(PROCS - 1)));
        weft__stand_set(weft_runtime_current(), PROCS);
        join(weft_go_with(stand_down_and_queue, NULL, .on_p = WEFT_ON_P(PROCS - 1), .pinned = 1));
    }
    return 0;
}

/* Goal: what a processor has in its queues when it stands down is done by others, and what one that
 * does so queues begins where others stand.
 * Method: it is told by the coroutine that it runs, which waits for the rest. */
TEST(queues_of_one_that_stands_down_are_handed_over)
{
    struct weft_runtime *rt = start(PROCS);

    CHECK_EQ(block_on(rt, on_the_last, NULL), 0);
    CHECK_EQ(weft_runtime_stop(rt), 0);
}

/* --- what it still does */

static atomic_int n_waiting;
static int pairs[PROCS][2];

static int wait_at(void *arg)
{
    const bool is_pinned = arg != NULL;
    const int at = weft_thread_index();
    const pthread_t thread = pthread_self();
    char byte = 0;

    atomic_fetch_add(&n_waiting, 1);
    CHECK_EQ(weft_read(pairs[at][0], &byte, 1), 1);
    CHECK_EQ(byte, 'x');
    for (int i = 0; i < 50; i++) {
        CHECK(!is_pinned || (weft_thread_index() == at && pthread_equal(thread, pthread_self())));
        CHECK(is_pinned || weft_thread_index() < 2);
        if (i % 2 == 0)
            CHECK_EQ(weft_sleep(100 * WEFT_US), 0);
        else
            yield_often(3);
    }
    return 0;
}

static int sleep_at(void *arg)
{
    (void)arg;
    atomic_fetch_add(&n_waiting, 1);
    CHECK_EQ(weft_sleep(200 * WEFT_MS), 0);
    return 0;
}

static int wait_on_all(void *arg)
{
    struct weft_co *co[PROCS], *sleepers[PROCS];
    struct weft_runtime *rt = weft_runtime_current();

    for (int i = 2; i < PROCS; i++) {
        CHECK_EQ(weft_socket_pair(pairs[i]), 0);
        sleepers[i] = weft_go_with(sleep_at, NULL, .on_p = WEFT_ON_P(i));
        co[i] = weft_go_with(wait_at, arg, .on_p = WEFT_ON_P(i), .pinned = arg != NULL);
    }
    while (atomic_load(&n_waiting) != 2 * (PROCS - 2) ||
           weft__reactors_in_flight(&rt->reactors) != PROCS - 2)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    weft__stand_set(rt, 2);
    while (weft_thread_index() >= 2 || resting(rt) != all_from(2))
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    for (int i = 2; i < PROCS; i++)
        CHECK_EQ(weft_write(pairs[i][1], "x", 1), 1);
    for (int i = 2; i < PROCS; i++) {
        join(co[i]);
        join(sleepers[i]);
        CHECK_EQ(weft_close(pairs[i][0]), 0);
        CHECK_EQ(weft_close(pairs[i][1]), 0);
    }
    return 0;
}

/* Goal: sockets and sleeps that were begun on a processor end in time when it stands down; who
 * waited there goes on where others stand, pinned ones where they are. */
TEST(sockets_and_sleeps_of_one_that_stands_down_go_on)
{
    struct weft_runtime *rt = start(PROCS);

    CHECK_EQ(block_on(rt, wait_on_all, NULL), 0);
    weft__stand_set(rt, PROCS);
    atomic_store(&n_waiting, 0);
    CHECK_EQ(block_on(rt, wait_on_all, rt), 0);
    CHECK_EQ(weft_runtime_stop(rt), 0);
}

static int note_place(void *arg)
{
    CHECK_EQ(weft_thread_index(), (intptr_t)arg);
    return 0;
}

static int place_on_all(void *arg)
{
    (void)arg;
    for (int i = 0; i < PROCS; i++)
        join(weft_go_with(note_place, (void *)(intptr_t)i, .on_p = WEFT_ON_P(i)));
    return 0;
}

TEST(what_is_placed_on_one_that_stands_down_begins_there)
{
    struct weft_runtime *rt = start(PROCS);

    for (int i = 0; i < 10; i++) {
        await_standing(rt, 2 + i % 3);
        CHECK_EQ(block_on(rt, place_on_all, NULL), 0);
    }
    CHECK_EQ(weft_runtime_stop(rt), 0);
}

static atomic_bool is_over;

static int hog(void *unused)
{
    (void)unused;
    atomic_fetch_add(&n_arrived, 1);
    while (!atomic_load(&is_over))
        sched_yield();
    return 0;
}

static int yield_beside_many(void *arg)
{
    struct weft_runtime *rt = weft_runtime_current();
    struct weft_wait_group *wg = weft_wg_make();

    (void)arg;
    while (atomic_load(&n_arrived) != 2)
        weft_yield();
    weft__stand_set(rt, 2);
    while (!rt->p[PROCS - 1].is_down || resting(rt) != ALL_BUT_THE_LAST)
        weft_yield();
    weft_wg_add(wg, 1000);
    for (int i = 0; i < 1000; i++)
        go(begin_where_others_stand, wg);
    yield_often(1000);
    CHECK_EQ(atomic_load(&rt->inject.overflow_count) + atomic_load(&rt->inject.count), 1000);
    CHECK_GE((int)atomic_load(&rt->inject.overflow_count), 1000 - (int)WEFT__DEQUE_CAP);
    atomic_store(&is_over, true);
    CHECK_EQ(weft_wg_wait(wg), 0);
    weft_wg_free(wg);
    return 0;
}

static int beside_two_hogs(void *arg)
{
    struct weft_co *hogs[2], *pinned;

    (void)arg;
    pinned = weft_go_with(yield_beside_many, NULL, .pinned = 1, .on_p = WEFT_ON_P(PROCS - 1));
    for (int i = 0; i < 2; i++)
        hogs[i] = weft_go_with(hog, NULL, .pinned = 1, .on_p = WEFT_ON_P(i));
    join(pinned);
    join(hogs[0]);
    join(hogs[1]);
    return 0;
}

/* Goal: coroutines that have not begun stay in the few pieces they were queued in, whatever a
 * pinned one does where they do not begin: else each of them gets a stack of its own in the end.
 * Method: nobody else takes one up while a pinned one yields, for which they go first elsewhere. */
TEST(a_yield_where_nothing_begins_takes_nothing_up)
{
    struct weft_runtime *rt = start(PROCS);

    CHECK_EQ(block_on(rt, beside_two_hogs, NULL), 0);
    CHECK_EQ(weft_runtime_stop(rt), 0);
}

/* --- the end */

static chan *silent;

static int wait_for_ever(void *unused)
{
    (void)unused;
    CHECK_EQ(chan_recv(silent, NULL), 0);
    return 0;
}

static int pinned_for_ever(void *unused)
{
    (void)unused;
    weft_detach(weft_go_with(wait_for_ever, NULL, .pinned = 1, .on_p = WEFT_ON_P(PROCS - 1)));
    return wait_for_ever(NULL);
}

/* Goal: a deadlock is found while processors stand down, also if the last one to sleep is one of
 * them. */
TEST(a_deadlock_is_found_while_some_stand_down)
{
    if (test_is_emulated())
        SKIP("under qemu-user no deadlock is certain");
    silent = weft_chan_make_shared(0, 0);
    for (int i = 0; i < 20; i++) {
        struct weft_runtime *rt = start(PROCS);
        if (i % 3 == 0)
            await_standing(rt, 2 + i % 4);
        else
            weft__stand_set(rt, 2 + i % 4);
        CHECK_EQ(weft_block_on(rt, i % 2 ? wait_for_ever : pinned_for_ever, NULL, NULL), -EDEADLK);
        CHECK_GE(weft_runtime_stop(rt), 1);
    }
    weft_chan_unref(silent);
}

static void nothing(void *unused)
{
    (void)unused;
}

/* Goal: a runtime is stopped while processors stand down, sleep, or have just been told to. */
TEST(a_runtime_stops_while_some_stand_down)
{
    for (int i = 0; i < 20; i++) {
        struct weft_runtime *rt = start(PROCS);
        CHECK_EQ(weft_runtime_go(rt, nothing, NULL), 0);
        weft__stand_set(rt, 2 + i % 6);
        if (i % 2)
            await_standing(rt, 2);
        if (i % 4 == 3)
            weft__stand_set(rt, 5);
        CHECK_GE(weft_runtime_stop(rt), 0);
    }
}
