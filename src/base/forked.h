/* SPDX-License-Identifier: MIT */
/*
 * forked.h - is this the child of a fork that was made while a runtime lived?
 *
 * It has none of the runtime's threads, and its rings and epoll sets are the parent's.  Nobody in
 * it could end a wait, give a lock back that was held at the fork, or run a coroutine; and to wake
 * one would tell the parent's threads.  So the one thread of the child counts as a plain one, and
 * whoever would do any of that ends the process with a line instead.
 *
 * Asked on slow paths only: what is not slow needs nobody else.
 */
#ifndef WEFT_BASE_FORKED_H
#define WEFT_BASE_FORKED_H

#include "atomic.h"
#include "compiler.h"
#include "fatal.h"

extern _Atomic bool weft__is_forked; /* written in the child, by the handler of the fork */

#define WEFT__IN_CHILD " in the child of a fork; there only exec and _exit work"

/* `what` is the beginning of a constant sentence that ends in WEFT__IN_CHILD. */
static inline void weft__refuse_in_child(const char *what)
{
    if (WEFT__UNLIKELY(atomic_load_explicit(&weft__is_forked, memory_order_relaxed))) {
        weft__fatal(what);
    }
}

#endif
