/* SPDX-License-Identifier: MIT */
/*
 * kept.h - what parts above the scheduler keep with a runtime: made when it is first needed, freed
 * by the stop when no thread of the runtime is left.  The scheduler knows nothing else of it.
 */
#ifndef WEFT_SCHED_KEPT_H
#define WEFT_SCHED_KEPT_H

#include <stdint.h>

#include "../base/atomic.h"

struct weft__kept {
    void (*drop)(struct weft__kept *kept);
};

/* Of name services; made by net/names.c. */
struct weft__kept_names {
    int64_t ttl_ns, error_ttl_ns; /* as configured; 0: nothing is kept */
    _Atomic(struct weft__kept *) names;
};

#endif
