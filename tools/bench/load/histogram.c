/* SPDX-License-Identifier: MIT */
/*
 * histogram.c - log-linear buckets.
 *
 * Values below 2 * PARTS have a bucket each.  Above, a value is shifted right until it is in
 * [PARTS, 2 * PARTS); the shift chooses the row of buckets, and what is left the place in it.
 */
#include "histogram.h"

static unsigned bucket_of(uint64_t value)
{
    unsigned shift;

    if (value < 2 * HISTOGRAM_PARTS)
        return (unsigned)value;
    shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_PART_BITS;
    return shift * HISTOGRAM_PARTS + (unsigned)(value >> shift);
}

/* The middle of the values that share a bucket. */
static double value_of(unsigned bucket)
{
    const unsigned shift = bucket < 2 * HISTOGRAM_PARTS ? 0 : bucket / HISTOGRAM_PARTS - 1;
    const uint64_t low = (uint64_t)(bucket - shift * HISTOGRAM_PARTS) << shift;

    return (double)low + (double)((UINT64_C(1) << shift) - 1) / 2;
}

void histogram_add(struct histogram *h, int64_t ns)
{
    if (ns < 0)
        ns = 0;
    if (ns > h->max_ns)
        h->max_ns = ns;
    h->count++;
    h->buckets[bucket_of((uint64_t)ns)]++;
}

double histogram_quantile(const struct histogram *h, double share)
{
    const double exact = share * (double)h->count;
    uint64_t rank = (uint64_t)exact; /* how many are to be at or below the value: rounded up */
    uint64_t seen = 0;

    if (h->count == 0)
        return 0;
    if ((double)rank < exact)
        rank++;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen >= rank && seen > 0)
            return value_of(i) < (double)h->max_ns ? value_of(i) : (double)h->max_ns;
    }
    return (double)h->max_ns;
}
