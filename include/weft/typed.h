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
 */
#ifndef WEFT_TYPED_H
#define WEFT_TYPED_H

#include <weft/chan.h>

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

#endif
