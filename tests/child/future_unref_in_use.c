/* SPDX-License-Identifier: MIT */
/*
 * future_unref_in_use.c - the last reference is not given back while somebody waits in the future.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*future
 */
#include <weft.h>

#include "no_lookout.h"

static bool has_started;

static void wait_in_it(void *f)
{
    has_started = true;
    (void)!weft_future_await(f, NULL);
}

static int app(void *arg)
{
    struct weft_promise *p = weft_promise_make(0);
    struct weft_future *f = weft_promise_future(p);

    (void)arg;
    (void)weft_set_name("culprit");
    (void)go(wait_in_it, f);
    while (!has_started)
        weft_yield();
    weft_future_unref(f);
    weft_future_unref(f); /* the one of the promise */
    return 0;
}

/* One processor: when the other has run at all, it has parked. */
int main(void)
{
    return weft_run_with(app, NULL, .procs = 1);
}
