/* SPDX-License-Identifier: MIT */
/* cpus.c - see cpus.h. */
#include "cpus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/sys.h"
#include "../base/text.h"

#define PATH_BYTES 4096

const struct weft__cpus_at weft__cpus_here = {
    .own_cgroup = "/proc/self/cgroup",
    .root = "/sys/fs/cgroup",
    .affinity = weft__sys_cpu_count,
};

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

/* Read a file that may be missing: then it is empty.  0 or -errno. */
static int read_if_there(const char *path, char *text, size_t bytes)
{
    ssize_t n = weft__sys_read_file(path, text, bytes);
    if (n <= 0) {
        text[0] = 0;
    }
    return n >= 0 || n == -ENOENT || n == -ENOTDIR || n == -EACCES ? 0 : (int)n;
}

/* The path of our cgroup, from the line "0::/path" of the text; NULL if there is none. */
static char *own_cgroup(char *text)
{
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

static int quota_at(const char *root, const char *cgroup)
{
    char path[PATH_BYTES];
    char line[128];
    struct weft__text t;
    weft__text_init(&t, path, sizeof path);
    weft__text_add(&t, root);
    weft__text_add(&t, cgroup);
    weft__text_add(&t, "/cpu.max");
    int rc = read_if_there(path, line, sizeof line);
    return rc == 0 ? weft__cpus_of_quota(line) : rc;
}

int weft__cpus_cut(const struct weft__cpus_at *at, int cpus)
{
    char text[PATH_BYTES];
    int rc = read_if_there(at->own_cgroup, text, sizeof text);
    if (rc != 0) {
        return rc;
    }
    char *cgroup = own_cgroup(text);
    while (cgroup != NULL) {
        int quota = quota_at(at->root, cgroup);
        if (quota < 0) {
            return quota;
        }
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

int weft__cpus_usable(const struct weft__cpus_at *at)
{
    return weft__cpus_cut(at, at->affinity());
}
