/* SPDX-License-Identifier: MIT */
/*
 * run_inside_a_coroutine.c - weft_run() inside a coroutine is one line and 125, and the coroutine
 * goes on.
 *
 * expect-exit: 125
 * expect-stderr: ^weft: weft_run\(\) was called inside a coroutine
 * expect-stdout: ^it went on$
 */
#include <stdio.h>
#include <weft.h>

static int inner(void *arg)
{
    (void)arg;
    return 3;
}

static int app(void *arg)
{
    (void)arg;
    const int rc = weft_run(inner, NULL);
    printf("it went on\n");
    return rc;
}

int main(void)
{
    return weft_run(app, NULL);
}
