/* SPDX-License-Identifier: MIT */
/* random.h - small generators for choices that need no secrecy: victims, select order. */
#ifndef WEFT_BASE_RANDOM_H
#define WEFT_BASE_RANDOM_H

#include <stdint.h>

/* The finaliser of splitmix64: every bit of the input reaches every bit of the output. */
static inline uint64_t weft__random_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* xorshift64 (Marsaglia, 2003); the state is never 0. */
static inline uint64_t weft__random_next(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return x;
}

/* A number in [0, n), n > 0, without a division. */
static inline uint32_t weft__random_below(uint64_t *state, uint32_t n)
{
    return (uint32_t)(((weft__random_next(state) >> 32) * (uint64_t)n) >> 32);
}

#endif
