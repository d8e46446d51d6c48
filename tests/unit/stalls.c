/* SPDX-License-Identifier: MIT */
/*
 * stalls.c - coroutines that keep their processors are counted and, on request, reported.
 *
 * matrix: short
 */
#include <pthread.h>
#include <unistd.h>

#include "net_test.h"

static struct weft_stats stats_now(void)
{
    struct weft_stats stats = {.size = sizeof stats};

    CHECK_EQ(weft_runtime_stats(NULL, &stats), 0);
    return stats;
}

/* By its name, in a report.  ThreadSanitizer lets a signal through in a system call only. */
__attribute__((noinline)) static void keep_until_counted(void)
{
    const uint64_t before = stats_now().stalls;
    const int64_t until = weft_now() + LONG_NS;

    while (stats_now().stalls == before && weft_now() < until)
        usleep(100);
    CHECK_GE(stats_now().stalls, before + 1);
}

static int stall(void *unused)
{
    (void)unused;
    CHECK_EQ(weft_set_name("piglet"), 0);
    keep_until_counted();
    return 0;
}

static int stall_twice(void *unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++)
        join(weft_go_with(stall, NULL));
    return 0;
}

/* Goal: a coroutine that keeps its processor is counted, and reported where that is asked for, with
 * the calls in which it does so. */
TEST(a_stall_is_counted_and_reported)
{
    char said[4096];
    FILE *f = tmpfile();
    const int old = dup(2);

    CHECK(f != NULL && old >= 0);
    fflush(stderr);
    CHECK_GE(dup2(fileno(f), 2), 0);
    const int rc = weft_run_with(stall_twice, NULL, .stall_report = 1);
    CHECK_GE(dup2(old, 2), 0);
    CHECK_EQ(rc, 0);
    rewind(f);
    said[fread(said, 1, sizeof said - 1, f)] = 0;
    if (!strstr(said, "\"piglet\" has kept its processor") || !strstr(said, "stalls.c:") ||
        !strstr(said, " keep_until_counted+0x"))
        TEST_FAIL("it said: %s", said);
    fclose(f);
    close(old);
}

static int stay_here(void *unused)
{
    const int here = weft_thread_index();

    (void)unused;
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
        CHECK_EQ(weft_thread_index(), here);
        CHECK(!weft__m_self()->p->is_relief);
    }
    return 0;
}

static int hog_without_stealing(void *unused)
{
    struct weft_co *co = weft_go_with(stay_here, NULL);

    (void)unused;
    weft_yield();
    (void)stall(NULL);
    join(co);
    CHECK_EQ(stats_now().relief, 0);
    return 0;
}

/* Goal: without stealing nothing leaves its processor for a hog; it is counted all the same. */
TEST(without_stealing_a_hog_is_only_counted)
{
    CHECK_EQ(weft_run_with(hog_without_stealing, NULL, .procs = 1, .no_steal = 1), 0);
    CHECK_EQ(weft_run_with(hog_without_stealing, NULL, .procs = 2, .no_steal = 1), 0);
}

struct rest {
    const struct weft__p *p;
    _Atomic uint64_t turns; /* as they were at the last look while it slept */
    atomic_bool is_over;
};

static void *look_at_rest(void *arg)
{
    struct rest *r = arg;

    while (!atomic_load(&r->is_over)) {
        const uint64_t turns = weft__p_turns(r->p);
        atomic_thread_fence(memory_order_acquire);
        if (weft__idle_is_set(r->p))
            atomic_store(&r->turns, turns);
        usleep(100);
    }
    return NULL;
}

static int rest_often(void *unused)
{
    struct rest r = {.p = weft__m_self()->p};
    pthread_t other;

    (void)unused;
    CHECK_EQ(pthread_create(&other, NULL, look_at_rest, &r), 0);
    while (atomic_load(&r.turns) == 0)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(weft_sleep(2 * WEFT_MS), 0);
        CHECK_NE(weft__p_turns(r.p), atomic_load(&r.turns));
    }
    atomic_store(&r.is_over, true);
    return pthread_join(other, NULL);
}

/* Goal: one that runs after a rest of its processor is not taken to have run since it began: the
 * number that the look-out compares has changed.
 * Method: a thread notes it whenever the processor sleeps. */
TEST(a_rest_is_no_part_of_a_stall)
{
    CHECK_EQ(weft_run_with(rest_often, NULL, .procs = 1, .no_steal = 1), 0);
}
