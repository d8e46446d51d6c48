/* SPDX-License-Identifier: MIT */
/*
 * watch_unref_in_use.c - the last reference is not given back while somebody waits in the watch.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*weft_watch_unref.*somebody waits
 */
#include <weft.h>

#include "no_lookout.h"

static bool has_started;

static void wait_in_it(void *w)
{
    uint64_t seen = 1;

    has_started = true;
    (void)!weft_watch_wait(w, NULL, &seen);
}

static int app(void *arg)
{
    struct weft_watch *w = weft_watch_make(0, NULL);

    (void)arg;
    (void)weft_set_name("culprit");
    (void)go(wait_in_it, w);
    while (!has_started)
        weft_yield();
    weft_watch_unref(w);
    return 0;
}

/* One processor: when the other has run at all, it has parked. */
int main(void)
{
    return weft_run_with(app, NULL, .procs = 1);
}
