/* SPDX-License-Identifier: MIT */
/* cpus.c - see cpus.h. */
#include "cpus.h"

#include <stdlib.h>
#include <string.h>

#include "../base/sys.h"
#include "../base/text.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define PATH_BYTES 4096

int weft__cpus_of_quota(const char *cpu_max)
{
    char *end;
    long long quota_us = strtoll(cpu_max, &end, 10);
    if (end == cpu_max || quota_us <= 0) {
        return 0; /* "max" */
    }
    long long period_us = strtoll(end, NULL, 10);
    if (period_us <= 0) {
        return 0;
    }
    long long cpus = (quota_us - 1) / period_us + 1;
    return cpus < 1 ? 1 : cpus > 1000000 ? 1000000 : (int)cpus;
}

/* The path of our cgroup, from the line "0::/path" of /proc/self/cgroup; NULL if there is none. */
static char *own_cgroup(char *text, size_t bytes)
{
    if (weft__sys_read_file("/proc/self/cgroup", text, bytes) <= 0) {
        return NULL;
    }
    for (char *line = text; line != NULL && *line != 0;) {
        char *end = strchr(line, '\n');
        if (end != NULL) {
            *end = 0;
        }
        if (strncmp(line, "0::/", 4) == 0) {
            return line + 3;
        }
        line = end != NULL ? end + 1 : NULL;
    }
    return NULL;
}

static int quota_at(const char *cgroup)
{
    char path[PATH_BYTES];
    char line[128];
    struct weft__text t;
    weft__text_init(&t, path, sizeof path);
    weft__text_add(&t, CGROUP_ROOT);
    weft__text_add(&t, cgroup);
    weft__text_add(&t, "/cpu.max");
    return weft__sys_read_file(path, line, sizeof line) > 0 ? weft__cpus_of_quota(line) : 0;
}

int weft__cpus_cut(int cpus)
{
    char text[PATH_BYTES];
    char *cgroup = own_cgroup(text, sizeof text);
    while (cgroup != NULL) {
        int quota = quota_at(cgroup);
        if (quota > 0 && quota < cpus) {
            cpus = quota;
        }
        char *slash = strrchr(cgroup, '/');
        if (slash == NULL || cgroup[0] == 0) {
            break;
        }
        *slash = 0; /* its parent; "" is the root */
    }
    return cpus;
}

int weft__cpus_usable(void)
{
    return weft__cpus_cut(weft__sys_cpu_count());
}
