/* SPDX-License-Identifier: MIT */
/*
 * signal.h - signals that are sent to the process, waited for like anything else.
 *
 *     struct weft_signals *stop;
 *     rc = weft_signals_open(&stop, WEFT_SIGNAL(SIGTERM) | WEFT_SIGNAL(SIGINT));
 *     sig = weft_signals_wait(stop, NULL);              SIGTERM or SIGINT
 *
 *     WEFT_SELECT {
 *         WEFT_ON_SIGNAL(stop)  { sig = weft_signals_try(stop, NULL); }
 *         WEFT_ON_RECV(jobs, &job) { ... }
 *     }
 *     weft_signals_close(stop);
 *
 * The program has nothing to prepare.  While an object is open its signals do none of what they did
 * before: whatever threads have them open or block them, they end nothing, call no handler of the
 * program's, are not ignored, and reach the object.  What they did before comes back when the last
 * object that asks for them is closed; in the child of a fork, at once.
 *
 * Each object gets each signal that it asks for, also if others ask for it.  Signals of one number
 * that come before they are taken are one, with a count.  Of several numbers the lowest is taken
 * first.
 *
 * An object belongs to the process, not to a runtime: it may be made before one starts, and be used
 * in all of them.  While no runtime lives, a signal arrives if a thread has it open, and otherwise
 * when the next one starts.  A signal that is sent to one thread (pthread_kill(), or SIGPIPE)
 * arrives when that thread has it open; coroutines run on threads that never have.
 */
#ifndef WEFT_SIGNAL_H
#define WEFT_SIGNAL_H

#include <signal.h>
#include <weft/base.h>
#include <weft/select.h>

WEFT_BEGIN_DECLS

struct weft_signals;

/* A set of signals: WEFT_SIGNAL(SIGTERM) | WEFT_SIGNAL(SIGHUP). */
#define WEFT_SIGNAL(sig) (UINT64_C(1) << ((sig) - 1))

/* One that has come. */
struct weft_signal {
    int sig;
    uint32_t count; /* how often it has come since it was taken last; real ones may be more: the
                       kernel, too, makes one of those that come while one is pending */
    pid_t pid;      /* who sent the last of them; 0: the kernel */
    uid_t uid;      /* and as whom */
};

/**
 * weft_signals_open - ask for signals.
 *
 * @signals  receives the object, to be given to weft_signals_close().
 * @set      which: WEFT_SIGNAL() of each.
 *
 * Returns    0.
 * Errors     -EINVAL  no signal, or one that cannot be waited for: SIGKILL, SIGSTOP, SIGSEGV,
 *                     SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, and the C library's own
 *            -EMFILE, -ENFILE  no descriptor is left
 *            -ENOMEM  no memory
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_signals_open(struct weft_signals **signals, uint64_t set);

/**
 * weft_signals_close - ask no longer; fatal if somebody waits for one.
 *
 * @signals  the object; NULL is allowed.
 *
 * What has come and was not taken is dropped; one still under way does what it did before.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never; it waits for the thread that handles signals, and for handlers that run.
 * Threads    any thread.
 */
WEFT_API void weft_signals_close(struct weft_signals *signals);

/**
 * weft_signals_wait - wait for a signal and take it.
 *
 * @signals  the object; several may wait for it, and one of them gets the signal.
 * @info     receives what is known of it; may be NULL.
 *
 * Returns    its number, > 0.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first; none was taken
 *            -ECANCELED  a surrounding scope was cancelled; none was taken
 *            -ENOMEM, -ENOSPC  no memory to wait
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine.
 */
WEFT_API_MUST int weft_signals_wait(struct weft_signals *signals, struct weft_signal *info);

/**
 * weft_signals_try - take a signal if one has come.
 *
 * @signals  the object.
 * @info     receives what is known of it; may be NULL.
 *
 * Returns    its number, > 0.
 * Errors     -EAGAIN  none; so now and then after a select, too, when somebody else was faster
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_signals_try(struct weft_signals *signals, struct weft_signal *info);

/**
 * weft_signals_fd - the fd that is readable while a signal may be there, for a select or a poll.
 *
 * @signals  the object, whose fd it is: to be waited for, not to be read or closed.
 *
 * Returns    the fd.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API int weft_signals_fd(const struct weft_signals *signals);

/* A case of weft_select(); chosen, weft_signals_try() takes the signal. */
static inline struct weft_case weft_case_signal(const struct weft_signals *signals)
{
    return weft_case_readable(weft_signals_fd(signals));
}

#define WEFT_ON_SIGNAL(signals) WEFT__ON(weft_case_signal(signals))

WEFT_END_DECLS
#endif
