/* SPDX-License-Identifier: MIT */
/*
 * san.h - what AddressSanitizer and ThreadSanitizer must be told about stacks that are switched.
 *
 * A switch is bracketed: weft__san_leave() right before it, in the function that switches;
 * weft__san_enter() first thing on the other side.  Nothing in a normal build.
 */
#ifndef WEFT_ARCH_SAN_H
#define WEFT_ARCH_SAN_H

#include <stddef.h>

#include "../base/atomic.h"
#include "../base/compiler.h"
#include "../base/sys.h"

#ifdef WEFT__ASAN
void __sanitizer_start_switch_fiber(void **fake_save, const void *bottom, size_t bytes);
void __sanitizer_finish_switch_fiber(void *fake, const void **old_bottom, size_t *old_bytes);
void __asan_unpoison_memory_region(void const volatile *p, size_t bytes);
void __asan_get_shadow_mapping(size_t *scale, size_t *offset);
#define WEFT__SAN_MUCH ((size_t)4 << 20) /* bytes */
#endif
#ifdef WEFT__TSAN
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
#endif

/* They keep books about each stack, and close them at each switch. */
#if defined(WEFT__ASAN) || defined(WEFT__TSAN)
#define WEFT__KEEPS_BOOKS 1
#endif

/* A context that can be switched to: a coroutine's or an M's own. */
struct weft__ctx {
    _Atomic(void *) sp; /* while it does not run (context.h); of a coroutine that runs, NULL */
#ifdef WEFT__ASAN
    void *fake; /* its fake stack, while it does not run */
    const void *low;
    size_t bytes;
#endif
#ifdef WEFT__TSAN
    void *fiber;
#endif
};

/* Memory is as if nobody had used it.  What AddressSanitizer knows of much memory is dropped, since
 * to write it would take longer than to use the memory: of a large stack hardly a page is used. */
static inline void weft__san_clear(char *low, size_t bytes)
{
    (void)low;
    (void)bytes;
#ifdef WEFT__ASAN
    size_t scale, offset;
    __asan_get_shadow_mapping(&scale, &offset);
    uintptr_t unit = weft__sys_page_bytes() << scale; /* what a page of its knowledge is about */
    size_t before = (unit - (uintptr_t)low % unit) % unit;
    if (bytes >= WEFT__SAN_MUCH) {
        size_t whole = (bytes - before) / unit * unit;
        void *known = (void *)((((uintptr_t)low + before) >> scale) + offset);
        if (weft__sys_forget(known, whole >> scale) == 0 &&
            weft__sys_resident(known, whole >> scale) == 0) {
            __asan_unpoison_memory_region(low, before);
            low += before + whole;
            bytes -= before + whole;
        }
    }
    __asan_unpoison_memory_region(low, bytes);
#endif
}

/* Say where the stack of a context lies, once it has one. */
static inline void weft__san_stack(struct weft__ctx *c, char *low, size_t bytes, void *fiber)
{
    (void)c;
    (void)low;
    (void)bytes;
    (void)fiber;
#ifdef WEFT__ASAN
    c->fake = NULL;
    c->low = low;
    c->bytes = bytes;
    weft__san_clear(low, bytes); /* frames of its last user were never unwound */
#endif
#ifdef WEFT__TSAN
    c->fiber = fiber;
#endif
}

/* `dying`: nobody will switch back to `from`. */
static inline __attribute__((always_inline)) void
weft__san_leave(struct weft__ctx *from, const struct weft__ctx *to, int dying)
{
    (void)from;
    (void)to;
    (void)dying;
#ifdef WEFT__ASAN
    __sanitizer_start_switch_fiber(dying ? NULL : &from->fake, to->low, to->bytes);
#endif
#ifdef WEFT__TSAN
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
}

static inline __attribute__((always_inline)) void weft__san_enter(struct weft__ctx *self)
{
    (void)self;
#ifdef WEFT__ASAN
    __sanitizer_finish_switch_fiber(self->fake, NULL, NULL);
#endif
}

/* One coroutine on two stacks (sched/big_stack.c): what is said of the stack of `from` holds for
 * `to`; and the brackets around the step from one stack to the other and back.  Only
 * AddressSanitizer is told: to ThreadSanitizer the calls go on, whatever memory they use. */
static inline void weft__san_copy(struct weft__ctx *to, const struct weft__ctx *from)
{
    (void)to;
    (void)from;
#ifdef WEFT__ASAN
    to->fake = from->fake;
    to->low = from->low;
    to->bytes = from->bytes;
#endif
#ifdef WEFT__TSAN
    to->fiber = from->fiber;
#endif
}

static inline __attribute__((always_inline)) void weft__san_enter_stack(struct weft__ctx *below,
                                                                        const struct weft__ctx *to)
{
    (void)below;
    (void)to;
#ifdef WEFT__ASAN
    __sanitizer_start_switch_fiber(&below->fake, to->low, to->bytes);
#endif
}

static inline __attribute__((always_inline)) void
weft__san_leave_stack(const struct weft__ctx *below)
{
    (void)below;
#ifdef WEFT__ASAN
    __sanitizer_start_switch_fiber(NULL, below->low, below->bytes);
#endif
}

/* A fiber for the next user of a stack, in place of the last one's: a coroutine never returns from
 * its first function, so the call stack that ThreadSanitizer keeps in a fiber would only grow. */
static inline void *weft__san_fiber_renew(void *old)
{
#ifdef WEFT__TSAN
    if (old != NULL) {
        __tsan_destroy_fiber(old);
    }
    return __tsan_create_fiber(0);
#else
    return old;
#endif
}

static inline void weft__san_fiber_free(void *fiber)
{
    (void)fiber;
#ifdef WEFT__TSAN
    if (fiber != NULL) {
        __tsan_destroy_fiber(fiber);
    }
#endif
}

static inline void *weft__san_fiber_current(void)
{
#ifdef WEFT__TSAN
    return __tsan_get_current_fiber();
#else
    return NULL;
#endif
}

#endif
