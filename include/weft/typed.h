/* SPDX-License-Identifier: MIT */
/*
 * typed.h - channels that know the type of their values.
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
 * The calls are inlines over weft_chan_*: they cost nothing at run time, and a value or a pointer
 * of another type does not compile.  `c.ch` is the untyped channel, for select and reports.
 *
 * The other shapes likewise: WEFT_ONESHOT_TYPE (`.o` inside), WEFT_BROADCAST_TYPE (`.b`), which
 * also makes a type NAME_subscriber (`.s`), and WEFT_WATCH_TYPE (`.w`).
 */
#ifndef WEFT_TYPED_H
#define WEFT_TYPED_H

#include <weft/broadcast.h>
#include <weft/chan.h>
#include <weft/oneshot.h>
#include <weft/watch.h>

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

#define WEFT_ONESHOT_TYPE(name, T)                                                                 \
    typedef struct name {                                                                          \
        struct weft_oneshot *o;                                                                    \
    } name;                                                                                        \
    WEFT__SLOT_TYPE(name, T)                                                                       \
    WEFT__TYPED_FN name name##_make(void)                                                          \
    {                                                                                              \
        name o;                                                                                    \
        o.o = weft_oneshot_make(sizeof(T));                                                        \
        return o;                                                                                  \
    }                                                                                              \
    WEFT__TYPED_MUST int name##_send(name o, T value)                                              \
    {                                                                                              \
        return weft_oneshot_send(o.o, &value);                                                     \
    }                                                                                              \
    WEFT__TYPED_MUST int name##_recv(name o, name##_slot value)                                    \
    {                                                                                              \
        return weft_oneshot_recv(o.o, WEFT__SLOT(value));                                          \
    }                                                                                              \
    WEFT__TYPED_MUST int name##_try_recv(name o, name##_slot value)                                \
    {                                                                                              \
        return weft_oneshot_try_recv(o.o, WEFT__SLOT(value));                                      \
    }                                                                                              \
    WEFT__TYPED_FN void name##_close_send(name o)                                                  \
    {                                                                                              \
        weft_oneshot_close_send(o.o);                                                              \
    }                                                                                              \
    WEFT__TYPED_FN void name##_close_recv(name o)                                                  \
    {                                                                                              \
        weft_oneshot_close_recv(o.o);                                                              \
    }                                                                                              \
    struct name##_end /* takes the semicolon */

#define WEFT_BROADCAST_TYPE(name, T)                                                               \
    typedef struct name {                                                                          \
        struct weft_broadcast *b;                                                                  \
    } name;                                                                                        \
    typedef struct name##_subscriber {                                                             \
        struct weft_subscriber *s;                                                                 \
    } name##_subscriber;                                                                           \
    WEFT__SLOT_TYPE(name, T)                                                                       \
    WEFT__TYPED_FN name name##_make(size_t capacity)                                               \
    {                                                                                              \
        name b;                                                                                    \
        b.b = weft_broadcast_make(sizeof(T), capacity);                                            \
        return b;                                                                                  \
    }                                                                                              \
    WEFT__TYPED_FN ssize_t name##_send(name b, T value)                                            \
    {                                                                                              \
        return weft_broadcast_send(b.b, &value);                                                   \
    }                                                                                              \
    WEFT__TYPED_FN int name##_close(name b)                                                        \
    {                                                                                              \
        return weft_broadcast_close(b.b);                                                          \
    }                                                                                              \
    WEFT__TYPED_FN void name##_unref(name b)                                                       \
    {                                                                                              \
        weft_broadcast_unref(b.b);                                                                 \
    }                                                                                              \
    WEFT__TYPED_FN name##_subscriber name##_subscribe(name b)                                      \
    {                                                                                              \
        name##_subscriber s;                                                                       \
        s.s = weft_broadcast_subscribe(b.b);                                                       \
        return s;                                                                                  \
    }                                                                                              \
    WEFT__TYPED_FN void name##_unsubscribe(name##_subscriber s)                                    \
    {                                                                                              \
        weft_broadcast_unsubscribe(s.s);                                                           \
    }                                                                                              \
    WEFT__TYPED_MUST int64_t name##_recv(name##_subscriber s, name##_slot value)                   \
    {                                                                                              \
        return weft_subscriber_recv(s.s, WEFT__SLOT(value));                                       \
    }                                                                                              \
    WEFT__TYPED_MUST int64_t name##_try_recv(name##_subscriber s, name##_slot value)               \
    {                                                                                              \
        return weft_subscriber_try_recv(s.s, WEFT__SLOT(value));                                   \
    }                                                                                              \
    struct name##_end /* takes the semicolon */

#define WEFT_WATCH_TYPE(name, T)                                                                   \
    typedef struct name {                                                                          \
        struct weft_watch *w;                                                                      \
    } name;                                                                                        \
    WEFT__SLOT_TYPE(name, T)                                                                       \
    WEFT__TYPED_FN name name##_make(T initial)                                                     \
    {                                                                                              \
        name w;                                                                                    \
        w.w = weft_watch_make(sizeof(T), &initial);                                                \
        return w;                                                                                  \
    }                                                                                              \
    WEFT__TYPED_FN int name##_set(name w, T value)                                                 \
    {                                                                                              \
        return weft_watch_set(w.w, &value);                                                        \
    }                                                                                              \
    WEFT__TYPED_FN void name##_get(name w, name##_slot value, uint64_t *version)                   \
    {                                                                                              \
        weft_watch_get(w.w, WEFT__SLOT(value), version);                                           \
    }                                                                                              \
    WEFT__TYPED_MUST int name##_wait(name w, name##_slot value, uint64_t *version)                 \
    {                                                                                              \
        return weft_watch_wait(w.w, WEFT__SLOT(value), version);                                   \
    }                                                                                              \
    WEFT__TYPED_FN int name##_close(name w)                                                        \
    {                                                                                              \
        return weft_watch_close(w.w);                                                              \
    }                                                                                              \
    WEFT__TYPED_FN void name##_unref(name w)                                                       \
    {                                                                                              \
        weft_watch_unref(w.w);                                                                     \
    }                                                                                              \
    struct name##_end /* takes the semicolon */

#endif
