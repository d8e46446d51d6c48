/* SPDX-License-Identifier: MIT */
/*
 * oneshot_closed_in_use.c - the receiving end of a oneshot is not closed while somebody waits.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*somebody waits.*oneshot
 */
#include <weft.h>

#include "no_lookout.h"

static bool has_started;

static void wait_in_it(void *o)
{
    has_started = true;
    (void)!weft_oneshot_recv(o, NULL);
}

static int app(void *arg)
{
    struct weft_oneshot *o = weft_oneshot_make(0);

    (void)arg;
    (void)weft_set_name("culprit");
    (void)go(wait_in_it, o);
    while (!has_started)
        weft_yield();
    weft_oneshot_close_recv(o);
    return 0;
}

/* One processor: when the other has run at all, it has parked. */
int main(void)
{
    return weft_run_with(app, NULL, .procs = 1);
}
