/* SPDX-License-Identifier: MIT */
/*
 * chan_unref_in_use.c - the last reference is not given back while somebody waits in the channel.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*channel
 */
#include <weft.h>

#include "no_lookout.h"

static bool has_started;

static void wait_in_it(void *ch)
{
    has_started = true;
    (void)!chan_recv(ch, NULL);
}

static int app(void *arg)
{
    chan *ch = chan_make(0, 0);

    (void)arg;
    (void)weft_set_name("culprit");
    (void)go(wait_in_it, ch);
    while (!has_started)
        weft_yield();
    chan_unref(ch);
    return 0;
}

/* One processor: when the other has run at all, it has parked. */
int main(void)
{
    return weft_run_with(app, NULL, .procs = 1);
}
