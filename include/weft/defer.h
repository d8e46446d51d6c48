/* SPDX-License-Identifier: MIT */
/*
 * defer.h - cleanups that run by themselves: at the end of a block, or of the coroutine.
 *
 *     char *line = malloc(bytes);
 *     WEFT_DEFER(free, line);                  when the block is left, however it is left
 *
 *     if (weft_defer(drop_session, s) != 0)    when the coroutine ends, however deep this is called
 *         ...
 *
 * A cancelled coroutine is one whose blocking calls return -ECANCELED: it returns, and both kinds
 * run.  weft_exit() ends a coroutine without returning; it runs both kinds as well.
 */
#ifndef WEFT_DEFER_H
#define WEFT_DEFER_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

/**
 * weft_defer - have fn(arg) run at the end of the calling coroutine.
 *
 * @fn   runs in the coroutine, which may still do all that a coroutine may: wait, spawn, defer.
 * @arg  handed to fn.
 *
 * The last one deferred runs first; then the locals of the coroutine are destroyed (weft/local.h),
 * and then those who join it are told.  They run however the coroutine ends: by returning, also
 * after a call that was cancelled (in a coroutine that is cancelled as a whole, what they wait for
 * is as well, unless it is shielded), or by weft_exit().  They do not run if it is discarded by
 * weft_runtime_stop() or at the end of weft_run().
 *
 * Returns    0.
 * Errors     -ENOMEM  no memory: fn was not taken and will not run
 *            -EPERM   not called from a coroutine
 * Blocks     never.
 * Threads    a coroutine.
 */
WEFT_API_MUST int weft_defer(void (*fn)(void *), void *arg);

/**
 * weft_defer_cancel - take a cleanup back: it does not run.
 *
 * @fn   as it was deferred,
 * @arg  and with what; of several that are alike, the last.
 *
 * Of both kinds, those of weft_defer() and of WEFT_DEFER().
 *
 * Returns    0.
 * Errors     -ENOENT  the coroutine has no such cleanup, or it has run
 *            -EPERM   not called from a coroutine
 * Blocks     never.
 * Threads    a coroutine.
 */
WEFT_API int weft_defer_cancel(void (*fn)(void *), void *arg);

/* Storage for the cleanup of a block, in its frame; the fields are private. */
struct weft_defer {
    uintptr_t weft__private[5];
};

/**
 * weft_defer_begin - have fn(arg) run when a block is left; use WEFT_DEFER() where you can.
 *
 * @d    storage; must stay where it is until weft_defer_end().
 * @fn   runs at weft_defer_end(), or if weft_exit() is called before.
 * @arg  handed to fn.
 *
 * Returns    d.
 * Errors     none
 * Blocks     never.
 * Threads    any thread; on a plain thread fn runs at weft_defer_end() alone.
 */
WEFT_API struct weft_defer *weft_defer_begin(struct weft_defer *d, void (*fn)(void *), void *arg);

/**
 * weft_defer_end - the block is left: run its cleanup, unless weft_defer_cancel() took it back.
 *
 * @d  from weft_defer_begin().  A coroutine that returns without this is a fatal error.
 *
 * Returns    nothing.
 * Errors     none; by another coroutine than the one that began it is fatal.
 * Blocks     as fn does.
 * Threads    any thread, the caller of weft_defer_begin().
 */
WEFT_API void weft_defer_end(struct weft_defer *d);

#define WEFT_DEFER__NAME(line) weft__defer_##line
#define WEFT_DEFER__AS(name, fn, arg)                                                              \
    struct weft_defer name __attribute__((cleanup(weft_defer_end)));                               \
    (void)weft_defer_begin(&name, fn, arg)
#define WEFT_DEFER__AT(line, fn, arg) WEFT_DEFER__AS(WEFT_DEFER__NAME(line), fn, arg)
/* A declaration, of which there may be one a line: from here on, fn(arg) runs when the surrounding
 * block is left: at its end, by break, return or goto, by an exception, or by weft_exit(). */
#define WEFT_DEFER(fn, arg) WEFT_DEFER__AT(__LINE__, fn, arg)

/**
 * weft_exit - end the calling coroutine here, as if its function returned `result`.
 *
 * @result  what weft_join() gives, or weft_run() returns; nobody sees that of one started by go().
 *
 * The scopes of the coroutine are closed; its cleanups run, those of blocks (WEFT_DEFER()) and its
 * own (weft_defer()), the last begun first; then the destructors of its locals.  Beyond that its
 * frames are not unwound: C++ destructors and __attribute__((cleanup)) functions of others do not
 * run, locks that are held there stay held, and a weft_once_do() stays under way.  A group that was
 * begun there (weft/group.h) must have been ended: its memory goes.  In a cleanup it ends that
 * cleanup, and the rest of them run.
 *
 * Returns    never.
 * Errors     none; outside a coroutine it is fatal.
 * Blocks     as the cleanups do.
 * Threads    a coroutine.
 */
WEFT_API WEFT_NORETURN void weft_exit(int result);

WEFT_END_DECLS
#endif
