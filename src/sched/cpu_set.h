/* SPDX-License-Identifier: MIT */
/* cpu_set.h - sets of CPUs, and the lists that people write for them. */
#ifndef WEFT_SCHED_CPU_SET_H
#define WEFT_SCHED_CPU_SET_H

#include "../base/sys.h"
#include "../base/text.h"

void weft__cpu_set_add(struct weft__cpu_set *set, int cpu);
int weft__cpu_set_count(const struct weft__cpu_set *set);
bool weft__cpu_set_is_within(const struct weft__cpu_set *set, const struct weft__cpu_set *other);

/* The k-th CPU of the set, from 0; -1 if it has no more than k. */
int weft__cpu_set_nth(const struct weft__cpu_set *set, int k);

/* A list as `taskset -c` reads it: "0-3,8", "0-31:2".  False for anything else. */
bool weft__cpu_set_parse(struct weft__cpu_set *set, const char *list);

/* And back again, without steps. */
void weft__cpu_set_list(const struct weft__cpu_set *set, struct weft__text *t);

#endif
