/* SPDX-License-Identifier: MIT */
/*
 * cond_freed_in_use.c - a condition for which somebody waits cannot be freed.
 *
 * env: WEFT_PROCS=1
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*condition
 */
#include <weft.h>

#include "no_lookout.h"

static int wait_for_ever(void *cond)
{
    struct weft_mutex *m = weft_mutex_make();

    if (weft_mutex_lock(m) != 0)
        return 1;
    return weft_cond_wait(cond, m);
}

static int app(void *arg)
{
    struct weft_cond *cond = weft_cond_make();

    (void)arg;
    (void)weft_set_name("culprit");
    weft_detach(weft_go_with(wait_for_ever, cond));
    weft_yield(); /* with one processor it waits then */
    weft_cond_free(cond);
    return 0;
}

int main(void)
{
    return weft_run(app, NULL);
}
