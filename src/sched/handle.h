/* SPDX-License-Identifier: MIT */
/* handle.h - the handle of a coroutine: its end, its value, and who waits for them. */
#ifndef WEFT_SCHED_HANDLE_H
#define WEFT_SCHED_HANDLE_H

#include "../base/lock.h"
#include "wait.h"

/* Two references: the coroutine's, dropped at its end, and the holder's, dropped by join or
 * detach. */
struct weft_co {
    struct weft__lock lock; /* RANK_CHAN; protects waiters, result and the change of is_done */
    _Atomic uint32_t refs;
    _Atomic bool is_done;
    _Atomic bool is_released; /* joined or detached: a second time is an error */
    int result;
    struct weft__g *g; /* the coroutine, until is_done */
    struct weft__waitq waiters;
};

struct weft_co *weft__handle_make(void);
void weft__handle_unref(struct weft_co *co);

/* The coroutine has ended with `result`: everybody who waits is claimed and made runnable. */
void weft__handle_finish(struct weft_co *co, int result);

#endif
