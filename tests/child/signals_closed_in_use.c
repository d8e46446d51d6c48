/* SPDX-License-Identifier: MIT */
/*
 * signals_closed_in_use.c - what a signal is waited for in cannot be closed.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*weft_signals_close.*coroutine [0-9]+ "culprit"
 */
#include <weft.h>

static void wait_for_it(void *signals)
{
    struct weft_case cases[] = {weft_case_signal(signals)};

    (void)!weft_select(cases, 1);
}

static uint64_t count_parks(void)
{
    struct weft_stats stats = {.size = sizeof stats};

    (void)weft_runtime_stats(NULL, &stats);
    return stats.parks;
}

static int app(void *arg)
{
    struct weft_signals *signals;

    (void)arg;
    (void)weft_set_name("culprit");
    if (weft_signals_open(&signals, WEFT_SIGNAL(SIGUSR1)) != 0)
        return 1;
    const uint64_t parks = count_parks();
    (void)go(wait_for_it, signals);
    while (count_parks() == parks) /* until the other waits: nobody else does */
        weft_yield();
    weft_signals_close(signals);
    return 0;
}

int main(void)
{
    return weft_run_with(app, NULL, .procs = 1);
}
