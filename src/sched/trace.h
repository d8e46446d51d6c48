/* SPDX-License-Identifier: MIT */
/*
 * trace.h - where a coroutine is that does not come back: for the report of a stall.
 *
 * Its thread runs, so only itself can tell: a signal makes it walk its own stack.  That is done
 * where stalls are to be reported, and there only, since a signal may end a system call early.
 *
 * [TRACE-TURN]  One walk at a time:
 *
 *   state   meaning                              next, by
 *   IDLE    nobody asks                          ASKED, the watch thread
 *   ASKED   a thread is to walk its stack        WALKS, its signal handler; IDLE, the watch thread
 *                                                that has waited for long enough
 *   WALKS   it does, and writes what it finds    DONE, the handler, with release
 *   DONE    what it found can be read            IDLE, the watch thread
 */
#ifndef WEFT_SCHED_TRACE_H
#define WEFT_SCHED_TRACE_H

#include <stdint.h>

struct weft__g;

#define WEFT__TRACE_SIGNAL SIGURG /* ignored where nobody handles it */
#define WEFT__TRACE_MAX 48

/* With the first runtime that reports stalls; where the program does not handle the signal. */
void weft__trace_handler_install(void);
/* With the last runtime. */
void weft__trace_handler_remove(void);

/* By an M's thread: it lets the signal through. */
void weft__trace_thread_begin(void);

/* By the watch thread: the call stack of g, which runs on the thread of that id; how many frames,
 * 0 if it does not answer soon or does not run g any more.  Waits for some ms at most. */
int weft__trace_take(int thread_id, const struct weft__g *g, uintptr_t *pcs);

#endif
