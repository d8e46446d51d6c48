/* SPDX-License-Identifier: MIT */
/*
 * select.h - one wait for everything: receive, send, readable and writable fds, join, ticks,
 * events, the other shapes of channels, futures, wakers, a timeout, a default, in any mix and
 * number.
 *
 * The array form:
 *
 *     struct weft_case cases[] = {
 *         weft_case_recv(jobs, &job),
 *         weft_case_readable(fd),
 *         weft_case_after(2 * WEFT_SEC),
 *     };
 *     switch (weft_select(cases, 3)) {
 *     case 0: if (cases[0].rc == 0) work(job); else ...closed...; break;
 *     case 1: ...
 *     case 2: ...timeout...
 *     default: ...-ETIMEDOUT or -ECANCELED of a surrounding scope...
 *     }
 *
 * The block form, which names each case where it is handled:
 *
 *     WEFT_SELECT {
 *         WEFT_ON_RECV(jobs, &job) { if (WEFT_SELECT_RC == 0) work(job); }
 *         WEFT_ON_READABLE(fd)     { ... }
 *         WEFT_ON_AFTER(2 * WEFT_SEC) { ... }
 *         WEFT_ON_ERROR(rc)        { ...a surrounding scope has ended... }
 *     }
 *
 * In the block form, write nothing but WEFT_ON_... clauses directly inside the block, at most
 * WEFT_SELECT_BLOCK_MAX of them.  Arguments are evaluated once.  `break` and `continue` inside a
 * clause leave the select (they do not reach a loop around it); `return` and `goto` work.
 */
#ifndef WEFT_SELECT_H
#define WEFT_SELECT_H

#include <weft/broadcast.h>
#include <weft/chan.h>
#include <weft/event.h>
#include <weft/future.h>
#include <weft/go.h>
#include <weft/oneshot.h>
#include <weft/time.h>
#include <weft/watch.h>

WEFT_BEGIN_DECLS

enum weft_case_kind {
    WEFT_CASE_NONE = 0, /* never ready */
    WEFT_CASE_RECV,
    WEFT_CASE_SEND,
    WEFT_CASE_READABLE,
    WEFT_CASE_WRITABLE,
    WEFT_CASE_JOIN,
    WEFT_CASE_TICK,
    WEFT_CASE_AFTER,
    WEFT_CASE_ONESHOT,
    WEFT_CASE_BROADCAST,
    WEFT_CASE_WATCH,
    WEFT_CASE_FUTURE,
    WEFT_CASE_WAKER,
    WEFT_CASE_EVENT,
    WEFT_CASE_DEFAULT,
};

/* One case.  Make it with a weft_case_...() call; read `rc` after the case was chosen. */
struct weft_case {
    int kind;     /* enum weft_case_kind */
    int fd;       /* readable, writable */
    void *object; /* channel of any shape, subscriber, handle, ticker, future, waker, event */
    void *value;  /* where a received value or a result goes; what is sent */
    union {
        int64_t ns;        /* after: the absolute time */
        uint64_t *version; /* watch: the version that was seen; receives that of the value */
    };
    int64_t rc; /* of the chosen case: 0; -EPIPE for a closed channel; what an await would say for
                   a future; the number of periods for a tick, of values that were lost before this
                   one for a broadcast; poll(2) bits (POLLIN, POLLHUP, ...) or -errno for an fd */
};

/**
 * weft_select - wait until one of several cases can go on, and carry it out.
 *
 * @cases  the cases, in any order; `rc` of the chosen one is set.
 * @n      how many; 0, or none that can ever be ready, waits for ever (within the scopes).
 *
 * If several can go on, one is chosen at random, each with the same chance.  A default case is
 * chosen if no other can go on at once.  A channel may stand in several cases.  Exactly one case
 * is carried out; the others leave no trace.  A join case that was chosen has released its handle.
 * Without a default, a coroutine that has run for some ms without ever waiting may give way to
 * others first.
 *
 * Returns    the index of the chosen case.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled
 *            -EXDEV      a channel belongs to another runtime and is not shared
 *            -ENOMEM     no memory for more than 8 cases, or for an fd case
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine.
 */
WEFT_API_MUST int weft_select(struct weft_case *cases, int n);

static inline struct weft_case weft__case(int kind, int fd, void *object, const void *value,
                                          int64_t ns)
{
    struct weft_case c;
    c.kind = kind;
    c.fd = fd;
    c.object = object;
    c.value = (void *)(uintptr_t)value;
    c.ns = ns;
    c.rc = 0;
    return c;
}

/* A receive; `value` may be NULL.  A NULL channel is never ready. */
static inline struct weft_case weft_case_recv(struct weft_chan *ch, void *value)
{
    return weft__case(WEFT_CASE_RECV, -1, ch, value, 0);
}

/* A send of the elem_bytes bytes at `value`, read when the case is carried out. */
static inline struct weft_case weft_case_send(struct weft_chan *ch, const void *value)
{
    return weft__case(WEFT_CASE_SEND, -1, ch, value, 0);
}

/* An fd that can be read without waiting, has an error, or was hung up. */
static inline struct weft_case weft_case_readable(int fd)
{
    return weft__case(WEFT_CASE_READABLE, fd, NULL, NULL, 0);
}

/* An fd that can be written without waiting, has an error, or was hung up. */
static inline struct weft_case weft_case_writable(int fd)
{
    return weft__case(WEFT_CASE_WRITABLE, fd, NULL, NULL, 0);
}

/* The end of a coroutine; `result` may be NULL.  Chosen, it is a join: the handle is gone. */
static inline struct weft_case weft_case_join(struct weft_co *co, int *result)
{
    return weft__case(WEFT_CASE_JOIN, -1, co, result, 0);
}

