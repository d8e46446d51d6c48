/* SPDX-License-Identifier: MIT */
/*
 * preset.c - what a preset changes, and that fields and variables win over it.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <sched/sched.h>
#include <sys/socket.h>

#include "co_test.h"
#include "no_lookout.h"

static void clear_environment(void)
{
    unsetenv("WEFT_PRESET");
    unsetenv("WEFT_SPIN_US");
    unsetenv("WEFT_STEAL");
    unsetenv("WEFT_CPUS");
}

/* ---- what is set ---- */

struct knobs {
    int64_t spin_ns;
    int may_steal, is_bound;
};

static struct knobs knobs_of(const struct weft_config *config)
{
    struct weft_runtime *rt = NULL;

    CHECK_EQ(weft_runtime_start(&rt, config), 0);
    const struct knobs knobs = {rt->spin_ns, rt->may_steal, rt->p[0].cpu >= 0};
    CHECK_EQ(weft_runtime_stop(rt), 0);
    return knobs;
}

static void expect(const struct weft_config *config, int64_t spin_ns, int may_steal, int is_bound)
{
    const struct knobs knobs = knobs_of(config);

    CHECK_EQ(knobs.spin_ns, spin_ns);
    CHECK_EQ(knobs.may_steal, may_steal);
    CHECK_EQ(knobs.is_bound, is_bound);
}

static const struct {
    enum weft_preset preset;
    const char *word;
    struct knobs knobs;
} presets[] = {
    {WEFT_PRESET_BALANCED, "balanced", {0, 1, 0}},
    {WEFT_PRESET_THROUGHPUT, "throughput", {0, 1, 0}},
    {WEFT_PRESET_LATENCY, "latency", {200 * WEFT_US, 1, 0}},
    {WEFT_PRESET_CPU, "cpu", {WEFT_MS, 1, 0}},
    {WEFT_PRESET_PER_CORE, "per_core", {0, 0, 1}},
};

TEST(a_preset_comes_from_the_field_or_the_environment)
{
    for (int i = 0; i < COUNT(presets); i++) {
        const struct knobs k = presets[i].knobs;
        struct weft_config config = WEFT_CONFIG_INIT;
        clear_environment();
        setenv("WEFT_PRESET", presets[i].word, 1);
        expect(NULL, k.spin_ns, k.may_steal, k.is_bound);
        setenv("WEFT_PRESET", presets[(i + 1) % COUNT(presets)].word, 1);
        config.preset = presets[i].preset; /* wins */
        expect(&config, k.spin_ns, k.may_steal, k.is_bound);
    }
    clear_environment();
    expect(NULL, 0, 1, 0);
}

TEST(fields_and_variables_win_over_a_preset)
{
    struct weft_config config = WEFT_CONFIG_INIT;

    clear_environment();
    config.preset = WEFT_PRESET_PER_CORE;
    config.no_steal = WEFT_STEAL;
    config.spin_ns = 5000;
    expect(&config, 5000, 1, 1);
    config.cpus = "any";
    expect(&config, 5000, 1, 0);
    config = (struct weft_config){.size = sizeof config, .preset = WEFT_PRESET_LATENCY};
    config.spin_ns = WEFT_SPIN_NONE;
    config.cpus = "each";
    config.no_steal = 1;
    expect(&config, 0, 0, 1);
}

TEST(variables_win_over_a_preset_and_lose_to_fields)
{
    struct weft_config config = WEFT_CONFIG_INIT;

    clear_environment();
    setenv("WEFT_PRESET", "per_core", 1);
    setenv("WEFT_STEAL", "1", 1);
    setenv("WEFT_CPUS", "any", 1);
    setenv("WEFT_SPIN_US", "7", 1);
    expect(NULL, 7000, 1, 0);
    setenv("WEFT_PRESET", "cpu", 1);
    setenv("WEFT_SPIN_US", "0", 1);
    setenv("WEFT_STEAL", "0", 1);
    setenv("WEFT_CPUS", "each", 1);
    expect(NULL, 0, 0, 1);
    config.spin_ns = 9000;
    config.no_steal = WEFT_STEAL;
    config.cpus = "any";
    expect(&config, 9000, 1, 0);
}

/* ---- what it does ---- */

static struct weft_stats stats_now(void)
{
    struct weft_stats s = {.size = sizeof s};

    CHECK_EQ(weft_runtime_stats(NULL, &s), 0);
    return s;
}

static int peer_fd[2];
static int n_requests;

/* Answers a byte with a byte; what it saw of the counters meanwhile is returned. */
static struct weft_stats serve(void)
{
    const struct weft_stats before = stats_now();
    char byte;

    for (int i = 0; i < n_requests; i++) {
        CHECK_EQ(weft_read(peer_fd[1], &byte, 1), 1);
        CHECK_EQ(weft_write(peer_fd[1], &byte, 1), 1);
    }
    struct weft_stats s = stats_now();
    s.sleeps -= before.sleeps;
    s.wakes -= before.wakes;
    return s;
}

/* A plain thread that always waits for its answer, and leaves the processors time to go to sleep
 * if they want to. */
