/* SPDX-License-Identifier: MIT */
/*
 * signals.c - see signals.h.
 *
 * [SIGNAL-INSIDE]  A handler never meets a listener that has left.
 *
 *   handler                          who leaves
 *   1 inside + 1                     1 unlink the listener
 *   2 walk the list                  2 look at inside, until it is 0
 *   3 inside - 1
 *
 * All of 1 and 2 are sequentially consistent: a handler that the look missed begins its walk after
 * the unlink.  The lock is not the handler's, which may have interrupted its holder.
 */
#include "signals.h"

#include <signal.h>
#include <string.h>

#include "../arch/san.h"
#include "../base/lock.h"
#include "../base/sys.h"
#include "../base/sys_process.h"
#include "trace.h"
#include "watch.h"

static struct weft__lock lock = WEFT__LOCK_STATIC(RANK_SIGNALS); /* what is below; not inside */
static _Atomic(struct weft__listener *) listeners;
static _Atomic uint32_t inside; /* handlers at work */
static uint64_t installed;
static uint64_t opened;
static _Atomic uint32_t n_changes; /* of opened; a futex */
static struct sigaction before[WEFT__SIGNALS];

static uint64_t bit_of(int sig)
{
    return UINT64_C(1) << (sig - 1);
}

bool weft__signals_are_valid(uint64_t signals)
{
    /* Those that no handler gets, that a thread brings about itself, and the C library's own. */
    static const int refused[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL,
                                  SIGTRAP, SIGSYS,  SIGABRT, 32,     33,     34};
    for (size_t i = 0; i < WEFT__COUNT(refused); i++) {
        if ((signals & bit_of(refused[i])) != 0 && refused[i] < SIGRTMIN) {
            return false;
        }
    }
    return signals != 0;
}

/* Note it with one listener.  The bit comes after the count: who clears the bit takes them all. */
static void tell(struct weft__listener *l, int sig, uint64_t sender)
{
    static const uint64_t one = 1;
    atomic_store_explicit(&l->senders[sig - 1], sender, memory_order_relaxed);
    atomic_fetch_add_explicit(&l->counts[sig - 1], 1, memory_order_relaxed);
    /* release [SIGNAL-COME] */
    atomic_fetch_or_explicit(&l->pending, bit_of(sig), memory_order_release);
    (void)weft__sys_write(l->fd, &one, sizeof one);
}

/* Where a signal has no sender its fields mean other things. */
static uint64_t sender_of(int sig, const siginfo_t *info)
{
    bool has_sender = info->si_code == SI_USER || info->si_code == SI_QUEUE ||
                      info->si_code == SI_TKILL || info->si_code == SI_MESGQ || sig == SIGCHLD;
    return has_sender ? (uint64_t)info->si_uid << 32 | (uint32_t)info->si_pid : 0;
}

/* The look-out's question to one of our threads, which no program means (trace.h). */
static bool is_own(int sig, const siginfo_t *info)
{
    return sig == WEFT__TRACE_SIGNAL && info->si_code == SI_TKILL;
}

static void on_signal(int sig, siginfo_t *info, void *ucontext)
{
    int saved = weft__errno();
    uint64_t sender = sender_of(sig, info);
    (void)ucontext;
    if (is_own(sig, info)) {
        return;
    }
    /* seq_cst [SIGNAL-INSIDE], here and below */
    atomic_fetch_add_explicit(&inside, 1, memory_order_seq_cst);
    struct weft__listener *l = atomic_load_explicit(&listeners, memory_order_seq_cst);
    while (l != NULL) {
        if ((l->asked & bit_of(sig)) != 0) {
            tell(l, sig, sender);
        }
        /* seq_cst [SIGNAL-INSIDE] */
        l = atomic_load_explicit(&l->next, memory_order_seq_cst);
    }
    /* release [SIGNAL-INSIDE] */
    atomic_fetch_sub_explicit(&inside, 1, memory_order_release);
    weft__errno_set(saved);
}

static struct weft__listener *next_of(struct weft__listener *l)
{
    return atomic_load_explicit(&l->next, memory_order_relaxed);
}

/* Under the lock, as all that follows. */
static uint64_t asked_for(void)
{
    uint64_t all = 0;
    struct weft__listener *l = atomic_load_explicit(&listeners, memory_order_relaxed);
    for (; l != NULL; l = next_of(l)) {
        all |= l->asked;
    }
    return all;
}

static int install(int sig)
{
    struct sigaction sa;
    memset(&sa, 0, sizeof sa);
    sigfillset(&sa.sa_mask);
    sa.sa_sigaction = on_signal;
    sa.sa_flags = SA_SIGINFO | SA_ONSTACK;
#ifndef WEFT__TSAN /* which calls it when a system call of its thread has returned */
    sa.sa_flags |= SA_RESTART;
#endif
    if (sigaction(sig, &sa, &before[sig - 1]) != 0) {
        return -weft__errno();
    }
    installed |= bit_of(sig);
    return 0;
}

