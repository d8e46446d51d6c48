/* SPDX-License-Identifier: MIT */
/*
 * blocking_ended_outside.c - a coroutine that ends between enter and leave is told so.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: a coroutine ended between weft_blocking_enter\(\) and .*"culprit"
 */
#include <weft.h>

static int app(void *arg)
{
    (void)arg;
    (void)weft_set_name("culprit");
    weft_blocking_enter();
    return 0;
}

int main(void)
{
    return weft_run(app, NULL);
}
