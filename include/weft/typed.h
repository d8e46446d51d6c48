/* SPDX-License-Identifier: MIT */
/*
 * typed.h - channels and futures that know the type of their values.
 *
 *     WEFT_CHAN_TYPE(int_chan, int)              at file scope, once
 *
 *     int_chan c = int_chan_make(16);
 *     (void)int_chan_send(c, 42);
 *     int v;
 *     while (int_chan_recv(c, &v) == 0) ...
 *     int_chan_close(c);
 *     int_chan_unref(c);
 *
 *     WEFT_FUTURE_TYPE(int_future, int)
 *
 *     int_future_promise p = int_future_make();
 *     int_future f = int_future_of(p);
 *     (void)int_future_resolve(p, 42);           on any thread
 *     int_future_promise_unref(p);
 *     if (int_future_await(f, &v) == 0) ...
 *     int_future_unref(f);
 *
 * The calls are inlines over weft_chan_* and weft_future_*: they cost nothing at run time, and a
 * value or a pointer of another type does not compile.  `c.ch`, `p.p` and `f.f` are the untyped
 * objects, for select, for several futures and for reports.
 */
#ifndef WEFT_TYPED_H
#define WEFT_TYPED_H

#include <weft/chan.h>
#include <weft/future.h>

/* In C a pointer of the wrong type would only be a warning; as an argument of this union it is an
 * error.  C++ refuses it by itself. */
#ifdef __cplusplus
#define WEFT__SLOT_TYPE(name, T) typedef T *name##_slot;
#define WEFT__SLOT(s) (s)
#else
#define WEFT__SLOT_TYPE(name, T)                                                                   \
    typedef union {                                                                                \
        T *weft_slot;                                                                              \
    } name##_slot __attribute__((transparent_union));
#define WEFT__SLOT(s) ((s).weft_slot)
#endif

#define WEFT__TYPED_FN static inline __attribute__((unused))
#define WEFT__TYPED_MUST static inline __attribute__((unused, warn_unused_result))

#define WEFT_CHAN_TYPE(name, T)                                                                    \
    typedef struct name {                                                                          \
        struct weft_chan *ch;                                                                      \
    } name;                                                                                        \
    WEFT__SLOT_TYPE(name, T)                                                                       \
    WEFT__TYPED_FN name name##_make(size_t capacity)                                               \
    {                                                                                              \
        name c;                                                                                    \
        c.ch = weft_chan_make(sizeof(T), capacity);                                                \
        return c;                                                                                  \
    }                                                                                              \
    WEFT__TYPED_MUST int name##_send(name c, T value)                                              \
    {                                                                                              \
        return weft_chan_send(c.ch, &value);                                                       \
    }                                                                                              \
    WEFT__TYPED_MUST int name##_recv(name c, name##_slot value)                                    \
    {                                                                                              \
        return weft_chan_recv(c.ch, WEFT__SLOT(value));                                            \
    }                                                                                              \
    WEFT__TYPED_MUST int name##_try_send(name c, T value)                                          \
    {                                                                                              \
        return weft_chan_try_send(c.ch, &value);                                                   \
    }                                                                                              \
    WEFT__TYPED_MUST int name##_try_recv(name c, name##_slot value)                                \
    {                                                                                              \
        return weft_chan_try_recv(c.ch, WEFT__SLOT(value));                                        \
    }                                                                                              \
    WEFT__TYPED_FN int name##_close(name c)                                                        \
    {                                                                                              \
        return weft_chan_close(c.ch);                                                              \
    }                                                                                              \
    WEFT__TYPED_FN void name##_unref(name c)                                                       \
    {                                                                                              \
        weft_chan_unref(c.ch);                                                                     \
    }                                                                                              \
    struct name##_end /* takes the semicolon */

#define WEFT_FUTURE_TYPE(name, T)                                                                  \
    typedef struct name {                                                                          \
        struct weft_future *f;                                                                     \
    } name;                                                                                        \
    typedef struct name##_promise {                                                                \
        struct weft_promise *p;                                                                    \
    } name##_promise;                                                                              \
    WEFT__SLOT_TYPE(name, T)                                                                       \
    WEFT__TYPED_FN name##_promise name##_make(void)                                                \
    {                                                                                              \
        name##_promise p;                                                                          \
        p.p = weft_promise_make(sizeof(T));                                                        \
        return p;                                                                                  \
    }                                                                                              \
    WEFT__TYPED_FN name name##_of(name##_promise p)                                                \
    {                                                                                              \
        name f;                                                                                    \
        f.f = weft_promise_future(p.p);                                                            \
        return f;                                                                                  \
    }                                                                                              \
    WEFT__TYPED_FN int name##_resolve(name##_promise p, T value)                                   \
    {                                                                                              \
        return weft_promise_resolve(p.p, &value);                                                  \
    }                                                                                              \
    WEFT__TYPED_FN int name##_reject(name##_promise p, int error)                                  \
    {                                                                                              \
        return weft_promise_reject(p.p, error);                                                    \
    }                                                                                              \
    WEFT__TYPED_FN void name##_promise_unref(name##_promise p)                                     \
    {                                                                                              \
        weft_promise_unref(p.p);                                                                   \
    }                                                                                              \
    WEFT__TYPED_MUST int name##_await(name f, name##_slot value)                                   \
    {                                                                                              \
        return weft_future_await(f.f, WEFT__SLOT(value));                                          \
    }                                                                                              \
    WEFT__TYPED_MUST int name##_try_await(name f, name##_slot value)                               \
    {                                                                                              \
        return weft_future_try_await(f.f, WEFT__SLOT(value));                                      \
    }                                                                                              \
    WEFT__TYPED_FN int name##_cancel(name f)                                                       \
    {                                                                                              \
        return weft_future_cancel(f.f);                                                            \
    }                                                                                              \
    WEFT__TYPED_FN void name##_unref(name f)                                                       \
    {                                                                                              \
        weft_future_unref(f.f);                                                                    \
    }                                                                                              \
    struct name##_end /* takes the semicolon */

#endif
