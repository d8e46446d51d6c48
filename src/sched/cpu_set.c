/* SPDX-License-Identifier: MIT */
/* cpu_set.c - see cpu_set.h. */
#include "cpu_set.h"

#include <string.h>

#include "../base/compiler.h"

static bool has(const struct weft__cpu_set *set, int cpu)
{
    size_t i = (size_t)cpu;
    return (set->bits[i / WEFT__CPU_WORD_BITS] >> (i % WEFT__CPU_WORD_BITS) & 1) != 0;
}

void weft__cpu_set_add(struct weft__cpu_set *set, int cpu)
{
    size_t i = (size_t)cpu;
    set->bits[i / WEFT__CPU_WORD_BITS] |= 1ul << (i % WEFT__CPU_WORD_BITS);
}

int weft__cpu_set_count(const struct weft__cpu_set *set)
{
    int count = 0;
    for (size_t i = 0; i < WEFT__COUNT(set->bits); i++) {
        count += __builtin_popcountl(set->bits[i]);
    }
    return count;
}

bool weft__cpu_set_is_within(const struct weft__cpu_set *set, const struct weft__cpu_set *other)
{
    for (size_t i = 0; i < WEFT__COUNT(set->bits); i++) {
        if ((set->bits[i] & ~other->bits[i]) != 0) {
            return false;
        }
    }
    return true;
}

int weft__cpu_set_nth(const struct weft__cpu_set *set, int k)
{
    for (int cpu = 0; cpu < WEFT__CPUS_MAX; cpu++) {
        if (has(set, cpu) && k-- == 0) {
            return cpu;
        }
    }
    return -1;
}

/* A number below WEFT__CPUS_MAX, from the front of *at. */
static bool take_number(const char **at, int *out)
{
    const char *digits = *at;
    *out = 0;
    while (**at >= '0' && **at <= '9' && *out < WEFT__CPUS_MAX) {
        *out = *out * 10 + (*(*at)++ - '0');
    }
    return *at != digits && *out < WEFT__CPUS_MAX;
}

static bool take_char(const char **at, char c)
{
    if (**at != c) {
        return false;
    }
    (*at)++;
    return true;
}

/* N, N-M or N-M:STEP */
static bool take_range(const char **at, struct weft__cpu_set *set)
{
    int first;
    int step = 1;
    if (!take_number(at, &first)) {
        return false;
    }
    int last = first;
    if (take_char(at, '-') && (!take_number(at, &last) || last < first ||
                               (take_char(at, ':') && (!take_number(at, &step) || step == 0)))) {
        return false;
    }
    for (int cpu = first; cpu <= last; cpu += step) {
        weft__cpu_set_add(set, cpu);
    }
    return true;
}

bool weft__cpu_set_parse(struct weft__cpu_set *set, const char *list)
{
    memset(set, 0, sizeof *set);
    do {
        if (!take_range(&list, set)) {
            return false;
        }
    } while (take_char(&list, ','));
    return *list == 0;
}

void weft__cpu_set_list(const struct weft__cpu_set *set, struct weft__text *t)
{
    const char *comma = "";
    for (int first = 0; first < WEFT__CPUS_MAX; first++) {
        if (!has(set, first)) {
            continue;
        }
        int last = first;
        while (last + 1 < WEFT__CPUS_MAX && has(set, last + 1)) {
            last++;
        }
        weft__text_add(t, comma);
        weft__text_int(t, first);
        if (last > first) {
            weft__text_add(t, "-");
            weft__text_int(t, last);
        }
        comma = ",";
        first = last;
    }
}
