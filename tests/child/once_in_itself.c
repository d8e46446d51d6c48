/* SPDX-License-Identifier: MIT */
/*
 * once_in_itself.c - what is being done once cannot wait for itself.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*once
 */
#include <weft.h>

static weft_once once = WEFT_ONCE_INIT;

static void again(void *arg)
{
    weft_once_do(&once, again, arg);
}

static int app(void *arg)
{
    (void)weft_set_name("culprit");
    weft_once_do(&once, again, arg);
    return 0;
}

int main(void)
{
    return weft_run(app, NULL);
}
