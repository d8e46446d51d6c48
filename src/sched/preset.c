/* SPDX-License-Identifier: MIT */
/*
 * preset.c - see preset.h.  Each difference was measured; what measured as nothing (binding alone,
 * rarer or more frequent polls, longer turns of I/O) is in none of them.
 *
 * A search of 40 rounds takes some 20 us, about what waking a thread costs.  Its last four rounds
 * also take what another P is about to run itself, if that P does not switch meanwhile.
 */
#include "preset.h"

const struct weft__preset weft__presets[] = {
    [WEFT_PRESET_BALANCED] = {.search_rounds = 40},
    /* At part load most wakes of a second P are for work that the first is about to do. */
    [WEFT_PRESET_THROUGHPUT] = {.search_rounds = 1, .tells_seldom = true},
    [WEFT_PRESET_LATENCY] = {.search_rounds = 40, .spin_ns = 200000},
    /* Who computes does not switch, so its last coroutine can be taken in the first round. */
    [WEFT_PRESET_CPU] = {.search_rounds = 4, .spin_ns = 1000000},
    [WEFT_PRESET_PER_CORE] = {.binds = true, .no_steal = true, .search_rounds = 40},
};
