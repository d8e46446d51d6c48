/* SPDX-License-Identifier: MIT */
/* quota_rig.h - a tree of cgroups that is a test's own: /a/b is where the process is. */
#ifndef WEFT_TESTS_QUOTA_RIG_H
#define WEFT_TESTS_QUOTA_RIG_H

#include <sched/cpus.h>
#include <sys/stat.h>

#include "co_test.h"

static char quota_root[] = "/tmp/weft-quota-XXXXXX";
static char quota_own[64]; /* what stands for /proc/self/cgroup */
static atomic_int quota_affinity = 8;

static int quota_cpus(void)
{
    return atomic_load(&quota_affinity);
}

static const struct weft__cpus_at quota_at = {quota_own, quota_root, quota_cpus};

/* Whoever reads meanwhile finds the old text or the new one. */
TEST_FN void quota_write(const char *path, const char *text)
{
    char new_path[80];
    FILE *f;

    snprintf(new_path, sizeof new_path, "%s/new", quota_root);
    f = fopen(new_path, "w");
    CHECK(f != NULL);
    CHECK_GE(fputs(text, f), 0);
    CHECK_EQ(fclose(f), 0);
    CHECK_EQ(rename(new_path, path), 0);
}

/* cpu.max of a cgroup: "", "/a" or "/a/b". */
TEST_FN void quota_set(const char *cgroup, const char *text)
{
    char path[80];

    snprintf(path, sizeof path, "%s%s/cpu.max", quota_root, cgroup);
    quota_write(path, text);
}

TEST_FN void quota_begin(void)
{
    char path[80];

    CHECK(mkdtemp(quota_root) != NULL);
    snprintf(quota_own, sizeof quota_own, "%s/own", quota_root);
    snprintf(path, sizeof path, "%s/a", quota_root);
    CHECK_EQ(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/a/b", quota_root);
    CHECK_EQ(mkdir(path, 0700), 0);
    quota_write(quota_own, "1:name=systemd:/old\n0::/a/b\n");
}

TEST_FN void quota_end(void)
{
    static const char *const names[] = {"/a/b/cpu.max", "/a/b", "/a/cpu.max", "/a", "/cpu.max",
                                        "/own",         ""};
    char path[80];

    for (int i = 0; i < COUNT(names); i++) {
        snprintf(path, sizeof path, "%s%s", quota_root, names[i]);
        (void)remove(path);
    }
}

#endif
