/* SPDX-License-Identifier: MIT */
/*
 * place.c - which CPUs the threads of a runtime run on, and what they are called.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <sched/cpu_set.h>
#include <sched/cpus.h>
#include <sched/sched.h>

#include "co_test.h"
#include "no_lookout.h" /* threads have names after their processors */

enum { PROCS = 3 };

/* ---- lists ---- */

TEST(a_list_of_cpus_is_read_as_taskset_reads_it)
{
    static const struct {
        const char *list, *set;
    } good[] = {
        {"0", "0"},       {"3,1,2", "1-3"},     {"0-3,8", "0-3,8"},     {"5-5", "5"},
        {"8191", "8191"}, {"0-7:2", "0,2,4,6"}, {"0-8:4,1", "0-1,4,8"}, {"1,1-2,2", "1-2"},
        {"007", "7"},     {"63-65", "63-65"},
    };
    static const char *const bad[] = {"",
                                      ",",
                                      "0,",
                                      ",0",
                                      "0,,1",
                                      "-",
                                      "1-",
                                      "-1",
                                      "3-1",
                                      "0-3:",
                                      "0-3:0",
                                      "0:2",
                                      " 0",
                                      "0 ",
                                      "0x1",
                                      "a",
                                      "8192",
                                      "0-8192",
                                      "99999999999999999999",
                                      "0-3,8 x",
                                      "each,0"};
    struct weft__cpu_set set;
    struct weft__text t;
    char text[64];

    for (int i = 0; i < COUNT(good); i++) {
        if (!weft__cpu_set_parse(&set, good[i].list))
            TEST_FAIL("\"%s\" is refused", good[i].list);
        weft__text_init(&t, text, sizeof text);
        weft__cpu_set_list(&set, &t);
        CHECK_STR(text, good[i].set);
    }
    for (int i = 0; i < COUNT(bad); i++)
        if (weft__cpu_set_parse(&set, bad[i]))
            TEST_FAIL("\"%s\" is taken", bad[i]);
}

TEST(the_cpus_of_a_set_are_counted_and_numbered)
{
    struct weft__cpu_set set, part;

    CHECK(weft__cpu_set_parse(&set, "2,60-70,8191"));
    CHECK_EQ(weft__cpu_set_count(&set), 13);
    CHECK_EQ(weft__cpu_set_nth(&set, 0), 2);
    CHECK_EQ(weft__cpu_set_nth(&set, 1), 60);
    CHECK_EQ(weft__cpu_set_nth(&set, 12), 8191);
    CHECK_EQ(weft__cpu_set_nth(&set, 13), -1);
    CHECK(weft__cpu_set_parse(&part, "60-70:5"));
    CHECK(weft__cpu_set_is_within(&part, &set));
    CHECK(!weft__cpu_set_is_within(&set, &part));
    CHECK(weft__cpu_set_parse(&part, "8190"));
    CHECK(!weft__cpu_set_is_within(&part, &set));
}

/* ---- binding ---- */

/* The CPUs of the thread that runs the test's process. */
static cpu_set_t all;

static cpu_set_t cpus_now(void)
{
    cpu_set_t set;

    CHECK_EQ(sched_getaffinity(0, sizeof set, &set), 0);
    return set;
}

static int nth_cpu(int k)
{
    int cpu = 0;

    for (k %= CPU_COUNT(&all);; cpu++)
        if (CPU_ISSET(cpu, &all) && k-- == 0)
            return cpu;
}

/* A runtime of three Ps with these CPUs, on one or more of the machine; app runs in it. */
static void run_on(const char *cpus, int (*app)(void *))
{
    struct weft_config config = WEFT_CONFIG_INIT;

    unsetenv("WEFT_CPUS");
    all = cpus_now();
    config.procs = PROCS;
    config.cpus = cpus;
    CHECK_EQ(weft_run_config(app, NULL, &config), 0);
}

static void check_bound(void)
{
    cpu_set_t set = cpus_now();
    const int cpu = nth_cpu(weft_thread_index());

    CHECK_EQ(CPU_COUNT(&set), 1);
    CHECK(CPU_ISSET(cpu, &set));
    CHECK_EQ(sched_getcpu(), cpu);
}

