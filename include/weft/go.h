/* SPDX-License-Identifier: MIT */
/* go.h - coroutines: spawn, join, detach, yield, identity. */
#ifndef WEFT_GO_H
#define WEFT_GO_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

struct weft_co; /* the handle of a coroutine, from weft_go_with(); see join and detach */

/**
 * weft_go_at - start fn(arg) as a coroutine; use weft_go() or go().
 *
 * @fn    the coroutine.
 * @arg   handed to fn.
 * @site  the spawn site for reports; a string that lives for ever.
 *
 * The coroutine is queued, not run at once.  It owns no stack until it first runs; if none can be
 * had then, it waits for one and is never dropped.
 *
 * Where the runtime has a limit (weft_config.coroutines_max) and there are as many as may be, the
 * call fails, or waits until it is its turn to have the place of one that ends, as `at_max` says.
 *
 * Returns    0.
 * Errors     -ENOMEM  no memory for the descriptor (128 bytes)
 *            -EAGAIN  there are as many coroutines as may be
 *            -ETIMEDOUT, -ECANCELED  a surrounding scope ended while the call waited
 * Blocks     the coroutine, never the thread, at a limit that says wait; else never.
 * Threads    a coroutine; a plain thread has weft_runtime_go().
 */
WEFT_API int weft_go_at(void (*fn)(void *), void *arg, const char *site);
#define weft_go(fn, arg) weft_go_at(fn, arg, WEFT_SITE)

/* Options of weft_go_with(); what is left 0 takes its default. */
struct weft_go_opts {
    size_t size;        /* sizeof(struct weft_go_opts), set by the macro */
    const char *name;   /* copied, at most 31 bytes are kept; default: none */
    size_t stack_bytes; /* address space of its stack, guard included, rounded up to a power of
                           two; WEFT_STACK_BYTES_MIN..MAX; default the runtime's */
    int pinned;         /* 1: the same OS thread for life (thread-locals and foreign locks hold) */
    int on_p;           /* WEFT_ON_P(k): starts on processor k; afterwards it may be stolen, unless
                           it is pinned or the runtime has no_steal */
    int own_fp;         /* 1: rounding mode and exception masks are its own (weft_own_fp()) */
    const char *site;   /* set by the macro */
    int *error;         /* receives why NULL was returned; may be NULL */
};
#define WEFT_ON_P(k) ((k) + 1)

/**
 * weft_go_opts - start fn(arg) as a coroutine with options and a handle; use weft_go_with().
 *
 * @fn    the coroutine; its value is kept for weft_join().
 * @arg   handed to fn.
 * @opts  read, not kept.
 *
 * A bad option (stack size out of range, no such processor) is fatal.
 *
 * Returns    the handle, to be given to weft_join() or weft_detach() exactly once; NULL if the
 *            coroutine could not be started.
 * Errors     in *opts->error: -ENOMEM, and those of weft_go_at() at a limit
 * Blocks     as weft_go_at() does.
 * Threads    a coroutine.
 */
WEFT_API_MUST struct weft_co *weft_go_opts(int (*fn)(void *), void *arg,
                                           const struct weft_go_opts *opts);

/**
 * weft_go_handle_at - start fn(arg) as a coroutine with a handle, and no options.
 *
 * weft_go_with() comes to it where it is given none.
 *
 * @fn     the coroutine; its value is kept for weft_join().
 * @arg    handed to fn.
 * @site   where this was called, for reports; a string that lives as long as the program, or NULL.
 * @error  receives why NULL was returned; may be NULL.
 *
 * Returns    as weft_go_opts() does.
 * Errors     as weft_go_opts() does, in *error
 * Blocks     as weft_go_at() does.
 * Threads    a coroutine.
 */
WEFT_API_MUST struct weft_co *weft_go_handle_at(int (*fn)(void *), void *arg, const char *site,
                                                int *error);

/* For weft_go_with(): where a compiler sees that nothing is asked for, nothing is looked at. */
static inline struct weft_co *weft__go_with(int (*fn)(void *), void *arg,
                                            const struct weft_go_opts *opts)
{
#if defined(__GNUC__) && defined(__OPTIMIZE__)
    const int is_plain = opts->name == NULL && opts->stack_bytes == 0 && opts->pinned == 0 &&
                         opts->on_p == 0 && opts->own_fp == 0;
    if (__builtin_constant_p(is_plain) && is_plain) {
        return weft_go_handle_at(fn, arg, opts->site, opts->error);
    }
#endif
    return weft_go_opts(fn, arg, opts);
}

