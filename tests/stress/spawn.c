/* SPDX-License-Identifier: MIT */
/*
 * spawn.c - coroutines that start and end as fast as they can: descriptors, stacks, names and
 * handles are used again and again, on all processors at once, and none is mixed up.
 *
 * matrix: short
 */
#include <pthread.h>

#include "co_test.h"

enum { SPAWNERS = 8, BATCH = 40 };

struct job {
    uint64_t seed;
    char name[24];
    int turns;
    int deep; /* touches so many KiB of its stack */
};

/* Fills a large frame and finds it unchanged after others have run. */
__attribute__((noinline)) static void use_stack(int kib, uint64_t seed)
{
    volatile unsigned char frame[1024];

    for (int i = 0; i < (int)sizeof frame; i++)
        frame[i] = (unsigned char)(seed + (uint64_t)i);
    if (kib > 1)
        use_stack(kib - 1, seed + 1);
    else
        weft_yield();
    for (int i = 0; i < (int)sizeof frame; i++)
        CHECK_EQ(frame[i], (unsigned char)(seed + (uint64_t)i));
}

static int work(void *arg)
{
    const struct job *job = arg;
    const uint64_t id = weft_id();

    CHECK_STR(weft_name(), job->name);
    yield_often(job->turns);
    if (job->deep > 0)
        use_stack(job->deep, job->seed);
    CHECK_EQ(weft_id(), id);
    CHECK_STR(weft_name(), job->name);
    return (int)(job->seed % 1000);
}

static int64_t until;

static int spawner(void *arg)
{
    uint64_t x = *(uint64_t *)arg;

    do {
        struct job job[BATCH];
        struct weft_co *co[BATCH];
        for (int i = 0; i < BATCH; i++) {
            job[i].seed = test_random(&x);
            job[i].turns = (int)(test_random(&x) % 3);
            job[i].deep = test_random(&x) % 8 == 0 ? (int)(test_random(&x) % 60) : 0;
            snprintf(job[i].name, sizeof job[i].name, "job %llx",
                     (unsigned long long)job[i].seed & 0xffffff);
            uint64_t dice = test_random(&x) % 16;
            size_t bytes = dice == 0 ? 1 << 20 : dice == 1 && job[i].deep == 0 ? 64 << 10 : 0;
            co[i] = weft_go_with(work, &job[i], .name = job[i].name, .stack_bytes = bytes,
                                 .pinned = dice == 2, .own_fp = dice == 3);
            CHECK(co[i] != NULL);
        }
        for (int i = 0; i < BATCH; i++) {
            int result = -1;
            CHECK_EQ(weft_join(co[i], &result), 0);
            CHECK_EQ(result, (int)(job[i].seed % 1000));
        }
    } while (test_now_ms() < until);
    return 0;
}

STRESS_TEST(nothing_is_mixed_up_when_all_is_used_again)
{
    uint64_t seed[SPAWNERS], x = test_seed();
    struct weft_co *co[SPAWNERS];

    until = test_now_ms() + test_stress_ms() / 2;
    for (int i = 0; i < SPAWNERS; i++) {
        seed[i] = test_random(&x);
        co[i] = weft_go_with(spawner, &seed[i]);
    }
    for (int i = 0; i < SPAWNERS; i++)
        join(co[i]);
    return 0;
}

static atomic_int n_spawned, n_ended;

static void split(void *arg)
{
    int n = (int)(intptr_t)arg;

    if (n > 0) {
        atomic_fetch_add(&n_spawned, 2);
        CHECK_EQ(go(split, (void *)(intptr_t)(n - 1)), 0);
        CHECK_EQ(go(split, (void *)(intptr_t)(n - 1)), 0);
    }
    atomic_fetch_add(&n_ended, 1);
}

static void *spawn_from_outside(void *rt)
{
    do {
        for (int i = 0; i < 20; i++) {
            atomic_fetch_add(&n_spawned, 1);
            CHECK_EQ(weft_runtime_go(rt, split, (void *)(intptr_t)(i % 6)), 0);
        }
        while (atomic_load(&n_spawned) - atomic_load(&n_ended) > 2000)
            sched_yield();
    } while (test_now_ms() < until);
    return NULL;
}

static int wait_for_all(void *arg)
{
    (void)arg;
    while (atomic_load(&n_spawned) != atomic_load(&n_ended))
        CHECK_EQ(weft_sleep(50 * WEFT_US), 0);
    struct weft_stats stats = {.size = sizeof stats};
    CHECK_EQ(weft_runtime_stats(NULL, &stats), 0);
    return 0;
}

/* Goal: coroutines from plain threads and from coroutines, mixed: each one runs. */
TEST_LIMIT(threads_and_coroutines_spawn_into_one_runtime, 60)
{
    struct weft_runtime *rt = NULL;
    pthread_t th[3];

    until = test_now_ms() + test_stress_ms() / 2;
    CHECK_EQ(weft_runtime_start(&rt, NULL), 0);
    for (int i = 0; i < COUNT(th); i++)
        CHECK_EQ(pthread_create(&th[i], NULL, spawn_from_outside, rt), 0);
    for (int i = 0; i < COUNT(th); i++)
        CHECK_EQ(pthread_join(th[i], NULL), 0);
    CHECK_EQ(weft_block_on(rt, wait_for_all, NULL, NULL), 0);
    CHECK_EQ(weft_runtime_stop(rt), 0);
    CHECK_EQ(atomic_load(&n_spawned), atomic_load(&n_ended));
}