static void check_free(void)
{
    cpu_set_t set = cpus_now();

    CHECK(CPU_EQUAL(&set, &all));
}

static int check_on_p(void *k)
{
    CHECK_EQ(weft_thread_index(), (int)(intptr_t)k);
    check_bound();
    return 0;
}

static int visit_all(void *unused)
{
    (void)unused;
    for (int i = 0; i < 2 * PROCS; i++)
        join(weft_go_with(check_on_p, (void *)(intptr_t)(i % PROCS), .pinned = 1,
                          .on_p = WEFT_ON_P(i % PROCS)));
    return 0;
}

TEST(each_processor_has_a_cpu_of_its_own)
{
    run_on("each", visit_all);
    check_free(); /* whoever calls weft_run() keeps his */
}

static void one_cpu(char list[16], int k)
{
    all = cpus_now();
    snprintf(list, 16, "%d", nth_cpu(k));
}

static int all_on_the_last(void *unused)
{
    (void)unused;
    for (int i = 0; i < 20; i++) {
        cpu_set_t set = cpus_now();
        CHECK_EQ(CPU_COUNT(&set), 1);
        CHECK(CPU_ISSET(nth_cpu(CPU_COUNT(&all) - 1), &set));
        weft_yield();
    }
    return weft_runtime_procs(NULL);
}

TEST(a_list_says_which_cpus_and_how_many_processors)
{
    struct weft_config config = WEFT_CONFIG_INIT;
    char list[16];

    all = cpus_now();
    one_cpu(list, CPU_COUNT(&all) - 1);
    unsetenv("WEFT_PROCS");
    config.cpus = list;
    CHECK_EQ(weft_run_config(all_on_the_last, NULL, &config), 1);
    setenv("WEFT_CPUS", list, 1);
    CHECK_EQ(weft_run(all_on_the_last, NULL), 1);
}

static int tell_procs(void *unused)
{
    (void)unused;
    return weft_runtime_procs(NULL);
}

TEST(each_is_as_many_processors_as_cpus)
{
    struct weft_config config = WEFT_CONFIG_INIT;

    all = cpus_now();
    unsetenv("WEFT_PROCS");
    config.cpus = "each";
    CHECK_EQ(weft_run_config(tell_procs, NULL, &config),
             weft__cpus_cut(&weft__cpus_here, CPU_COUNT(&all)));
}

static int check_free_here(void *unused)
{
    (void)unused;
    check_free();
    return 0;
}

TEST(any_binds_nobody_whatever_the_environment_says)
{
    setenv("WEFT_CPUS", "each", 1);
    struct weft_config config = WEFT_CONFIG_INIT;
    all = cpus_now();
    config.cpus = "any";
    CHECK_EQ(weft_run_config(check_free_here, NULL, &config), 0);
}

/* ---- threads that run no P ---- */

static int call_the_pool(void *unused)
{
    (void)unused;
    check_bound();
    CHECK_EQ(weft_blocking(check_free_here, NULL, NULL), 0);
    check_bound();
    return 0;
}

/* Goal: a thread of the pool does not inherit the CPU of the coroutine that it was started by. */
TEST(blocking_calls_run_on_any_cpu_of_the_process)
{
    run_on("each", call_the_pool);
}

static int go_outside(void *unused)
{
    (void)unused;
    for (int i = 0; i < 50; i++) {
        check_bound();
        weft_blocking_enter();
        check_free();
        weft_blocking_leave();
        check_bound();
    }
    return 0;
}

/* Goal: a coroutine outside competes with no P for its CPU; and the thread that takes the P is
 * bound, whether it is a new one or was spare. */
TEST(outside_a_thread_is_free_and_the_next_one_is_bound)
{
    run_on("each", go_outside);
}

static int change_threads(void *unused)
{
    const pid_t first = gettid();
    int n_changes = 0;

    (void)unused;
    while (n_changes < 5) {
        weft__p_ask_hand_off(weft__m_self()->p);
        CHECK_EQ(weft_sleep(WEFT_US), 0);
        check_bound();
        n_changes += gettid() != first;
    }
    return 0;
}

