/* SPDX-License-Identifier: MIT */
/*
 * event_freed_in_use.c - an event in which somebody waits cannot be freed.
 *
 * env: WEFT_PROCS=1
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*event
 */
#include <weft.h>

#include "no_lookout.h"

static int wait_for_ever(void *object)
{
    return weft_event_wait(object);
}

static int app(void *arg)
{
    void *object = weft_event_make();

    (void)arg;
    (void)weft_set_name("culprit");
    weft_detach(weft_go_with(wait_for_ever, object));
    weft_yield(); /* with one processor it waits then */
    weft_event_free(object);
    return 0;
}

int main(void)
{
    return weft_run(app, NULL);
}
