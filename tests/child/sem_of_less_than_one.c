/* SPDX-License-Identifier: MIT */
/*
 * sem_of_less_than_one.c - less than one permit can be neither taken nor given.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*permit
 */
#include <weft.h>

static int app(void *arg)
{
    struct weft_sem *s = weft_sem_make(1);

    (void)arg;
    (void)weft_set_name("culprit");
    return weft_sem_acquire(s, 0);
}

int main(void)
{
    return weft_run(app, NULL);
}
