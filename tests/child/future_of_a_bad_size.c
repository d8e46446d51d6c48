/* SPDX-License-Identifier: MIT */
/*
 * future_of_a_bad_size.c - a value of a future has a largest size.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*WEFT_FUTURE_BYTES_MAX
 */
#include <weft.h>

static int app(void *arg)
{
    (void)arg;
    (void)weft_set_name("culprit");
    return weft_promise_make(WEFT_FUTURE_BYTES_MAX + 1) != NULL;
}

int main(void)
{
    return weft_run(app, NULL);
}
