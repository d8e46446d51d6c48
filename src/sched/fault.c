/* SPDX-License-Identifier: MIT */
/* fault.c - see fault.h. */
#define _GNU_SOURCE
#include "fault.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "../base/clock.h"
#include "../base/fatal.h"
#include "../base/self.h"
#include "../base/sys.h"
#include "sched.h"
#include "signals.h"
#include "watch.h"

/* Beyond what the kernel needs for its frame (AVX-512 makes that large). */
#define ALT_STACK_EXTRA ((size_t)32 * 1024)
#define REPORT_NS_MAX ((int64_t)10 * 1000000000)

static const int signals[] = {SIGSEGV, SIGBUS, SIGQUIT, SIGABRT};
static bool is_ours[WEFT__COUNT(signals)];

static struct weft__fault recorded;
static _Atomic uint32_t is_recording; /* the first fault is reported, others die silently */
static _Atomic uint32_t is_reported;  /* a futex */

static WEFT__COLD void canary_is_dead(void)
{
    weft__fatal("stack overflow: the canary at the low end of its stack is overwritten; give it a "
                "larger stack (stack_bytes, WEFT_STACK)");
}

void weft__g_check_canary(const struct weft__g *g)
{
    if (g->stack->guard == GUARD_KIND_CANARY && !weft__canary_is_intact(g->stack->low)) {
        canary_is_dead();
    }
}

static void die_by(int sig)
{
    struct sigaction sa;
    memset(&sa, 0, sizeof sa);
    sa.sa_handler = SIG_DFL;
    sigaction(sig, &sa, NULL);
    /* Returning repeats the access that faulted. */
}

/* Without a guard, an overflow that leaves the region of stacks altogether is a fault as well. */
#define BELOW_BYTES ((uintptr_t)1024 * 1024)

static bool is_below_canary(const struct weft__stack *stack, uintptr_t address)
{
    uintptr_t low = (uintptr_t)stack->low;
    return stack->guard == GUARD_KIND_CANARY && address < low && low - address <= BELOW_BYTES;
}

static void record(int sig, const siginfo_t *info, const void *ucontext, struct weft__m *m)
{
    struct weft__g *g = m->cur;
    bool in_guard = false;
    recorded.signal = sig;
    recorded.address = (uintptr_t)info->si_addr;
    recorded.g = g;
    struct weft__stack *stack = weft__stack_find(&m->rt->stacks, recorded.address, &in_guard);
    recorded.is_overflow = (stack != NULL && stack == g->stack && in_guard) ||
                           is_below_canary(g->stack, recorded.address);
    weft__frame_signal(&recorded.frame, ucontext);
    weft__watch_post(WATCH_FAULT);
}

static void wait_for_report(void)
{
    int64_t until_ns = weft__clock_ns() + REPORT_NS_MAX;
    /* acquire [FAULT-REPORT] */
    while (atomic_load_explicit(&is_reported, memory_order_acquire) == 0 &&
           weft__clock_ns() < until_ns) {
        weft__sys_futex_wait(&is_reported, 0, until_ns);
    }
}

/* By somebody: nothing is wrong with this thread's stack.  Linux has numbers below 1 for that. */
static bool was_sent(const siginfo_t *info)
{
    return info->si_code <= 0 || info->si_code == SI_USER || info->si_code == SI_QUEUE;
}

static void on_fault(int sig, siginfo_t *info, void *ucontext)
{
    struct weft__m *m = weft__m_of_thread();
    struct weft__g *g = m != NULL ? m->cur : NULL;
    if (g != NULL && !was_sent(info)) {
        if (atomic_exchange_explicit(&is_recording, 1, memory_order_relaxed) == 0) {
            record(sig, info, ucontext, m);
        }
        wait_for_report(); /* the second to fault must not end the process before */
    }
    die_by(sig);
    if (was_sent(info)) {
        (void)raise(sig); /* nothing would repeat it */
    }
}

void weft__fault_report(void)
{
    weft__report_fault(&recorded);
    /* release [FAULT-REPORT] */
    atomic_store_explicit(&is_reported, 1, memory_order_release);
    weft__sys_futex_wake(&is_reported, 1);
}

static void on_quit(int sig)
{
    (void)sig;
    int saved = weft__errno();
    weft__watch_post(WATCH_DUMP);
    weft__errno_set(saved);
}

/* By abort() itself: an assertion that failed, say, or a C++ exception that nobody caught.  It ends
 * the process when this returns. */
static void on_abort(int sig)
{
    (void)sig;
    struct weft__m *m = weft__m_of_thread();
    if (m != NULL && m->cur != NULL) {
        weft__fatal_tell("abort() was called");
    }
}

static bool has_default(int sig)
{
    struct sigaction old;
    return sigaction(sig, NULL, &old) == 0 && (old.sa_flags & SA_SIGINFO) == 0 &&
           old.sa_handler == SIG_DFL;
}

void weft__fault_handlers_install(void)
{
    for (size_t i = 0; i < WEFT__COUNT(signals); i++) {
        if (!has_default(signals[i])) {
            continue;
        }
        struct sigaction sa;
        memset(&sa, 0, sizeof sa);
        sigfillset(&sa.sa_mask);
        if (signals[i] == SIGABRT) {
            sa.sa_handler = on_abort;
        } else if (signals[i] == SIGQUIT) {
            sa.sa_handler = on_quit;
            sa.sa_flags = SA_RESTART;
        } else {
            sa.sa_sigaction = on_fault;
            sa.sa_flags = SA_SIGINFO | SA_ONSTACK;
        }
        is_ours[i] = sigaction(signals[i], &sa, NULL) == 0;
    }
}

void weft__fault_handlers_remove(void)
{
    for (size_t i = 0; i < WEFT__COUNT(signals); i++) {
        struct sigaction old;
        if (!is_ours[i] || sigaction(signals[i], NULL, &old) != 0) {
            continue;
        }
        is_ours[i] = false;
        bool still = (old.sa_flags & SA_SIGINFO) != 0
                         ? old.sa_sigaction == on_fault
                         : old.sa_handler == on_quit || old.sa_handler == on_abort;
        if (still) {
            die_by(signals[i]);
        } else if (signals[i] == SIGQUIT) {
            weft__signals_forget(SIGQUIT, on_quit);
        }
    }
}

static size_t alt_stack_bytes(void)
{
    return (weft__sys_signal_stack_bytes() + ALT_STACK_EXTRA + 0xffff) & ~(size_t)0xffff;
}

void weft__fault_thread_begin(struct weft__m *m)
{
    /* Mapped, so that it takes memory only when a signal arrives. */
    size_t bytes = alt_stack_bytes();
    void *low = weft__sys_mmap(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    if (weft__sys_is_error(low)) {
        return; /* no report after an overflow, nothing worse */
    }
    stack_t ss;
    memset(&ss, 0, sizeof ss);
    ss.ss_sp = low;
    ss.ss_size = bytes;
    if (sigaltstack(&ss, NULL) != 0) {
        weft__sys_munmap(low, bytes);
        return;
    }
    m->alt_stack = low;
}

void weft__fault_thread_end(struct weft__m *m)
{
    if (m->alt_stack == NULL) {
        return;
    }
    stack_t ss;
    memset(&ss, 0, sizeof ss);
    ss.ss_flags = SS_DISABLE;
    sigaltstack(&ss, NULL);
    weft__sys_munmap(m->alt_stack, alt_stack_bytes());
    m->alt_stack = NULL;
}
