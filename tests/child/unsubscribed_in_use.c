/* SPDX-License-Identifier: MIT */
/*
 * unsubscribed_in_use.c - a subscription is not ended while somebody waits in it.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*somebody waits.*subscriber
 */
#include <weft.h>

#include "no_lookout.h"

static bool has_started;

static void wait_in_it(void *s)
{
    has_started = true;
    (void)!weft_subscriber_recv(s, NULL);
}

static int app(void *arg)
{
    struct weft_broadcast *b = weft_broadcast_make(0, 1);
    struct weft_subscriber *s = weft_broadcast_subscribe(b);

    (void)arg;
    (void)weft_set_name("culprit");
    (void)go(wait_in_it, s);
    while (!has_started)
        weft_yield();
    weft_broadcast_unsubscribe(s);
    return 0;
}

/* One processor: when the other has run at all, it has parked. */
int main(void)
{
    return weft_run_with(app, NULL, .procs = 1);
}
