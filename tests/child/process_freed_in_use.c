/* SPDX-License-Identifier: MIT */
/*
 * process_freed_in_use.c - a child process that somebody waits for cannot be freed.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*weft_process_free.*coroutine [0-9]+ "culprit"
 */
#include <weft.h>

#include "no_lookout.h"

static bool has_started;

static void wait_for_it(void *p)
{
    has_started = true;
    (void)!weft_process_wait(p, NULL);
}

static int app(void *arg)
{
    char *argv[] = {"cat", NULL};
    struct weft_process *p;
    int in; /* its end is the child's */

    (void)arg;
    (void)weft_set_name("culprit");
    if (weft_spawn_with(&p, argv, .in = weft_stdio_pipe(&in)) != 0)
        return 1;
    (void)go(wait_for_it, p);
    while (!has_started)
        weft_yield();
    weft_process_free(p);
    return 0;
}

/* One processor: when the other has run at all, it has parked. */
int main(void)
{
    return weft_run_with(app, NULL, .procs = 1);
}
