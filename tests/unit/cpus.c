/* SPDX-License-Identifier: MIT */
/*
 * cpus.c - how many processors a runtime takes by default: what affinity and the quotas of cgroups
 * leave.
 *
 * matrix: once
 */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/resource.h>

#include "quota_rig.h"

TEST(a_quota_is_rounded_up_to_whole_processors)
{
    CHECK_EQ(weft__cpus_of_quota("100000 100000\n"), 1);
    CHECK_EQ(weft__cpus_of_quota("150000 100000\n"), 2);
    CHECK_EQ(weft__cpus_of_quota("200000 100000"), 2);
    CHECK_EQ(weft__cpus_of_quota("1000 100000\n"), 1);
    CHECK_EQ(weft__cpus_of_quota("6400000 100000\n"), 64);
    CHECK_EQ(weft__cpus_of_quota("30000 20000\n"), 2);
}

TEST(no_quota_and_no_sense_are_no_limit)
{
    static const char *const texts[] = {"max 100000\n", "",           "\n",         "max",
                                        "100000",       "100000 0\n", "0 100000\n", "-1 100000\n",
                                        "100000 -5\n",  "x y\n"};

    for (int i = 0; i < COUNT(texts); i++)
        CHECK_EQ(weft__cpus_of_quota(texts[i]), 0);
}

TEST(a_quota_beyond_all_measure_does_not_overflow)
{
    CHECK_GT(weft__cpus_of_quota("9223372036854775807 1\n"), 0);
    CHECK_GT(weft__cpus_of_quota("9223372036854775807 9223372036854775807\n"), 0);
    CHECK_GT(weft__cpus_of_quota("99999999999999999999999 3\n"), 0);
}

/* Goal: of the quotas of the cgroup and all above it, and of the affinity, the least counts. */
TEST(the_least_of_all_quotas_and_the_affinity_counts)
{
    quota_begin();
    CHECK_EQ(weft__cpus_usable(&quota_at), 8); /* no quota anywhere */
    quota_set("/a/b", "max 100000\n");
    quota_set("/a", "max 100000\n");
    CHECK_EQ(weft__cpus_usable(&quota_at), 8);
    quota_set("/a/b", "600000 100000\n");
    CHECK_EQ(weft__cpus_usable(&quota_at), 6);
    quota_set("/a", "350000 100000\n");
    CHECK_EQ(weft__cpus_usable(&quota_at), 4);
    quota_set("", "300000 100000\n");
    CHECK_EQ(weft__cpus_usable(&quota_at), 3);
    atomic_store(&quota_affinity, 2);
    CHECK_EQ(weft__cpus_usable(&quota_at), 2);
    atomic_store(&quota_affinity, 8);
    quota_set("/a/b", "100000 100000\n");
    CHECK_EQ(weft__cpus_usable(&quota_at), 1);
    quota_write(quota_own, "0::/\n");
    CHECK_EQ(weft__cpus_usable(&quota_at), 3);
    quota_write(quota_own, "1:cpu:/a/b\n");
    CHECK_EQ(weft__cpus_usable(&quota_at), 8); /* no cgroup v2 */
    quota_end();
}

/* Goal: to have no descriptor left does not look as if there were no quota. */
TEST(a_quota_that_cannot_be_read_is_not_taken_for_none)
{
    struct rlimit old, none;

    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 0;
    quota_begin();
    quota_set("/a", "200000 100000\n");
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    CHECK_EQ(weft__cpus_usable(&quota_at), -EMFILE);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
    quota_end();
}

static int tell_procs(void *arg)
{
    (void)arg;
    return weft_runtime_procs(NULL);
}

TEST(affinity_limits_the_default_number_of_processors)
{
    cpu_set_t all, one;
    int cpu = 0;

    unsetenv("WEFT_PROCS");
    CHECK_EQ(sched_getaffinity(0, sizeof all, &all), 0);
    CHECK_GE(weft__cpus_usable(&weft__cpus_here), 1);
    CHECK_LE(weft__cpus_usable(&weft__cpus_here), CPU_COUNT(&all));
    while (!CPU_ISSET(cpu, &all))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    CHECK_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    CHECK_EQ(weft__cpus_usable(&weft__cpus_here), 1);
    CHECK_EQ(weft_run(tell_procs, NULL), 1);
}

/* More processors than CPUs work as well: what is asked for is taken. */
TEST(a_number_that_is_asked_for_wins)
{
    struct weft_config config = WEFT_CONFIG_INIT;

    config.procs = 5;
    CHECK_EQ(weft_run_config(tell_procs, NULL, &config), 5);
    setenv("WEFT_PROCS", "3", 1);
    CHECK_EQ(weft_run(tell_procs, NULL), 3);
    CHECK_EQ(weft_run_config(tell_procs, NULL, &config), 5);
}
