/* SPDX-License-Identifier: MIT */
/* trace.c - see trace.h. */
#define _GNU_SOURCE
#include "trace.h"

#include <signal.h>
#include <string.h>

#include "../arch/unwind.h"
#include "../base/clock.h"
#include "../base/self.h"
#include "../base/sys.h"
#include "machine.h"

#define ANSWER_NS_MAX 50000000 /* a thread without a CPU answers late */

enum { IDLE, ASKED, WALKS, DONE };

static _Atomic uint32_t state; /* a futex */
static _Atomic int asked_thread;
static bool is_installed;

/* Of the last walk; by the handler in WALKS. */
static const struct weft__g *walked;
static uintptr_t walked_pcs[WEFT__TRACE_MAX];
static int n_walked;

/* The coroutine's own frames: from where the signal hit, if that was on its stack. */
static void walk(struct weft__m *m, const void *ucontext)
{
    struct weft__g *g = m != NULL ? m->cur : NULL;
    struct weft__frame frame;
    walked = g;
    n_walked = 0;
    weft__frame_signal(&frame, ucontext);
    if (g == NULL || g->stack == NULL || frame.sp < (uintptr_t)g->stack->low ||
        frame.sp >= (uintptr_t)g->stack->top) {
        return;
    }
    struct weft__stack_view view = {.lo = frame.sp,
                                    .bytes = (uintptr_t)g->stack->top - frame.sp,
                                    .copy = (const unsigned char *)frame.sp};
    n_walked = weft__unwind(&frame, &view, walked_pcs, WEFT__TRACE_MAX);
}

static void on_signal(int sig, siginfo_t *info, void *ucontext)
{
    uint32_t expected = ASKED;
    int saved = weft__errno();
    (void)sig;
    (void)info;
    /* acquire [TRACE-TURN] */
    if (atomic_load_explicit(&state, memory_order_acquire) != ASKED ||
        atomic_load_explicit(&asked_thread, memory_order_relaxed) != weft__sys_thread_id() ||
        !atomic_compare_exchange_strong_explicit(&state, &expected, WALKS, memory_order_relaxed,
                                                 memory_order_relaxed)) {
        return;
    }
    walk(weft__m_of_thread(), ucontext);
    atomic_store_explicit(&state, DONE, memory_order_release); /* release [TRACE-TURN] */
    weft__sys_futex_wake(&state, 1);
    weft__errno_set(saved);
}

void weft__trace_handler_install(void)
{
    struct sigaction old;
    struct sigaction sa;
    if (is_installed || sigaction(WEFT__TRACE_SIGNAL, NULL, &old) != 0 ||
        (old.sa_flags & SA_SIGINFO) != 0 || old.sa_handler != SIG_DFL) {
        return;
    }
    memset(&sa, 0, sizeof sa);
    sigfillset(&sa.sa_mask);
    sa.sa_sigaction = on_signal;
    sa.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    is_installed = sigaction(WEFT__TRACE_SIGNAL, &sa, NULL) == 0;
}

void weft__trace_handler_remove(void)
{
    struct sigaction old;
    struct sigaction sa;
    if (is_installed && sigaction(WEFT__TRACE_SIGNAL, NULL, &old) == 0 &&
        (old.sa_flags & SA_SIGINFO) != 0 && old.sa_sigaction == on_signal) {
        memset(&sa, 0, sizeof sa);
        sa.sa_handler = SIG_DFL;
        sigaction(WEFT__TRACE_SIGNAL, &sa, NULL);
    }
    is_installed = false;
}

void weft__trace_thread_begin(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, WEFT__TRACE_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* Has the handler answered?  If not, it will not do so any more. */
static bool wait_for_answer(void)
{
    int64_t until_ns = weft__clock_ns() + ANSWER_NS_MAX;
    for (;;) {
        /* acquire [TRACE-TURN] */
        uint32_t now = atomic_load_explicit(&state, memory_order_acquire);
        if (now == DONE) {
            return true;
        }
        if (weft__clock_ns() < until_ns || now == WALKS) {
            weft__sys_futex_wait(&state, now, now == WALKS ? INT64_MAX : until_ns);
        } else if (atomic_compare_exchange_strong_explicit(
                       &state, &now, IDLE, memory_order_relaxed, memory_order_relaxed)) {
            return false;
        }
    }
}

int weft__trace_take(int thread_id, const struct weft__g *g, uintptr_t *pcs)
{
    int n = 0;
    if (!is_installed) {
        return 0;
    }
    atomic_store_explicit(&asked_thread, thread_id, memory_order_relaxed);
    /* release [TRACE-TURN]: the handler that finds ASKED finds the thread that is meant. */
    atomic_store_explicit(&state, ASKED, memory_order_release);
    if (weft__sys_thread_signal(thread_id, WEFT__TRACE_SIGNAL) == 0 && wait_for_answer()) {
        n = walked == g ? n_walked : 0;
        memcpy(pcs, walked_pcs, (size_t)n * sizeof *pcs);
    }
    atomic_store_explicit(&state, IDLE, memory_order_relaxed);
    return n;
}
