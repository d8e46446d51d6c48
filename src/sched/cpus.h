/* SPDX-License-Identifier: MIT */
/* cpus.h - how many processors a runtime should have. */
#ifndef WEFT_SCHED_CPUS_H
#define WEFT_SCHED_CPUS_H

/* The CPUs this process may run on, cut by the cgroup v2 quota (cpu.max) of its cgroup and of every
 * ancestor, rounded up; at least 1. */
int weft__cpus_usable(void);

/* So many CPUs, cut by these quotas. */
int weft__cpus_cut(int cpus);

/* The CPUs that one line of cpu.max allows ("max 100000", "150000 100000"), rounded up; 0 for no
 * limit or a text that is none. */
int weft__cpus_of_quota(const char *cpu_max);

#endif
