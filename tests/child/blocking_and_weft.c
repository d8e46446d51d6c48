/* SPDX-License-Identifier: MIT */
/*
 * blocking_and_weft.c - a call for coroutines that is made outside ends with a line that says where
 * it was made.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: between weft_blocking_enter\(\) and .*"culprit"
 */
#include <weft.h>

static int app(void *arg)
{
    (void)arg;
    (void)weft_set_name("culprit");
    WEFT_BLOCKING(void) weft_sleep(WEFT_MS);
    return 0;
}

int main(void)
{
    return weft_run(app, NULL);
}
