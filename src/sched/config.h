/* SPDX-License-Identifier: MIT */
/* config.h - a configuration with everything decided: from the struct, the environment, the preset,
 * defaults; but `procs` stays 0 if nobody asks for a number. */
#ifndef WEFT_SCHED_CONFIG_H
#define WEFT_SCHED_CONFIG_H

#include <weft/runtime.h>

#include "place.h"

/* The words of WEFT_REACTOR, by enum weft_reactor, from WEFT_REACTOR_AUTO on. */
extern const char *const weft__reactor_words[4];

/* Fill in `out` and `place` from `given` (NULL: nothing given) and the environment.  0, or -EINVAL
 * after a line on stderr that names the field or variable and what it may be. */
int weft__config_resolve(struct weft_config *out, struct weft__place *place,
                         const struct weft_config *given);

#endif
