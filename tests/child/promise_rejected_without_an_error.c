/* SPDX-License-Identifier: MIT */
/*
 * promise_rejected_without_an_error.c - a promise is rejected with a negative errno only.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*negative errno
 */
#include <weft.h>

static int app(void *arg)
{
    struct weft_promise *p = weft_promise_make(0);

    (void)arg;
    (void)weft_set_name("culprit");
    return weft_promise_reject(p, 5);
}

int main(void)
{
    return weft_run(app, NULL);
}