static void *request(void *pause_us)
{
    char byte = 'r';

    for (int i = 0; i < n_requests; i++) {
        usleep(*(unsigned *)pause_us);
        CHECK_EQ(write(peer_fd[0], &byte, 1), 1);
        CHECK_EQ(recv(peer_fd[0], &byte, 1, MSG_WAITALL), 1);
    }
    return NULL;
}

static void request_from(struct weft_config *config, int n, unsigned pause_us, int (*app)(void *))
{
    pthread_t th;

    n_requests = n;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, peer_fd), 0);
    CHECK_EQ(pthread_create(&th, NULL, request, &pause_us), 0);
    CHECK_EQ(weft_run_config(app, NULL, config), 0);
    CHECK_EQ(pthread_join(th, NULL), 0);
}

static int serve_without_a_sleep(void *unused)
{
    (void)unused;
    CHECK_EQ(serve().sleeps, 0);
    return 0;
}

/* Goal: a processor that lingers finds its next event without having slept.
 * Method: it lingers ten seconds, and the requests come sooner. */
TEST(a_processor_lingers_for_its_events)
{
    struct weft_config config = WEFT_CONFIG_INIT;

    clear_environment();
    config.procs = 1;
    config.spin_ns = 10 * WEFT_SEC;
    request_from(&config, 200, 100, serve_without_a_sleep);
}

static int sleep_without_a_sleep(void *unused)
{
    const struct weft_stats before = stats_now();

    (void)unused;
    for (int i = 0; i < 20; i++)
        CHECK_EQ(weft_sleep(200 * WEFT_US), 0);
    CHECK_EQ(stats_now().sleeps, before.sleeps);
    return 0;
}

TEST(a_processor_lingers_for_its_timers)
{
    struct weft_config config = WEFT_CONFIG_INIT;

    clear_environment();
    config.procs = 1;
    config.spin_ns = 10 * WEFT_SEC;
    CHECK_EQ(weft_run_config(sleep_without_a_sleep, NULL, &config), 0);
}

static int end_at_once(void *unused)
{
    (void)unused;
    return 0;
}

/* Goal: processors that linger take what others have, what plain threads spawn, and the end.
 * Method: if one of these had to wait for the end of the spin, the test would not end in time. */
TEST(who_lingers_takes_work_and_the_end)
{
    const int64_t start = test_now_ms();

    for (int i = 0; i < 50; i++) {
        struct weft_config config = WEFT_CONFIG_INIT;
        struct weft_runtime *rt = NULL;
        clear_environment();
        config.procs = 1 + i % 3;
        config.no_steal = i % 2;
        config.spin_ns = 10 * WEFT_SEC;
        CHECK_EQ(weft_runtime_start(&rt, &config), 0);
        for (int k = 0; k < 5; k++)
            CHECK_EQ(weft_block_on(rt, end_at_once, NULL, NULL), 0);
        CHECK_EQ(weft_runtime_stop(rt), 0);
    }
    CHECK_LT(test_now_ms() - start, 10000 * test_scale());
}

static int serve_waking_seldom(void *unused)
{
    const int64_t start = test_now_ms();

    (void)unused;
    const uint64_t n_wakes = serve().wakes;
    const int64_t ms = test_now_ms() - start;
    /* Each processor may tell once in a millisecond; a clock that ticks in between gives one more,
     * as does the beginning.  Perturbed, they always tell, so that more can go wrong. */
    if (!WEFT__TELL_ALWAYS)
        CHECK_LE(n_wakes, (uint64_t)(2 * (ms + 2)));
    return 0;
}

/* Goal: for throughput, an event does not wake a second processor that would find nothing.
 * Method: many more requests than milliseconds, each of which finds both processors asleep. */
TEST(for_throughput_processors_wake_each_other_seldom)
{
    struct weft_config config = WEFT_CONFIG_INIT;

    clear_environment();
    config.procs = 2;
    config.preset = WEFT_PRESET_THROUGHPUT;
    request_from(&config, 2000, 0, serve_waking_seldom);
}

static atomic_bool child_ran;

static int run_child(void *unused)
{
    (void)unused;
    atomic_store(&child_ran, true);
    return 0;
}

/* Goal: with each preset a coroutine is found by another processor while its parent computes. */
static int compute_until_the_child_ran(void *unused)
{
    (void)unused;
    for (int i = 0; i < 10; i++) {
        atomic_store(&child_ran, false);
        struct weft_co *one = weft_go_with(run_child, NULL), *two = weft_go_with(end_at_once, NULL);
        while (!atomic_load(&child_ran))
            sched_yield();
        join(one);
        join(two);
    }
    return 0;
}

TEST(with_each_preset_that_steals_children_run_while_the_parent_computes)
{
    for (int i = 0; i < COUNT(presets); i++) {
        struct weft_config config = WEFT_CONFIG_INIT;
        clear_environment();
        config.procs = 2;
        config.preset = presets[i].preset;
        if (presets[i].knobs.may_steal)
            CHECK_EQ(weft_run_config(compute_until_the_child_ran, NULL, &config), 0);
    }
}
