/* SPDX-License-Identifier: MIT */
/*
 * bad_environment.c - a value that no variable may have is one line that names the variable, the
 * value and what is allowed; the app does not start.
 *
 * env: WEFT_PROCS=none
 * expect-exit: 125
 * expect-stderr: ^weft: WEFT_PROCS=none is not valid: it must be a number of processors from 1
 */
#include <weft.h>

static int app(void *arg)
{
    (void)arg;
    return 3;
}

int main(void)
{
    return weft_run(app, NULL);
}