/* If the program has put another handler in our place, that one stays. */
static void restore(uint64_t signals)
{
    for (int sig = 1; sig <= WEFT__SIGNALS; sig++) {
        struct sigaction now;
        if ((signals & bit_of(sig)) == 0) {
            continue;
        }
        if (sigaction(sig, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 &&
            now.sa_sigaction == on_signal) {
            sigaction(sig, &before[sig - 1], NULL);
        }
    }
    installed &= ~signals;
}

/*
 * The child of a fork gets its signals as if nobody had asked.  Its listeners hear nothing more;
 * their fds are the parent's.  It has no watch thread, and none of those who were at work here.
 */
void weft__signals_in_child(void)
{
    struct weft__listener *l = atomic_load_explicit(&listeners, memory_order_relaxed);
    for (; l != NULL; l = next_of(l)) {
        (void)weft__sys_close(l->fd);
        l->fd = -1;
        atomic_store_explicit(&l->pending, 0, memory_order_relaxed);
    }
    atomic_store_explicit(&listeners, NULL, memory_order_relaxed);
    restore(~UINT64_C(0)); /* whatever has been noted of them */
    opened = 0;
    atomic_store_explicit(&inside, 0, memory_order_relaxed);
    weft__lock_init(&lock, RANK_SIGNALS);
}

static int install_all(uint64_t asked)
{
    static bool is_registered;
    int rc = is_registered ? 0 : weft__sys_at_fork(weft__signals_in_child);
    is_registered = is_registered || rc == 0;
    for (int sig = 1; sig <= WEFT__SIGNALS && rc == 0; sig++) {
        if ((asked & ~installed & bit_of(sig)) != 0) {
            rc = install(sig);
        }
    }
    return rc;
}

int weft__signals_listen(struct weft__listener *l)
{
    weft__lock(&lock);
    atomic_store_explicit(&l->next, atomic_load_explicit(&listeners, memory_order_relaxed),
                          memory_order_relaxed);
    /* seq_cst [SIGNAL-INSIDE]: publishes the listener to handlers. */
    atomic_store_explicit(&listeners, l, memory_order_seq_cst);
    int rc = install_all(l->asked);
    weft__unlock(&lock);
    if (rc != 0) {
        weft__signals_leave(l);
        return rc;
    }
    weft__watch_post(WATCH_SIGNALS);
    return 0;
}

static void unlink_listener(struct weft__listener *l)
{
    _Atomic(struct weft__listener *) *at = &listeners;
    struct weft__listener *other;
    weft__lock(&lock);
    while ((other = atomic_load_explicit(at, memory_order_relaxed)) != l && other != NULL) {
        at = &other->next;
    }
    if (other != NULL) { /* else it is the copy in the child of a fork */
        /* seq_cst [SIGNAL-INSIDE] */
        atomic_store_explicit(at, next_of(l), memory_order_seq_cst);
    }
    weft__unlock(&lock);
}

/* Give back what nobody asks for; true if the watch thread has yet to shut some of it. */
static bool give_back(uint32_t *seen)
{
    weft__lock(&lock);
    uint64_t rest = installed & ~asked_for();
    restore(rest & ~opened);
    *seen = atomic_load_explicit(&n_changes, memory_order_relaxed);
    bool must_wait = (rest & opened) != 0;
    weft__unlock(&lock);
    return must_wait;
}

void weft__signals_leave(struct weft__listener *l)
{
    uint32_t seen;
    unlink_listener(l);
    while (give_back(&seen)) {
        weft__watch_post(WATCH_SIGNALS);
        weft__sys_futex_wait(&n_changes, seen, INT64_MAX);
    }
    /* seq_cst [SIGNAL-INSIDE] */
    while (atomic_load_explicit(&inside, memory_order_seq_cst) != 0) {
        weft__sys_yield_cpu();
    }
}

static void open_only(uint64_t signals)
{
    weft__sys_open_signals(signals & ~opened, opened & ~signals);
    opened = signals;
    atomic_fetch_add_explicit(&n_changes, 1, memory_order_relaxed);
}

void weft__signals_open(void)
{
    weft__lock(&lock);
    open_only(asked_for());
    weft__unlock(&lock);
    weft__sys_futex_wake(&n_changes, INT32_MAX);
}

void weft__signals_shut(void)
{
    weft__lock(&lock);
    open_only(0);
    weft__unlock(&lock);
    weft__sys_futex_wake(&n_changes, INT32_MAX);
}

void weft__signals_forget(int sig, void (*handler)(int))
{
    weft__lock(&lock);
    struct sigaction *old = &before[sig - 1];
    if ((installed & bit_of(sig)) != 0 && (old->sa_flags & SA_SIGINFO) == 0 &&
        old->sa_handler == handler) {
        memset(old, 0, sizeof *old);
        old->sa_handler = SIG_DFL;
    }
    weft__unlock(&lock);
}
