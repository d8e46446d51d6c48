/* SPDX-License-Identifier: MIT */
/*
 * signals_closed_in_use.c - what a signal is waited for in cannot be closed.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*weft_signals_close.*coroutine [0-9]+ "culprit"
 */
#include <weft.h>

static bool has_started;

static void wait_for_it(void *signals)
{
    struct weft_case cases[] = {weft_case_signal(signals)};

    has_started = true;
    (void)!weft_select(cases, 1);
}

static int app(void *arg)
{
    struct weft_signals *signals;

    (void)arg;
    (void)weft_set_name("culprit");
    if (weft_signals_open(&signals, WEFT_SIGNAL(SIGUSR1)) != 0)
        return 1;
    (void)go(wait_for_it, signals);
    while (!has_started)
        weft_yield();
    weft_signals_close(signals);
    return 0;
}

/* One processor: when the other has run at all, it has parked. */
int main(void)
{
    return weft_run_with(app, NULL, .procs = 1);
}
