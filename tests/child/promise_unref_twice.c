/* SPDX-License-Identifier: MIT */
/*
 * promise_unref_twice.c - more references to a promise are given back than there were.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*promise
 */
#include <weft.h>

static int app(void *arg)
{
    struct weft_promise *p = weft_promise_make(0);
    struct weft_future *f = weft_promise_future(p); /* keeps the memory */

    (void)arg;
    (void)weft_set_name("culprit");
    weft_promise_unref(p);
    weft_promise_unref(p);
    return weft_future_await(f, NULL);
}

int main(void)
{
    return weft_run(app, NULL);
}