#ifndef __cplusplus
/* weft_go_with(fn, arg, .name = "reader", .pinned = 1) */
#define weft_go_with(fn, arg, ...)                                                                 \
    weft__go_with(fn, arg,                                                                         \
                  &(struct weft_go_opts){                                                          \
                      .size = sizeof(struct weft_go_opts), .site = WEFT_SITE, __VA_ARGS__})
#endif

/**
 * weft_join - wait until a coroutine has ended, take its value, release the handle.
 *
 * @co      the handle; gone when 0 is returned, still the caller's after an error.
 * @result  receives the coroutine's value when 0 is returned; may be NULL.
 *
 * Joining a handle twice is fatal, and so is joining oneself.
 *
 * Returns    0.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread, one at a time for a handle.
 * Order      all that the coroutine wrote is visible after 0 is returned.
 */
WEFT_API_MUST int weft_join(struct weft_co *co, int *result);

/**
 * weft_detach - release a handle without waiting; the coroutine runs on.
 *
 * @co  the handle; gone when this returns.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_detach(struct weft_co *co);

/**
 * weft_cancel - ask a coroutine to end: the scope in which all of it runs is cancelled (scope.h).
 *
 * @co  the handle; it may be joined while the call runs, by one whom the call wakes.
 *
 * Its calls that wait, now or later, return -ECANCELED, but for those in a shield.  A coroutine
 * that has not begun begins all the same, and one that has ended is left alone.  It is up to its
 * function to return; to wait for that, join it.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread; not after join or detach.
 */
WEFT_API void weft_cancel(struct weft_co *co);

/**
 * weft_done - has the coroutine ended?
 *
 * @co  the handle.
 *
 * Returns    true if weft_join() would not wait.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API bool weft_done(const struct weft_co *co);

/**
 * weft_yield - let others run; the caller goes behind everything that is queued now, and behind at
 * least one coroutine that has not started.
 *
 * Returns    nothing.
 * Errors     none; outside a coroutine it is fatal.
 * Blocks     the coroutine, for a turn.
 * Threads    a coroutine.
 */
WEFT_API void weft_yield(void);

/**
 * weft_in_coroutine - is the caller a coroutine?
 *
 * Returns    false on a plain thread.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere, also in a signal handler.
 */
WEFT_API bool weft_in_coroutine(void);

/**
 * weft_id - the number of the calling coroutine, unique in the process for ever.
 *
 * Returns    the number, from 1; 0 on a plain thread.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere, also in a signal handler.
 */
WEFT_API uint64_t weft_id(void);

/**
 * weft_name - the name of the calling coroutine.
 *
 * Returns    the name, "" if it has none or the caller is a plain thread; valid while the
 *            coroutine lives and is not renamed.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API const char *weft_name(void);

/**
 * weft_set_name - name the calling coroutine for reports.
 *
 * @name  copied; at most 31 bytes are kept.
 *
 * Returns    0.
 * Errors     -ENOMEM  no memory; the old name stays
 *            -EPERM   not called from a coroutine
 * Blocks     never.
 * Threads    a coroutine; -EPERM on a plain thread.
 */
WEFT_API int weft_set_name(const char *name);

struct weft_g;

/**
 * weft_self - a token for the calling coroutine, to be compared and printed, never dereferenced.
 *
 * Returns    the token, NULL on a plain thread.  It may be that of a later coroutine once this one
 *            has ended; weft_id() never is.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere, also in a signal handler.
 */
WEFT_API struct weft_g *weft_self(void);

/**
 * weft_thread_index - which of the runtime's processors runs the caller now.
 *
 * Returns    0 .. weft_runtime_procs() - 1; -1 on a plain thread.  It may change at every call
 *            that can switch.  While coroutines compute on all processors, relief ones run the
 *            rest under the numbers of these: so two threads can have one number at once.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere, also in a signal handler.
 */
WEFT_API int weft_thread_index(void);

/**
 * weft_own_fp - give the calling coroutine its own floating-point environment.
 *
 * From now on the rounding mode and the exception masks (MXCSR and x87 control word, FPCR) that
 * it sets are its own: saved when it is switched out and restored when it comes back.  Without this
 * they belong to the thread, and a coroutine that changes them changes them for whoever runs next.
 *
 * Returns    nothing.
 * Errors     none; outside a coroutine it does nothing.
 * Blocks     never.
 * Threads    everywhere; on a plain thread it does nothing.
 */
WEFT_API void weft_own_fp(void);

WEFT_END_DECLS
#endif
