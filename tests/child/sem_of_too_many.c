/* SPDX-License-Identifier: MIT */
/*
 * sem_of_too_many.c - a semaphore has at most INT64_MAX permits.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*permits
 */
#include <weft.h>

static int app(void *arg)
{
    struct weft_sem *s = weft_sem_make(1);

    (void)arg;
    (void)weft_set_name("culprit");
    weft_sem_release(s, INT64_MAX - 1);
    weft_sem_release(s, 1);
    return 0;
}

int main(void)
{
    return weft_run(app, NULL);
}
