/* SPDX-License-Identifier: MIT */
/*
 * place.h - on which CPUs the threads of a runtime run, and what they are called.
 *
 *   a thread that                       runs on                        is called
 *   runs P k                            the CPU of P k, if it has one  NAME-k
 *   is spare                            as before                      NAME-spare
 *   is outside, without a P             the runtime's CPUs             NAME-out
 *   carries out blocking calls          the runtime's CPUs             NAME-job
 *
 * The runtime's CPUs are those of the thread that has started it.  A thread inherits its CPUs from
 * the one that starts it, which may be bound to a single one: so each thread sees to its own.  A
 * runtime that binds nobody, and was not started by one who is bound, leaves all that to the
 * kernel: it makes none of these system calls.
 */
#ifndef WEFT_SCHED_PLACE_H
#define WEFT_SCHED_PLACE_H

#include "cpu_set.h"

#define WEFT__THREAD_NAME_BYTES 16

struct weft__m;

/* Of an M, before it has seen to it. */
#define WEFT__PLACE_UNKNOWN (-3)

struct weft__place {
    bool is_used;              /* threads have to see to their CPUs */
    struct weft__cpu_set own;  /* the runtime's */
    struct weft__cpu_set of_p; /* one for each P, in turn; empty: no P has one */
};

/* What the calling thread leaves to a runtime that it starts: `own`, and is_used. */
void weft__place_init(struct weft__place *place);

/* The CPU of the P with this index; -1: it has none, and its thread runs on the runtime's. */
int weft__place_cpu(const struct weft__place *place, int p_index);

/* By the thread of m, which is about to run its P, to be spare, to go on without a P. */
void weft__place_on_p(struct weft__m *m);
void weft__place_spare(struct weft__m *m);
void weft__place_outside(struct weft__m *m);

/* By the thread of m, the only one of a fork's child, which may start another program. */
void weft__place_in_child(const struct weft__m *m);

/* PREFIX-ROLE; the prefix is cut if both do not fit. */
void weft__place_name(char name[WEFT__THREAD_NAME_BYTES], const char *prefix, const char *role);

#endif
