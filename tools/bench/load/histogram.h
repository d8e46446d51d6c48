/* SPDX-License-Identifier: MIT */
/*
 * histogram.h - counts of durations in log-linear buckets: each power of two is cut into 128
 * buckets of the same width, so that a value is known to 1/128, which is less than 1 %.
 */
#ifndef LOAD_HISTOGRAM_H
#define LOAD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_PART_BITS 7
#define HISTOGRAM_PARTS (1 << HISTOGRAM_PART_BITS)
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_PART_BITS) * HISTOGRAM_PARTS)

struct histogram {
    uint64_t count;
    int64_t max_ns; /* exact */
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* Counts one duration; a negative one counts as 0. */
void histogram_add(struct histogram *h, int64_t ns);

/* The value that a share of all (0.99) does not exceed, in ns; 0 if there are none. */
double histogram_quantile(const struct histogram *h, double share);

#endif
