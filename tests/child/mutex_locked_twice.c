/* SPDX-License-Identifier: MIT */
/*
 * mutex_locked_twice.c - taking a mutex that one holds is said at once, and does not hang.
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
    return weft_mutex_lock(m);
}

int main(void)
{
    return weft_run(app, NULL);
}
