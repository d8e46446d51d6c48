/* SPDX-License-Identifier: MIT */
/*
 * mutex_freed_while_held.c - a mutex that is locked cannot be freed.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*mutex
 */
#include <weft.h>

static int app(void *arg)
{
    struct weft_mutex *m = weft_mutex_make();

    (void)arg;
    (void)weft_set_name("culprit");
    if (weft_mutex_lock(m) != 0)
        return 1;
    weft_mutex_free(m);
    return 0;
}

int main(void)
{
    return weft_run(app, NULL);
}
