/* SPDX-License-Identifier: MIT */
/*
 * cond_without_the_mutex.c - a condition is waited for by the holder of the mutex only.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*mutex
 */
#include <weft.h>

static int app(void *arg)
{
    (void)arg;
    (void)weft_set_name("culprit");
    return weft_cond_wait(weft_cond_make(), weft_mutex_make());
}

int main(void)
{
    return weft_run(app, NULL);
}
