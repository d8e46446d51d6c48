/* SPDX-License-Identifier: MIT */
/*
 * blocking_leave_without_enter.c - only who has gone outside can come back.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: weft_blocking_leave\(\) was called without .*"culprit"
 */
#include <weft.h>

static int app(void *arg)
{
    (void)arg;
    (void)weft_set_name("culprit");
    weft_blocking_leave();
    return 0;
}

int main(void)
{
    return weft_run(app, NULL);
}
