/* SPDX-License-Identifier: MIT */
/*
 * waker_unref_in_use.c - the last reference is not given back while somebody waits in the waker.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*waker
 */
#include <weft.h>

#include "no_lookout.h"

static bool has_started;

static void wait_in_it(void *w)
{
    has_started = true;
    (void)!weft_waker_wait(w);
}

static int app(void *arg)
{
    struct weft_waker *w = weft_waker_make();

    (void)arg;
    (void)weft_set_name("culprit");
    (void)go(wait_in_it, w);
    while (!has_started)
        weft_yield();
    weft_waker_unref(w);
    return 0;
}

/* One processor: when the other has run at all, it has parked. */
int main(void)
{
    return weft_run_with(app, NULL, .procs = 1);
}
