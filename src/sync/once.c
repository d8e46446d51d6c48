/* SPDX-License-Identifier: MIT */
/*
 * once.c - something done once, in static storage and without a lock of its own.
 *
 *   word 0   NEW, RUNNING with the waiters in a stack (a pointer, tagged), or DONE
 *   word 1   who runs fn: to find a call from inside fn
 */
#include <weft/sync.h>

#include "../base/fatal.h"
#include "../base/sys.h"
#include "../park/park.h"

enum {
    NEW = 0,
    RUNNING = 1, /* in the low bits; the rest is the first waiter */
    DONE = 2,
    TAG = 3,
};

struct once_waiter {
    struct once_waiter *next;
    struct weft__wait wait;
};

_Static_assert(_Alignof(struct once_waiter) > TAG, "a waiter's address leaves room for the tag");

static uintptr_t self_mark(void)
{
    struct weft_runtime *rt = weft__park_runtime();
    return rt != NULL ? (uintptr_t)weft__park_self("") : (uintptr_t)weft__sys_thread_id();
}

static void wake_all(uintptr_t word)
{
    struct once_waiter *w = (struct once_waiter *)(word & ~(uintptr_t)TAG);
    while (w != NULL) {
        struct once_waiter *next = w->next; /* w is gone once it is woken */
        (void)weft__wait_claim(&w->wait, 0);
        weft__park_wake(&w->wait);
        w = next;
    }
}

static WEFT__COLD void do_slow(_Atomic uintptr_t *state, _Atomic uintptr_t *runner,
                               void (*fn)(void *), void *arg, const void *caller)
{
    struct once_waiter self;
    /* acquire [ONCE-DONE]: what fn wrote is visible once it is DONE. */
    uintptr_t word = atomic_load_explicit(state, memory_order_acquire);
    while (word == NEW) {
        if (atomic_compare_exchange_weak_explicit(state, &word, RUNNING, memory_order_acquire,
                                                  memory_order_acquire)) {
            atomic_store_explicit(runner, self_mark(), memory_order_relaxed);
            fn(arg);
            /* acq_rel [ONCE-DONE]: publishes what fn wrote; takes over the waiters. */
            wake_all(atomic_exchange_explicit(state, DONE, memory_order_acq_rel));
            return;
        }
    }
    if (word == DONE) {
        return;
    }
    if (atomic_load_explicit(runner, memory_order_relaxed) == self_mark()) {
        weft__fatal("weft_once_do was called from inside its own function");
    }
    weft__park_init(&self.wait);
    weft__park_for_ever(&self.wait); /* nobody may go on without the work */
    weft__park_begin(&self.wait, WAIT_ONCE, (const void *)state, caller);
    do {
        if (word == DONE) {
            weft__park_abandon(&self.wait);
            return;
        }
        self.next = (struct once_waiter *)(word & ~(uintptr_t)TAG);
        /* release [ONCE-DONE]: publishes the waiter to the one who wakes it. */
    } while (!atomic_compare_exchange_weak_explicit(state, &word, (uintptr_t)&self | RUNNING,
                                                    memory_order_release, memory_order_acquire));
    (void)weft__park_wait(&self.wait);
}

void weft_once_do(weft_once *once, void (*fn)(void *), void *arg)
{
    _Static_assert(sizeof(_Atomic uintptr_t) == sizeof(uintptr_t), "atomics are plain words");
    _Atomic uintptr_t *state = (_Atomic uintptr_t *)&once->weft__private[0];
    /* acquire [ONCE-DONE] */
    if (WEFT__LIKELY(atomic_load_explicit(state, memory_order_acquire) == DONE)) {
        return;
    }
    do_slow(state, (_Atomic uintptr_t *)&once->weft__private[1], fn, arg,
            __builtin_return_address(0));
}
