/* SPDX-License-Identifier: MIT */
/*
 * chan_close_null.c - there is no NULL channel to close.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*channel
 */
#include <weft.h>

static int app(void *arg)
{
    (void)arg;
    (void)weft_set_name("culprit");
    return chan_close(NULL);
}

int main(void)
{
    return weft_run(app, NULL);
}
