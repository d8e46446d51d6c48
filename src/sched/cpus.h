/* SPDX-License-Identifier: MIT */
/* cpus.h - how many processors a runtime should have. */
#ifndef WEFT_SCHED_CPUS_H
#define WEFT_SCHED_CPUS_H

/* Where that is told. */
struct weft__cpus_at {
    const char *own_cgroup; /* a file with a line "0::/path" */
    const char *root;       /* where that path begins */
    int (*affinity)(void);  /* the CPUs that the calling thread may run on */
};

extern const struct weft__cpus_at weft__cpus_here;

/* The CPUs the calling thread may run on, cut by the cgroup v2 quota (cpu.max) of the process's
 * cgroup and of every ancestor, rounded up; at least 1.  -errno if a quota cannot be read for lack
 * of descriptors, say; one that is not there, or not for us to see, is no limit. */
int weft__cpus_usable(const struct weft__cpus_at *at);

/* So many CPUs, cut by these quotas. */
int weft__cpus_cut(const struct weft__cpus_at *at, int cpus);

/* The CPUs that one line of cpu.max allows ("max 100000", "150000 100000"), rounded up; 0 for no
 * limit or a text that is none. */
int weft__cpus_of_quota(const char *cpu_max);

#endif