/* The next tick of a ticker; `rc` says how many periods it stands for. */
static inline struct weft_case weft_case_tick(struct weft_ticker *t)
{
    return weft__case(WEFT_CASE_TICK, -1, t, NULL, 0);
}

/* The completion of a future, whose value goes to `value` (may be NULL) if `rc` is 0. */
static inline struct weft_case weft_case_future(struct weft_future *f, void *value)
{
    return weft__case(WEFT_CASE_FUTURE, -1, f, value, 0);
}

/* A wake; chosen, it is used up. */
static inline struct weft_case weft_case_waker(struct weft_waker *w)
{
    return weft__case(WEFT_CASE_WAKER, -1, w, NULL, 0);
}

/* An event; it is ready while it is set. */
static inline struct weft_case weft_case_event(struct weft_event *e)
{
    return weft__case(WEFT_CASE_EVENT, -1, e, NULL, 0);
}

/* A timeout, counted from now; <= 0 is ready at once, WEFT_NEVER never. */
static inline struct weft_case weft_case_after(int64_t timeout_ns)
{
    return weft__case(WEFT_CASE_AFTER, -1, NULL, NULL, weft_deadline_in(timeout_ns));
}

/* The value of a oneshot; `value` may be NULL.  A NULL object is never ready, here and below. */
static inline struct weft_case weft_case_oneshot(struct weft_oneshot *o, void *value)
{
    return weft__case(WEFT_CASE_ONESHOT, -1, o, value, 0);
}

/* The next value of a subscription; `rc` says how many were lost before it. */
static inline struct weft_case weft_case_broadcast(struct weft_subscriber *s, void *value)
{
    return weft__case(WEFT_CASE_BROADCAST, -1, s, value, 0);
}

/* Another version of a watched value than *version, which receives that of the value. */
static inline struct weft_case weft_case_watch(struct weft_watch *w, void *value, uint64_t *version)
{
    struct weft_case c = weft__case(WEFT_CASE_WATCH, -1, w, value, 0);
    c.version = version;
    return c;
}

/* An absolute time. */
static inline struct weft_case weft_case_until(int64_t deadline_ns)
{
    return weft__case(WEFT_CASE_AFTER, -1, NULL, NULL, deadline_ns);
}

/* What to do if nothing else can go on at once. */
static inline struct weft_case weft_case_default(void)
{
    return weft__case(WEFT_CASE_DEFAULT, -1, NULL, NULL, 0);
}

/* The machinery of the block form: the first pass over the block collects the cases, then
 * weft__select_next() waits, and the second pass enters the clause that was chosen. */
#define WEFT_SELECT_BLOCK_MAX 16

struct weft__select_block {
    int pass;   /* 0 collecting, 1 running a clause, 2 done */
    int n;      /* cases collected; in the second pass, the next clause's index */
    int chosen; /* index, or -errno */
    struct weft_case cases[WEFT_SELECT_BLOCK_MAX];
};

/* The slot for the next case of a block; fatal when there are too many. */
WEFT_API struct weft_case *weft__select_slot(struct weft__select_block *b);

/* Is there another pass?  Waits between the first and the second. */
WEFT_API bool weft__select_next(struct weft__select_block *b);

#define WEFT_SELECT                                                                                \
    for (struct weft__select_block weft__sel = {-1, 0, 0, {{0, 0, NULL, NULL, {0}, 0}}};           \
         weft__select_next(&weft__sel);)

#define WEFT__ON(c)                                                                                \
    if (weft__sel.pass == 0 ? (*weft__select_slot(&weft__sel) = (c), false)                        \
                            : weft__sel.n++ == weft__sel.chosen)

#define WEFT_ON_RECV(ch, value) WEFT__ON(weft_case_recv(ch, value))
#define WEFT_ON_SEND(ch, value) WEFT__ON(weft_case_send(ch, value))
#define WEFT_ON_READABLE(fd) WEFT__ON(weft_case_readable(fd))
#define WEFT_ON_WRITABLE(fd) WEFT__ON(weft_case_writable(fd))
#define WEFT_ON_JOIN(co, result) WEFT__ON(weft_case_join(co, result))
#define WEFT_ON_FUTURE(f, value) WEFT__ON(weft_case_future(f, value))
#define WEFT_ON_WAKER(w) WEFT__ON(weft_case_waker(w))
#define WEFT_ON_TICK(ticker) WEFT__ON(weft_case_tick(ticker))
#define WEFT_ON_ONESHOT(o, value) WEFT__ON(weft_case_oneshot(o, value))
#define WEFT_ON_BROADCAST(s, value) WEFT__ON(weft_case_broadcast(s, value))
#define WEFT_ON_WATCH(w, value, version) WEFT__ON(weft_case_watch(w, value, version))
#define WEFT_ON_EVENT(event) WEFT__ON(weft_case_event(event))
#define WEFT_ON_AFTER(timeout_ns) WEFT__ON(weft_case_after(timeout_ns))
#define WEFT_ON_DEFAULT WEFT__ON(weft_case_default())
#define WEFT_ON_ERROR(rc_name)                                                                     \
    for (int rc_name __attribute__((unused)) = weft__sel.chosen;                                   \
         weft__sel.pass == 1 && weft__sel.chosen < 0;                                              \
         weft__sel.chosen = 0, weft__sel.n = WEFT_SELECT_BLOCK_MAX + 1)
/* Inside a clause: the `rc` of its case. */
#define WEFT_SELECT_RC (weft__sel.cases[weft__sel.chosen].rc)

WEFT_END_DECLS
#endif
