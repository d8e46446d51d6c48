/* SPDX-License-Identifier: MIT */
/*
 * run.h - one run of the load: what is wanted, and what was found.
 */
#ifndef LOAD_RUN_H
#define LOAD_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"

struct options {
    const char *host;
    const char *port;
    unsigned connections;
    unsigned bytes; /* of a message */
    double seconds; /* of the window that is measured */
    double warmup;  /* seconds before it */
    double rate;    /* messages a second over all connections; 0: closed loop */
    bool is_json;
    bool has_marks; /* print "begin" and "end" when the window begins and ends */
};

struct result {
    uint64_t requests; /* answered within the window */
    uint64_t errors;   /* connections lost, and messages that were not answered */
    uint64_t unsent;   /* open loop: due within the window, and not sent for lack of time */
    struct histogram latency;
    struct histogram lateness; /* open loop: of the sends that waited for nothing but us */
};

/* 0, or -1 after a message. */
int run_load(const struct options *options, struct result *result);

#endif
