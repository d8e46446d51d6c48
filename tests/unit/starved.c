/* SPDX-License-Identifier: MIT */
/* starved.c - coroutines for which there is no stack wait for one and lose nothing. */
#include <sys/resource.h>
#include <sys/syscall.h>

#include "co_test.h"

enum { COROUTINES = 40, FIT = 6 };

/* The address space of this process, in bytes. */
static uint64_t address_space(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    CHECK(f != NULL);
    CHECK_EQ(fscanf(f, "%lu", &pages), 1);
    fclose(f);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static atomic_int n_live, n_live_max;

static int live_for_a_while(void *arg)
{
    int live = atomic_fetch_add(&n_live, 1) + 1;

    if (live > atomic_load(&n_live_max))
        atomic_store(&n_live_max, live);
    if ((uintptr_t)arg % 2 == 0)
        yield_often(20);
    else
        CHECK_EQ(weft_sleep(200 * WEFT_US), 0);
    atomic_fetch_sub(&n_live, 1);
    return 0;
}

/* Room for so many stacks of 1 GiB. */
static void narrow(struct rlimit *old, uint64_t fit)
{
    CHECK_EQ(getrlimit(RLIMIT_AS, old), 0);
    struct rlimit limit = *old;
    limit.rlim_cur = address_space() + (fit << 30) + ((uint64_t)1 << 29);
    CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
}

static int use_all_up(void *unused)
{
    struct weft_co *co[COROUTINES];
    struct rlimit old;

    (void)unused;
    narrow(&old, FIT);
    for (int i = 0; i < COROUTINES; i++) {
        co[i] = weft_go_with(live_for_a_while, (void *)(uintptr_t)i, .stack_bytes = 1 << 30);
        CHECK(co[i] != NULL);
    }
    for (int i = 0; i < COROUTINES; i++)
        join(co[i]);
    CHECK_EQ(setrlimit(RLIMIT_AS, &old), 0);
    CHECK_GE(atomic_load(&n_live_max), 1);
    CHECK_LE(atomic_load(&n_live_max), FIT);
    return 0;
}

/* Goal: of coroutines whose stacks do not all fit into the address space, the rest run as stacks
 * come back, on any number of processors.
 * Method: stacks of 1 GiB in 6 GiB; one that is not tried again is never joined. */
TEST_LIMIT(a_coroutine_without_a_stack_runs_when_one_comes_back, 10)
{
    CHECK_EQ(weft_run(use_all_up, NULL), 0);
}

enum { PINNED = 24 };

static atomic_int n_ended;

static int stay_on_one_thread(void *unused)
{
    const pid_t thread = (pid_t)syscall(SYS_gettid);

    (void)unused;
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(weft_sleep(50 * WEFT_US), 0);
        CHECK_EQ((pid_t)syscall(SYS_gettid), thread);
    }
    atomic_fetch_add(&n_ended, 1);
    return 0;
}

static atomic_int n_small;

static void end_at_once(void *unused)
{
    (void)unused;
    atomic_fetch_sub(&n_small, 1);
}

static int use_all_up_by_pinned_ones(void *unused)
{
    struct weft_co *co[PINNED];
    struct rlimit old;

    (void)unused;
    narrow(&old, 1);
    for (int i = 0; i < PINNED; i++)
        co[i] = weft_go_with(stay_on_one_thread, NULL, .stack_bytes = 1 << 28, .pinned = true,
                             .on_p = 1 + i % weft_runtime_procs(NULL));
    while (atomic_load(&n_ended) < PINNED) {
        for (int i = 0; i < 8; i++, atomic_fetch_add(&n_small, 1))
            CHECK_EQ(weft_go(end_at_once, NULL), 0);
        do
            weft_yield();
        while (atomic_load(&n_small) > 100);
    }
    for (int i = 0; i < PINNED; i++)
        join(co[i]);
    CHECK_EQ(setrlimit(RLIMIT_AS, &old), 0);
    return 0;
}

/* Goal: one that is pinned begins on its own thread, however long it had to wait for a stack.
 * Method: others end beside it all the time, whose stacks are of another size. */
TEST_LIMIT(a_pinned_coroutine_without_a_stack_waits_for_its_thread, 10)
{
    for (int i = 0; i < scaled(6); i++) {
        atomic_store(&n_ended, 0);
        CHECK_EQ(weft_run_with(use_all_up_by_pinned_ones, NULL, .procs = 3), 0);
    }
}
