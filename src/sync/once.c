/* SPDX-License-Identifier: MIT */
/*
 * once.c - something done once, in static storage.
 *
 *   word 0   NEW -> RUNNING -> WAITED, if somebody waits -> DONE
 *   word 1   who runs fn: to find a call from inside fn
 *
 * All who wait for any of them are in one queue, since there is no room for one each: fn is seldom
 * run, and so is waited for seldom.  A queue it must be, and not a list in word 0: who stops a
 * runtime takes its waiters out (sched/stop.c).
 */
#include <weft/sync.h>

#include "../base/fatal.h"
#include "../base/sys.h"
#include "../park/park.h"

enum {
    NEW,
    RUNNING,
    WAITED,
    DONE,
};

static struct weft__lock lock = WEFT__LOCK_STATIC(RANK_CHAN); /* protects waiting */
static struct weft__waitq waiting = {.first = NULL, .last = &waiting.first, .lock = &lock};

static uintptr_t self_mark(void)
{
    struct weft_runtime *rt = weft__park_runtime();
    return rt != NULL ? (uintptr_t)weft__park_self("") : (uintptr_t)weft__sys_thread_id();
}

/* Under the lock all of it, for once it is done the word may become that of another one. */
static WEFT__COLD void end_and_wake(_Atomic uintptr_t *state)
{
    struct weft__waiter *next;
    weft__lock(&lock);
    /* release [ONCE-DONE]: as below. */
    atomic_store_explicit(state, DONE, memory_order_release);
    for (struct weft__waiter *w = weft__waitq_first(&waiting); w != NULL; w = next) {
        next = w->next; /* w is gone once it is woken */
        if (w->value == state) {
            weft__waitq_remove(&waiting, w);
            (void)weft__wait_claim(w->wait, 0); /* nobody else ends it */
            weft__park_wake(w->wait);
        }
    }
    weft__unlock(&lock);
}

/* Nobody may go on without the work. */
static void wait_until_done(_Atomic uintptr_t *state, const void *caller)
{
    struct weft__wait wait;
    struct weft__waiter waiter = {.wait = &wait, .value = (void *)state, .index = 0};
    uintptr_t word = RUNNING;
    weft__park_init(&wait);
    weft__park_for_ever(&wait);
    weft__lock(&lock);
    /* acquire [ONCE-DONE] */
    if (!atomic_compare_exchange_strong_explicit(state, &word, WAITED, memory_order_acquire,
                                                 memory_order_acquire) &&
        word == DONE) {
        weft__unlock(&lock);
        return;
    }
    weft__park_begin(&wait, WAIT_ONCE, (const void *)state, caller);
    weft__waitq_add(&waiting, &waiter);
    weft__unlock(&lock);
    (void)weft__park_wait(&wait);
}

static WEFT__COLD void do_slow(_Atomic uintptr_t *state, _Atomic uintptr_t *runner,
                               void (*fn)(void *), void *arg, const void *caller)
{
    uintptr_t word = NEW;
    if (atomic_compare_exchange_strong_explicit(state, &word, RUNNING, memory_order_relaxed,
                                                memory_order_relaxed)) {
        atomic_store_explicit(runner, self_mark(), memory_order_relaxed);
        fn(arg);
        word = RUNNING;
        /* release [ONCE-DONE]: publishes what fn wrote. */
        if (!atomic_compare_exchange_strong_explicit(state, &word, DONE, memory_order_release,
                                                     memory_order_relaxed)) {
            end_and_wake(state);
        }
        return;
    }
    if (word != DONE && atomic_load_explicit(runner, memory_order_relaxed) == self_mark()) {
        weft__fatal("weft_once_do was called from inside its own function");
    }
    wait_until_done(state, caller);
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
