/* SPDX-License-Identifier: MIT */
/*
 * scope.h - deadlines and cancellation for everything that happens in a block.
 *
 *     WEFT_DEADLINE(s, 5 * WEFT_SEC) {
 *         n = weft_read(fd, buf, sizeof buf);           obeys the deadline
 *         if (n == -ETIMEDOUT && weft_scope_cause(&s) == WEFT_CAUSE_THIS) ...
 *     }
 *
 *     WEFT_SCOPE(s) {                                   no deadline, but it can be cancelled:
 *         publish(&s);                                  weft_scope_cancel(&s), from anywhere
 *         n = weft_read(fd, buf, sizeof buf);           -ECANCELED then
 *         WEFT_SHIELD(t, WEFT_SEC) {                    what must be done all the same,
 *             say_goodbye(fd);                          for a second at most
 *         }
 *     }
 *
 * The block forms end the scope however the block is left: at its end, by break, return or goto.
 * Scopes nest; the innermost one that has ended answers, with -ETIMEDOUT or -ECANCELED, whichever
 * came first to it.  A call that could finish at once, or that finished before the end was noticed,
 * succeeds: nothing that happened is lost.  Once ended, a scope stays so: every call in it that
 * would have to wait fails, until the block is left.
 *
 * A coroutine with a handle (weft_go_with()) runs in a scope of its own, which weft_cancel() ends.
 */
#ifndef WEFT_SCOPE_H
#define WEFT_SCOPE_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

/* Storage for a scope, on the stack of the coroutine; the fields are private. */
struct weft_scope {
    uintptr_t weft__private[8];
};

/* What ended a call: see weft_scope_cause(). */
enum weft_cause {
    WEFT_CAUSE_NONE = 0, /* no scope: the error came from elsewhere, such as TCP's own timeout */
    WEFT_CAUSE_THIS,     /* this scope */
    WEFT_CAUSE_OUTER,    /* a scope around this one, or weft_cancel() */
    WEFT_CAUSE_INNER,    /* a scope inside this one that has been left since */
};

/**
 * weft_scope_begin - open a scope that ends after a time; use WEFT_DEADLINE() where you can.
 *
 * @s           storage; must stay where it is until weft_scope_end().
 * @timeout_ns  from now; <= 0 has passed already, WEFT_NEVER never does.
 *
 * Returns    nothing.
 * Errors     none; outside a coroutine it is fatal.
 * Blocks     never.
 * Threads    a coroutine.
 */
WEFT_API void weft_scope_begin(struct weft_scope *s, int64_t timeout_ns);

/**
 * weft_scope_begin_until - open a scope with an absolute deadline.
 *
 * @s            storage; must stay where it is until weft_scope_end().
 * @deadline_ns  on the clock of weft_now().
 *
 * Returns    nothing.
 * Errors     none; outside a coroutine it is fatal.
 * Blocks     never.
 * Threads    a coroutine.
 */
WEFT_API void weft_scope_begin_until(struct weft_scope *s, int64_t deadline_ns);

/**
 * weft_scope_begin_shield - open a scope inside which those around it do not count; use
 * WEFT_SHIELD() where you can.
 *
 * @s           storage; must stay where it is until weft_scope_end().
 * @timeout_ns  its own deadline, from now; WEFT_NEVER for none.
 *
 * Returns    nothing.
 * Errors     none; outside a coroutine it is fatal.
 * Blocks     never.
 * Threads    a coroutine.
 */
WEFT_API void weft_scope_begin_shield(struct weft_scope *s, int64_t timeout_ns);

/**
 * weft_scope_cancel - end a scope now.
 *
 * @s  an open scope, which must not be closed before the call has begun; it may be closed while
 *     the call runs, by a coroutine that the call wakes.
 *
 * A call that waits inside it returns -ECANCELED, unless it has succeeded by then, or is shielded;
 * an operation that the kernel works on is cancelled there.  What happened before is handed over:
 * bytes that were received, connections, locks.  A second cancel does nothing.
 *
 * Returns    nothing; the calls need not have returned yet.
 * Errors     none; a scope that is not open is fatal.
 * Blocks     never.
 * Threads    any thread.
 * Order      what was written before is visible to those who see -ECANCELED.
 */
WEFT_API void weft_scope_cancel(struct weft_scope *s);

/**
 * weft_scope_status - has a scope around the caller ended?  For loops that compute and never wait.
 *
 * Returns    0.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope has passed
 *            -ECANCELED  a surrounding scope was cancelled
 * Blocks     never.
 * Threads    everywhere; 0 on a plain thread.
 */
WEFT_API int weft_scope_status(void);

/**
 * weft_scope_end - close the innermost scope.
 *
 * @s  that scope; another one is fatal.
 *
 * Returns    true if a call inside it was ended by it.
 * Errors     none
 * Blocks     never.
 * Threads    a coroutine, the one that opened it.
 */
WEFT_API bool weft_scope_end(struct weft_scope *s);

/**
 * weft_scope_cause - which scope caused the last -ETIMEDOUT or -ECANCELED of this coroutine.
 *
 * @s  an open scope of this coroutine.
 *
 * Returns    WEFT_CAUSE_THIS, _OUTER, _INNER, or _NONE if no scope has ended a call since s was
 *            opened.
 * Errors     none
 * Blocks     never.
 * Threads    a coroutine, the one that opened it.
 */
WEFT_API enum weft_cause weft_scope_cause(const struct weft_scope *s);

/**
 * weft_scope_remaining - how long until the nearest deadline around the caller.
 *
 * Returns    nanoseconds, 0 if it has passed, WEFT_NEVER if there is none or on a plain thread.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API int64_t weft_scope_remaining(void);

static inline struct weft_scope *weft__scope_open(struct weft_scope *s, int64_t timeout_ns)
{
    weft_scope_begin(s, timeout_ns);
    return s;
}

static inline struct weft_scope *weft__shield_open(struct weft_scope *s, int64_t timeout_ns)
{
    weft_scope_begin_shield(s, timeout_ns);
    return s;
}

static inline void weft__scope_leave(struct weft_scope *s)
{
    (void)weft_scope_end(s);
}

#define WEFT__SCOPE_BLOCK(name, open)                                                              \
    for (struct weft_scope name __attribute__((cleanup(weft__scope_leave))),                       \
         *weft__once_##name = (open);                                                              \
         weft__once_##name != NULL; weft__once_##name = NULL)

#define WEFT_DEADLINE(name, timeout_ns)                                                            \
    WEFT__SCOPE_BLOCK(name, weft__scope_open(&name, timeout_ns))
#define WEFT_SCOPE(name) WEFT__SCOPE_BLOCK(name, weft__scope_open(&name, WEFT_NEVER))
#define WEFT_SHIELD(name, timeout_ns)                                                              \
    WEFT__SCOPE_BLOCK(name, weft__shield_open(&name, timeout_ns))

WEFT_END_DECLS
#endif
