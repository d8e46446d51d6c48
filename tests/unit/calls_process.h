/* SPDX-License-Identifier: MIT */
/* calls_process.h - of calls.h: the calls on pipes, child processes and signals. */
#ifndef WEFT_TESTS_CALLS_PROCESS_H
#define WEFT_TESTS_CALLS_PROCESS_H

#include "calls.h"

/* A call with a child that soon ends. */
#define SPAWNED(call)                                                                              \
    ({                                                                                             \
        struct weft_process *p = NULL;                                                             \
        int64_t rc_ = weft_spawn(&p, (char *[]){"true", NULL}, NULL);                              \
        if (rc_ == 0) {                                                                            \
            rc_ = (int64_t)(call);                                                                 \
            weft_process_free(p);                                                                  \
        }                                                                                          \
        rc_;                                                                                       \
    })

/* A call with an object for a signal that does not come. */
#define LISTENING(call)                                                                            \
    ({                                                                                             \
        struct weft_signals *s = NULL;                                                             \
        int64_t rc_ = weft_signals_open(&s, WEFT_SIGNAL(SIGUSR2));                                 \
        if (rc_ == 0) {                                                                            \
            rc_ = (int64_t)(call);                                                                 \
            weft_signals_close(s);                                                                 \
        }                                                                                          \
        rc_;                                                                                       \
    })

/* It comes, where somebody may wait for it. */
static int send_and_wait(struct weft_signals *s)
{
    if (weft_in_coroutine() && kill(getpid(), SIGUSR2) != 0)
        return -1;
    return weft_signals_wait(s, NULL);
}

ROW("weft_pipe", EVERYWHERE, 0, 0, 0, weft_pipe((int[2]){0, 0}))
ROW("weft_reopen", EVERYWHERE, 0, 0, 0, OPENED(weft_reopen(t->pipe[0])))
ROW("weft_spawn", ANY_THREAD, 0, 0, 0, SPAWNED(0))
ROW("weft_process_wait", COROUTINE, 0, FATAL, FATAL, SPAWNED(weft_process_wait(p, NULL)))
ROW("weft_process_kill", ANY_THREAD, 0, 0, 0, SPAWNED(weft_process_kill(p, 0)))
ROW("weft_process_pid", EVERYWHERE, 1, 1, 1, SPAWNED(weft_process_pid(p) > 0))
ROW("weft_process_free", ANY_THREAD, 0, 0, 0, SPAWNED(0))
ROW("weft_signals_open", ANY_THREAD, 0, 0, 0, LISTENING(0))
ROW("weft_signals_close", ANY_THREAD, 0, 0, 0, LISTENING(0))
ROW("weft_signals_wait", COROUTINE, SIGUSR2, FATAL, FATAL, LISTENING(send_and_wait(s)))
ROW("weft_signals_try", ANY_THREAD, -EAGAIN, -EAGAIN, -EAGAIN,
    LISTENING(weft_signals_try(s, NULL)))
ROW("weft_signals_fd", ANY_THREAD, 1, 1, 1, LISTENING(weft_signals_fd(s) >= 0))

#endif
