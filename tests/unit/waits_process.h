/* SPDX-License-Identifier: MIT */
/*
 * waits_process.h - of waits.h: the calls that wait for a signal or for the end of a child, either
 * made for the worlds that need one.
 */
#ifndef WEFT_TESTS_WAITS_PROCESS_H
#define WEFT_TESTS_WAITS_PROCESS_H

#include <poll.h>

#include "waits_world.h"

/* The main thread must not be chosen, where a sanitizer keeps signals back. */
__attribute__((constructor)) static void block_the_signal(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

static struct weft_signals *signals_of(struct world *w)
{
    WEFT_SHIELD(s, WEFT_NEVER) {
        CHECK_EQ(weft_mutex_lock(w->making), 0);
        if (w->signals == NULL)
            CHECK_EQ(weft_signals_open(&w->signals, WEFT_SIGNAL(SIGUSR1)), 0);
        weft_mutex_unlock(w->making);
    }
    return w->signals;
}

/* One that ends when its input does. */
static struct weft_process *child_of(struct world *w)
{
    WEFT_SHIELD(s, WEFT_NEVER) {
        CHECK_EQ(weft_mutex_lock(w->making), 0);
        if (w->child == NULL)
            CHECK_EQ(weft_spawn_with(&w->child, ((char *[]){"cat", NULL}),
                                     .in = weft_stdio_pipe(&w->child_in)),
                     0);
        weft_mutex_unlock(w->making);
    }
    return w->child;
}

static ssize_t call_signals_wait(struct world *w)
{
    int sig = weft_signals_wait(signals_of(w), NULL);
    return sig == SIGUSR1 || sig < 0 ? sig : -EPROTO;
}

static ssize_t call_select_signal(struct world *w)
{
    struct weft_case c = weft_case_signal(signals_of(w));
    int rc = weft_select(&c, 1);
    return rc < 0 ? rc : weft_signals_try(w->signals, NULL);
}

static ssize_t call_process_wait(struct world *w)
{
    int status = 0;
    int rc = weft_process_wait(child_of(w), &status);
    return rc < 0 ? rc : weft_status_code(status);
}

/* It has come, or was taken by the one who waits. */
static void send_signal(struct world *w)
{
    struct weft_signals *watcher;
    WEFT_SHIELD(s, WEFT_NEVER) {
        CHECK_EQ(weft_signals_open(&watcher, WEFT_SIGNAL(SIGUSR1)), 0);
        (void)signals_of(w);
        CHECK_EQ(kill(getpid(), SIGUSR1), 0);
        CHECK_EQ(weft_signals_wait(watcher, NULL), SIGUSR1);
        weft_signals_close(watcher); /* now all have been told */
    }
}

static void end_child(struct world *w)
{
    siginfo_t info;
    const pid_t pid = weft_process_pid(child_of(w));
    CHECK_EQ(weft_close(w->child_in), 0);
    w->child_in = -1;
    while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR)
        ;
}

static void let_go_of_processes(struct world *w)
{
    weft_signals_close(w->signals);
    weft_process_free(w->child);
    if (w->child_in >= 0)
        CHECK_EQ(weft_close(w->child_in), 0);
    weft_mutex_free(w->making);
}

#endif
