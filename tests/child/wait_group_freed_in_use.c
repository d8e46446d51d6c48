/* SPDX-License-Identifier: MIT */
/*
 * wait_group_freed_in_use.c - a wait group in which somebody waits cannot be freed.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*wait group
 */
#include <weft.h>

#include "no_lookout.h"

static bool has_started;

static void wait_in_it(void *wg)
{
    has_started = true;
    (void)!weft_wg_wait(wg);
}

static int app(void *arg)
{
    struct weft_wait_group *wg = weft_wg_make();

    (void)arg;
    (void)weft_set_name("culprit");
    weft_wg_add(wg, 1);
    (void)go(wait_in_it, wg);
    while (!has_started)
        weft_yield();
    weft_wg_free(wg);
    return 0;
}

/* One processor: when the other has run at all, it has parked. */
int main(void)
{
    return weft_run_with(app, NULL, .procs = 1);
}
