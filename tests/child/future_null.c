/* SPDX-License-Identifier: MIT */
/*
 * future_null.c - a future that could not be made is no future.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*NULL
 */
#include <weft.h>

static int app(void *arg)
{
    (void)arg;
    (void)weft_set_name("culprit");
    return weft_future_await(NULL, NULL);
}

int main(void)
{
    return weft_run(app, NULL);
}
