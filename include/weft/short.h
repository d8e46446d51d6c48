/* SPDX-License-Identifier: MIT */
/* short.h - short names for the everyday calls.  #define WEFT_NO_SHORT_NAMES leaves them out. */
#ifndef WEFT_SHORT_H
#define WEFT_SHORT_H

#include <weft/chan.h>
#include <weft/defer.h>
#include <weft/future.h>
#include <weft/go.h>
#include <weft/select.h>
#include <weft/signal.h>

typedef struct weft_chan chan;

#define go(fn, arg) weft_go(fn, arg)

static inline chan *chan_make(size_t elem_bytes, size_t capacity)
{
    return weft_chan_make(elem_bytes, capacity);
}

static inline int chan_send(chan *ch, const void *value)
{
    return weft_chan_send(ch, value);
}

static inline int chan_recv(chan *ch, void *value)
{
    return weft_chan_recv(ch, value);
}

static inline __attribute__((warn_unused_result)) int chan_try_send(chan *ch, const void *value)
{
    return weft_chan_try_send(ch, value);
}

static inline __attribute__((warn_unused_result)) int chan_try_recv(chan *ch, void *value)
{
    return weft_chan_try_recv(ch, value);
}

static inline int chan_close(chan *ch)
{
    return weft_chan_close(ch);
}

static inline chan *chan_ref(chan *ch)
{
    return weft_chan_ref(ch);
}

static inline void chan_unref(chan *ch)
{
    weft_chan_unref(ch);
}

static inline __attribute__((warn_unused_result)) int chan_select(struct weft_case *cases, int n)
{
    return weft_select(cases, n);
}

/* The cleanup of a block; see weft/defer.h. */
#define DEFER(fn, arg) WEFT_DEFER(fn, arg)

typedef struct weft_promise promise;
typedef struct weft_future future;

static inline promise *promise_make(size_t bytes)
{
    return weft_promise_make(bytes);
}

static inline future *promise_future(promise *p)
{
    return weft_promise_future(p);
}

static inline int promise_resolve(promise *p, const void *value)
{
    return weft_promise_resolve(p, value);
}

static inline int promise_reject(promise *p, int error)
{
    return weft_promise_reject(p, error);
}

static inline void promise_unref(promise *p)
{
    weft_promise_unref(p);
}

static inline __attribute__((warn_unused_result)) int future_await(future *f, void *value)
{
    return weft_future_await(f, value);
}

static inline int future_cancel(future *f)
{
    return weft_future_cancel(f);
}

static inline void future_unref(future *f)
{
    weft_future_unref(f);
}

/* The block form of select; see weft/select.h. */
#define SELECT WEFT_SELECT
#define ON_RECV(ch, value) WEFT_ON_RECV(ch, value)
#define ON_SEND(ch, value) WEFT_ON_SEND(ch, value)
#define ON_READABLE(fd) WEFT_ON_READABLE(fd)
#define ON_WRITABLE(fd) WEFT_ON_WRITABLE(fd)
#define ON_JOIN(co, result) WEFT_ON_JOIN(co, result)
#define ON_FUTURE(f, value) WEFT_ON_FUTURE(f, value)
#define ON_WAKER(w) WEFT_ON_WAKER(w)
#define ON_TICK(ticker) WEFT_ON_TICK(ticker)
#define ON_ONESHOT(o, value) WEFT_ON_ONESHOT(o, value)
#define ON_BROADCAST(s, value) WEFT_ON_BROADCAST(s, value)
#define ON_WATCH(w, value, version) WEFT_ON_WATCH(w, value, version)
#define ON_EVENT(event) WEFT_ON_EVENT(event)
#define ON_SIGNAL(signals) WEFT_ON_SIGNAL(signals)
#define ON_AFTER(timeout_ns) WEFT_ON_AFTER(timeout_ns)
#define ON_DEFAULT WEFT_ON_DEFAULT
#define ON_ERROR(rc_name) WEFT_ON_ERROR(rc_name)
#define SELECT_RC WEFT_SELECT_RC

#endif
