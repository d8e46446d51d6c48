/* SPDX-License-Identifier: MIT */
/*
 * signals.h - signals for those who ask: one handler for the process, and a list of listeners.
 *
 * A signal that is sent to the process goes to any thread that has it open, or stays with the
 * process while none has.  So a signal that is asked for gets a handler, which serves whatever
 * threads of the program have it open; and the watch thread opens it, for where all others block
 * it.  What the handler does is the same on each: it notes the signal with all who listen, and
 * makes their fds readable.
 *
 *   installed  the handler is ours                         from the first that asks to the last
 *   opened     by the watch thread, while there is one     follows what is asked for
 *
 * A signal gets its old handler back when nobody asks for it any more, and not before the watch
 * thread has shut it: a program may block it elsewhere, and count on its not being delivered.
 */
#ifndef WEFT_SCHED_SIGNALS_H
#define WEFT_SCHED_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/atomic.h"

#define WEFT__SIGNALS 64

struct weft__listener {
    uint64_t asked;            /* bit n - 1: signal n; does not change while it listens */
    int fd;                    /* an eventfd: readable if something is pending */
    _Atomic uint64_t pending;  /* bits as above: those that have come and were not taken */
    _Atomic uint32_t counts[WEFT__SIGNALS];  /* how often each has come since it was taken */
    _Atomic uint64_t senders[WEFT__SIGNALS]; /* the last one: user << 32 | process */
    _Atomic(struct weft__listener *) next;   /* written under RANK_SIGNALS */
};

/* Which signals can be listened to. */
bool weft__signals_are_valid(uint64_t signals);

/* Any thread.  listen gives 0 or -errno; after leave no handler looks at the listener. */
int weft__signals_listen(struct weft__listener *l);
void weft__signals_leave(struct weft__listener *l);

/* By the watch thread: open what is asked for, and shut the rest; shut all, before it ends. */
void weft__signals_open(void);
void weft__signals_shut(void);

/* By the one thread that the child of a fork has; perhaps twice. */
void weft__signals_in_child(void);

/* `handler`, which is no more, may be what a signal would get back: then it gets the default. */
void weft__signals_forget(int sig, void (*handler)(int));

#endif
