/* SPDX-License-Identifier: MIT */
/* preset.h - what each preset has in the place of the defaults. */
#ifndef WEFT_SCHED_PRESET_H
#define WEFT_SCHED_PRESET_H

#include <weft/runtime.h>

struct weft__preset {
    /* For fields of weft_config. */
    bool binds; /* cpus is "each" */
    bool no_steal;
    int64_t spin_ns;
    /* For what has no field: find.c. */
    uint32_t search_rounds; /* of a P that has nothing, before it lingers or sleeps */
    bool tells_seldom;      /* not after each sleep */
};

/* By enum weft_preset. */
extern const struct weft__preset weft__presets[];

#endif
