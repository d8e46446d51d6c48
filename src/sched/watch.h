/* SPDX-License-Identifier: MIT */
/*
 * watch.h - one thread a process that does what neither a coroutine nor a signal handler may: it
 * prints dumps and fault reports, looks closely when a runtime seems to be deadlocked, and reads
 * how many processors may run.  It is the look-out as well (lookout.h).
 *
 * When nothing runs it sleeps without a time-out until somebody posts; all signals are blocked in
 * it but those that somebody has asked for (signals.h).  What it prints is observe/'s business: the
 * weft__report_ functions below are implemented there.
 */
#ifndef WEFT_SCHED_WATCH_H
#define WEFT_SCHED_WATCH_H

#include <signal.h>
#include <stdint.h>

#include "../base/lock.h"

struct weft_runtime;
struct weft__fault;
struct weft__g;

enum {
    WATCH_DUMP = 1,     /* SIGQUIT arrived */
    WATCH_DEADLOCK = 2, /* a runtime asks for a look: rt->wants_look */
    WATCH_FAULT = 4,    /* a thread has recorded a fault and waits */
    WATCH_LEAVE = 8,
    WATCH_LOOK = 16, /* a P is busy while the look-out sleeps */
    WATCH_CPUS = 32, /* it is time to look how many processors may run (stand.h) */
    WATCH_SIGNALS = 64, /* other signals are asked for (signals.h) */
};

/*
 * A runtime has started or is about to end.  begin starts the thread and the signal handlers with
 * the first runtime; 0 or -errno.
 *
 * A thread costs a program as much as all the rest that it does in its first millisecond.  So
 * weft_run(), whose caller waits anyhow, begins without (starts_later) and calls weft__watch_now()
 * when it has lasted WEFT__WATCH_LATER_NS; what is posted before waits for the thread.
 */
#define WEFT__WATCH_LATER_NS 1000000
int weft__watch_begin(struct weft_runtime *rt, bool starts_later);
int weft__watch_now(void);
/* True: that was the last one, and the thread has been told to leave: weft__watch_join(). */
bool weft__watch_end(struct weft_runtime *rt);
void weft__watch_join(void);

/* Any thread, signal handlers too. */
void weft__watch_post(uint32_t what);
void weft__watch_ask_deadlock(struct weft_runtime *rt);

/* All runtimes of the process, linked by rt->next; hold the lock while walking. */
extern struct weft__lock weft__runtimes_lock; /* RANK_PROCESS */
extern struct weft_runtime *weft__runtimes;

/* deadlock.c: by the watch thread, with the lock of the runtimes.  True asks for a second look
 * WEFT__STALL_NS later. */
#define WEFT__STALL_NS 1000000000
bool weft__deadlock_look(struct weft_runtime *rt, bool is_second_look);

/* Implemented in observe/. */
/* It has kept its P for so long, and has n calls. */
void weft__report_stall(struct weft__g *g, int64_t ns, const uintptr_t *pcs, int n);
int weft__report_all(int fd, const char *head); /* every live coroutine */
void weft__report_deadlock(struct weft_runtime *rt, bool is_certain);
void weft__report_no_stack(struct weft_runtime *rt);
void weft__report_fault(const struct weft__fault *f);
void weft__report_left_locks(struct weft__g *g); /* it ends, and holds them */
char *weft__report_who(char *text, unsigned bytes); /* for weft__fatal() */
void weft__report_own_stack(void);
void weft__report_held(struct weft__g *g, const char *does, const void *where,
                       const void *locked_at); /* mutexes.h */

#endif
