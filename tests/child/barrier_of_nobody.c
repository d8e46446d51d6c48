/* SPDX-License-Identifier: MIT */
/*
 * barrier_of_nobody.c - at least one must meet at a barrier.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*meet
 */
#include <weft.h>

static int app(void *arg)
{
    (void)arg;
    (void)weft_set_name("culprit");
    return weft_barrier_make(0) != NULL;
}

int main(void)
{
    return weft_run(app, NULL);
}