TEST(a_processor_that_changes_threads_keeps_its_cpu)
{
    run_on("each", change_threads);
}

static atomic_int n_seen;

static void see(void *expected)
{
    cpu_set_t set = cpus_now();

    CHECK_EQ(CPU_COUNT(&set), *(int *)expected);
    atomic_fetch_add(&n_seen, 1);
}

/* The runtime that a coroutine starts is not squeezed onto the one CPU of its P. */
static int start_another(void *unused)
{
    struct weft_config config = WEFT_CONFIG_INIT;
    struct weft_runtime *rt = NULL;
    int n_cpus = CPU_COUNT(&all);

    (void)unused;
    check_bound();
    unsetenv("WEFT_PROCS");
    CHECK_EQ(weft_runtime_start(&rt, &config), 0);
    CHECK_EQ(weft_runtime_procs(rt), weft__cpus_cut(&weft__cpus_here, n_cpus));
    CHECK_EQ(weft_runtime_go(rt, see, &n_cpus), 0);
    while (atomic_load(&n_seen) < 1)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_EQ(weft_runtime_stop(rt), 0);
    check_bound();
    return 0;
}

TEST(a_runtime_started_by_a_bound_coroutine_has_all_cpus)
{
    run_on("each", start_another);
}

static int fork_here(void *unused)
{
    int status = -1;

    (void)unused;
    check_bound();
    const pid_t pid = fork();
    CHECK_GE(pid, 0);
    if (pid == 0) {
        cpu_set_t set = cpus_now();
        _exit(CPU_EQUAL(&set, &all) ? 0 : 1);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    return 0;
}

/* What it then executes would be squeezed onto one CPU. */
TEST(the_child_of_a_fork_has_all_cpus)
{
    run_on("each", fork_here);
}

/* ---- names ---- */

/* Does some thread of the process bear this name? */
static int is_there(const char *name)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    int found = 0;

    CHECK(dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        char path[512], comm[64] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *f = fopen(path, "r");
        if (f == NULL)
            continue; /* it has left */
        if (fgets(comm, sizeof comm, f) != NULL)
            comm[strcspn(comm, "\n")] = '\0';
        fclose(f);
        found |= strcmp(comm, name) == 0;
    }
    closedir(dir);
    return found;
}

static void wait_for_name(const char *name)
{
    while (!is_there(name))
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
}

static void check_own_name(const char *name)
{
    char own[17] = "";

    prctl(PR_GET_NAME, own);
    CHECK_STR(own, name);
}

static int check_job_name(void *unused)
{
    (void)unused;
    check_own_name("fabric-job");
    return 0;
}

static int check_names(void *unused)
{
    char name[32];

    (void)unused;
    for (int i = 0; i < PROCS; i++) {
        snprintf(name, sizeof name, "fabric-%d", i);
        wait_for_name(name);
    }
    wait_for_name("weft-watch");
    CHECK_EQ(weft_blocking(check_job_name, NULL, NULL), 0);
    for (int i = 0; i < 5; i++) {
        weft_blocking_enter();
        check_own_name("fabric-out");
        weft_blocking_leave();
        snprintf(name, sizeof name, "fabric-%d", weft_thread_index());
        check_own_name(name);
    }
    wait_for_name("fabric-spare");
    return 0;
}

TEST(each_thread_says_what_it_does)
{
    struct weft_config config = WEFT_CONFIG_INIT;

    config.procs = PROCS;
    config.thread_name = "fabric";
    CHECK_EQ(weft_run_config(check_names, NULL, &config), 0);
}

TEST(a_long_prefix_is_cut_and_the_role_is_not)
{
    char name[WEFT__THREAD_NAME_BYTES];

    weft__place_name(name, "abcdefghijk", "255");
    CHECK_STR(name, "abcdefghijk-255");
    weft__place_name(name, "abcdefghijk", "spare");
    CHECK_STR(name, "abcdefghi-spare");
    weft__place_name(name, "", "0");
    CHECK_STR(name, "-0");
}
