/* SPDX-License-Identifier: MIT */
/*
 * fault.h - SIGSEGV, SIGBUS and SIGQUIT: handlers that only note and wake; the watch thread prints.
 * And SIGABRT, which abort() sends to its own thread: that one prints.
 *
 * A handler is installed only where the disposition was the default, and removed with the last
 * runtime.  After a fault was reported, the process dies by the original signal.
 */
#ifndef WEFT_SCHED_FAULT_H
#define WEFT_SCHED_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "../arch/unwind.h"

struct weft__m;
struct weft__g;
struct weft_runtime;

/* What a faulting thread leaves for the report. */
struct weft__fault {
    int signal;
    uintptr_t address;
    struct weft__g *g; /* the coroutine that ran */
    bool is_overflow;  /* the address lies in the guard of its stack */
    struct weft__frame frame;
};

void weft__fault_handlers_install(void);
void weft__fault_handlers_remove(void);

/* An alternate signal stack for an M's thread, and its end. */
void weft__fault_thread_begin(struct weft__m *m);
void weft__fault_thread_end(struct weft__m *m);

/* By the watch thread: print what was recorded and let the faulting thread go on to die. */
void weft__fault_report(void);

/* By a coroutine that is about to switch: fatal if it has left its stack and no guard was there. */
void weft__g_check_canary(const struct weft__g *g);

#endif
