/* SPDX-License-Identifier: MIT */
/*
 * group.h - coroutines that belong together: none of them outlives its group.
 *
 *     WEFT_GROUP(g, .limit = 100) {
 *         while ((fd = weft_accept(listener, NULL)) >= 0)
 *             weft_group_go(&g, serve, client(fd));      waits while a hundred run
 *     }                                                  and here until all have ended
 *
 * A child is a function that returns an int; a negative one is an error.  The first error cancels
 * the other children (scope.h), unless the group was begun with .on_error = WEFT_GROUP_RUNS_ON.
 *
 * The block form waits for the children at its end.  Left in any other way (break, return, goto) it
 * cancels them first.  If a scope around the one who waits ends, the children are cancelled, waited
 * for all the same, and the scope's error is returned.
 */
#ifndef WEFT_GROUP_H
#define WEFT_GROUP_H

#include <weft/base.h>
#include <weft/go.h>

WEFT_BEGIN_DECLS

/* Storage for a group, mostly on the stack of the one who waits; the fields are private. */
struct weft_group {
    uintptr_t weft__private[24];
};

/* What the first child does to the others that returns an error. */
enum weft_group_policy {
    WEFT_GROUP_CANCELS = 0, /* they are cancelled */
    WEFT_GROUP_RUNS_ON,     /* nothing */
};

/* Options of a group; what is left 0 takes its default. */
struct weft_group_opts {
    size_t size;                     /* sizeof(struct weft_group_opts), set by the macros */
    int64_t limit;                   /* how many children run at once; default: any number */
    enum weft_group_policy on_error; /* default: WEFT_GROUP_CANCELS */
    int keep_ends;                   /* 1: for weft_group_next(); else ends are forgotten */
};

/* Options of a child; what is left 0 takes its default. */
struct weft_child_opts {
    size_t size;            /* sizeof(struct weft_child_opts), set by the macro */
    const char *name;       /* as of weft_go_with() */
    size_t stack_bytes;     /* as of weft_go_with() */
    int restarts;           /* how often it is run again after an error; -1: always */
    int64_t backoff_ns;     /* the wait before the first restart, doubled before each further one,
                               give or take a quarter; default 10 ms */
    int64_t backoff_max_ns; /* at most so long; default 10 s */
    struct weft_co **handle; /* receives a handle, to be joined or detached; default: none */
    const char *site;       /* set by the macro */
};

/* How a child has ended. */
struct weft_ended {
    uint64_t id; /* its weft_id() */
    void *arg;   /* what it was given */
    int result;
};

/**
 * weft_group_begin - open a group; use WEFT_GROUP() where you can.
 *
 * @g     storage; must stay where it is until weft_group_end().
 * @opts  read, not kept; NULL for the defaults.
 *
 * A bad option (a negative limit, no such policy) is fatal.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_group_begin(struct weft_group *g, const struct weft_group_opts *opts);

/**
 * weft_group_end - close a group: children that still run are cancelled and waited for.
 *
 * @g  the group; its storage is free again afterwards.
 *
 * Returns    0, or the first error of a child.
 * Errors     what a child returned
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.  No scope ends it.
 * Threads    any thread but a child, once.
 */
WEFT_API int weft_group_end(struct weft_group *g);

/**
 * weft_group_go_opts - start fn(arg) as a child; use weft_group_go() or weft_group_try_go().
 *
 * @g         an open group.
 * @fn        the child; a negative value is an error.
 * @arg       handed to fn.
 * @opts      read, not kept.
 * @may_wait  whether to wait for room where as many run as may.
 *
 * A child has a place in the group, and then, where the runtime has a limit, one of its places, and
 * keeps both over its restarts.  The call waits for the runtime's only if at_max says so.
 *
 * Returns    0.
 * Errors     -EAGAIN     as many run as may, and may_wait is false; or the runtime refuses
 *            -ECANCELED  the group was cancelled, or a surrounding scope
 *            -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ENOMEM     no memory
 * Blocks     the coroutine, never the thread, where may_wait is true.
 * Threads    a coroutine, children included.
 */
WEFT_API_MUST int weft_group_go_opts(struct weft_group *g, int (*fn)(void *), void *arg,
                                     const struct weft_child_opts *opts, bool may_wait);
#ifndef __cplusplus
/* weft_group_go(&g, serve, client, .name = "client") */
#define weft_group_go(g, fn, arg, ...)                                                             \
    weft_group_go_opts(g, fn, arg,                                                                 \
                       &(struct weft_child_opts){.size = sizeof(struct weft_child_opts),           \
                                                 .site = WEFT_SITE, __VA_ARGS__},                  \
                       true)
#define weft_group_try_go(g, fn, arg, ...)                                                         \
    weft_group_go_opts(g, fn, arg,                                                                 \
                       &(struct weft_child_opts){.size = sizeof(struct weft_child_opts),           \
                                                 .site = WEFT_SITE, __VA_ARGS__},                  \
                       false)
#endif

/**
 * weft_group_wait - wait until all children have ended, those included that are started meanwhile.
 *
 * @g  an open group.
 *
 * When a surrounding scope ends, the children are cancelled, and the call still waits for them.
 *
 * Returns    0: all have ended, none with an error.
 * Errors     the first error of a child
 *            -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread but a child.
 * Order      all that the children wrote is visible afterwards.
 */
WEFT_API_MUST int weft_group_wait(struct weft_group *g);

/**
 * weft_group_next - wait for the next child to end, in the order in which they do.
 *
 * @g    a group begun with .keep_ends = 1; without, it is fatal.
 * @end  receives how it ended; may be NULL.
 *
 * Returns    0: an end was taken.
 * Errors     -ECHILD     no child runs, and all ends were taken
 *            -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 * Order      all that the child wrote is visible afterwards.
 */
WEFT_API_MUST int weft_group_next(struct weft_group *g, struct weft_ended *end);

/**
 * weft_group_cancel - cancel all children; those started later are refused.
 *
 * @g  an open group.
 *
 * Returns    nothing; the children need not have ended.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_group_cancel(struct weft_group *g);

/**
 * weft_group_count - how many children have been started and not ended.
 *
 * @g  an open group.
 *
 * Returns    the number, which may have changed by the time it is looked at.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API int64_t weft_group_count(struct weft_group *g);

#ifndef __cplusplus
static inline struct weft_group *weft__group_open(struct weft_group *g,
                                                  const struct weft_group_opts *opts)
{
    weft_group_begin(g, opts);
    return g;
}

static inline void weft__group_leave(struct weft_group *g)
{
    (void)weft_group_end(g);
}

#define WEFT_GROUP(name, ...)                                                                      \
    for (struct weft_group name __attribute__((cleanup(weft__group_leave))),                       \
         *weft__once_##name = weft__group_open(                                                    \
             &name, &(struct weft_group_opts){.size = sizeof(struct weft_group_opts),              \
                                              __VA_ARGS__});                                       \
         weft__once_##name != NULL;                                                                \
         weft__once_##name = ((void)!weft_group_wait(&name), NULL))
#endif

WEFT_END_DECLS
#endif
