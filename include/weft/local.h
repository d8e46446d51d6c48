/* SPDX-License-Identifier: MIT */
/*
 * local.h - values that belong to a coroutine: locals under keys, and its errno.
 *
 *     static struct weft_key request = {.destroy = free, .inherit = copy_request};
 *
 *     weft_local_set(&request, r);             in the coroutine that serves it
 *     struct request *r = weft_local_get(&request);       in any function that it calls, and in
 *                                              the coroutines that it starts
 *
 * A key is an object of the program's, mostly a static one: there is nothing to make and nothing to
 * free, there may be any number of them, and what tells one from another is its address.  A
 * coroutine pays for those that it has set, and for none if it has set none.  To look one up takes
 * 2 ns; a spawn with something to inherit takes 100 ns more than one without.
 */
#ifndef WEFT_LOCAL_H
#define WEFT_LOCAL_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

/*
 * A key: it must stay where it is, unchanged, as long as a coroutine has a value under it.  All
 * fields may be left 0.  Make it `static`, not `const`: constants may share an address.
 *
 * destroy  is called with the value when the coroutine ends, however it ends: by returning, also
 *          from a cancelled call, or by weft_exit().  It runs in the coroutine, which has no value
 *          under the key any more, after all deferred cleanups (weft/defer.h), in no particular
 *          order.  It may wait, spawn, and set locals: what it sets is destroyed in a next round,
 *          of which there are WEFT_LOCAL_ROUNDS at most.  Not called for NULL.
 * inherit  is called when the coroutine starts another one (weft_go(), weft_go_with(), also into a
 *          group), by the parent, with its value: what it returns is the child's value, which the
 *          child owns.  NULL as a field: the child inherits nothing.  To share one value, count
 *          references there; where nobody owns it, use weft_inherit_same().  It must not end the
 *          coroutine; what it waits for, the spawn waits for.  weft_runtime_go() and
 *          weft_block_on() start coroutines that inherit nothing.
 */
struct weft_key {
    void (*destroy)(void *value);
    void *(*inherit)(void *value);
    const void *weft__reserved[2];
};

/* For C++ without designated initialisers: static weft_key request = WEFT_KEY(free, copy); */
#define WEFT_KEY(destroy, inherit)                                                                 \
    {                                                                                              \
        destroy, inherit,                                                                          \
        {                                                                                          \
            0, 0                                                                                   \
        }                                                                                          \
    }

/* How often destructors run that were set again by destructors; then what is left is forgotten. */
#define WEFT_LOCAL_ROUNDS 4

/**
 * weft_local_get - the calling coroutine's value under a key.
 *
 * @key  the key.
 *
 * Returns    the value; NULL if it has none, and on a plain thread.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void *weft_local_get(const struct weft_key *key);

/**
 * weft_local_set - set the calling coroutine's value under a key.
 *
 * @key    the key.
 * @value  the coroutine owns it from now on; NULL takes it away.  The value before is the caller's
 *         again: no destructor is called for it.
 *
 * A coroutine that is discarded by weft_runtime_stop(), or at the end of weft_run(), did not come
 * to its end: its destructors do not run, as its stack is not unwound.
 *
 * Returns    0.
 * Errors     -ENOMEM  no memory; the value before is still set
 *            -EPERM   not called from a coroutine
 * Blocks     never.
 * Threads    a coroutine.
 */
WEFT_API_MUST int weft_local_set(const struct weft_key *key, void *value);

/**
 * weft_inherit_same - for the field `inherit` of a key: the child has the parent's value.
 *
 * @value  the parent's.
 *
 * Returns    the value.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API void *weft_inherit_same(void *value);

/**
 * weft_errno_location - where errno is now; use weft_errno.
 *
 * errno is the thread's, and a coroutine may come out of any blocking call on another thread.
 * Compilers do not know: they look up the address of errno once a function, and read the errno of
 * the thread that the function began on.  weft_errno looks it up each time that it is named:
 *
 *     fd = open(path, O_RDONLY);
 *     if (fd < 0)
 *         return -weft_errno;                       never stale, wherever the coroutine has been
 *
 * Use it in place of errno in every function that also calls something that may wait.  Read it
 * right after the libc call: like any library, the calls of Weft change it, and so do others that
 * run on the thread while the coroutine waits, unless it asked for weft_own_errno().  Weft itself
 * reports nothing through it.
 *
 * Returns    the address; good until the next call that may wait.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere, also in a signal handler.
 */
WEFT_API int *weft_errno_location(void);
#define weft_errno (*weft_errno_location())

/**
 * weft_own_errno - keep the errno of the calling coroutine over its waits.
 *
 * From now on its errno is saved when it is switched out and set again when it comes back, on
 * whatever thread that is.  For code that reads errno after a callback has waited; such code, if it
 * is not built for it (see weft_errno_location()), must run in a pinned coroutine besides.
 *
 * Returns    nothing.
 * Errors     none; outside a coroutine it does nothing.
 * Blocks     never.
 * Threads    everywhere; outside a coroutine it does nothing.
 */
WEFT_API void weft_own_errno(void);

WEFT_END_DECLS
#endif
